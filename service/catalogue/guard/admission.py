"""The guard of uploads, at its two moments: before the bytes come, and in the transaction that writes their rows.

The first moment spares a client the sending. The second one decides, since rules may change while the bytes come.
"""

from typing import Final

from schemas.names import AccessLevel, PackageType
from service.access import access
from service.access.callers import Caller
from service.access.rows import Project
from service.catalogue.guard import protection
from service.catalogue.rows.uploads import UploadedPackageRow
from service.infra.postgres.database import Connection
from service.refusals import PushProtectedError, RefusedError

UPLOAD_REFUSALS: Final[tuple[type[RefusedError] | RefusedError, ...]] = (PushProtectedError,)
"""Why the guard refuses an upload; every route of uploads has them."""


async def require_may_publish(
    connection: Connection, caller: Caller, project: Project, package_type: PackageType, *, name: str | None = None
) -> None:
    """Check, before the bytes come, that the caller may publish there; *name*: that of the package, if it is known.

    Raises:
        ForbiddenError: the caller is no developer.
        JobTokenRefusedError: the caller is a job of a project whose jobs are not let in.
        PushProtectedError: a protection rule demands a higher level.
    """
    await access.require_level(connection, caller, project, AccessLevel.DEVELOPER)
    await _foresee(connection, caller, project, package_type, name)


async def admit_file(connection: Connection, caller: Caller, project: Project, package: UploadedPackageRow) -> None:
    """Check that a file may be added to the package, which this transaction has locked or made.

    Raises:
        PushProtectedError: a protection rule demands a higher level.
    """
    await _require_unprotected(connection, caller, project, package.package_type, package.name)


async def _foresee(
    connection: Connection, caller: Caller, project: Project, package_type: PackageType, name: str | None
) -> None:
    if name is not None:
        await _require_unprotected(connection, caller, project, package_type, name)


async def _require_unprotected(
    connection: Connection, caller: Caller, project: Project, package_type: PackageType, name: str
) -> None:
    level = access.level_in(caller, project)
    if await protection.is_push_protected(
        connection, project_id=project.id, package_type=package_type, name=name, level=level
    ):
        raise PushProtectedError
