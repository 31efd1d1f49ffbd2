"""The effect that a deletion would have, before anybody asks for it."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from aiohttp import web

from schemas.names import AccessLevel, PackageType
from service.deletions import bulk
from service.deletions.bulk import RefusalReason, Wanted
from service.deletions.viewing import overview as deletion_overview
from service.deletions.viewing.entities import refusal_text
from service.http.keys import CONTEXT
from service.http.visits import Visit
from service.infra.postgres.database import Connection, Record, Within
from service.web.deletions import Rights, rights_of


@dataclass(frozen=True, slots=True)
class Prospect:
    """The effect that a deletion of a package or file would have now."""

    refusal: str | None
    """Why it would be refused."""
    files: int
    bytes: int
    grace: timedelta
    least_level: AccessLevel | None = None
    """The least level that may delete it, if protection rules refuse this caller."""

    @property
    def ends(self) -> datetime:
        """Until when it could be undone, if it were asked for now."""
        return datetime.now(UTC) + self.grace


async def find_prospect(request: web.Request, connection: Connection, found: Visit, package: Record) -> Prospect | None:
    """Return what a deletion of the package would do; None for a caller who may not ask for deletions at all."""
    if rights_of(found.caller, found.level) < Rights.EXPLAIN:
        return None
    return await _prospect(request, connection, found, package)


async def find_file_prospect(
    request: web.Request, connection: Connection, found: Visit, package: Record, file: Record
) -> Prospect | None:
    """Return what a deletion of one file of the package would do, as `find_prospect` does."""
    whole = await find_prospect(request, connection, found, package)
    return None if whole is None else replace(whole, files=1, bytes=file["size"])


async def _prospect(request: web.Request, connection: Connection, found: Visit, package: Record) -> Prospect:
    wanted = Wanted((package["id"],), {found.project.id: found.level})
    context = request.app[CONTEXT]
    plan = await bulk.plan_deletion(context.deletions.within(Within(connection)), wanted)
    grace = await deletion_overview.grace_for(
        connection,
        project_id=found.project.id,
        package_type=PackageType(package["package_type"]),
        default=context.settings.grace_period,
    )
    if not plan.accepted:
        refusal = next(iter(plan.refused.values()), None)
        reason = None if refusal is None else refusal_text(refusal)
        is_protected = refusal is not None and refusal.reason is RefusalReason.PROTECTED
        least = (
            await deletion_overview.least_level_to_delete(connection, package_id=package["id"])
            if is_protected
            else None
        )
        return Prospect(reason, package["shown_files"], package["shown_bytes"], grace, least)
    return Prospect(None, plan.files, plan.bytes, grace)
