"""Publishing a version: the tarball is cut out of the body and goes to the store as it comes; then the rows."""

import asyncio
import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Final

from service.catalogue.uploads import UploadBody
from service.infra.postgres.repeating import repeated
from service.infra.storage.interface import StoredObject
from service.refusals import BadParametersError, ValidationFailedError
from service.registries.npm import rows
from service.registries.npm.cutting import LARGEST_REST, TarballCutter
from service.registries.npm.manifests import NewVersion
from service.registries.npm.names import file_name_of, scope_of
from service.registries.npm.refusals import PackageExistsError, UnpublishableError
from service.registries.npm.tarball import TarballReader
from service.registries.publishers import Publisher

_SLICE: Final = 4 * 1024
"""Bytes of JSON that are read before others have their turn."""
_TOO_LARGE: Final = "File is too large."


@dataclass(slots=True)
class _Incoming:
    """The body of a publication on its way; it is complete when the last byte has come."""

    pieces: AsyncIterable[bytes]
    name: str
    max_size: int
    size: int = 0
    new: NewVersion | None = None
    details: str = ""
    cutter: TarballCutter = field(default_factory=TarballCutter)
    tarball: TarballReader = field(default_factory=TarballReader)
    sha512: "hashlib._Hash" = field(default_factory=hashlib.sha512)

    async def chunks(self) -> AsyncIterator[bytes]:
        async for piece in self.pieces:
            for part in _parts(piece, self.cutter):
                chunk = self.cutter.feed(part)
                if not chunk:
                    await asyncio.sleep(0)
                    continue
                self.size += len(chunk)
                if self.max_size and self.size > self.max_size:
                    raise UnpublishableError(_TOO_LARGE)
                self.sha512.update(chunk)
                await asyncio.to_thread(self.tarball.feed, chunk)
                yield chunk
        if self.cutter.is_in_tarball:
            raise BadParametersError("body breaks off")

    def check(self, stored: StoredObject) -> None:
        digest = self.sha512.digest()
        new = NewVersion.of(bytes(self.cutter.rest), name=self.name)
        new.check(stored, file_name=self.cutter.file_name, sha512=digest)
        self.tarball.close()
        self.details = new.details(self.tarball, sha512=digest)
        self.new = new


def _parts(piece: bytes, cutter: TarballCutter) -> Iterator[bytes]:
    at = 0
    while at < len(piece):
        end = len(piece) if cutter.is_in_tarball else at + _SLICE
        yield piece[at:end]
        at = end


async def publish(
    publisher: Publisher, name: str, pieces: AsyncIterable[bytes], *, announced: int | None, max_size: int
) -> NewVersion:
    """Add the version that the body has; *announced* is the size of the body, and *max_size* that of a tarball.

    Both are bytes; a *max_size* of 0 is none.

    Raises:
        BadParametersError: the body is no publication of that name.
        UnpublishableError: it has no version or no tarball, or the tarball is too large.
        ValidationFailedError: name, version, tag, manifest or tarball break a rule.
        BadRequestError: the client named the digest of other bytes.
        PackageExistsError: the project has the version already.
        ConflictError: somebody else wrote the same rows in this very moment.
    """
    if max_size and ((announced or 0) - LARGEST_REST) // 4 * 3 > max_size:
        raise UnpublishableError(_TOO_LARGE)
    incoming = _Incoming(pieces, name, max_size)
    body = UploadBody(incoming.chunks(), also=incoming.check)
    async with publisher.stored(body) as stored:
        new = incoming.new
        if new is None:
            raise TypeError("the store did not check the object")
        await _write_rows(publisher, new, stored, details=incoming.details)
    return new


@repeated
async def _write_rows(publisher: Publisher, new: NewVersion, stored: StoredObject, *, details: str) -> None:
    project = publisher.project
    async with publisher.database.transaction() as connection:
        await rows.lock_name(connection, project_id=project.id, name=new.name)
        package = await rows.create_package(
            connection, project_id=project.id, name=new.name, version=new.version, creator_id=publisher.caller.user_id
        )
        if package is None:
            raise PackageExistsError
        if scope_of(new.name) == project.path.partition("/")[0] and await rows.is_elsewhere(
            connection,
            root_group_id=project.root_group_id,
            project_id=project.id,
            name=new.name,
            version=new.version,
        ):
            raise ValidationFailedError("Package already exists")
        file_name = file_name_of(new.name, new.version)
        await publisher.add_file(connection, stored, package, file_name, details=details)
        await rows.move_tag(connection, project_id=project.id, name=new.name, tag=new.tag, package_id=package.id)
