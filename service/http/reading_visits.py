"""Reading something of a project in the round trip that finds the caller and the project."""

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from functools import partial
from typing import TypeAlias, TypeVar

from aiohttp import web

from schemas.http.parameters import Subtree
from service.access import access, group_lists
from service.access.callers import Caller
from service.access.group_lists import ListedProjects
from service.access.rows import Project, VisitQuery, WithVisit
from service.http.admission import admit, require_packages
from service.http.credentials import presented_tokens
from service.http.keys import CONTEXT, READS
from service.http.visits import (
    Visit,
    caller_in,
    digest_of,
    group_visit,
    is_decided,
    is_seen_with_other_rights,
    judged_project,
    project_visit,
    query_of_visit,
)
from service.infra.postgres.database import Connection
from service.infra.postgres.expensive_reads import Cost
from service.refusals import BadParametersError, NotFoundError

_Parameters = TypeVar("_Parameters")
_Listing = TypeVar("_Listing", bound=Subtree)
_Found = TypeVar("_Found")
_Read: TypeAlias = Callable[[Connection, VisitQuery, _Parameters], Awaitable[WithVisit[_Found | None]]]
_ReadListed: TypeAlias = Callable[[Connection, ListedProjects, _Listing], Awaitable[_Found]]


async def read_in_project(
    request: web.Request,
    parameters: Callable[[], _Parameters],
    read: _Read[_Parameters, _Found],
    *,
    cost_of: Callable[[_Parameters], Cost] = lambda _: Cost.PLAIN,
) -> tuple[Visit, _Parameters, _Found]:
    """Read something of a project in the round trip that finds the caller and the project; return all three.

    All checks are those of `project_visit`, in the same order: what was read goes no further if one fails. Wrong
    *parameters* are refused only after them. A read that is not plain by *cost_of* begins only after them.

    Raises:
        RefusedError: as for `project_visit`; or parameters are wrong, or nothing was found.
        web.HTTPMovedPermanently: the project was asked for by a path that it had before.
    """
    try:
        wanted = parameters()
    except BadParametersError:
        async with project_visit(request):
            raise
    presented = await presented_tokens(request)
    query = query_of_visit(request, presented)
    cost = cost_of(wanted)
    if query is None or cost is not Cost.PLAIN:
        return await _read_after_visit(request, wanted, read, cost)
    async with request.app[CONTEXT].database.connection() as connection:
        seen = await read(connection, query, wanted)
        caller = caller_in(presented, seen.token)
        if is_seen_with_other_rights(caller, seen.token) and (query := query_of_visit(request, ())):
            seen = await read(connection, query, wanted)
        return await _judged(request, connection, caller, seen.project), wanted, _required(seen.found)


async def read_in_group(
    request: web.Request,
    parameters: Callable[[], _Listing],
    read: _ReadListed[_Listing, _Found],
    *,
    cost_of: Callable[[_Listing], Cost],
    cost_in: Callable[[ListedProjects, _Listing], Cost],
) -> tuple[_Listing, _Found]:
    """Read something of the projects in the lists of a group, after the checks of `group_visit`.

    Wrong *parameters* are refused only after these checks. A read that is expensive by *cost_of* waits for its turn
    before them. Else all connections would find thousands of projects at the same time.

    Raises:
        RefusedError: as for `group_visit`; or parameters are wrong, or it was not the turn of this read.
    """
    try:
        wanted = parameters()
    except BadParametersError:
        async with group_visit(request):
            raise
    reads = request.app[READS]
    has_turn = cost_of(wanted) is Cost.EXPENSIVE
    async with reads.turn() if has_turn else nullcontext():
        projects = await _listed_projects(request, wanted)
        async with reads.connection(cost_in(projects, wanted), has_turn=has_turn) as connection:
            return wanted, await read(connection, projects, wanted)


async def _listed_projects(request: web.Request, wanted: Subtree) -> ListedProjects:
    presented = await presented_tokens(request)
    if not is_decided(presented):
        async with group_visit(request) as (connection, caller, group):
            return await group_lists.listed_projects(
                connection, caller, group, exclude_subgroups=wanted.exclude_subgroups
            )
    async with request.app[CONTEXT].database.connection() as connection:
        find = partial(
            group_lists.find_group_with_projects,
            connection,
            request.match_info["id"],
            exclude_subgroups=wanted.exclude_subgroups,
        )
        seen = await find(digest_of(presented))
        caller = caller_in(presented, seen.token)
        if is_seen_with_other_rights(caller, seen.token):
            seen = await find(None)
        admit(request, caller)
        require_packages(request)
        access.require_group_read(caller, access.require_visible_group(caller, seen.group))
    return seen.projects


async def _read_after_visit(
    request: web.Request, wanted: _Parameters, read: _Read[_Parameters, _Found], cost: Cost
) -> tuple[Visit, _Parameters, _Found]:
    async with project_visit(request) as (_, visit):
        pass
    async with request.app[READS].connection(cost) as connection:
        return visit, wanted, _required((await read(connection, visit.query, wanted)).found)


def _required(found: _Found | None) -> _Found:
    if found is None:
        raise NotFoundError
    return found


async def _judged(request: web.Request, connection: Connection, caller: Caller, found: Project | None) -> Visit:
    admit(request, caller)
    require_packages(request)
    project = await judged_project(request, connection, caller, found)
    access.require_read(caller, project)
    return Visit(caller, project)
