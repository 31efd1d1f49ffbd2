"""Deletions as readers see them: with who asked, and whether the package is there."""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from schemas.http.deletion_parameters import DeletionListing
from service.infra.postgres.composing import Values, containing
from service.infra.postgres.database import Connection, Record, fetch_composed
from service.infra.postgres.pages import Slice

_MERGED: Final = """
    (SELECT w.project_id FROM unnest({projects}) AS w (project_id) CROSS JOIN LATERAL (
        SELECT d.id FROM deletion d WHERE d.project_id = w.project_id AND {conditions}
         ORDER BY d.id DESC LIMIT 1) newest
      ORDER BY newest.id DESC LIMIT {limit}) AS wanted CROSS JOIN LATERAL (
        SELECT d.* FROM deletion d WHERE d.project_id = wanted.project_id AND {conditions}
         ORDER BY d.id DESC LIMIT {limit}) d"""
"""Reads the newest deletion of each project from its index. A page of n can only come from the n projects whose newest
deletions are the newest of all, so only those give more rows."""

_EVERYWHERE: Final = "deletion d WHERE {conditions}"


async def find(connection: Connection, *, project_ids: Collection[int] | None, deletion_id: UUID) -> Record | None:
    """Return the deletion, if it is one of these projects (None: of any)."""
    values = Values()
    conditions = [f"d.id = {values.place(deletion_id, 'uuid')}"]
    if project_ids is not None:
        conditions.append(f"d.project_id = ANY({values.place(list(project_ids), 'bigint[]')})")
    source = _EVERYWHERE.format(conditions=" AND ".join(conditions))
    parts = {"source": source, "limit": values.place(1, "bigint")}
    rows = await fetch_composed(connection, "show_deletions", parts, values.all)
    return rows[0] if rows else None


async def find_all(connection: Connection, ids: Collection[UUID]) -> list[Record]:
    """Return the deletions with these ids, in whatever project they are."""
    values = Values()
    source = _EVERYWHERE.format(conditions=f"d.id = ANY({values.place(list(ids), 'uuid[]')})")
    parts = {"source": source, "limit": values.place(len(ids), "bigint")}
    return await fetch_composed(connection, "show_deletions", parts, values.all)


async def list_newest(
    connection: Connection, project_ids: Collection[int] | None, listing: DeletionListing, *, behind: UUID | None
) -> Slice:
    """Return the newest deletions of these projects (None: of all) that are older than *behind*.

    Their ids are in the order of time.
    """
    values = Values()
    limit = values.place(listing.per_page + 1, "bigint")
    conditions = " AND ".join(_conditions(values, listing, behind))
    if project_ids is None:
        source = _EVERYWHERE.format(conditions=conditions)
    else:
        projects = values.place(list(project_ids), "bigint[]")
        source = _MERGED.format(projects=projects, conditions=conditions, limit=limit)
    rows = await fetch_composed(connection, "show_deletions", {"source": source, "limit": limit}, values.all)
    return Slice(rows=rows[: listing.per_page], total=None, has_more=len(rows) > listing.per_page)


def _conditions(values: Values, listing: DeletionListing, behind: UUID | None) -> list[str]:
    conditions = ["true"]
    if behind is not None:
        conditions.append(f"d.id < {values.place(behind, 'uuid')}")
    if listing.state is not None:
        conditions.append(f"d.state = {values.place(listing.state.value, 'text')}")
    if listing.package_type is not None:
        conditions.append(f"d.package_type = {values.place(listing.package_type.value, 'text')}")
    if listing.batch_id is not None:
        conditions.append(f"d.batch_id = {values.place(listing.batch_id, 'uuid')}")
    return conditions + containing(values, listing.package_name or "", ["d.package_name"])
