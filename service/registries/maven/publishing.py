"""Publishing at a path of a Maven repository: files, their checksums, and metadata."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

from pydantic import BaseModel, ConfigDict

from schemas.names import PackageType
from service.catalogue.rows import uploads as upload_rows
from service.catalogue.uploads import DUPLICATE, UploadBody
from service.infra.postgres.database import Connection
from service.infra.postgres.repeating import repeated
from service.infra.storage.interface import StoredObject
from service.refusals import (
    BadRequestError,
    PreconditionFailedError,
    RefusedError,
)
from service.registries.maven import rows
from service.registries.maven.coordinates import Coordinates
from service.registries.maven.poms import LARGEST_POM, PomReader, is_pom
from service.registries.publishers import Publisher


class MavenDetails(BaseModel):
    """The facts that are kept with a file."""

    model_config = ConfigDict(frozen=True)

    sha512: str


@dataclass(frozen=True, slots=True)
class _Incoming:
    """A file on its way to the store."""

    body: UploadBody
    pom: PomReader | None
    sha512: "hashlib._Hash" = field(default_factory=hashlib.sha512)

    async def chunks(self) -> AsyncIterator[bytes]:
        async for chunk in self.body.chunks:
            self.sha512.update(chunk)
            if self.pom is not None:
                await self.pom.feed(chunk)
            yield chunk

    def check(self, _stored: StoredObject) -> None:
        if self.pom is not None:
            self.pom.check()


async def publish_file(
    publisher: Publisher, coordinates: Coordinates, file_name: str, body: UploadBody, *, is_new: bool
) -> None:
    """Add the body as a file to the package, which is made when it is missing.

    Raises:
        BadRequestError: the body is too large, or its bytes do not match their checksums.
        ValidationFailedError: name or version is too long, or it is the pom of something else.
        PreconditionFailedError: there is such a file already, though *is_new* says that it should not be. With a
            BadRequestError, a group around the project does not allow it.
        ConflictError: somebody else published the same package in this very moment.
    """
    coordinates.require_short()
    pom = PomReader(coordinates) if is_pom(coordinates, file_name) else None
    if pom is not None:
        body = replace(body, max_size=min(body.max_size or LARGEST_POM, LARGEST_POM))
    body.require_announced_size()
    refusal = await _refuse_duplicate(publisher, coordinates, file_name, is_new=is_new)
    incoming = _Incoming(body, pom)
    whole = replace(body, chunks=incoming.chunks(), also=incoming.check)
    async with publisher.stored(whole) as stored:
        details = MavenDetails(sha512=incoming.sha512.hexdigest()).model_dump_json()
        await write_rows(publisher, coordinates, file_name, stored, details=details, refusal=refusal)


@dataclass(frozen=True, slots=True)
class _Refusal:
    """How a file that is there already is refused."""

    error: RefusedError
    is_of_any_build: bool
    """The same file of another build of the snapshot counts, too."""

    async def applies(self, connection: Connection, project_id: int, coordinates: Coordinates, file_name: str) -> bool:
        return await rows.has_file(connection, project_id, coordinates, file_name, is_any_build=self.is_of_any_build)


async def _refuse_duplicate(
    publisher: Publisher, coordinates: Coordinates, file_name: str, *, is_new: bool
) -> _Refusal | None:
    """Return how a file of the same name is to be refused, None if it is not; raise it if there is one already."""
    async with publisher.database.connection() as connection:
        is_unique = await upload_rows.must_be_unique(
            connection,
            package_type=PackageType.MAVEN,
            ancestry=publisher.project.ancestry,
            name=coordinates.name,
            version=coordinates.version or "",
        )
        if not (is_unique or is_new):
            return None
        error = BadRequestError(DUPLICATE) if is_unique else PreconditionFailedError()
        refusal = _Refusal(error, is_of_any_build=is_unique)
        if await refusal.applies(connection, publisher.project.id, coordinates, file_name):
            raise error
    return refusal


@repeated
async def write_rows(
    publisher: Publisher,
    coordinates: Coordinates,
    file_name: str,
    stored: StoredObject,
    *,
    details: str,
    refusal: _Refusal | None = None,
) -> None:
    """Add the object as a file to the package, which is made when it is missing; *details* is JSON."""
    async with publisher.database.transaction() as connection:
        package = await upload_rows.find_or_create_exact_package(
            connection,
            project_id=publisher.project.id,
            package_type=PackageType.MAVEN,
            name=coordinates.name,
            version=coordinates.version,
            creator_id=publisher.caller.user_id,
        )
        if refusal is not None and await refusal.applies(connection, publisher.project.id, coordinates, file_name):
            raise refusal.error
        await publisher.add_file(connection, stored, package, file_name, details=details)
