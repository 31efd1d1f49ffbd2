"""Pages of the packages of many projects, as text of JSON."""

from typing import Final

from schemas.http.cursors import PackagePosition
from schemas.http.package_parameters import OrderBy, PackageListing
from schemas.statuses import DISPLAYABLE
from service.access.group_lists import ListedProjects
from service.access.rows import VisitQuery
from service.catalogue.rows import far_pages, package_orders
from service.catalogue.rows.far_pages import MERGED
from service.catalogue.rows.package_json import package_json
from service.catalogue.rows.package_pages import Page, conditions_of, page_of, total_of
from service.catalogue.rows.packages import selection_beside_status
from service.infra.postgres.composing import Values, first_or_later, literal
from service.infra.postgres.database import Connection, fetch_composed
from service.infra.postgres.queries import listed

_FILLED: Final = """(
    SELECT v.id FROM visit v WHERE v.id IN (
        SELECT s.project_id FROM package_statistic s WHERE s.packages > 0
         UNION ALL
        SELECT s.project_id FROM package_statistic_change s))"""
"""The projects that have packages which are shown, by the figures of the same snapshot: all others need no probe."""

_IN_ORDER: Final = """(
    WITH passed AS MATERIALIZED (
        SELECT p.id, p.key FROM (
            SELECT p.id, p.project_id, p.package_type, p.version, {key} AS key FROM package p
             WHERE {passing} ORDER BY {order} LIMIT {passed}) p
         WHERE (p.project_id IN (SELECT v.id FROM visit v)) IS TRUE AND {beside_status}
         ORDER BY p.key {direction}, p.id {direction} LIMIT {limit} + {offset}
    ), way AS MATERIALIZED (
        SELECT count(*) >= {limit} + {offset} AS is_known FROM passed
    )
    SELECT w.id, w.key FROM passed w CROSS JOIN way WHERE way.is_known
     UNION ALL
    SELECT m.id, m.key FROM way CROSS JOIN LATERAL (
        SELECT p.id, p.key FROM {merged} WHERE NOT way.is_known
         ORDER BY p.key {direction}, p.id {direction} LIMIT {limit} + {offset}) m) p"""
"""Passes through the packages of all projects in the order of the list, until a page is full.

This suits a caller who reads a large share of the packages. It ends after as many packages as there are projects to be
merged. One of these costs a twentieth of a probe, so the projects are merged after it at hardly more than their cost.
IS TRUE keeps the set of projects from becoming a join, which would lose the order.
"""

MANY_PROJECTS: Final = 100
"""A page of more projects is first read without a probe of each."""

_SHOWN: Final = "(SELECT j.id, j.path, {may_delete} AS may_delete FROM project j)"
"""The projects as the JSON of packages names them, read for the packages of one page alone."""


def visit_of(projects: ListedProjects) -> VisitQuery:
    """Return the ids of the projects as a part of a query."""
    values = Values()
    ids = _numbers(values.place(projects.ids, "text"))
    return VisitQuery(f"SELECT v.id, true AS is_open FROM unnest({ids}) AS v (id)", values)


def _visit_of_many(projects: ListedProjects) -> VisitQuery:
    """Return the same for a plan that serves all values.

    The planner expects ten rows of an array that it does not know, but a thousand of a text with commas. For ten, it
    would compare each package with each project.
    """
    values = Values()
    ids = values.place(projects.ids, "text")
    return VisitQuery(f"SELECT v.id::bigint AS id, true AS is_open FROM string_to_table({ids}, ',') AS v (id)", values)


def _numbers(text: str) -> str:
    return f"string_to_array({text}, ',')::bigint[]"


def shown(values: Values, projects: ListedProjects) -> str:
    """Return the relation that has the paths of projects, and whether the caller may delete there."""
    if projects.deletable is None:
        return _SHOWN.format(may_delete="true")
    # Read once, and not for each row.
    deletable = f"(SELECT {_numbers(values.place(projects.deletable, 'text'))})::bigint[]"
    return _SHOWN.format(may_delete=f"j.id = ANY({deletable})")


async def list_packages(
    connection: Connection,
    projects: ListedProjects,
    listing: PackageListing,
    position: PackagePosition | None,
    *,
    base: str,
) -> Page:
    """Return a page of the packages of these projects; a page behind a *position* has no total."""
    of_many = len(projects) > MANY_PROJECTS
    visit = _visit_of_many(projects) if of_many else visit_of(projects)
    values = visit.values
    limit = literal(listing.per_page + 1)
    parts = {
        "visit": visit.text,
        "shown": shown(values, projects),
        "conditions": conditions_of(values, listing, position),
        "key": package_orders.key(listing),
        "order_within": package_orders.ordering_within_project(listing),
        "direction": package_orders.direction_of(listing),
        "limit": limit,
        "offset": first_or_later(values, listing.offset),
        "json": package_json(values.place(base, "text"), in_group=True),
        "cursor": package_orders.last_value(listing, limit),
    }
    total = total_of(listing, parts["conditions"], of_many=of_many)
    parts["total"] = total if position is None else "NULL::bigint"
    parts |= _source(parts, values, projects, listing, position)
    (record,) = await fetch_composed(connection, "group_page", parts, values.all)
    return page_of(record, listing)


def _source(
    parts: dict[str, str],
    values: Values,
    projects: ListedProjects,
    listing: PackageListing,
    position: PackagePosition | None,
) -> dict[str, str]:
    """Return where a page is read from, and from which row on."""
    has_figures = len(projects) > MANY_PROJECTS and listing.status is None
    parts["visited"] = _FILLED if has_figures else "visit"
    merged = MERGED.format_map(parts)
    if has_figures and listing.order_by is OrderBy.CREATED_AT and listing.offset + listing.per_page < len(projects):
        in_order = {**parts, "merged": merged, **_passing(values, projects, listing, position)}
        return {"source": _IN_ORDER.format_map(in_order)}
    if not listing.offset or not projects.number or package_orders.has_nulls(listing):
        return {"source": merged}
    return far_pages.source_of(parts, values, len(projects), listing)


def _passing(
    values: Values, projects: ListedProjects, listing: PackageListing, position: PackagePosition | None
) -> dict[str, str]:
    """Return the parts of `_IN_ORDER` that bound what is read, whatever else the list asks for."""
    displayable = f"p.status IN {listed(DISPLAYABLE)}"
    behind = None if position is None else package_orders.behind(listing, position, values)
    return {
        "passing": displayable if behind is None else f"{displayable} AND {behind}",
        "beside_status": " AND ".join(selection_beside_status(values, listing)),
        "order": package_orders.ordering(listing),
        # Few texts, so that statements prepared for other numbers of projects serve.
        "passed": literal(1 << len(projects).bit_length()),
    }
