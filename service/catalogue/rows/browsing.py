"""Projects and groups as one viewer may know of them; and what is known of a user and of a token."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from schemas.http.directory_parameters import (
    AllProjectsListing,
    GroupListing,
    GroupOrderBy,
    GroupProjectsListing,
    ProjectListing,
    ProjectOrderBy,
)
from schemas.names import AccessLevel, Visibility
from service.infra.postgres.composing import Values, containing, ordering
from service.infra.postgres.database import Connection, Record, fetch_composed, fetch_row
from service.infra.postgres.pages import COUNT_LIMIT, Slice, slice_of

_LAST_SEGMENT: Final = "substring({path} FROM '[^/]*$')"
_PROJECT_ORDERS: Final = {
    ProjectOrderBy.ID: "p.id",
    ProjectOrderBy.NAME: "p.name",
    ProjectOrderBy.PATH: _LAST_SEGMENT.format(path="p.path"),
    ProjectOrderBy.CREATED_AT: "p.created_at",
    ProjectOrderBy.UPDATED_AT: "p.created_at",
    ProjectOrderBy.LAST_ACTIVITY_AT: "p.created_at",
}
_GROUP_ORDERS: Final = {
    GroupOrderBy.ID: "g.id",
    GroupOrderBy.NAME: "g.name",
    GroupOrderBy.PATH: _LAST_SEGMENT.format(path="g.path"),
}


_IN_OWN_PROJECTS: Final = "(p.id IN (SELECT id FROM mine) OR p.group_id IN (SELECT id FROM my_groups))"
_IN_SUBTREE: Final = "p.group_id IN (SELECT id FROM subtree)"
_IN_OWN_GROUPS: Final = "g.id IN (SELECT id FROM my_groups)"
_ABOVE_OWN: Final = "g.id IN (SELECT id FROM above)"


@dataclass(frozen=True, slots=True)
class Viewer:
    """The reader of a listing; anonymous when there is no user."""

    user_id: int | None
    is_admin: bool
    visibilities: frozenset[Visibility]
    """The visibilities that the viewer may see without a membership."""


class Depth(Enum):
    """How far below a group."""

    CHILDREN = auto()
    DESCENDANTS = auto()


async def list_projects(
    connection: Connection, viewer: Viewer, listing: ProjectListing, *, group_id: int | None = None
) -> Slice:
    """Return a page of the projects, of all or of a group's; with `pagination=keyset` the first part, uncounted."""
    values = Values()
    conditions = [
        *_project_audience(values, viewer, listing),
        *_project_filters(values, listing),
        *_project_place(values, listing, group_id),
    ]
    parts = _parts(values, viewer, listing, conditions)
    parts |= _part_of(values, listing, is_counted=not listing.is_keyset)
    parts["group"] = values.place(group_id, "bigint")
    parts["order"] = ordering(_PROJECT_ORDERS[listing.order_by], "p.id", listing.sort)
    return slice_of(await fetch_composed(connection, "browse_projects", parts, values.all), size=listing.per_page)


async def list_groups(
    connection: Connection,
    viewer: Viewer,
    listing: GroupListing,
    *,
    group_id: int | None = None,
    depth: Depth = Depth.DESCENDANTS,
) -> Slice:
    """Return a page of the groups, of all or of those below one."""
    values = Values()
    conditions = [
        *_group_audience(values, viewer, listing),
        *_group_filters(values, listing),
        *_group_place(values, group_id, depth),
    ]
    parts = _parts(values, viewer, listing, conditions) | _part_of(values, listing, is_counted=True)
    parts["order"] = ordering(_GROUP_ORDERS[listing.order_by], "g.id", listing.sort)
    return slice_of(await fetch_composed(connection, "browse_groups", parts, values.all), size=listing.per_page)


async def find_project(connection: Connection, viewer: Viewer, project_id: int) -> Record | None:
    """Return what is shown of the project."""
    return await fetch_row(connection, "browse_project", id=project_id, user_id=viewer.user_id)


async def find_group(connection: Connection, group_id: int) -> Record | None:
    """Return what is shown of the group."""
    return await fetch_row(connection, "browse_group", id=group_id)


async def find_user(connection: Connection, user_id: int) -> Record | None:
    """Return what is shown of the user."""
    return await fetch_row(connection, "browse_user", user_id=user_id)


async def find_token(connection: Connection, token_id: int) -> Record | None:
    """Return what is shown of a user's own token."""
    return await fetch_row(connection, "browse_token", token_id=token_id)


def _parts(
    values: Values, viewer: Viewer, listing: ProjectListing | GroupListing, conditions: Sequence[str]
) -> dict[str, str]:
    return {
        "conditions": " AND ".join(conditions) or "true",
        "user": values.place(viewer.user_id, "bigint"),
        "level": values.place(_least_level(listing), "smallint"),
    }


def _part_of(values: Values, listing: ProjectListing | GroupListing, *, is_counted: bool) -> dict[str, str]:
    # A listing that is not counted has no numbered pages either.
    offset = listing.offset if is_counted else 0
    return {
        "limit": values.place(listing.per_page + 1, "bigint"),
        "offset": values.place(offset, "bigint"),
        "count_limit": values.place(COUNT_LIMIT + 1 if is_counted else 0, "bigint"),
    }


def _least_level(listing: ProjectListing | GroupListing) -> AccessLevel:
    return AccessLevel.OWNER if listing.owned else AccessLevel(listing.min_access_level or AccessLevel.NONE)


def _project_audience(values: Values, viewer: Viewer, listing: ProjectListing) -> list[str]:
    is_membership = isinstance(listing, AllProjectsListing) and listing.membership
    if is_membership or _least_level(listing) > AccessLevel.NONE:
        return [_IN_OWN_PROJECTS]
    if viewer.is_admin:
        return []
    return [f"(p.visibility = ANY({_open(values, viewer)}) OR {_IN_OWN_PROJECTS})"]


def _project_filters(values: Values, listing: ProjectListing) -> list[str]:
    conditions: list[str] = []
    if listing.visibility is not None:
        conditions.append(f"p.visibility = {values.place(listing.visibility.value, 'text')}")
    if listing.archived:
        conditions.append("false")
    if listing.id_after is not None:
        conditions.append(f"p.id > {values.place(listing.id_after, 'bigint')}")
    if listing.id_before is not None:
        conditions.append(f"p.id < {values.place(listing.id_before, 'bigint')}")
    if listing.search is not None:
        is_wide = isinstance(listing, AllProjectsListing) and listing.search_namespaces
        path = "p.path" if is_wide else _LAST_SEGMENT.format(path="p.path")
        conditions += containing(values, listing.search, ("p.name", path))
    return conditions


def _project_place(values: Values, listing: ProjectListing, group_id: int | None) -> list[str]:
    if group_id is None:
        return []
    if isinstance(listing, GroupProjectsListing) and listing.include_subgroups:
        return [_IN_SUBTREE]
    return [f"p.group_id = {values.place(group_id, 'bigint')}"]


def _group_audience(values: Values, viewer: Viewer, listing: GroupListing) -> list[str]:
    if _least_level(listing) > AccessLevel.NONE:
        return [_IN_OWN_GROUPS]
    is_everything = viewer.is_admin if listing.all_available is None else listing.all_available
    if viewer.user_id is not None and not is_everything:
        return [f"({_IN_OWN_GROUPS} OR {_ABOVE_OWN})"]
    if viewer.is_admin:
        return []
    return [f"(g.visibility = ANY({_open(values, viewer)}) OR {_IN_OWN_GROUPS} OR {_ABOVE_OWN})"]


def _group_filters(values: Values, listing: GroupListing) -> list[str]:
    conditions: list[str] = []
    if listing.visibility is not None:
        conditions.append(f"g.visibility = {values.place(listing.visibility.value, 'text')}")
    if listing.top_level_only:
        conditions.append("g.parent_id IS NULL")
    if listing.skip_groups:
        conditions.append(f"g.id <> ALL({values.place(list(listing.skip_groups), 'bigint[]')})")
    if listing.search is not None:
        conditions += containing(values, listing.search, ("g.name", "g.path"))
    return conditions


def _group_place(values: Values, group_id: int | None, depth: Depth) -> list[str]:
    if group_id is None:
        return []
    place = values.place(group_id, "bigint")
    if depth is Depth.CHILDREN:
        return [f"g.parent_id = {place}"]
    return [f"g.ancestry @> ARRAY[{place}]", f"g.id <> {place}"]


def _open(values: Values, viewer: Viewer) -> str:
    return values.place(sorted(viewer.visibilities), "text[]")
