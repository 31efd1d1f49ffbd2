"""Pushing a package, or its symbols: the bytes first, then the rows."""

from enum import StrEnum
from typing import Final

from schemas.names import PackageType
from service.access.rows import Project
from service.catalogue.rows import uploads as upload_rows
from service.catalogue.rows.uploads import UploadedPackageRow
from service.http.body.upload_forms import UploadForm
from service.infra.postgres.database import Connection
from service.infra.postgres.repeating import repeated
from service.infra.storage.interface import StoredObject
from service.refusals import ConflictError, ValidationFailedError
from service.registries.archives.stored_file import read_stored
from service.registries.nuget import rows
from service.registries.nuget.archives import read_package
from service.registries.nuget.nuspec import Nuspec
from service.registries.publishers import Publisher, body_of_form

_DUPLICATE: Final = "A package with the same name and version already exists"


class FileKind(StrEnum):
    """The kinds of files that are pushed, by the suffix of their names."""

    PACKAGE = ".nupkg"
    SYMBOLS = ".snupkg"


async def push(publisher: Publisher, form: UploadForm, *, kind: FileKind, max_size: int) -> None:
    """Add the file of the form to its package; *max_size* is bytes, 0 for any.

    Raises:
        BadParametersError: the form breaks a rule.
        BadRequestError: the file is too large.
        ValidationFailedError: it is no such package, its nuspec breaks a rule, or symbols have no package.
        ConflictError: there is such a file, and may not be another. Also if somebody else pushed the same package in
            this very moment.
    """
    body = await body_of_form(form, form.bytes_of_file(), max_size=max_size)
    async with publisher.stored(body) as stored:
        nuspec = await read_stored(publisher.store, stored, read_package)
        if nuspec.is_of_symbols != (kind is FileKind.SYMBOLS):
            raise ValidationFailedError(_OTHER_KIND[kind])
        await _write_rows(publisher, nuspec, stored, kind=kind)


_OTHER_KIND: Final = {
    FileKind.PACKAGE: "Package has symbols: push it as a symbol package",
    FileKind.SYMBOLS: "Package has no symbols: its nuspec should have the package type SymbolsPackage",
}


@repeated
async def _write_rows(publisher: Publisher, nuspec: Nuspec, stored: StoredObject, *, kind: FileKind) -> None:
    details = f'{{"nuspec":{nuspec.model_dump_json(exclude_none=True)}}}'
    async with publisher.database.transaction() as connection:
        package = await upload_rows.find_or_create_package(
            connection,
            project_id=publisher.project.id,
            package_type=PackageType.NUGET,
            name=nuspec.id,
            version=nuspec.version,
            creator_id=publisher.caller.user_id,
        )
        if kind is FileKind.SYMBOLS and package.is_new:
            raise ValidationFailedError("Symbols have no package: push the package of that name and version first")
        if not package.is_new:
            await _refuse_duplicate(connection, publisher.project, package, kind)
        await publisher.add_file(connection, stored, package, nuspec.file_stem + kind, details=details)


async def _refuse_duplicate(
    connection: Connection, project: Project, package: UploadedPackageRow, kind: FileKind
) -> None:
    """Check that the package, which is locked, may get another file of that kind.

    Raises:
        ConflictError: it has one, and the groups around the project forbid to push a version again.
    """
    is_unique = await upload_rows.must_be_unique(
        connection,
        package_type=PackageType.NUGET,
        ancestry=project.ancestry,
        name=package.name,
        version=package.version or "",
    )
    if is_unique and await rows.has_file_in(connection, package_id=package.id, suffix=kind):
        raise ConflictError(_DUPLICATE)
