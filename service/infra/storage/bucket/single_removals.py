"""Removing the objects of a chunk one by one: where no bulk delete is served, and for keys that one did not remove."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

import obstore
from obstore.store import ObjectStore as Backend

from service.concurrency import bounded_map
from service.errors import ObjectStuckError, StorageRefusedError, StorageUnavailableError
from service.infra.storage.bucket.errors import FAILURES, Deed, is_throttled, translated
from service.infra.storage.interface import ObjectStore

_PARALLEL: Final = 16


class SingleRemovals:
    """The removal of a chunk key by key.

    The mark decides whether the store is away. If the store answers for the mark, an object that is not removed is
    stuck by itself. No further request is sent to a store that is away, or that asks for fewer requests.
    """

    def __init__(self, store: ObjectStore, backend: Backend, keys: Sequence[str], *, until: float) -> None:
        """Begin no removal after the moment *until* of the event loop's clock."""
        self._store = store
        self._backend = backend
        self._keys = keys
        self._until = until
        self._failures: dict[str, Exception] = {}
        self._passing: dict[str, Exception] = {}
        """Failures that may pass."""

        self._missing: list[str] = []
        self._in_vain = 0
        """How many removals in a row failed."""

        self._stopped = ""
        """Why no more is asked for; empty while more is."""

    async def delete(self) -> Mapping[str, Exception]:
        """Remove them; return what stopped those that are still there."""
        await bounded_map(self._keys, self._delete_one, limit=_PARALLEL)
        if self._missing:
            await self._verify_missing()
        if self._passing:
            kind = ObjectStuckError if await self._answers() else StorageUnavailableError
            self._failures |= {key: kind(str(error)) for key, error in self._passing.items()}
        return self._failures

    async def _delete_one(self, key: str) -> None:
        if not self._stopped and asyncio.get_running_loop().time() > self._until:
            self._stopped = "there was no time left for it"
        if self._stopped:
            self._failures[key] = StorageUnavailableError(f"not tried: {self._stopped}")
            return
        try:
            await obstore.delete_async(self._backend, key)
            self._in_vain = 0
        except FileNotFoundError:
            self._missing.append(key)
        except FAILURES as error:
            await self._note(key, error)

    async def _note(self, key: str, error: Exception) -> None:
        failure = translated(error, Deed.DELETE, backend=self._backend)
        if is_throttled(error):
            self._stopped = "the object store asks for fewer requests"
        if not isinstance(failure, StorageUnavailableError) or self._stopped:
            self._failures[key] = failure
            return
        self._passing[key] = failure
        self._in_vain += 1
        if self._in_vain % _PARALLEL == 0 and not await self._answers():
            self._stopped = "the object store is away"

    async def _answers(self) -> bool:
        """Return whether the store can be asked for anything at all."""
        try:
            await self._store.is_ours()
        except StorageUnavailableError:
            return False
        except StorageRefusedError:
            return True
        return True

    async def _verify_missing(self) -> None:
        # "Not there" may come from something in front of our store, or from an empty one in its place. An object is
        # believed to be gone only between two readings of the mark.
        if await self._is_ours_for_missing():
            await bounded_map(self._missing, self._verify_one, limit=_PARALLEL)
            await self._is_ours_for_missing()

    async def _verify_one(self, key: str) -> None:
        try:
            if await self._store.head(key):
                self._failures[key] = _away()
        except (StorageUnavailableError, StorageRefusedError) as error:
            self._failures[key] = error

    async def _is_ours_for_missing(self) -> bool:
        """Read the mark; without it, no missing object counts as gone."""
        doubt: Exception = _away()
        try:
            if await self._store.is_ours():
                return True
        except (StorageUnavailableError, StorageRefusedError) as error:
            doubt = error
        self._failures |= dict.fromkeys(self._missing, doubt)
        return False


def _away() -> StorageUnavailableError:
    return StorageUnavailableError("the objects of this instance are not there")
