"""One run of `packyard up`: it removes an earlier run's leftovers, then starts, fills, keeps and stops the stack."""

import asyncio
import logging
import signal
from collections.abc import Mapping
from pathlib import Path

from workers.runtime.loops import together
from workers.runtime.signals import until_stopped
from workers.stack.demo import Demo
from workers.stack.plan import make_plan
from workers.stack.processes import end_leftovers
from workers.stack.reporter import Reporter
from workers.stack.yard import Yard


class StackSession:
    """The body of the process; without *demo_files* an empty instance stays empty."""

    def __init__(self, folder: Path, *, port: int | None, defaults: Mapping[str, str], demo_files: Path | None) -> None:
        self._folder = folder
        self._port = port
        self._defaults = defaults
        self._demo_files = demo_files
        self._reporter = Reporter()

    async def run(self, stop: asyncio.Event) -> None:
        """Run until *stop* is set; nothing is left running then, nor when the start fails."""
        logging.getLogger("aiormq").addHandler(logging.NullHandler())  # it says what our own line says better
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, stop.set)  # the terminal was closed
        if number := await end_leftovers(self._folder):
            self._reporter.say(f"ended {number} processes that an earlier run left behind")
        plan = make_plan(self._folder, port=self._port, defaults=self._defaults)
        self._reporter.say(f"Packyard starts, its data is in {self._folder}")
        yard = Yard(plan, self._reporter)
        try:
            demo = Demo(plan, self._reporter, yard.environment_file)
            await until_stopped(stop, self._start(yard, demo))
            if not stop.is_set():
                await until_stopped(stop, self._keep(yard, demo))
        finally:
            await self._end(yard)

    async def _start(self, yard: Yard, demo: Demo) -> None:
        await yard.open_servers()
        # Before the API listens, and with --no-demo as well: the folder may have the demo of an earlier run.
        await demo.set_tokens()
        if self._demo_files is None:
            await yard.serve()
        else:
            await together(yard.serve(), demo.fill(self._demo_files))

    async def _keep(self, yard: Yard, demo: Demo) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(yard.keep())
            await demo.explain()

    async def _end(self, yard: Yard) -> None:
        self._reporter.say("\nPackyard stops (once more: at once)")
        hurry = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, hurry.set)
        await until_stopped(hurry, yard.stop())
        if hurry.is_set():
            await yard.kill()
        self._reporter.say("Packyard has stopped")
