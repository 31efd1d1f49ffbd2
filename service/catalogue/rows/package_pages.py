"""Pages of packages and of files, and one package, as text of JSON: each in the round trip that finds the caller."""

from dataclasses import dataclass, replace
from typing import Final

from schemas.http.cursors import PackagePosition
from schemas.http.package_parameters import FileListing, PackageListing
from schemas.statuses import DISPLAYABLE
from service.access.rows import VisitQuery, WithVisit, with_visit
from service.catalogue.rows import package_orders
from service.catalogue.rows.package_json import file_json, package_json, version_json
from service.catalogue.rows.packages import of_type, selection
from service.infra.postgres.composing import Values, first_or_later, literal, ordering
from service.infra.postgres.database import Connection, fetch_composed
from service.infra.postgres.pages import COUNT_LIMIT
from service.infra.postgres.queries import listed
from service.infra.postgres.records import Record

_OTHER_VERSIONS: Final = f"""(SELECT string_agg({{version}}, ',' ORDER BY o.version, o.id) FROM (
    SELECT o.* FROM package o
     WHERE o.project_id = p.project_id AND o.package_type = p.package_type AND o.name = p.name
       AND o.version IS DISTINCT FROM p.version AND o.version IS NOT NULL AND o.status IN {listed(DISPLAYABLE)}
     ORDER BY o.version, o.id LIMIT 10000) o)"""
"""The displayable packages of the same name and type with another version, by version as text."""

_COUNTED: Final = """(SELECT count(*) FROM (
    SELECT FROM visit v JOIN package p ON p.project_id = v.id
     WHERE v.is_open AND {conditions} LIMIT {count_limit}) c)"""

_MOST_CHANGES: Final = 5_000

_FIGURES: Final = f"""(
    SELECT CASE WHEN changes.number > {_MOST_CHANGES} THEN {{counted}}
                ELSE coalesce(changes.packages, 0) + {{kept}} - others.packages END::bigint
      FROM (SELECT count(*) AS number, sum(s.packages) AS packages FROM (
                SELECT s.packages FROM package_statistic_change s JOIN visit v ON v.id = s.project_id
                 WHERE v.is_open AND {{type_of_figure}} LIMIT {_MOST_CHANGES} + 1) s) changes
           CROSS JOIN (SELECT {{versionless}} AS packages) others)"""
"""The number of packages that are shown, from the figures of their project: a tenth of the cost of counting 10,000.

Each figure changes in the transaction that changes its packages, so one snapshot has both. Changes that the scheduler
has not added up yet are few, or are not summed up.
"""

_KEPT: Final = """(
    SELECT coalesce(sum(s.packages), 0) FROM package_statistic s JOIN visit v ON v.id = s.project_id
     WHERE v.is_open AND {type_of_figure})"""

_FEW_PROJECTS: Final = 100

_OF_PROJECTS: Final = """(
    SELECT coalesce(sum(s.packages), 0) FROM package_statistic s
     WHERE s.project_id = ANY(ARRAY(SELECT v.id FROM visit v WHERE v.is_open LIMIT {limit})) AND {{type_of_figure}})"""
"""An array of their ids costs one descent of the index for neighbours, where a join has one for each of them."""

_KEPT_UP_TO_LIMIT: Final = f"""(
    SELECT CASE WHEN few.packages > {COUNT_LIMIT} + others.packages - coalesce(changes.packages, 0) THEN few.packages
                ELSE {_OF_PROJECTS.format(limit="ALL")} END
      FROM (SELECT {_OF_PROJECTS.format(limit=_FEW_PROJECTS)} AS packages OFFSET 0) few)"""
"""The same for thousands of projects. It reads few of them, if these are enough for a total beyond what is shown."""

_VERSIONLESS: Final = f"""(SELECT count(*) FROM visit v JOIN package p ON p.project_id = v.id
    WHERE v.is_open AND p.version IS NULL AND p.status IN {listed(DISPLAYABLE)} AND {{type_of_package}})"""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list as the text of a JSON array, and what its headers need."""

    body: str
    size: int
    """The rows that there are from its beginning on, at most one more than fit."""
    total: int | None
    """The matches there are; None: more than are counted."""
    has_more: bool
    last: tuple[object, int] | None = None
    """The value by which the list is ordered, and the id, of the last row, if more follow."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is on it."""
        return self.size == 0


async def list_packages(
    connection: Connection,
    visit: VisitQuery,
    listing: PackageListing,
    position: PackagePosition | None,
    *,
    base: str,
) -> WithVisit[Page | None]:
    """Return a page of the project's packages, and the visit, in one round trip.

    Conditions are composed, not switched by parameters, so that the planner sees what it can use an index for. A page
    behind a *position* has no total.
    """
    values = visit.values
    limit = literal(listing.per_page + 1)
    parts = {
        "visit": visit.text,
        "conditions": conditions_of(values, listing, position),
        "order": package_orders.ordering(listing),
        "limit": limit,
        "offset": first_or_later(values, listing.offset),
        "json": package_json(values.place(base, "text")),
        "cursor": package_orders.last_value(listing, limit),
    }
    parts["total"] = total_of(listing, parts["conditions"]) if position is None else "NULL::bigint"
    (record,) = await fetch_composed(connection, "package_page", parts, values.all)
    return with_visit(record, page_of(record, listing))


def conditions_of(values: Values, listing: PackageListing, position: PackagePosition | None) -> str:
    """Return the condition on the packages of a page, which follow the *position* if there is one."""
    conditions = selection(values, listing)
    if position is not None:
        conditions.append(package_orders.behind(listing, position, values) or "false")
    return " AND ".join(conditions)


def page_of(record: Record, listing: PackageListing) -> Page:
    """Return the page of packages that a query has found."""
    page = _page(record, listing.per_page)
    return replace(page, last=(record["last_value"], record["last_id"])) if page.has_more else page


def _page(record: Record, size: int) -> Page:
    total = record["total"]
    return Page(
        body=f"[{record['body'] or ''}]",
        size=record["size"],
        total=total if total is not None and total <= COUNT_LIMIT else None,
        has_more=record["size"] > size,
    )


def total_of(listing: PackageListing, conditions: str, *, of_many: bool = False) -> str:
    """Return the expression of how many packages meet these conditions, counted to just beyond what is shown.

    *of_many*: the visit has many projects.
    """
    counted = _COUNTED.format(conditions=conditions, count_limit=literal(COUNT_LIMIT + 1))
    if listing.status is not None or listing.package_version is not None or listing.package_name:
        return counted
    type_of_figure = of_type("s", listing.package_type)
    kept = _KEPT_UP_TO_LIMIT if of_many else _KEPT
    return _FIGURES.format(
        counted=counted,
        kept=kept.format(type_of_figure=type_of_figure),
        type_of_figure=type_of_figure,
        versionless="0"
        if listing.include_versionless
        else _VERSIONLESS.format(type_of_package=of_type("p", listing.package_type)),
    )


async def show_package(
    connection: Connection, visit: VisitQuery, package_id: int, *, base: str
) -> WithVisit[str | None]:
    """Return the package with its other versions, None if its status cannot be addressed; and the visit."""
    address = visit.values.place(base, "text")
    parts = {
        "visit": visit.text,
        "package_id": visit.values.place(package_id, "bigint"),
        "json": package_json(address, versions=_OTHER_VERSIONS.format(version=version_json(address))),
    }
    (record,) = await fetch_composed(connection, "package_text", parts, visit.values.all)
    return with_visit(record, record["body"])


async def list_files(
    connection: Connection, visit: VisitQuery, package_id: int, listing: FileListing, *, base: str
) -> WithVisit[Page | None]:
    """Return a page of the package's files, None if there is no such package; and the visit.

    The id decides between equals.
    """
    values = visit.values
    parts = {
        "visit": visit.text,
        "package_id": values.place(package_id, "bigint"),
        "order": ordering(f"f.{listing.order_by.value}", "f.id", listing.sort),
        "limit": literal(listing.per_page + 1),
        "offset": first_or_later(values, listing.offset),
        "count_limit": literal(COUNT_LIMIT + 1),
        "json": file_json(values.place(base, "text")),
    }
    (record,) = await fetch_composed(connection, "file_page", parts, values.all)
    return with_visit(record, _page(record, listing.per_page) if record["is_found"] else None)
