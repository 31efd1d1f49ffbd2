"""The name and version of a deleted package: when it can be published again, by the rule of its project and type."""

from types import MappingProxyType
from typing import Final

from schemas.names import NameMode
from service.access.rows import Project
from service.catalogue.rows.uploads import UploadedPackageRow
from service.infra.postgres.database import Connection, fetch
from service.refusals import BadRequestError

USED_VERSION: Final = "This version was deleted, and a deleted version is never published again here"
LEAVING_VERSION: Final = "This version is being deleted, and is free again when its last byte is gone"
_REASONS: Final = MappingProxyType({NameMode.NEVER: USED_VERSION, NameMode.WHEN_GONE: LEAVING_VERSION})


async def require_unused(connection: Connection, project: Project, package: UploadedPackageRow) -> None:
    """Check that the version of a package that this transaction has made may be published.

    Raises:
        BadRequestError: a package that had the version was deleted, and the rule of the project keeps it used.
    """
    if package.version is None:
        return
    (row,) = await fetch(
        connection,
        "mode_against_version",
        project_id=project.id,
        package_type=package.package_type,
        name=package.name,
        version=package.version,
    )
    mode = None if row["mode"] is None else NameMode(row["mode"])
    if mode is None or (mode is NameMode.WHEN_GONE and not await _is_leaving(connection, project, package)):
        return
    raise BadRequestError(_REASONS[mode])


async def _is_leaving(connection: Connection, project: Project, package: UploadedPackageRow) -> bool:
    """Return whether the last package of that version is still there, after a worker that is about to end it."""
    found = await fetch(
        connection,
        "await_leaving_package",
        project_id=project.id,
        package_type=package.package_type,
        name=package.name,
        version=package.version,
    )
    return bool(found)
