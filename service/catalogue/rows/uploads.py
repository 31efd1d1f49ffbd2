"""Rows that an upload writes: packages and their files."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from schemas.messages.outgoing import Outgoing
from schemas.names import PackageType
from schemas.statuses import FileStatus, PackageStatus
from service.infra.postgres.database import Connection, execute, fetch
from service.infra.postgres.records import row_reader
from service.infra.storage.interface import StoredObject


@dataclass(frozen=True, slots=True)
class UploadedFileRow:
    """A file that was just uploaded."""

    id: int
    package_id: int
    file_name: str
    status: FileStatus
    size: int
    sha256: bytes
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class UploadedPackageRow:
    """The package that a file is added to, locked."""

    id: int
    package_type: PackageType
    name: str
    version: str | None
    status: PackageStatus
    is_new: bool
    """Whether this transaction made it."""


_uploaded_package: Final = row_reader(UploadedPackageRow)
_uploaded_file: Final = row_reader(UploadedFileRow)


async def find_or_create_exact_package(
    connection: Connection,
    *,
    project_id: int,
    package_type: PackageType,
    name: str,
    version: str | None,
    status: PackageStatus | None = None,
    creator_id: int | None,
) -> UploadedPackageRow:
    """Return the package of exactly that name and version, locked; a given *status* is applied.

    It is for types whose names have no normal form. A package that is being deleted is passed over. So is one in
    `error` whose deletion left something: when that deletion is tried again, it must not remove what is published now.
    """
    (record,) = await fetch(
        connection,
        "find_or_create_exact_package",
        project_id=project_id,
        package_type=package_type,
        name=name,
        version=version,
        status=status,
        first_status=PackageStatus.DEFAULT,
        creator_id=creator_id,
    )
    return _uploaded_package(record)


async def find_or_create_package(
    connection: Connection,
    *,
    project_id: int,
    package_type: PackageType,
    name: str,
    version: str,
    creator_id: int | None,
) -> UploadedPackageRow:
    """Return the installable package whose name and version have the same normal forms, locked.

    It is for types whose names have a normal form. A package that is being deleted is passed over.
    """
    (record,) = await fetch(
        connection,
        "find_or_create_package",
        project_id=project_id,
        package_type=package_type,
        name=name,
        version=version,
        creator_id=creator_id,
    )
    return _uploaded_package(record)


async def insert_file(
    connection: Connection,
    *,
    package_id: int,
    file_name: str,
    stored: StoredObject,
    announcement: Outgoing,
    details: str | None = None,
) -> UploadedFileRow:
    """Add a file to the package, announce it, and return its row; *details* is JSON.

    The announcement is about one file, and gets its number.
    """
    (record,) = await fetch(
        connection,
        "insert_package_file",
        package_id=package_id,
        file_name=file_name,
        size=stored.size,
        md5=stored.md5,
        sha1=stored.sha1,
        sha256=stored.sha256,
        storage_key=stored.key,
        details=details,
        event_id=announcement.id,
        event_kind=announcement.kind,
        event_key=announcement.routing_key,
        event=announcement.body.model_dump_json(),
    )
    return _uploaded_file(record)


async def insert_build(connection: Connection, file: UploadedFileRow, *, pipeline_id: int) -> None:
    """Note that a file, and with it its package, was built by a pipeline."""
    await execute(
        connection,
        "insert_build",
        package_id=file.package_id,
        package_file_id=file.id,
        pipeline_id=pipeline_id,
    )


async def must_be_unique(
    connection: Connection, *, package_type: PackageType, ancestry: Sequence[int], name: str, version: str
) -> bool:
    """Return whether the groups around a project forbid duplicates for that name and version.

    Only generic, Maven and NuGet packages have such settings. The exceptions of the last two are the opposite of the
    rule, whichever it is; those of generic packages are always allowed.
    """
    (row,) = await fetch(
        connection,
        "find_duplicates_setting",
        package_type=package_type,
        ancestry=list(ancestry),
        name=name,
        version=version,
    )
    if package_type is not PackageType.GENERIC:
        return bool(row["is_allowed"] == row["is_excepted"])
    return not (row["is_allowed"] or row["is_excepted"])


async def has_file(connection: Connection, *, project_id: int, name: str, version: str, file_name: str) -> bool:
    """Return whether the generic package that can be installed under that name has such a file."""
    found = await fetch(
        connection, "find_duplicate", project_id=project_id, name=name, version=version, file_name=file_name
    )
    return bool(found)


async def has_file_in(connection: Connection, *, package_id: int, file_name: str) -> bool:
    """Return whether the package, which the caller has locked, has such a file."""
    return bool(await fetch(connection, "find_duplicate_in", package_id=package_id, file_name=file_name))


async def is_referenced(connection: Connection, storage_key: str) -> bool:
    """Return, within a transaction, whether some file row refers to the object; waits for the end of its upload."""
    await fetch(connection, "await_commit_of_key", storage_key=storage_key)
    return bool(await fetch(connection, "file_of_key", storage_key=storage_key))
