"""The two sides of a race: one whose transaction stays open right before its end, one that is seen to wait for it."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, Final, Generic, TypeAlias, TypeVar
from uuid import UUID

import pytest
from typing_extensions import override

from schemas.statuses import DeletionState
from service.context import Context
from service.deletions import holds
from service.deletions import wake as waking
from service.deletions.bulk import BulkPlan
from service.deletions.deletion import Deletion
from service.deletions.holds import HoldReport, Place
from service.deletions.undoing.restore import Restoration
from service.infra.postgres.database import Connection, Database
from service.refusals import RefusedError
from tests.support.catalogue import (
    Selected,
    delete,
    delete_file,
    delete_many,
    destroy_now,
    find_deletion,
    protect,
    publish,
    query,
    restore,
    restore_many,
    retry,
)
from tests.support.stepwise import Worker, try_claim

_T = TypeVar("_T")
UseCase: TypeAlias = Callable[[Context], Coroutine[Any, Any, _T]]

OK: Final = 200
EITHER_END: Final = pytest.mark.parametrize("commits", [True, False], ids=["commits", "rolls back"])
"""How the first side ends."""

_PATIENCE_S: Final = 10
_GLANCE_S: Final = 0.002


class _RolledBackError(Exception):
    """The side was asked not to commit."""


class _PausingDatabase(Database):
    """The same pool; the first transaction, or statement that writes, stops before its end until the test ends it."""

    def __init__(self, database: Database) -> None:
        super().__init__(database._pool, database._url)
        self.paused = asyncio.Event()
        self.told = asyncio.Event()
        self.commits = False

    @override
    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Connection]:
        async with super().connection() as connection, connection.transaction():
            yield connection
            if await connection.fetchval("SELECT pg_current_xact_id_if_assigned() IS NOT NULL"):
                await self._pause()

    @override
    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Connection]:
        async with super().transaction() as connection:
            yield connection
            await self._pause()

    async def _pause(self) -> None:
        if not self.paused.is_set():
            self.paused.set()
            await self.told.wait()
            if not self.commits:
                raise _RolledBackError


class OpenSide(Generic[_T]):
    """A use case that has done everything but commit."""

    def __init__(self, database: _PausingDatabase, attempt: asyncio.Task[_T]) -> None:
        self._database = database
        self._attempt = attempt

    async def end(self, *, commits: bool) -> _T | None:
        """Let it commit, and return its result; or let it roll back."""
        self._database.commits = commits
        self._database.told.set()
        with suppress(_RolledBackError):
            return await self._attempt
        return None


@asynccontextmanager
async def held_open(context: Context, use_case: UseCase[_T]) -> AsyncGenerator[OpenSide[_T]]:
    """Give the use case with its (first) transaction open, all its statements done."""
    database = _PausingDatabase(context.database)
    attempt = asyncio.create_task(use_case(replace(context, database=database)))
    try:
        async with asyncio.timeout(_PATIENCE_S):
            while not database.paused.is_set():
                assert not attempt.done(), f"it ended before the end of its transaction: {attempt}"
                await asyncio.sleep(_GLANCE_S)
        yield OpenSide(database, attempt)
    finally:
        attempt.cancel()
        with suppress(asyncio.CancelledError, _RolledBackError, RefusedError):
            await attempt


async def begun_waiting(context: Context, use_case: UseCase[_T]) -> asyncio.Task[_T]:
    """Start the use case and return it when it waits for somebody's lock, like those that have waited before it."""
    others = await _count_waiting(context)
    attempt = asyncio.create_task(use_case(context))
    async with asyncio.timeout(_PATIENCE_S):
        while await _count_waiting(context) == others:
            assert not attempt.done(), f"it did not wait: {attempt}"
            await asyncio.sleep(_GLANCE_S)
    return attempt


async def answer_of(attempt: Awaitable[object]) -> int:
    """Return with which HTTP status the use case would be answered."""
    try:
        await attempt
    except RefusedError as error:
        return error.status
    return OK


def restoring(deletion: Deletion) -> UseCase[Deletion]:
    """Undo the deletion."""
    return lambda context: restore(context, deletion.id)


def retrying(deletion: Deletion) -> UseCase[Deletion]:
    """Begin the failed deletion anew."""
    return lambda context: retry(context, deletion.id)


def restoring_many(batch_id: UUID | None) -> UseCase[Restoration]:
    """Undo the deletions of the batch."""
    assert batch_id is not None
    return lambda context: restore_many(context, batch_id)


def destroying_now(deletion: Deletion) -> UseCase[Deletion]:
    """Let the deletion wait for no grace."""
    return lambda context: destroy_now(context, deletion.id)


async def hold(context: Context) -> HoldReport:
    """Put the project that everything is in on hold."""
    return await holds.put_on_hold(context.database, Place.PROJECT, "acme/open", reason="an audit")


async def wake(context: Context) -> int:
    """Send for what is due, as the scheduler; return how much that was."""
    return await waking.wake(context.deletions, limit=10)


async def lift(context: Context) -> HoldReport:
    """Lift that hold."""
    return await holds.put_on_hold(context.database, Place.PROJECT, "acme/open", reason=None)


def claiming(deletion: Deletion, worker: Worker | None = None) -> UseCase[set[UUID]]:
    """Claim the deletion; by a fresh worker, if no other is given."""
    return lambda context: (worker or Worker()).claim(context, deletion.id)


def deleting(package_id: int) -> UseCase[Deletion]:
    """Accept the deletion of the package."""
    return lambda context: delete(context, package_id)


def deleting_file(package_id: int, package_file_id: int) -> UseCase[Deletion]:
    """Accept the deletion of the file."""
    return lambda context: delete_file(context, package_id, package_file_id)


def deleting_many(what: Selected, *, expected_count: int | None = None) -> UseCase[BulkPlan]:
    """Accept the deletions of many packages in one call."""
    return lambda context: delete_many(context, what, expected_count=expected_count)


def publishing(file_name: str = "c") -> UseCase[int]:
    """Publish a file in the package that every test begins with, or in a new one of its name."""
    return lambda context: publish(context, files=[file_name])


def accepted_ids(plan: BulkPlan) -> list[int]:
    """Return the packages whose deletions were accepted."""
    assert [package.id for package in plan.accepted] == sorted(plan.deletion_ids)
    return sorted(plan.deletion_ids)


async def state_of(context: Context, deletion: Deletion) -> DeletionState:
    """Return the state as it is now."""
    return (await find_deletion(context, deletion.id)).state


async def file_ids(context: Context, package_id: int) -> list[int]:
    """Return the ids of the package's files."""
    rows = await query(context, "SELECT id FROM package_file WHERE package_id = $1 ORDER BY id", package_id)
    return [row["id"] for row in rows]


async def let_lapse(context: Context, deletion: Deletion) -> None:
    """Set the lease into the past."""
    await query(
        context,
        "UPDATE deletion SET lease_until = now() - interval '1 second' WHERE id = $1 AND claim IS NOT NULL",
        deletion.id,
    )


async def failed(context: Context, deletion: Deletion) -> Deletion:
    """Return the deletion with its attempts used up."""
    worker = Worker()
    await worker.claim(context, deletion.id)
    await worker.fail(context, is_last_attempt=True)
    return deletion


async def failed_untouched(context: Context, deletion: Deletion) -> Deletion:
    """Return the deletion as one that protection stopped before anything was removed."""
    await protect(context)
    assert not await try_claim(context, deletion)
    return deletion


async def about_to_end(context: Context, *accepted: Deletion) -> Worker:
    """Return a worker that has removed all objects of the deletions and has only to record it."""
    worker = Worker()
    await worker.claim(context, *(deletion.id for deletion in accepted))
    await worker.prepare_chunk(context)
    return worker


async def _count_waiting(context: Context) -> int:
    # The database is the test's own, so a waiting session is the other side.
    return len(
        await query(
            context,
            "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
    )
