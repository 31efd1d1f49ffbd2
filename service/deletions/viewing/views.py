"""Reading deletions: one, a page of them, or how far all are that one call asked for."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from schemas.http import cursors
from schemas.http.cursors import DeletionPosition
from schemas.http.deletion_parameters import DeletionListing
from schemas.names import Action, Credential
from schemas.statuses import DeletionState
from service.deletions.deletion import Deletion, read
from service.infra.postgres.composing import Values, containing, literal
from service.infra.postgres.database import Connection, fetch, fetch_composed
from service.infra.postgres.records import Record, row_reader
from service.refusals import BadParametersError, NotFoundError

_MERGED: Final = """
    (SELECT w.project_id FROM unnest({projects}) AS w (project_id) CROSS JOIN LATERAL (
        SELECT d.id FROM deletion d WHERE d.project_id = w.project_id AND {conditions}
         ORDER BY d.id DESC LIMIT 1) newest
      ORDER BY newest.id DESC LIMIT {limit}) AS wanted CROSS JOIN LATERAL (
        SELECT d.* FROM deletion d WHERE d.project_id = wanted.project_id AND {conditions}
         ORDER BY d.id DESC LIMIT {limit}) d"""
"""Reads the newest deletion of each project from its index. A page of n can only come from the n projects whose newest
deletions are the newest of all, so only those give more rows."""

_IN_ORDER: Final = """
    (WITH passed AS MATERIALIZED (
        SELECT d.id, d.project_id FROM deletion d WHERE {conditions} {passing} LIMIT {passed}
    ), found AS MATERIALIZED (
        SELECT p.id FROM passed p WHERE (p.project_id IN (SELECT unnest({projects}))) IS TRUE
         ORDER BY p.id DESC LIMIT {limit}
    ), way AS MATERIALIZED (
        SELECT (SELECT count(*) FROM passed) < {passed}
            OR {is_ordered} AND (SELECT count(*) FROM found) >= {limit} AS is_known
    )
    SELECT f.id FROM found f CROSS JOIN way WHERE way.is_known
     UNION ALL
    SELECT m.id FROM way CROSS JOIN LATERAL (
        SELECT d.id FROM {merged} WHERE NOT way.is_known ORDER BY d.id DESC LIMIT {limit}) m
    ) AS wanted JOIN deletion d ON d.id = wanted.id"""
"""Passes through the deletions of all projects, the newest first, or through all in one state, which are few.

If these are not enough, the projects are merged. So a reader of thousands of projects costs no probe of each.
"""

_PASSED: Final = 1_000
_MANY_PROJECTS: Final = 100

_EVERYWHERE: Final = "deletion d WHERE {conditions}"


@dataclass(frozen=True, slots=True)
class NamedUser:
    """A user as readers see it."""

    id: int
    username: str
    name: str


@dataclass(frozen=True, slots=True)
class ActView:
    """A later request about an accepted deletion."""

    action: Action
    by: NamedUser | None
    """None if no user acted, or if the user is not known any more."""
    credential: Credential
    acted_at: datetime


@dataclass(frozen=True, slots=True)
class DeletionDetails:
    """A deletion as readers see it."""

    deletion: Deletion
    project_path: str
    requested_by: NamedUser | None
    """None if no user asked, or if the user is not known any more."""
    has_package: bool
    hold: str | None
    """Why it does not continue, if a hold on its project stops it."""
    acts: tuple[ActView, ...]


@dataclass(frozen=True, slots=True)
class DeletionPage:
    """Deletions of a page, newest first, and the cursor of the page behind it."""

    deletions: list[DeletionDetails]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class BatchPart:
    """The deletions of a batch that are in one state, added up."""

    state: DeletionState
    deletions: int
    files_total: int
    files_done: int
    bytes_total: int
    bytes_done: int
    requested_at: datetime
    """The earliest of them."""
    finished_at: datetime | None
    """The latest of them."""
    reason: str | None
    not_before: datetime | None
    """The earliest end of a grace, for those in it."""


@dataclass(frozen=True, slots=True)
class _Act:
    action: Action
    credential: Credential
    acted_at: str
    user_id: int | None
    username: str | None
    name: str | None


_read_act: Final = row_reader(_Act)
_read_part: Final = row_reader(BatchPart)


async def show(connection: Connection, project_ids: Collection[int] | None, deletion_id: UUID) -> DeletionDetails:
    """Return a deletion in one of these projects (None: in any).

    Raises:
        NotFoundError: there is no such deletion.
    """
    values = Values()
    conditions = [f"d.id = {values.place(deletion_id, 'uuid')}"]
    if project_ids is not None:
        conditions.append(f"d.project_id = ANY({values.place(list(project_ids), 'bigint[]')})")
    source = _EVERYWHERE.format(conditions=" AND ".join(conditions))
    parts = {"source": source, "limit": values.place(1, "bigint")}
    rows = await fetch_composed(connection, "show_deletions", parts, values.all)
    if not rows:
        raise NotFoundError
    return _view(rows[0])


async def find_all(connection: Connection, ids: Collection[UUID]) -> list[DeletionDetails]:
    """Return the deletions with these ids, in whatever project they are."""
    values = Values()
    source = _EVERYWHERE.format(conditions=f"d.id = ANY({values.place(list(ids), 'uuid[]')})")
    parts = {"source": source, "limit": values.place(len(ids), "bigint")}
    return [_view(row) for row in await fetch_composed(connection, "show_deletions", parts, values.all)]


async def list_newest(
    connection: Connection, project_ids: Collection[int] | None, listing: DeletionListing
) -> DeletionPage:
    """Return a page of the deletions in these projects (None: in all). Their ids are in the order of time.

    Raises:
        BadParametersError: the cursor is not one of ours.
    """
    position = cursors.decoded(listing.cursor, DeletionPosition) if listing.cursor else None
    if listing.cursor and position is None:
        raise BadParametersError("cursor is invalid")
    values = Values()
    limit = values.place(listing.per_page + 1, "bigint")
    conditions = " AND ".join(_conditions(values, listing, behind=position.id if position else None))
    if project_ids is None:
        source = _EVERYWHERE.format(conditions=conditions)
    else:
        projects = values.place(list(project_ids), "bigint[]")
        parts = {"projects": projects, "conditions": conditions, "limit": limit}
        source = _source(parts, listing, is_of_many=len(project_ids) > _MANY_PROJECTS)
    rows = await fetch_composed(connection, "show_deletions", {"source": source, "limit": limit}, values.all)
    found = [_view(row) for row in rows[: listing.per_page]]
    has_more = len(rows) > listing.per_page
    follows = cursors.encoded(DeletionPosition(id=found[-1].deletion.id)) if has_more else None
    return DeletionPage(found, follows)


async def progress_of(
    connection: Connection, batch_id: UUID, *, project_ids: Collection[int] | None
) -> list[BatchPart]:
    """Return how far a batch is in these projects (None: in all), one part for each state of its deletions.

    Raises:
        NotFoundError: the batch has no deletion there.
    """
    places = None if project_ids is None else list(project_ids)
    rows = await fetch(connection, "summarise_batch", batch_id=batch_id, project_ids=places)
    if not rows:
        raise NotFoundError
    return [_read_part(row) for row in rows]


async def holds_on(connection: Connection, batch_id: UUID, *, limit: int) -> Sequence[str]:
    """Return at most *limit* reasons of holds that keep deletions of a batch from going on."""
    return [row["hold"] for row in await fetch(connection, "holds_on_batch", batch_id=batch_id, limit=limit)]


def _source(parts: dict[str, str], listing: DeletionListing, *, is_of_many: bool) -> str:
    merged = _MERGED.format_map(parts)
    is_narrow = listing.package_type is not None or listing.batch_id is not None or listing.package_name is not None
    # Nothing bounds how many deletions have to be passed before one that has succeeded, or has some name.
    if not is_of_many or is_narrow or listing.state is DeletionState.SUCCEEDED:
        return merged
    is_ordered = listing.state is None
    passing = {"passing": "ORDER BY d.id DESC" if is_ordered else "", "is_ordered": str(is_ordered).lower()}
    return _IN_ORDER.format_map({**parts, **passing, "merged": merged, "passed": literal(_PASSED)})


def _view(row: Record) -> DeletionDetails:
    return DeletionDetails(
        deletion=read(row),
        project_path=row["project_path"],
        requested_by=_person(row["requested_by"], row["username"], row["user_name"]),
        has_package=row["has_package"],
        hold=row["hold"],
        acts=tuple(_act_view(_read_act(act)) for act in row["acts"] or ()),
    )


def _act_view(act: _Act) -> ActView:
    by = _person(act.user_id, act.username, act.name)
    return ActView(act.action, by, act.credential, datetime.fromisoformat(act.acted_at))


def _person(user_id: int | None, username: str | None, name: str | None) -> NamedUser | None:
    if user_id is None or username is None or name is None:
        return None
    return NamedUser(user_id, username, name)


def _conditions(values: Values, listing: DeletionListing, *, behind: UUID | None) -> list[str]:
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
