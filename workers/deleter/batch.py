"""One batch of deletions, from the claim to the last byte: what a worker does with a command."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from random import SystemRandom
from types import MappingProxyType
from typing import Final
from uuid import UUID, uuid4

import structlog

from service.context import Context
from service.deletions import destroying
from service.deletions.destroying import NextStep
from service.deletions.rows.accepting import Deletion
from service.deletions.rows.destroying import MarkedFile
from service.errors import PackyardError, StorageUnavailableError
from service.infra.storage.interface import DELETE_CHUNK
from service.observing import metrics
from workers.deleter.attempts import gravest, judge
from workers.runtime.loops import wait_for_any

_CHANCE: Final = SystemRandom()
_RENEWALS_A_LEASE: Final = 3
_OUTCOMES: Final = MappingProxyType(
    {
        "destruction_succeeded": "succeeded",
        "destruction_put_off": "put_off",
        "destruction_failed": "failed",
        "destruction_released": "released",
        "destruction_on_hold": "on_hold",
        "claim_lost": "lost",
    }
)
"""The outcome of an attempt, by the log event that it ends with."""

_SINGLY_FOR: Final = timedelta(seconds=60)
"""How long the deletions of one command may be carried out one by one; the scheduler sends again for the others."""

log = structlog.get_logger()


class LeftoverFilesError(PackyardError):
    """Files of a package are left that were not marked with the others; the next attempt marks them."""


async def carry_out(context: Context, ids: Collection[UUID], stop: asyncio.Event, *, token: UUID | None = None) -> None:
    """Carry out those of the deletions that are due and free; when *stop* is set, finish the chunk and let go.

    The database records the end of each deletion; a failure of one does not affect the others. After a failure, a
    caller with the same *token* continues with the claims that it still owns.
    """
    token = token or uuid4()
    claimed = await _carry_out(context, ids, stop, token=token)
    if claimed == len(ids) or len(ids) == 1:
        return
    # A deletion that broke an attempt, or even the worker, may do so again. Alone, it cannot break others.
    deadline = asyncio.get_running_loop().time() + _SINGLY_FOR.total_seconds()
    for deletion_id in await destroying.attempted(context.database, ids):
        if stop.is_set() or asyncio.get_running_loop().time() > deadline:
            return
        await _carry_out(context, [deletion_id], stop, token=token)


async def _carry_out(context: Context, ids: Collection[UUID], stop: asyncio.Event, *, token: UUID) -> int:
    settings = context.settings
    claimed = await destroying.claim(
        context.database,
        ids,
        token=token,
        lease=settings.lease,
        grace=settings.grace_period,
        max_attempts=settings.max_attempts,
    )
    if claimed:
        batch = _Batch(context, token, claimed)
        async with batch.renewing():
            await batch.destroy(stop)
    return len(claimed)


class _Batch:
    """Claimed deletions that are not at their end yet."""

    def __init__(self, context: Context, token: UUID, claimed: Mapping[UUID, Deletion]) -> None:
        self._context = context
        self._token = token
        self._left = dict(claimed)
        self._untouched = {each for each, deletion in claimed.items() if deletion.removal_began_at is None}

    async def destroy(self, stop: asyncio.Event) -> None:
        """Remove chunk after chunk until every deletion has ended, failed, or was taken from us."""
        for deletion in self._left.values():
            _log(deletion, "destruction_begun", attempt=deletion.attempts)
        while self._left and not stop.is_set():
            try:
                await self._destroy_chunk()
            except StorageUnavailableError as error:
                await self._give_up(dict.fromkeys(self._left, error))
        if self._left:
            await self._release(self._left)
            for deletion in self._left.values():
                _log(deletion, "destruction_released")

    @asynccontextmanager
    async def renewing(self) -> AsyncGenerator[None]:
        """Keep the leases as long as the block runs."""
        done = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._renew_until(done))
            try:
                yield
            finally:
                done.set()

    async def _renew_until(self, done: asyncio.Event) -> None:
        lease = self._context.settings.lease
        while not done.is_set():
            await wait_for_any(done, within=lease / _RENEWALS_A_LEASE)
            if self._left and not done.is_set():
                await destroying.renew(self._context.database, list(self._left), token=self._token, lease=lease)

    async def _destroy_chunk(self) -> None:
        database = self._context.database
        limit = self._context.pace.chunk(DELETE_CHUNK)
        files = await destroying.next_files(database, self._left, token=self._token, limit=limit)
        self._untouched -= {file.deletion_id for file in files}
        failures = await self._remove(files)
        steps = await destroying.record_destroyed(
            database,
            self._left,
            [file for file in files if file.storage_key not in failures],
            token=self._token,
            lease=self._context.settings.lease,
        )
        self._drop_lost(steps)
        for deletion_id, step in steps.items():
            if step is NextStep.ENDED:
                _log(self._left.pop(deletion_id), "destruction_succeeded")
        await self._release_on_hold([each for each, step in steps.items() if step is NextStep.ON_HOLD])
        advanced = {file.deletion_id for file in files if file.storage_key not in failures}
        self._begin_counting_anew(advanced)
        failed = self._failed(files, failures)
        if len(files) < limit:
            failed |= await self._leftover(self._left.keys() - failed.keys())
        await self._give_up(failed, advanced=advanced)

    async def _release_on_hold(self, ids: Sequence[UUID]) -> None:
        if ids:
            await self._release(ids)
        for deletion_id in ids:
            _log(self._left.pop(deletion_id), "destruction_on_hold")

    async def _release(self, ids: Collection[UUID]) -> None:
        await destroying.release(self._context.database, ids, token=self._token, untouched=self._untouched)

    async def _remove(self, files: Sequence[MarkedFile]) -> Mapping[str, Exception]:
        if not files:
            return {}
        # The time that the pace takes is not the store's.
        async with self._context.pace.of(len(files)):
            try:
                with metrics.timed(metrics.STORAGE_DELETE_DURATION) as timing:
                    async with asyncio.timeout(self._context.settings.storage_timeout.total_seconds()):
                        failures = await self._context.store.delete([file.storage_key for file in files])
                    timing.has_failed = bool(failures)
            except TimeoutError as error:
                raise StorageUnavailableError("the object store did not answer in time") from error
            log.debug("objects_removed", objects=len(files) - len(failures))
            return failures

    def _failed(self, files: Sequence[MarkedFile], failures: Mapping[str, Exception]) -> dict[UUID, Exception]:
        errors: defaultdict[UUID, list[Exception]] = defaultdict(list)
        for file in files:
            if file.storage_key in failures and file.deletion_id in self._left:
                errors[file.deletion_id].append(failures[file.storage_key])
        return {deletion_id: gravest(found) for deletion_id, found in errors.items()}

    async def _leftover(self, ids: Collection[UUID]) -> dict[UUID, Exception]:
        if not ids:
            return {}
        # The last chunk is done: a deletion that is still open cannot end in this attempt. Exception: a hold kept its
        # files out of the chunk, and was lifted just after.
        error = LeftoverFilesError("files were added while the package was being destroyed")
        return dict.fromkeys(await destroying.unmarked(self._context.database, ids), error)

    async def _give_up(self, errors: Mapping[UUID, Exception], *, advanced: Collection[UUID] = ()) -> None:
        if not errors:
            return
        settings = self._context.settings
        failures = {
            deletion_id: judge(
                error,
                attempts=self._left[deletion_id].attempts,
                max_attempts=settings.max_attempts,
                backoff=settings.backoff,
                chance=_CHANCE.random(),
                advanced=deletion_id in advanced,
            )
            for deletion_id, error in errors.items()
        }
        await destroying.record_failures(self._context.database, failures, token=self._token, untouched=self._untouched)
        for deletion_id, failure in failures.items():
            event = "destruction_failed" if failure.pause is None else "destruction_put_off"
            _log(self._left.pop(deletion_id), event, reason=failure.reason)

    def _begin_counting_anew(self, advanced: Collection[UUID]) -> None:
        # As in the database: faults that pass must not add up over the life of a large package.
        for deletion_id in self._left.keys() & set(advanced):
            self._left[deletion_id] = replace(self._left[deletion_id], attempts=1)

    def _drop_lost(self, owned: Collection[UUID]) -> None:
        for deletion_id in self._left.keys() - set(owned):
            _log(self._left.pop(deletion_id), "claim_lost")


def _log(deletion: Deletion, event: str, **facts: object) -> None:
    if outcome := _OUTCOMES.get(event):
        metrics.ATTEMPTS.labels(outcome).inc()
    log.info(
        event,
        deletion_id=str(deletion.id),
        request_id=deletion.request_id,
        package_id=deletion.package_id,
        files=deletion.files_total,
        **facts,
    )
