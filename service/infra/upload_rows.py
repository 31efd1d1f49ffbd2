"""Writing packages and their files."""

from schemas.statuses import PackageStatus
from service.infra.database import Connection, Record, fetch
from service.infra.storage import StoredObject


async def find_or_create_generic_package(
    connection: Connection,
    *,
    project_id: int,
    name: str,
    version: str,
    status: PackageStatus | None,
    creator_id: int | None,
) -> int:
    """Return the id of the installable package of that name and version, locked; a given *status* is applied."""
    (row,) = await fetch(
        connection,
        "find_or_create_generic_package",
        project_id=project_id,
        name=name,
        version=version,
        status=status,
        creator_id=creator_id,
    )
    package_id: int = row["id"]
    return package_id


async def insert_file(connection: Connection, *, package_id: int, file_name: str, stored: StoredObject) -> Record:
    """Add a file to the package and return its row."""
    (row,) = await fetch(
        connection,
        "insert_package_file",
        package_id=package_id,
        file_name=file_name,
        size=stored.size,
        md5=stored.md5,
        sha1=stored.sha1,
        sha256=stored.sha256,
        storage_key=stored.key,
    )
    return row


async def is_referenced(connection: Connection, storage_key: str) -> bool:
    """Tell, within a transaction, whether some file row refers to the object, once its upload is decided."""
    await fetch(connection, "await_commit_of_key", storage_key=storage_key)
    return bool(await fetch(connection, "file_of_key", storage_key=storage_key))
