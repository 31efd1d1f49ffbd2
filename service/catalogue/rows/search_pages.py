"""Pages of the packages whose names have some words, as text of JSON.

Names are rows of their own, and far fewer than packages. A word of three letters or more finds them in an index of
trigrams. A shorter one is compared with the names of the searched projects alone.
"""

from typing import Final

from schemas.http.cursors import PackagePosition
from schemas.http.package_parameters import PackageListing
from service.access.group_lists import ListedProjects
from service.access.rows import VisitQuery
from service.catalogue.rows import group_pages, package_orders
from service.catalogue.rows.far_pages import MERGED
from service.catalogue.rows.package_json import package_json
from service.catalogue.rows.package_pages import Page, conditions_of, page_of
from service.catalogue.rows.packages import of_type
from service.infra.postgres.composing import Values, containing
from service.infra.postgres.database import Connection, fetch_composed
from service.infra.postgres.pages import COUNT_LIMIT

_IN_ORDER: Final = """
    visit v CROSS JOIN LATERAL (
        SELECT p.id, {key} AS key FROM package p WHERE p.project_id = v.id AND {conditions}
         ORDER BY {order_within} LIMIT {limit} + {offset}) p"""
"""Reads one project in the order of the list; those of a group are merged, so that each costs its first match alone."""


async def search_in_project(
    connection: Connection, visit: VisitQuery, listing: PackageListing, position: PackagePosition | None, *, base: str
) -> Page:
    """Return a page of the packages of a project whose names match; the query wants a plan for its values."""
    return await _search(connection, visit, listing, position, base=base, shown="visit", in_group=False)


async def search_in_projects(
    connection: Connection,
    projects: ListedProjects,
    listing: PackageListing,
    position: PackagePosition | None,
    *,
    base: str,
) -> Page:
    """Return a page of the packages of many projects, as `search_in_project` does of one."""
    visit = group_pages.visit_of(projects)
    shown = group_pages.shown(visit.values, projects)
    return await _search(connection, visit, listing, position, base=base, shown=shown, in_group=True)


async def _search(
    connection: Connection,
    visit: VisitQuery,
    listing: PackageListing,
    position: PackagePosition | None,
    *,
    base: str,
    shown: str,
    in_group: bool,
) -> Page:
    # The total of a page behind a position has only the matches behind it, and is not shown.
    values = visit.values
    limit = values.place(listing.per_page + 1, "bigint")
    parts = {
        "visit": visit.text,
        "shown": shown,
        **_conditions(values, listing, position),
        "count_limit": values.place(COUNT_LIMIT + 1, "bigint"),
        "key": package_orders.key(listing),
        "order_within": package_orders.ordering_within_project(listing),
        "direction": package_orders.direction_of(listing),
        "limit": limit,
        "offset": values.place(listing.offset, "bigint"),
        "json": package_json(values.place(base, "text"), in_group=in_group),
        "cursor": package_orders.last_value(listing, limit),
    }
    of_frequent = {**parts, "visited": "visit", "conditions": f"{parts['conditions']} AND {parts['words']}"}
    parts["in_order"] = (MERGED if in_group else _IN_ORDER).format_map(of_frequent)
    (record,) = await fetch_composed(connection, "search_page", parts, values.all)
    return page_of(record, listing)


def _conditions(values: Values, listing: PackageListing, position: PackagePosition | None) -> dict[str, str]:
    """Return the conditions on packages, and those on the names of packages and in the table of names."""
    of_all = listing.model_copy(update={"package_name": None})
    words, names = (containing(values, listing.package_name or "", [column]) for column in ("p.name", "n.name"))
    return {
        "conditions": conditions_of(values, of_all, position),
        "words": " AND ".join(words) or "true",
        "names": " AND ".join([of_type("n", listing.package_type), *names]),
    }
