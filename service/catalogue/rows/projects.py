"""Rows of the projects that a viewer may know of."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from schemas.http.directory_parameters import (
    AllProjectsListing,
    GroupProjectsListing,
    ProjectListing,
    ProjectOrderBy,
)
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

_PROJECT_ORDERS: Final = {
    ProjectOrderBy.ID: "p.id",
    ProjectOrderBy.NAME: "p.name",
    ProjectOrderBy.PATH: LAST_SEGMENT.format(path="p.path"),
    ProjectOrderBy.CREATED_AT: "p.created_at",
    ProjectOrderBy.UPDATED_AT: "p.created_at",
    ProjectOrderBy.LAST_ACTIVITY_AT: "p.created_at",
}
_IN_OWN_PROJECTS: Final = "(p.id IN (SELECT id FROM mine) OR p.group_id IN (SELECT id FROM my_groups))"
_IN_SUBTREE: Final = "p.group_id IN (SELECT id FROM subtree)"


@dataclass(frozen=True, slots=True)
class ProjectRow:
    """A project, the group that it is in, and the viewer's roles."""

    id: int
    path: str
    name: str
    visibility: Visibility
    packages_enabled: bool
    created_at: datetime
    group_id: int
    group_name: str
    group_path: str
    group_parent_id: int | None
    group_names: tuple[str, ...]
    """The names of the groups around it, from the root down."""
    project_level: AccessLevel | None
    """The role as a member of the project itself."""
    group_level: AccessLevel | None
    """The highest role as a member of a group around it."""


_project: Final = row_reader(ProjectRow)


async def list_projects(
    connection: Connection,
    viewer: Viewer,
    listing: ProjectListing,
    *,
    group_id: int | None = None,
    by_full_path: bool = False,
) -> Slice[ProjectRow]:
    """Return a page of the projects, of all or of a group's; with `pagination=keyset` the first part, uncounted."""
    values = Values()
    conditions = [
        *_project_audience(values, viewer, listing),
        *_project_filters(values, listing),
        *_project_place(values, listing, group_id),
    ]
    parts = audience_parts(values, viewer, listing, conditions)
    parts |= page_parts(values, listing, is_counted=not listing.is_keyset)
    parts["group"] = values.place(group_id, "bigint")
    column = "p.path" if by_full_path else _PROJECT_ORDERS[listing.order_by]
    parts["order"] = ordering(column, "p.id", listing.sort)
    records = await fetch_composed(connection, "browse_projects", parts, values.all)
    return slice_of(records, size=listing.per_page).read_with(_project)


async def find_project(connection: Connection, viewer: Viewer, project_id: int) -> ProjectRow | None:
    """Return what is shown of the project."""
    record = await fetch_row(connection, "browse_project", id=project_id, user_id=viewer.user_id)
    return None if record is None else _project(record)


def _project_audience(values: Values, viewer: Viewer, listing: ProjectListing) -> list[str]:
    is_membership = isinstance(listing, AllProjectsListing) and listing.membership
    if is_membership or least_level(listing) > AccessLevel.NONE:
        return [_IN_OWN_PROJECTS]
    if viewer.is_admin:
        return []
    return [f"(p.visibility = ANY({open_to_viewer(values, viewer)}) OR {_IN_OWN_PROJECTS})"]


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
        path = "p.path" if is_wide else LAST_SEGMENT.format(path="p.path")
        conditions += containing(values, listing.search, ("p.name", path))
    return conditions


def _project_place(values: Values, listing: ProjectListing, group_id: int | None) -> list[str]:
    if group_id is None:
        return []
    if isinstance(listing, GroupProjectsListing) and listing.include_subgroups:
        return [_IN_SUBTREE]
    return [f"p.group_id = {values.place(group_id, 'bigint')}"]
