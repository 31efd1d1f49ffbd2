"""The pages of the directory, read-only: who may do what in a place, and what holds, graces, quotas and rules say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from aiohttp import web

from service.access import roster
from service.access.callers import Caller
from service.access.roster import (
    PlaceKey,
    PlaceRules,
    RosterDeployToken,
    RosterMember,
    RosterNameRule,
    RosterProtection,
    RosterRetention,
    RosterToken,
    RosterUser,
)
from service.access.rows import Group, Project
from service.catalogue.guard import quotas
from service.catalogue.guard.quotas import QuotaUsage
from service.http.keys import CONTEXT
from service.infra.postgres.database import Connection
from service.refusals import PageNotFoundError
from service.web.frame.rendering import render
from service.web.frame.routing import GROUP, PROJECT, PageRoutes
from service.web.parameters import with_parameters
from service.web.views import PlaceView, group_place, project_place
from service.web.visits import administration_visit, group_visit, may_see_directory, project_visit

routes = PageRoutes()

_PAGE: Final = "/-/directory"
_USERS: Final = 50
_ANY_TYPE: Final = "any"
_MOST_PAGES: Final = 1_000
_LONGEST_WORDS: Final = 255


@dataclass(frozen=True, slots=True)
class PlaceDirectory:
    """The entries of the directory about a place."""

    members: Sequence[RosterMember]
    chain: Sequence[PlaceRules]
    retention: Sequence[RosterRetention]
    protection: Sequence[RosterProtection]
    tokens: Sequence[RosterDeployToken]
    default_grace: timedelta
    quotas: Sequence[QuotaUsage]
    """Those that count in the place, the nearest first."""
    name_rules: Sequence[RosterNameRule]

    @property
    def holds(self) -> Sequence[PlaceRules]:
        """The places with a hold, the nearest first: nothing is deleted while there is one."""
        return [place for place in self.chain if place.hold is not None]

    @property
    def grace(self) -> tuple[timedelta, PlaceRules | None]:
        """The grace of packages without one for their type, and the place that sets it; None: the instance."""
        for place in self.chain:
            if place.grace_period is not None:
                return place.grace_period, place
        return self.default_grace, None

    @property
    def name_modes(self) -> Mapping[str, RosterNameRule]:
        """The rule for the names of each type that has one, and of `any` other; a nearer place hides those around it.

        A place with a rule for any type decides for all types.
        """
        found: dict[str, RosterNameRule] = {}
        for rule in self.name_rules:
            hidden = found.get(_ANY_TYPE)
            if hidden is None or hidden.path == rule.path:
                found.setdefault(rule.package_type, rule)
        return found

    @property
    def type_graces(self) -> Mapping[str, tuple[timedelta, PlaceRules]]:
        """The grace of each type of package that has its own, and the place that sets it."""
        found: dict[str, tuple[timedelta, PlaceRules]] = {}
        for place in self.chain:
            for package_type, seconds in (place.grace_periods or {}).items():
                found.setdefault(package_type, (timedelta(seconds=seconds), place))
            if place.grace_period is not None:
                # A nearer place that sets one grace for all types hides those of places around it.
                break
        return found


@routes.page(PROJECT + _PAGE)
async def show_project_directory(request: web.Request) -> web.Response:
    """Show the directory of a project to its maintainers."""
    async with project_visit(request) as (connection, found):
        _require_maintainer(found.caller, found.project)
        view = await _directory(request, connection, PlaceKey(project_id=found.project.id))
    return _page(request, project_place(found.project), view)


@routes.page(GROUP + _PAGE)
async def show_group_directory(request: web.Request) -> web.Response:
    """Show the directory of a group to its maintainers."""
    async with group_visit(request) as (connection, caller, group):
        _require_maintainer(caller, group)
        view = await _directory(request, connection, PlaceKey(group_id=group.id))
    return _page(request, group_place(group), view)


@routes.page(_PAGE)
async def show_users(request: web.Request) -> web.Response:
    """Show all users with their tokens to administrators."""
    words = request.query.get("search", "").replace("\x00", "").strip()[:_LONGEST_WORDS]
    page = _page_number(request)
    async with administration_visit(request) as connection:
        found = await roster.users(connection, words=words, limit=_USERS + 1, offset=(page - 1) * _USERS)
        tokens: Mapping[int, Sequence[RosterToken]] = await roster.tokens_of(connection, found)
        retention = await roster.retention_rules(connection, PlaceKey())
    users: Sequence[RosterUser] = found[:_USERS]
    return render(
        request,
        "users.html",
        users=users,
        tokens=tokens,
        words=words,
        retention=retention,
        grace=request.app[CONTEXT].settings.grace_period,
        first_address=with_parameters(request, page=None) if page > 1 else None,
        next_address=with_parameters(request, page=page + 1) if len(found) > _USERS else None,
    )


def _require_maintainer(caller: Caller, place: Project | Group) -> None:
    if not may_see_directory(caller, place):
        raise PageNotFoundError


async def _directory(request: web.Request, connection: Connection, place: PlaceKey) -> PlaceDirectory:
    project_id = place.project_id
    return PlaceDirectory(
        members=await roster.members(connection, place),
        chain=await roster.chain(connection, place),
        retention=await roster.retention_rules(connection, place),
        protection=[] if project_id is None else await roster.protection_rules(connection, project_id),
        tokens=[] if project_id is None else await roster.deploy_tokens(connection, project_id),
        default_grace=request.app[CONTEXT].settings.grace_period,
        quotas=await quotas.around(connection, project_id=project_id, group_id=place.group_id),
        name_rules=await roster.name_rules(connection, place),
    )


def _page(request: web.Request, place: PlaceView, directory: PlaceDirectory) -> web.Response:
    return render(request, "directory.html", place=place, directory=directory, most=roster.MOST)


def _page_number(request: web.Request) -> int:
    text = request.query.get("page", "")
    return min(int(text), _MOST_PAGES) if text.isdecimal() and 0 < len(text) < len(str(_MOST_PAGES)) + 1 else 1
