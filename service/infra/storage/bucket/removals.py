"""Removing the objects of a chunk from a bucket: by one bulk delete where it is served, else one by one."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final

import structlog
from obstore.store import ObjectStore as Backend

from service.errors import StorageRefusedError, StorageUnavailableError
from service.infra.storage.bucket.bulk_requests import BulkRefusedError, BulkRequests
from service.infra.storage.bucket.single_removals import SingleRemovals
from service.infra.storage.interface import ObjectStore

_BULK_AGAIN_S: Final = 300
"""How long a store that does not serve bulk deletes is not asked for one."""
_SHARE_OF_REMOVALS: Final = 0.8
"""In which part of the time for a chunk removals begin; the rest is for those under way, and for the mark."""

log = structlog.get_logger()


class Removals:
    """The removals of one store; it remembers for a while that the store serves no bulk delete."""

    def __init__(self, store: ObjectStore, backend: Backend, *, within: timedelta, bulk: BulkRequests | None) -> None:
        """Remove a chunk *within* that time, with *bulk* where the bucket serves that."""
        self._store = store
        self._backend = backend
        self._within = within
        self._bulk = bulk
        self._bulk_again_at = 0.0
        """From which moment of the event loop's clock on a bulk delete is asked for."""

    async def delete(self, keys: Sequence[str]) -> Mapping[str, Exception]:
        """Remove at least one key; return what stopped those that are still there.

        Raises:
            StorageUnavailableError: the store is away.
        """
        now = asyncio.get_running_loop().time()
        until = now + _SHARE_OF_REMOVALS * self._within.total_seconds()
        if self._bulk is None or len(keys) == 1 or now < self._bulk_again_at:
            failures = await self._singly(keys, until=until)
        else:
            failures = await self._in_bulk(self._bulk, keys, until=until)
        if all(isinstance(failures.get(key), StorageUnavailableError) for key in keys):
            raise failures[keys[0]]
        return failures

    async def _in_bulk(self, bulk: BulkRequests, keys: Sequence[str], *, until: float) -> Mapping[str, Exception]:
        try:
            answer = await bulk.delete(keys)
        except BulkRefusedError as error:
            return await self._without_bulk(keys, error, until=until)
        # A key that the answer does not name may be there, and one that failed may be removed by itself.
        others = [key for key in keys if key not in answer.removed and key not in answer.refusals]
        refusals = {key: answer.refusals[key] for key in keys if key in answer.refusals}
        return {**refusals, **await self._singly(others, until=until)}

    async def _without_bulk(
        self, keys: Sequence[str], error: BulkRefusedError, *, until: float
    ) -> Mapping[str, Exception]:
        await self._require_answer()
        if error.is_forbidden:
            # If the credentials are the reason, the first object shows it, and no request for the others is needed.
            first = (await self._singly(keys[:1], until=until)).get(keys[0])
            if isinstance(first, StorageRefusedError):
                return dict.fromkeys(keys, first)
        failures = await self._singly(keys, until=until)
        if len(failures) < len(keys):
            log.warning("bulk_delete_not_served", reason=str(error), asked_again_after_s=_BULK_AGAIN_S)
            self._bulk_again_at = asyncio.get_running_loop().time() + _BULK_AGAIN_S
        return failures

    async def _require_answer(self) -> None:
        """Raise StorageUnavailableError when the store is away; a refusal is an answer."""
        with suppress(StorageRefusedError):
            await self._store.is_ours()

    async def _singly(self, keys: Sequence[str], *, until: float) -> Mapping[str, Exception]:
        return await SingleRemovals(self._store, self._backend, keys, until=until).delete() if keys else {}
