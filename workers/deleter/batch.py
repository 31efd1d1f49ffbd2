"""One batch of deletions, from the claim to the last byte: what a worker does with a command."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from random import SystemRandom
from typing import Final
from uuid import UUID

import structlog

from service.context import Context
from service.deletions.chunk import MarkedFile, next_files, record_removed, unmarked
from service.deletions.claim import attempted, claim
from service.deletions.deletion import Deletion
from service.deletions.outcome import AttemptOutcome, record_failures
from service.deletions.ownership import Claims, release, renew
from service.errors import PackyardError, StorageUnavailableError
from service.infra.storage.interface import DELETE_CHUNK
from service.observing import metrics
from workers.deleter.attempts import gravest, judge
from workers.runtime.loops import wait_for_any

_CHANCE: Final = SystemRandom()
_RENEWALS_A_LEASE: Final = 3

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
    token = token or Claims().token
    claimed = await _claim_and_destroy(context, ids, stop, token)
    if claimed == len(ids) or len(ids) == 1:
        return
    # A deletion that broke an attempt, or even the worker, may do so again. Alone, it cannot break others.
    deadline = asyncio.get_running_loop().time() + _SINGLY_FOR.total_seconds()
    for deletion_id in await attempted(context.deletions, ids):
        if stop.is_set() or asyncio.get_running_loop().time() > deadline:
            return
        await _claim_and_destroy(context, [deletion_id], stop, token)


async def _claim_and_destroy(context: Context, ids: Collection[UUID], stop: asyncio.Event, token: UUID) -> int:
    """Destroy what can be claimed; return how many deletions that was."""
    claims = Claims(token)
    claimed = await claim(context.deletions, claims, ids)
    if claimed:
        batch = _Batch(context, claims)
        async with batch.renewing():
            await batch.destroy(stop)
    return len(claimed)


class _Batch:
    """Claimed deletions, from the first chunk to the last."""

    def __init__(self, context: Context, claims: Claims) -> None:
        self._context = context
        self._deletions = context.deletions
        self._claims = claims

    async def destroy(self, stop: asyncio.Event) -> None:
        """Remove chunk after chunk until every deletion has ended, failed, or was taken from us."""
        owned = self._claims.owned
        for deletion in owned.values():
            _log(deletion, "destruction_begun", attempt=deletion.attempts)
        while owned and not stop.is_set():
            try:
                await self._destroy_chunk()
            except StorageUnavailableError as error:
                await self._give_up(dict.fromkeys(owned, error))
        await self._release(list(owned), AttemptOutcome.RELEASED)

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
        while not done.is_set():
            await wait_for_any(done, within=self._deletions.lease / _RENEWALS_A_LEASE)
            if self._claims.owned and not done.is_set():
                await renew(self._deletions, self._claims)

    async def _destroy_chunk(self) -> None:
        limit = self._context.pace.chunk(DELETE_CHUNK)
        files = await next_files(self._deletions, self._claims, limit=limit)
        failures = await self._remove(files)
        removed = [file for file in files if file.storage_key not in failures]
        outcomes = await record_removed(self._deletions, self._claims, removed)
        on_hold = [each for each, outcome in outcomes.items() if outcome is AttemptOutcome.ON_HOLD]
        for each in outcomes.keys() - on_hold:
            self._end([each], outcomes[each])
        await self._release(on_hold, AttemptOutcome.ON_HOLD)
        errors = self._errors(files, failures)
        if len(files) < limit:
            errors |= await self._leftover(self._claims.owned.keys() - errors.keys())
        await self._give_up(errors, advanced={file.deletion_id for file in removed})

    async def _remove(self, files: Sequence[MarkedFile]) -> Mapping[str, Exception]:
        """Remove the objects of the files; return why those are left that could not be removed, by their keys."""
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

    def _errors(self, files: Sequence[MarkedFile], failures: Mapping[str, Exception]) -> dict[UUID, Exception]:
        errors: defaultdict[UUID, list[Exception]] = defaultdict(list)
        for file in files:
            if file.storage_key in failures and file.deletion_id in self._claims.owned:
                errors[file.deletion_id].append(failures[file.storage_key])
        return {deletion_id: gravest(found) for deletion_id, found in errors.items()}

    async def _leftover(self, ids: Collection[UUID]) -> dict[UUID, Exception]:
        if not ids:
            return {}
        # The last chunk is done: a deletion that is still open cannot end in this attempt. Exception: a hold kept its
        # files out of the chunk, and was lifted just after.
        error = LeftoverFilesError("files were added while the package was being destroyed")
        return dict.fromkeys(await unmarked(self._deletions, ids), error)

    async def _give_up(self, errors: Mapping[UUID, Exception], *, advanced: Collection[UUID] = ()) -> None:
        if not errors:
            return
        settings = self._context.settings
        failures = {
            each: judge(
                error,
                attempts=self._claims.owned[each].attempts,
                max_attempts=settings.max_attempts,
                backoff=settings.backoff,
                chance=_CHANCE.random(),
                advanced=each in advanced,
            )
            for each, error in errors.items()
        }
        await record_failures(self._deletions, self._claims, failures)
        for each, failure in failures.items():
            self._end([each], failure.outcome, reason=failure.reason)

    async def _release(self, ids: Collection[UUID], outcome: AttemptOutcome) -> None:
        if ids:
            await release(self._deletions, self._claims, ids)
            self._end(ids, outcome)

    def _end(self, ids: Iterable[UUID], outcome: AttemptOutcome, **facts: object) -> None:
        for deletion_id in ids:
            metrics.ATTEMPTS.labels(outcome.label).inc()
            _log(self._claims.owned.pop(deletion_id), outcome.log_event, **facts)


def _log(deletion: Deletion, event: str, **facts: object) -> None:
    log.info(
        event,
        deletion_id=str(deletion.id),
        request_id=deletion.request_id,
        package_id=deletion.package_id,
        files=deletion.files_total,
        **facts,
    )
