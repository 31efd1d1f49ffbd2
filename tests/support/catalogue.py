"""Filling the yard of a test, with the project's own means."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeAlias
from uuid import UUID, uuid4

from schemas.http.bulk import PackageFilter
from schemas.names import AccessLevel, Cause, Credential, Lane
from schemas.statuses import PackageStatus
from service.access.callers import Caller
from service.access.rows import find_project
from service.catalogue.uploads import GenericFile, UploadBody, publish_generic
from service.context import Context
from service.deletions import accept, bulk
from service.deletions.bulk import BulkPlan, Wanted
from service.deletions.deletion import Deletion, Origin
from service.deletions.undoing import requeue
from service.deletions.undoing import restore as undoing
from service.deletions.undoing.acts import Actor, DeletionChange
from service.deletions.undoing.restore import Restoration
from service.deletions.viewing import views
from service.directory_file.applying import apply_directory, read_directory

DIRECTORY: Final = Path(__file__).parent / "directory.yaml"
OPEN: Final = 100
MARY: Final = 3
_ARRANGING_S: Final = 50
ACTOR: Final = Actor(MARY, Credential.PERSONAL_ACCESS_TOKEN)

Selected: TypeAlias = PackageFilter | tuple[int, ...]
"""Packages, by a filter or by their ids."""


async def fill_directory(context: Context) -> None:
    """Apply the directory that tests share."""
    await apply_directory(context.database, read_directory(DIRECTORY))


async def publish(
    context: Context,
    *,
    name: str = "app",
    version: str = "1.0",
    files: Sequence[str] = ("app.bin",),
    content: bytes = b"bytes",
    project_id: int = OPEN,
    status: PackageStatus | None = None,
    announces: bool = False,
) -> int:
    """Publish a generic package with these files through the upload's use case; return its id.

    Most tests count the events of what comes next, so those of the upload are taken back unless it *announces*.
    """
    async with context.database.connection() as connection:
        project = await find_project(connection, str(project_id), MARY)
    assert project is not None
    package_id = 0
    for file_name in files:
        row = await publish_generic(
            context.database,
            context.store,
            caller=Caller(user_id=MARY),
            project=project,
            target=GenericFile(name, version, file_name),
            status=status,
            body=UploadBody(_once(content)),
        )
        package_id = row.package_id
    if not announces:
        await query(context, "DELETE FROM outbox WHERE routing_key LIKE '%.published.%'")
    return package_id


def origin(level: AccessLevel = AccessLevel.MAINTAINER, lane: Lane = Lane.INTERACTIVE) -> Origin:
    """Return a request by Mary."""
    return Origin(MARY, level, Credential.PERSONAL_ACCESS_TOKEN, Cause.USER, lane, request_id="test")


async def delete(context: Context, package_id: int, *, project_id: int = OPEN) -> Deletion:
    """Accept the deletion of a package."""
    accepted = await accept.delete_package(
        context.deletions,
        origin(),
        project_id=project_id,
        package_id=package_id,
        unmodified_since=None,
    )
    return await find_deletion(context, accepted.id)


async def delete_file(context: Context, package_id: int, package_file_id: int, *, project_id: int = OPEN) -> Deletion:
    """Accept the deletion of one file."""
    accepted = await accept.delete_package_file(
        context.deletions,
        origin(),
        project_id=project_id,
        package_id=package_id,
        package_file_id=package_file_id,
        unmodified_since=None,
    )
    return await find_deletion(context, accepted.id)


async def delete_many(
    context: Context, what: Selected, *, expected_count: int | None = None, project_id: int = OPEN
) -> BulkPlan:
    """Accept the deletions of many packages, as one batch."""
    return await bulk.delete_packages(
        context.deletions,
        replace(origin(lane=Lane.BULK), cause=Cause.BULK, batch_id=uuid4()),
        Wanted(what, {project_id: AccessLevel.MAINTAINER}, expected_count),
    )


async def restore(context: Context, deletion_id: UUID, *, rename_to: str | None = None) -> Deletion:
    """Undo a deletion, as Mary."""
    return await undoing.restore(context.deletions, DeletionChange(deletion_id, ACTOR, rename_to=rename_to))


async def restore_many(context: Context, batch_id: UUID) -> Restoration:
    """Undo the deletions of a batch, as Mary."""
    return await undoing.restore_batch(context.deletions, batch_id, actor=ACTOR, project_ids=None)


async def destroy_now(context: Context, deletion_id: UUID) -> Deletion:
    """Let a deletion wait for no grace, as Mary."""
    return await requeue.destroy_now(context.deletions, DeletionChange(deletion_id, ACTOR))


async def retry(context: Context, deletion_id: UUID) -> Deletion:
    """Try a failed deletion again, as an admin."""
    return await requeue.retry(context.deletions, DeletionChange(deletion_id, ACTOR))


async def find_deletion(context: Context, deletion_id: UUID) -> Deletion:
    """Return the deletion as it is now."""
    async with context.database.connection() as connection:
        return (await views.show(connection, None, deletion_id)).deletion


async def protect(context: Context) -> None:
    """Let only owners delete packages named app, from now on."""
    async with context.database.transaction() as connection:
        await connection.execute(
            "INSERT INTO protection_rule"
            " (project_id, package_type, package_name_pattern, minimum_access_level_for_delete)"
            " VALUES (100, 'generic', 'app', 50)"
        )


async def query(context: Context, sql: str, *values: object) -> list[Mapping[str, Any]]:
    """Ask the database directly; arranging many rows may take longer than a statement of the service."""
    async with context.database.connection() as connection:
        rows: list[Any] = await connection.fetch(sql, *values, timeout=_ARRANGING_S)
    return rows


async def status_of(context: Context, package_id: int) -> str | None:
    """Return the package's status; None when its row is gone."""
    rows = await query(context, "SELECT status FROM package WHERE id = $1", package_id)
    return rows[0]["status"] if rows else None


async def file_statuses(context: Context, package_id: int) -> list[str]:
    """Return the statuses of the package's files, by id."""
    rows = await query(context, "SELECT status FROM package_file WHERE package_id = $1 ORDER BY id", package_id)
    return [row["status"] for row in rows]


async def event_topics(context: Context) -> list[str]:
    """Return `<entity>.<action>` of every event in the outbox, in the order of writing."""
    rows = await query(context, "SELECT routing_key FROM outbox WHERE kind = 'event' ORDER BY position")
    return [".".join(row["routing_key"].split(".")[:2]) for row in rows]


def objects_in(folder: Path) -> set[str]:
    """Return the keys of all objects in a storage folder, by a plain walk."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def break_object(folder: Path, key: str) -> Path:
    """Put a folder that is not empty in the place of an object, so that removing it fails; return that folder."""
    place = folder / key
    place.unlink()
    place.mkdir()
    (place / "in the way").touch()
    return place


async def break_object_of(context: Context, folder: Path, package_id: int) -> Path:
    """Break the first object of the package; return the folder in its place."""
    statement = "SELECT storage_key FROM package_file WHERE package_id = $1 ORDER BY id LIMIT 1"
    (row,) = await query(context, statement, package_id)
    return break_object(folder, row["storage_key"])


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
