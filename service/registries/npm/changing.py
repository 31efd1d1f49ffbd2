"""Changing what is published: tags, deprecations, and unpublishing, which is a deletion like all others."""

from collections.abc import Sequence

from service.access.rows import Project
from service.deletions import accept
from service.deletions.accept import AcceptedDeletion
from service.deletions.deletion import Deletions, Origin
from service.infra.postgres.database import Connection, Database, Within
from service.infra.postgres.repeating import repeated
from service.refusals import ConflictError, NotFoundError, PackageNameNotFoundError
from service.registries.npm import rows
from service.registries.npm.documents import SentMetadata
from service.registries.npm.names import require_tag
from service.registries.npm.packument import Versions, versions_of
from service.registries.npm.refusals import NO_TAG
from service.registries.npm.rows import VersionRow


@repeated
async def set_tag(database: Database, *, project_id: int, name: str, tag: str, version: str) -> None:
    """Give the tag to a version; another version of the name loses it.

    Raises:
        ValidationFailedError: a tag cannot have that name.
        PackageNameNotFoundError: there is no such version to install.
    """
    require_tag(tag)
    async with database.transaction() as connection:
        await rows.lock_name(connection, project_id=project_id, name=name)
        package_id = await rows.lock_version(connection, project_id=project_id, name=name, version=version)
        if package_id is None:
            raise PackageNameNotFoundError
        await rows.move_tag(connection, project_id=project_id, name=name, tag=tag, package_id=package_id)


@repeated
async def remove_tag(database: Database, *, project_id: int, name: str, tag: str) -> None:
    """Take the tag away.

    Raises:
        MissingError: no version that can be installed has it.
    """
    async with database.transaction() as connection:
        await rows.lock_name(connection, project_id=project_id, name=name)
        if not await rows.remove_tag(connection, project_id=project_id, name=name, tag=tag):
            raise NO_TAG


@repeated
async def deprecate(database: Database, *, project_id: int, sent: SentMetadata) -> None:
    """Give versions the texts that the metadata have for them; the other versions stay as they are."""
    async with database.transaction() as connection:
        await rows.deprecate(connection, project_id=project_id, name=sent.name, texts=sent.deprecated)


@repeated
async def unpublish_missing(
    deletions: Deletions, origin: Origin, *, project: Project, revision: str, sent: SentMetadata
) -> Sequence[AcceptedDeletion]:
    """Accept the deletions of all versions that are missing in the metadata, or of none.

    Raises:
        PackageNameNotFoundError: there are no versions.
        ConflictError: a version came or went since that revision, or one is hidden.
        DeletionHeldError, DeletionProtectedError: nothing there may be deleted now, or not this by the caller.
    """
    async with deletions.database.transaction() as connection:
        await rows.lock_name(connection, project_id=project.id, name=sent.name)
        versions = await _expected(connection, project, sent.name, revision)
        missing = [row for row in versions.rows if row.version not in sent.versions]
        return await _delete(deletions.within(Within(connection)), origin, project, missing)


@repeated
async def unpublish_all(
    deletions: Deletions, origin: Origin, *, project: Project, revision: str, name: str
) -> Sequence[AcceptedDeletion]:
    """Accept the deletions of all versions, or of none.

    Raises:
        PackageNameNotFoundError: there are none.
        ConflictError: a version came or went since that revision, or one is hidden.
        DeletionHeldError, DeletionProtectedError: nothing there may be deleted now, or not this by the caller.
    """
    async with deletions.database.transaction() as connection:
        await rows.lock_name(connection, project_id=project.id, name=name)
        versions = await _expected(connection, project, name, revision)
        return await _delete(deletions.within(Within(connection)), origin, project, versions.rows)


async def unpublish(deletions: Deletions, origin: Origin, *, project: Project, package_id: int) -> AcceptedDeletion:
    """Accept the deletion of one version.

    Raises:
        ConflictError: it is hidden, or has gone in this very moment.
        DeletionHeldError, DeletionProtectedError: nothing there may be deleted now, or not this by the caller.
    """
    try:
        return await accept.delete_package(
            deletions, origin, project_id=project.id, package_id=package_id, unmodified_since=None
        )
    except NotFoundError as error:
        # npm would take a 404 for success.
        raise ConflictError("a version is hidden, or has gone") from error


async def _expected(connection: Connection, project: Project, name: str, revision: str) -> Versions:
    """Return the versions of the name, which are those of a revision; the name is locked."""
    versions = versions_of(await rows.list_versions(connection, [project.id], name))
    if versions is None:
        raise PackageNameNotFoundError
    if versions.revision != revision:
        # Somebody may have published a version since the client read the metadata, and it must not go unseen.
        raise ConflictError("the package has changed: try again")
    return versions


async def _delete(
    deletions: Deletions, origin: Origin, project: Project, found: Sequence[VersionRow]
) -> list[AcceptedDeletion]:
    # All take the locks of packages in the same order.
    ids = sorted(row.package_id for row in found)
    return [await unpublish(deletions, origin, project=project, package_id=package_id) for package_id in ids]
