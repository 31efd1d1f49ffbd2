"""Doing the same for many, a few at a time; and work in the background that goes on after a failure."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, Never, TypeVar

import structlog

_K = TypeVar("_K")
_V = TypeVar("_V")

_TURN: Final = 1_000
"""How many small steps run between two turns of other tasks: some milliseconds."""

log = structlog.get_logger()


async def map_in_turns(function: Callable[[_K], _V], values: Sequence[_K]) -> list[_V]:
    """Return what *function* makes of each of many values; other tasks have their turn after each thousand."""
    results: list[_V] = []
    for start in range(0, len(values), _TURN):
        if start:
            await asyncio.sleep(0)
        results += map(function, values[start : start + _TURN])
    return results


async def bounded_map(keys: Iterable[_K], function: Callable[[_K], Awaitable[_V]], *, limit: int) -> dict[_K, _V]:
    """Return what *function* makes of each key, in their order; no more than *limit* calls are under way at a time.

    The first failure ends it, and is raised as it is.
    """
    results: dict[_K, _V] = {}
    failures: list[Exception] = []
    wanted = list(keys)
    waiting = iter(wanted)

    async def call_next() -> None:
        for key in waiting:
            if failures:
                return
            try:
                results[key] = await function(key)
            except Exception as error:  # noqa: BLE001 - raised again below, not wrapped in a group
                failures.append(error)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(limit, len(wanted))):
            group.create_task(call_next())
    if failures:
        raise failures[0]
    return {key: results[key] for key in wanted}


async def repeat(work: Callable[[], Awaitable[None]], *, every_s: float, name: str) -> Never:
    """Do *work* again and again, with a pause of *every_s* seconds between, until this is cancelled.

    A failure is logged under *name* and does not end it: nobody waits for the task, so nobody would notice.
    """
    while True:
        try:
            await work()
        except Exception:
            log.exception("background_work_failed", work=name)
        await asyncio.sleep(every_s)
