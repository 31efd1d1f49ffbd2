"""Rows of the groups that a viewer may know of."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Final

from schemas.http.directory_parameters import GroupListing, GroupOrderBy
from schemas.names import AccessLevel, Visibility
from service.catalogue.rows.browsing import (
    LAST_SEGMENT,
    Viewer,
    audience_parts,
    least_level,
    open_to_viewer,
    page_parts,
)
from service.infra.postgres.composing import Values, containing, ordering
from service.infra.postgres.database import Connection, fetch_composed, fetch_row
from service.infra.postgres.pages import Slice, slice_of
from service.infra.postgres.records import row_reader

_GROUP_ORDERS: Final = {
    GroupOrderBy.ID: "g.id",
    GroupOrderBy.NAME: "g.name",
    GroupOrderBy.PATH: LAST_SEGMENT.format(path="g.path"),
}
_IN_OWN_GROUPS: Final = "g.id IN (SELECT id FROM my_groups)"
_ABOVE_OWN: Final = "g.id IN (SELECT id FROM above)"


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A group."""

    id: int
    parent_id: int | None
    path: str
    name: str
    visibility: Visibility
    created_at: datetime
    names: tuple[str, ...]
    """The names of the groups from the root down to this one."""


_group: Final = row_reader(GroupRow)


class Depth(Enum):
    """How far below a group."""

    CHILDREN = auto()
    DESCENDANTS = auto()


async def list_groups(
    connection: Connection,
    viewer: Viewer,
    listing: GroupListing,
    *,
    group_id: int | None = None,
    depth: Depth = Depth.DESCENDANTS,
) -> Slice[GroupRow]:
    """Return a page of the groups, of all or of those below one."""
    values = Values()
    conditions = [
        *_group_audience(values, viewer, listing),
        *_group_filters(values, listing),
        *_group_place(values, group_id, depth),
    ]
    parts = audience_parts(values, viewer, listing, conditions) | page_parts(values, listing, is_counted=True)
    parts["order"] = ordering(_GROUP_ORDERS[listing.order_by], "g.id", listing.sort)
    records = await fetch_composed(connection, "browse_groups", parts, values.all)
    return slice_of(records, size=listing.per_page).read_with(_group)


async def find_group(connection: Connection, group_id: int) -> GroupRow | None:
    """Return what is shown of the group."""
    record = await fetch_row(connection, "browse_group", id=group_id)
    return None if record is None else _group(record)


def _group_audience(values: Values, viewer: Viewer, listing: GroupListing) -> list[str]:
    if least_level(listing) > AccessLevel.NONE:
        return [_IN_OWN_GROUPS]
    is_everything = viewer.is_admin if listing.all_available is None else listing.all_available
    if viewer.user_id is not None and not is_everything:
        return [f"({_IN_OWN_GROUPS} OR {_ABOVE_OWN})"]
    if viewer.is_admin:
        return []
    return [f"(g.visibility = ANY({open_to_viewer(values, viewer)}) OR {_IN_OWN_GROUPS} OR {_ABOVE_OWN})"]


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
