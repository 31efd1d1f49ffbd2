"""The guard of uploads, at its two moments: before the bytes come, and in the transaction that writes their rows.

The first moment spares a client the sending. The second one decides, since rules may change while the bytes come.
"""

from collections.abc import Mapping
from typing import Final

from schemas.names import AccessLevel, PackageType
from service.access import access
from service.access.callers import Caller
from service.access.rows import Project
from service.catalogue.guard import protection, quotas, used_names
from service.catalogue.rows.uploads import UploadedPackageRow
from service.infra.postgres.database import Connection
from service.observing import metrics
from service.refusals import BadRequestError, PushProtectedError, QuotaExceededError, RefusedError

UPLOAD_REFUSALS: Final[tuple[type[RefusedError] | RefusedError, ...]] = (
    PushProtectedError,
    QuotaExceededError,
    BadRequestError(used_names.USED_VERSION),
)
"""Why the guard refuses an upload; every route of uploads has them."""

_REASONS: Final[Mapping[type[Exception], str]] = {
    PushProtectedError: "protected",
    QuotaExceededError: "quota",
    BadRequestError: "used_name",
}
"""Why the guard refuses, as the metric names it."""


async def require_may_publish(
    connection: Connection,
    caller: Caller,
    project: Project,
    package_type: PackageType,
    *,
    name: str | None = None,
    size: int | None = None,
    may_store: bool = True,
) -> None:
    """Check, before the bytes come, that the caller may publish there.

    *name* is that of the package, and *size* that of the file in bytes, where they are known. *may_store* is false for
    what clients send beside their files, such as checksums: no quota keeps it away, since it hardly ever takes room.

    Raises:
        ForbiddenError: the caller is no developer.
        JobTokenRefusedError: the caller is a job of a project whose jobs are not let in.
        PushProtectedError: a protection rule demands a higher level.
        QuotaExceededError: an enforced quota has no room for one byte more, or for the file.
    """
    await access.require_level(connection, caller, project, AccessLevel.DEVELOPER)
    with metrics.refusals_counted(_REASONS):
        await _foresee(connection, caller, project, package_type, name=name, size=(size or 1) if may_store else None)


async def admit_file(
    connection: Connection, caller: Caller, project: Project, package: UploadedPackageRow, *, size: int
) -> None:
    """Check that a file of that many bytes may be added to the package, which this transaction has locked or made.

    Raises:
        PushProtectedError: a protection rule demands a higher level.
        BadRequestError: a package that had the version was deleted, and the rule of the project keeps it used.
        QuotaExceededError: an enforced quota has no room for the file.
    """
    with metrics.refusals_counted(_REASONS):
        await _require_unprotected(connection, caller, project, package.package_type, package.name)
        if package.is_new:
            await used_names.require_unused(connection, project, package)
        # The last check, since other uploads below the same quota wait from here on.
        await quotas.require_room(connection, project, size=size, is_final=True)


async def _foresee(
    connection: Connection,
    caller: Caller,
    project: Project,
    package_type: PackageType,
    *,
    name: str | None,
    size: int | None,
) -> None:
    if name is not None:
        await _require_unprotected(connection, caller, project, package_type, name)
    if size is not None:
        await quotas.require_room(connection, project, size=size, is_final=False)


async def _require_unprotected(
    connection: Connection, caller: Caller, project: Project, package_type: PackageType, name: str
) -> None:
    level = access.level_in(caller, project)
    if await protection.is_push_protected(
        connection, project_id=project.id, package_type=package_type, name=name, level=level
    ):
        raise PushProtectedError
