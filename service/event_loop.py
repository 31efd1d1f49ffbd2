"""The event loop of every process: uvloop, which spends less on each wake-up and each byte than asyncio's own."""

import asyncio
import faulthandler
from collections.abc import Coroutine
from typing import Final, Never, TypeVar

import uvloop

_CLOSE_WITHIN_S: Final = 30
_Result = TypeVar("_Result")


def run(work: Coroutine[object, Never, _Result]) -> _Result:
    """Run *work* on a loop of its own, close the loop, and return the result."""
    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    try:
        return runner.run(work)
    finally:
        # uvloop waits for each of its handles, and has been seen to wait for ever. Nothing is under way by now, so the
        # process ends instead, and shows where it waited.
        faulthandler.dump_traceback_later(_CLOSE_WITHIN_S, exit=True)
        runner.close()
        faulthandler.cancel_dump_traceback_later()
