"""Publishing a file of a PyPI package: the bytes first, then the rows."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from schemas.names import PackageType
from service.catalogue.rows import uploads as upload_rows
from service.http.body.upload_forms import UploadForm
from service.infra.postgres.repeating import repeated
from service.infra.storage.interface import ObjectStore, StoredObject
from service.refusals import ValidationFailedError
from service.registries.archives.stored_file import read_stored
from service.registries.publishers import Publisher, body_of_form
from service.registries.pypi.details import Release
from service.registries.pypi.distributions import Distribution, read_distribution

_TAKEN = "File name has already been taken"


@dataclass(slots=True)
class _Incoming:
    """The file of a form on its way to the store; the form is complete when the last byte has come."""

    form: UploadForm
    release: Release | None = None
    blake2_256: hashlib.blake2b = field(default_factory=lambda: hashlib.blake2b(digest_size=32))

    async def chunks(self) -> AsyncIterator[bytes]:
        async for chunk in self.form.bytes_of_file():
            self.blake2_256.update(chunk)
            yield chunk

    def check(self, stored: StoredObject) -> None:
        self.release = Release.of(self.form.fields, self.form.file_name or "")
        self.release.check(stored, blake2_256=self.blake2_256.digest())


async def publish(publisher: Publisher, form: UploadForm, *, max_size: int) -> None:
    """Add the file of the form to its package; *max_size* is bytes, 0 for any.

    Raises:
        BadParametersError, ValidationFailedError: the form breaks a rule, or the package has such a file already.
        ValidationFailedError: the file is no such archive, or names another package inside.
        BadRequestError: the file is too large, or the client named the digest of other bytes.
        ConflictError: somebody else published the same package in this very moment.
    """
    incoming = _Incoming(form)
    body = await body_of_form(form, incoming.chunks(), max_size=max_size, also=incoming.check)
    if form.fields.keys() >= {"name", "version"}:
        # The file comes last as a rule, so a client whose fields are wrong need not send it.
        Release.of(form.fields, form.file_name or "")
    async with publisher.stored(body) as stored:
        if incoming.release is None:
            raise TypeError("the store did not check the object")
        release = incoming.release.described_by(await _distribution(publisher.store, stored, incoming.release))
        await _write_rows(publisher, release, stored)


async def _distribution(store: ObjectStore, stored: StoredObject, release: Release) -> Distribution:
    return await read_stored(store, stored, lambda file: read_distribution(file, release.file_name))


@repeated
async def _write_rows(publisher: Publisher, release: Release, stored: StoredObject) -> None:
    async with publisher.database.transaction() as connection:
        package = await upload_rows.find_or_create_package(
            connection,
            project_id=publisher.project.id,
            package_type=PackageType.PYPI,
            name=release.name,
            version=release.version,
            creator_id=publisher.caller.user_id,
        )
        if await upload_rows.has_file_in(connection, package_id=package.id, file_name=release.file_name):
            raise ValidationFailedError(_TAKEN)
        details = release.details.model_dump_json(exclude_none=True)
        await publisher.add_file(connection, stored, package, release.file_name, details=details)
