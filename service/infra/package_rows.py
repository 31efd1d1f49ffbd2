"""Reading packages and their files."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from schemas.names import PackageType
from schemas.queries import OrderBy, PackageListing, Sort
from schemas.statuses import DISPLAYABLE, DISPLAYABLE_FILES
from service.infra.database import Connection, Record, execute, fetch, fetch_composed, fetch_row

COUNT_LIMIT: Final = 10_000
"""Totals are told up to this many matches (GitLab's rule)."""

_ORDERS: Final = {
    OrderBy.CREATED_AT: "p.created_at",
    OrderBy.NAME: "p.name",
    OrderBy.VERSION: "p.version",
    OrderBy.TYPE: "p.type_number",
    OrderBy.PROJECT_PATH: "(SELECT substring(j.path FROM '[^/]*$') FROM project j WHERE j.id = p.project_id)",
}


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a list: its rows, the matches there are (None: more than are counted), and whether more follow."""

    rows: list[Record]
    total: int | None
    has_more: bool


async def list_packages(
    connection: Connection, project_ids: Sequence[int], listing: PackageListing, order_by: OrderBy
) -> Slice:
    """Return a page of the packages of these projects; counting and fetching are one round trip.

    Conditions are composed, not switched by parameters, so that the planner sees what it can use an index for.
    """
    values: list[object] = []

    def parameter(value: object) -> str:
        values.append(value)
        return f"${len(values)}"

    projects = parameter(list(project_ids))
    conditions: list[str] = []
    if listing.status is None:
        # Written out, so that the partial indexes on just this set apply.
        conditions.append("p.status IN ('default', 'error', 'deprecated')")
    else:
        conditions.append(f"p.status = {parameter(listing.status.value)}::text")
    if listing.package_type is None:
        conditions.append("p.package_type <> 'terraform_module'")
    else:
        conditions.append(f"p.package_type = {parameter(listing.package_type.value)}::text")
    if not listing.include_versionless or listing.package_version is not None:
        conditions.append("p.version IS NOT NULL")
    if listing.package_version is not None:
        conditions.append(f"p.version = {parameter(listing.package_version)}::text")
    conditions += [
        f"p.name ILIKE {parameter(_containing(term))}::text" for term in search_terms(listing.package_name or "")
    ]
    direction = "DESC" if listing.sort is Sort.DESC else "ASC"
    # Within a project its path is always the same, and without it the order is that of an index.
    within = "" if order_by is OrderBy.PROJECT_PATH else f"{_ORDERS[order_by]} {direction}, "
    rows = await fetch_composed(
        connection,
        "list_packages",
        {
            "projects": projects,
            "conditions": " AND ".join(conditions),
            "order_within": f"{within}p.id {direction}",
            "order": f"{_ORDERS[order_by]} {direction}, p.id {direction}",
            "limit": parameter(listing.per_page + 1),
            "offset": parameter((listing.page - 1) * listing.per_page),
            "count_limit": parameter(COUNT_LIMIT + 1),
        },
        values,
    )
    found = [row for row in rows if row["id"] is not None]
    total = rows[0]["total"]
    return Slice(
        rows=found[: listing.per_page],
        total=total if total <= COUNT_LIMIT else None,
        has_more=len(found) > listing.per_page,
    )


async def find_package(connection: Connection, *, project_id: int, package_id: int) -> Record | None:
    """Return the package, if its status can be addressed."""
    return await fetch_row(
        connection,
        "find_package",
        project_id=project_id,
        package_id=package_id,
        statuses=sorted(DISPLAYABLE),
    )


async def other_versions(connection: Connection, package: Record) -> list[Record]:
    """Return the displayable packages of the same name and type with another version, by version as text."""
    return await fetch(
        connection,
        "other_versions",
        project_id=package["project_id"],
        package_type=PackageType(package["package_type"]),
        name=package["name"],
        version=package["version"],
        statuses=sorted(DISPLAYABLE),
    )


async def list_files(connection: Connection, *, package_id: int, page: int, per_page: int) -> Slice:
    """Return a page of the package's files, ascending by id."""
    rows = await fetch(
        connection,
        "list_files",
        package_id=package_id,
        statuses=sorted(DISPLAYABLE_FILES),
        limit=per_page + 1,
        offset=(page - 1) * per_page,
        count_limit=COUNT_LIMIT + 1,
    )
    found = [row for row in rows if row["id"] is not None]
    total = rows[0]["total"]
    return Slice(rows=found[:per_page], total=total if total <= COUNT_LIMIT else None, has_more=len(found) > per_page)


async def find_newest_file(
    connection: Connection, *, project_id: int, name: str, version: str, file_name: str
) -> Record | None:
    """Return the newest downloadable file of that name in an installable generic package."""
    return await fetch_row(
        connection, "find_newest_file", project_id=project_id, name=name, version=version, file_name=file_name
    )


async def note_download(connection: Connection, package_id: int) -> None:
    """Note that a file of the package was downloaded now."""
    await execute(connection, "note_download", package_id=package_id)


def search_terms(text: str) -> list[str]:
    """Split a fuzzy search into terms; text in double quotes stays one term."""
    parts = text.split('"')
    # Without a closing quote the last part is plain text again.
    quoted = set(range(1, len(parts) - 1, 2))
    terms: list[str] = []
    for index, part in enumerate(parts):
        words = " ".join(part.split())
        terms += [words] if index in quoted and words else words.split()
    return terms


def _containing(term: str) -> str:
    escaped = term.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
