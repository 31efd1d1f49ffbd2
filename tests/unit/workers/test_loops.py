"""Sessions that are opened again: each outage is a line of the log, and no more than one."""

import asyncio
from datetime import timedelta

from structlog.testing import capture_logs

from workers.runtime.loops import reopen_until


async def _lines_of(*lifetimes_s: float, error: Exception | None = None) -> list[str]:
    """Return what is logged while sessions break for the same reason, each after that time."""
    stop = asyncio.Event()
    lifetimes = iter(lifetimes_s)

    async def session() -> None:
        if (lifetime := next(lifetimes, None)) is None:
            stop.set()
            return
        await asyncio.sleep(lifetime)
        raise error or ConnectionResetError("away")

    with capture_logs() as lines:
        await reopen_until(stop, session, pause=timedelta(0), worked=timedelta(seconds=0.5))
    return [line["reason"] for line in lines]


async def test_an_outage_is_logged_once_however_many_sessions_it_breaks() -> None:
    assert await _lines_of(0, 0, 0) == ["ConnectionResetError: away"]


async def test_a_second_outage_for_the_same_reason_is_logged_too() -> None:
    assert await _lines_of(0, 0, 0.6, 0) == ["ConnectionResetError: away"] * 2


async def test_the_silence_of_a_server_is_logged_in_words() -> None:
    assert await _lines_of(0, error=TimeoutError()) == ["TimeoutError: no answer in time"]
