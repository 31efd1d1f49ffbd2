"""The whole of Packyard on one machine: servers, migrations and its five processes, kept running."""

import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

from service.environment import environment_line
from service.errors import StartError
from service.infra.postgres.migrations.run import migrate
from service.infra.rabbitmq.broker import require_broker
from workers.runtime.loops import together
from workers.stack.files import ENVIRONMENT, write_private
from workers.stack.plan import StackPlan, check_database
from workers.stack.processes import Child, Program
from workers.stack.readiness import until_ready
from workers.stack.reporter import Reporter

PROCESSES: Final = ("serve", "relay", "work", "schedule", "deliver")

_READY_S: Final = 120
"""A start takes two seconds on an idle machine, and over thirty on one that compiles."""
_PAUSES_S: Final = (1, 1, 2, 3, 5)
_SETTLED_S: Final = 60


class Running(Protocol):
    """Something that is started, and started again when it ended by itself."""

    name: str

    async def start(self) -> None:
        """Start it, and return when it can be used."""

    async def ended(self) -> int:
        """Return its exit status, when it has one."""

    async def stop(self) -> None:
        """Stop it in good order."""

    async def kill(self) -> None:
        """End it immediately."""


class Process:
    """One of Packyard's own processes."""

    def __init__(self, name: str, plan: StackPlan) -> None:
        self.name = name
        self.log = plan.folder / "logs" / f"{name}.log"
        command = [sys.executable, "-m", "workers.cli", name]
        health = {"PACKYARD_HEALTH_PORT": str(plan.health_ports.get(name, ""))}
        environment = {**plan.environment, **health}
        self._child = Child(Program(name=name, arguments=command, folder=plan.folder, environment=environment))

    async def start(self) -> None:
        """Start it; whether it can be used is asked of the API."""
        self._child.start()

    async def ended(self) -> int:
        """Return its exit status, when it has one."""
        return await self._child.wait()

    async def stop(self) -> None:
        """Stop it with SIGTERM."""
        await self._child.stop()

    async def kill(self) -> None:
        """End it immediately."""
        await self._child.kill()


class Yard:
    """A stack as planned: started, kept, stopped."""

    def __init__(self, plan: StackPlan, reporter: Reporter) -> None:
        self._plan = plan
        self._reporter = reporter
        self._servers: list[Running] = [server for server in (plan.postgres, plan.rabbitmq) if server]
        self._processes = [Process(name, plan) for name in PROCESSES]

    @property
    def environment_file(self) -> Path:
        """Where the settings of the running stack are written, for other commands."""
        return self._plan.folder / ENVIRONMENT

    async def open_servers(self) -> None:
        """Start the servers, or reach those that were given, and bring the database to the newest schema.

        Raises:
            StartError: one could not be started, or cannot be reached.
        """
        await together(self._open_database(), self._open_broker())

    async def serve(self) -> None:
        """Start the processes, and return when the API is ready.

        Raises:
            StartError: one could not be started.
        """
        write_private(self.environment_file, "".join(f"{line}\n" for line in self._environment_lines()))
        for process in self._processes:
            await process.start()
        await self._ready()

    async def keep(self) -> None:
        """Start again whatever ends; runs until it is cancelled."""
        await together(*(self._keep(running) for running in (*self._servers, *self._processes)))

    async def stop(self) -> None:
        """Stop the processes, then the servers that they use."""
        await together(*(process.stop() for process in self._processes))
        await together(*(server.stop() for server in self._servers))

    async def kill(self) -> None:
        """End everything immediately."""
        await together(*(running.kill() for running in (*self._processes, *self._servers)))

    def _environment_lines(self) -> Iterator[str]:
        yield f"# metrics of serve: {self._plan.base_url}/-/metrics"
        for name, port in self._plan.health_ports.items():
            yield f"# metrics of {name}: {self._plan.url_at(port)}/-/metrics"
        for name, value in sorted(self._plan.environment.items()):
            yield environment_line(name, value)

    async def _open_database(self) -> None:
        began = time.monotonic()
        if self._plan.postgres:
            await self._plan.postgres.start()
        else:
            await check_database(self._plan.settings)
        await asyncio.to_thread(migrate, self._plan.settings.database_url.get_secret_value())
        self._say_ready("PostgreSQL", began, is_external=self._plan.postgres is None)

    async def _open_broker(self) -> None:
        began = time.monotonic()
        if self._plan.rabbitmq:
            await self._plan.rabbitmq.start()
        else:
            await require_broker(self._plan.settings.broker_url.get_secret_value())
        self._say_ready("RabbitMQ", began, is_external=self._plan.rabbitmq is None)

    async def _ready(self) -> None:
        began = time.monotonic()
        ends = [asyncio.ensure_future(process.ended()) for process in self._processes]
        try:
            await until_ready(self._plan.base_url, within_s=_READY_S, require_alive=lambda: self._check(ends))
        except TimeoutError:
            raise StartError(f"the API was not ready in {_READY_S} s, see {self._processes[0].log}") from None
        finally:
            for end in ends:
                end.cancel()
        self._say_ready("API", began, is_external=False)

    def _check(self, ends: Sequence["asyncio.Future[int]"]) -> None:
        for process, end in zip(self._processes, ends, strict=True):
            if end.done():
                last = process.log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
                raise StartError(f"`packyard {process.name}` ended at its start: {last}")

    async def _keep(self, running: Running) -> None:
        failures = 0
        while True:
            began = time.monotonic()
            status = await running.ended()
            failures = 0 if time.monotonic() - began > _SETTLED_S else failures + 1
            pause = _PAUSES_S[min(failures, len(_PAUSES_S)) - 1] if failures else _PAUSES_S[0]
            self._reporter.say(f"{running.name} ended ({_meaning(status)}), starting it again in {pause} s")
            await asyncio.sleep(pause)
            try:
                await running.start()
            except StartError as error:
                self._reporter.say(str(error))

    def _say_ready(self, name: str, began: float, *, is_external: bool) -> None:
        which = "as given by the environment" if is_external else f"ready after {time.monotonic() - began:.1f} s"
        self._reporter.say(f"  {name:<11} {which}")


def _meaning(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"exit status {status}"
