"""Publishing a file: the bytes first, then the rows; whatever fails leaves neither."""

from collections.abc import AsyncIterable
from dataclasses import dataclass

import structlog

from schemas.statuses import PackageStatus
from service.access import Caller
from service.infra import upload_rows
from service.infra.access_rows import Project
from service.infra.database import Database, DatabaseUnavailableError, Record
from service.infra.storage import ObjectStore, new_key

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class GenericFile:
    """Where a file of a generic package belongs."""

    package_name: str
    package_version: str
    file_name: str


async def publish_generic(
    database: Database,
    store: ObjectStore,
    *,
    caller: Caller,
    project: Project,
    target: GenericFile,
    status: PackageStatus | None,
    chunks: AsyncIterable[bytes],
) -> Record:
    """Store the stream and add it as a new file to the package, which is made when it is missing; return the row."""
    stored = await store.put(new_key(project.id), chunks)
    try:
        async with database.transaction() as connection:
            package_id = await upload_rows.find_or_create_generic_package(
                connection,
                project_id=project.id,
                name=target.package_name,
                version=target.package_version,
                status=status,
                creator_id=caller.user_id,
            )
            return await upload_rows.insert_file(
                connection, package_id=package_id, file_name=target.file_name, stored=stored
            )
    except BaseException:
        await remove_unreferenced(database, store, stored.key)
        raise


async def remove_unreferenced(database: Database, store: ObjectStore, key: str) -> None:
    """Remove the object unless a file row refers to it, once the transaction that may have written one has ended."""
    # A connection that broke during the commit leaves open whether the row is there, so we ask. When nobody
    # answers the object stays: one too many can be found later, one too few is a lost file.
    try:
        async with database.transaction() as connection:
            referenced = await upload_rows.is_referenced(connection, key)
    except DatabaseUnavailableError:
        log.warning("object_left_over", key=key)
        return
    if not referenced:
        await store.delete([key])
