"""Reading packages and their files."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol

from schemas.http.cursors import PackagePosition
from schemas.http.package_parameters import FileListing, PackageListing
from schemas.names import PackageType
from schemas.statuses import DISPLAYABLE, DISPLAYABLE_FILES, FileStatus, PackageStatus
from service.catalogue.rows import package_orders
from service.infra.postgres.composing import Values, containing, ordering
from service.infra.postgres.database import Connection, Record, execute, fetch, fetch_composed, fetch_row
from service.infra.postgres.pages import COUNT_LIMIT, Slice, slice_of
from service.infra.postgres.queries import listed

_OF_NAMES: Final = """EXISTS (SELECT FROM package_name n
    WHERE n.project_id = p.project_id AND n.package_type = p.package_type AND n.name = p.name AND {names})"""

_MERGED: Final = """
    unnest({projects}) AS wanted (project_id) CROSS JOIN LATERAL (
        SELECT p.* FROM package p WHERE p.project_id = wanted.project_id AND {conditions}
         ORDER BY {order_within} LIMIT {limit} + {offset}) p"""
"""Each project gives its first rows in the wanted order, as its indexes have them; only those are merged."""

_SINGLE_SCAN: Final = "package p WHERE p.project_id = ANY({projects}) AND {conditions}"
"""Searches all projects in one scan. Where few rows match, the index on names finds them. Merging pages of the projects
would not save work far down: the same offset would have to be read in each project."""

_DEEP: Final = 1_000
"""Rows before a page that is far down."""


async def list_packages(connection: Connection, project_ids: Sequence[int], listing: PackageListing) -> Slice:
    """Return a page of the packages of these projects; counting and fetching are one round trip.

    Conditions are composed, not switched by parameters, so that the planner sees what it can use an index for.
    """
    values = Values()
    parts = _page_parts(values, project_ids, listing, selection(values, listing))
    parts["count_limit"] = values.place(COUNT_LIMIT + 1, "bigint")
    rows = await fetch_composed(connection, "list_packages", parts, values.all)
    return slice_of(rows, size=listing.per_page)


async def list_packages_behind(
    connection: Connection, project_ids: Sequence[int], listing: PackageListing, position: PackagePosition
) -> Slice | None:
    """Return the packages behind a position, uncounted.

    None: the position is not one of this listing's.
    """
    values = Values()
    conditions = selection(values, listing)
    condition = package_orders.behind(listing, position, values)
    if condition is None:
        return None
    parts = _page_parts(values, project_ids, listing, [*conditions, condition])
    rows = await fetch_composed(connection, "list_packages_behind", parts, values.all)
    return Slice(rows=rows[: listing.per_page], total=None, has_more=len(rows) > listing.per_page)


def _page_parts(
    values: Values, project_ids: Sequence[int], listing: PackageListing, conditions: Sequence[str]
) -> dict[str, str]:
    parts = {
        "projects": values.place(list(project_ids), "bigint[]"),
        "conditions": " AND ".join(conditions),
        "order_within": package_orders.ordering_within_project(listing),
        "order": package_orders.ordering(listing),
        "limit": values.place(listing.per_page + 1, "bigint"),
        "offset": values.place(listing.offset, "bigint"),
    }
    is_merged = len(project_ids) == 1 or (not listing.package_name and listing.offset < _DEEP)
    return {**parts, "source": (_MERGED if is_merged else _SINGLE_SCAN).format_map(parts)}


class Selection(Protocol):
    """The words of a listing that say which packages it is about."""

    @property
    def status(self) -> PackageStatus | None:
        """The one status that is wanted."""
        ...

    @property
    def package_type(self) -> PackageType | None:
        """The type that is wanted."""
        ...

    @property
    def package_name(self) -> str | None:
        """Words of the name."""
        ...

    @property
    def package_version(self) -> str | None:
        """The one version that is wanted."""
        ...

    @property
    def include_versionless(self) -> bool:
        """Whether packages without a version are wanted, too."""
        ...


def selection(values: Values, listing: Selection) -> list[str]:
    """Return the conditions that packages `p` of a listing meet."""
    # The set is written out, so that the partial indexes on just this set apply.
    status = f"p.status IN {listed(DISPLAYABLE)}" if listing.status is None else f"p.status = '{listing.status}'"
    return [status, *selection_beside_status(values, listing)]


def selection_beside_status(values: Values, listing: Selection) -> list[str]:
    """Return the conditions that packages `p` of a listing meet, but for the one on their status."""
    conditions = [of_type("p", listing.package_type)]
    if not listing.include_versionless or listing.package_version is not None:
        conditions.append("p.version IS NOT NULL")
    if listing.package_version is not None:
        conditions.append(f"p.version = {values.place(listing.package_version, 'text')}")
    # Names are far fewer than packages, and have an index of their words.
    names = " AND ".join(containing(values, listing.package_name or "", ["n.name"]))
    return [*conditions, _OF_NAMES.format(names=names)] if names else conditions


def of_type(row: str, package_type: PackageType | None) -> str:
    """Return the condition that *row* is of that type; Terraform modules are wanted only if asked for."""
    # Types are literals, so that the planner sees what it can use an index for in every plan.
    if package_type is None:
        return f"{row}.package_type <> '{PackageType.TERRAFORM_MODULE}'"
    return f"{row}.package_type = '{package_type}'"


async def find_package(connection: Connection, *, project_id: int, package_id: int) -> Record | None:
    """Return the package, if its status can be addressed."""
    return await fetch_row(
        connection,
        "find_package",
        project_id=project_id,
        package_id=package_id,
        statuses=sorted(DISPLAYABLE),
    )


async def list_files(connection: Connection, *, package_id: int, listing: FileListing) -> Slice:
    """Return a page of the package's files; the id decides between equals."""
    values = Values()
    parts = {
        "package_id": values.place(package_id, "bigint"),
        "statuses": values.place(sorted(DISPLAYABLE_FILES), "text[]"),
        "order": ordering(f"f.{listing.order_by.value}", "f.id", listing.sort),
        "limit": values.place(listing.per_page + 1, "bigint"),
        "offset": values.place(listing.offset, "bigint"),
        "count_limit": values.place(COUNT_LIMIT + 1, "bigint"),
    }
    rows = await fetch_composed(connection, "list_files", parts, values.all)
    return slice_of(rows, size=listing.per_page)


async def find_file(connection: Connection, *, package_id: int, package_file_id: int) -> Record | None:
    """Return a file of the package that can be downloaded."""
    return await fetch_row(
        connection, "find_file", package_id=package_id, package_file_id=package_file_id, status=FileStatus.DEFAULT
    )


async def list_pipelines(
    connection: Connection, *, package_id: int, position: int | None, is_before: bool, limit: int
) -> list[Record]:
    """Return the pipelines of a package next to a position, the nearest first: older ones, or newer if *is_before*."""
    return await fetch(
        connection,
        "pipelines_before" if is_before else "pipelines_behind",
        package_id=package_id,
        position=position,
        limit=limit,
    )


async def find_newest_file(
    connection: Connection, *, project_id: int, name: str, version: str, file_name: str
) -> Record | None:
    """Return the newest downloadable file of that name in an installable generic package."""
    return await fetch_row(
        connection, "find_newest_file", project_id=project_id, name=name, version=version, file_name=file_name
    )


async def note_first_download(connection: Connection, package_id: int, moment: datetime) -> None:
    """Note when a file of the package was downloaded, if none ever was and nobody else has the package's lock."""
    await execute(connection, "note_first_download", package_id=package_id, moment=moment)


async def note_downloads(connection: Connection, moments: Mapping[int, datetime]) -> None:
    """Note when files of the packages were downloaded last, to the minute."""
    await execute(connection, "note_downloads", package_ids=list(moments), moments=list(moments.values()))
