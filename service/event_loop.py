"""The event loop of every process: uvloop, which spends less on each wake-up and each byte than asyncio's own."""

import asyncio
from collections.abc import Coroutine
from typing import Never, TypeVar

import uvloop

_Result = TypeVar("_Result")


def run(work: Coroutine[object, Never, _Result]) -> _Result:
    """Run *work* on a loop of its own, close the loop, and return the result."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(work)


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return a new loop; tests run on such loops, too."""
    return uvloop.new_event_loop()
