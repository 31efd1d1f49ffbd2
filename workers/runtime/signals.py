"""How a process lives: it runs until SIGTERM or Ctrl-C, and says in one line why it could not start.

How long a process may go on after SIGTERM is said where it runs, such as in `workers.deleter.session.run_deleter`.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Never, NoReturn, TypeAlias

from service import event_loop
from workers.runtime.output import READER_GONE, OutputFailedError, ReaderGoneError

Work: TypeAlias = Callable[[asyncio.Event], Awaitable[None]]
"""The work of a process; ends soon after the event that it is given is set."""


def run_process(body: Work) -> None:
    """Run *body* until it ends; SIGTERM or SIGINT sets its event, a second one ends it immediately."""
    event_loop.run(_until_stopped(body))


async def until_stopped(stop: asyncio.Event, work: Coroutine[object, Never, None]) -> None:
    """Carry out *work*; when *stop* is set before it has ended, cancel it and wait until it has cleaned up."""
    running, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        running.cancel()
        await asyncio.wait({running})
    if not running.cancelled():
        running.result()


def end_immediately(command: Callable[[], object]) -> NoReturn:
    """Run *command* and end the process with its status, without taking the interpreter down.

    All is closed and written by then. Threads of the object store's library may call back for a moment after their
    work. While the interpreter goes down, that would end the process with SIGABRT instead of its status.
    """
    status = 0
    try:
        command()
    except SystemExit as ending:
        status = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    except ReaderGoneError:
        status = READER_GONE
    # A stream that was closed before the start is None.
    for stream in filter(None, (sys.stdout, sys.stderr)):
        with suppress(OSError, ValueError, ReaderGoneError, OutputFailedError):
            stream.flush()
    os._exit(status)


def fail(reason: str) -> NoReturn:
    """Print *reason* as the one line that a user needs, and exit with status 1."""
    print(f"packyard: {reason}", file=sys.stderr)  # noqa: T201 - for the person at the terminal, who may have closed it
    sys.exit(1)


async def _until_stopped(body: Work) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def ask_to_stop(number: signal.Signals) -> None:
        stop.set()
        loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ask_to_stop, number)
    await body(stop)
