"""Packyard's own processes for acceptance tests: started, killed, stopped and started again one by one."""

import asyncio
import json
import re
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from pydantic import SecretStr

from service.environment import PREFIX
from service.settings import Settings
from tests.support.observer import Observer, observing
from workers.stack.processes import Child, Program, find_marked
from workers.stack.readiness import until_ready
from workers.stack.state import LOOPBACK, free_port

PROCESSES: Final = ("serve", "relay", "work", "schedule")

_PATIENCE_S: Final = 60
_GLANCE_S: Final = 0.05


def environment_of(settings: Settings) -> dict[str, str]:
    """Return *settings* as the variables that would give them."""
    values = {name: getattr(settings, name) for name in Settings.model_fields}
    return {PREFIX + name.upper(): _text(value) for name, value in values.items() if value is not None}


class Yard:
    """The processes of one test; each goes by its command's name, a second one of a kind as `work-2`."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        port = free_port()
        self.folder = folder
        self.base_url = f"http://{LOOPBACK}:{port}"
        self.environment: Mapping[str, str] = {
            **environment_of(settings),
            "PACKYARD_PORT": str(port),
            "PACKYARD_EXTERNAL_URL": self.base_url,
            "PACKYARD_HEALTH_PORT": "0",
        }
        self._children: dict[str, Child] = {}

    async def start(
        self, *names: str, settings: Mapping[str, str] | None = None, options: tuple[str, ...] = ()
    ) -> None:
        """Start the named processes (all four when none is named); return when the API is ready.

        *options* are those of the command, such as --queue.
        """
        for name in names or PROCESSES:
            command = (name.partition("-")[0], *options)
            child = self._children[name] = Child(self._program(name, settings or {}, command))
            child.start()
        if "serve" in (names or PROCESSES):
            await self._ready()

    def observing(self) -> AbstractAsyncContextManager[Observer]:
        """Observe this yard from outside, as a maintainer; at its storage, if that is a folder."""
        return observing(
            base_url=self.base_url,
            broker_url=self.environment["PACKYARD_BROKER_URL"],
            storage=Path(urlsplit(self.environment["PACKYARD_STORAGE_URL"]).path),
            token="maintainer-token",
        )

    def pid(self, name: str) -> int:
        """Return the process id of the last run of *name*."""
        pid = self._children[name].pid
        assert pid is not None
        return pid

    def running(self, name: str) -> bool:
        """Return whether *name* is running."""
        return name in self._children and self._children[name].running

    def has_begun(self, name: str) -> bool:
        """Return whether *name* is running and has logged that it does its work."""
        return self.running(name) and _has_begun(self._children[name])

    def is_listening(self, name: str) -> bool:
        """Return whether *name* is running and reports on itself already."""
        return self.running(name) and bool(_health_ports(self._children[name]))

    def health_url(self, name: str) -> str:
        """Return where the last run of *name*, which has begun its work, reports on itself."""
        return f"http://{LOOPBACK}:{_health_ports(self._children[name])[-1]}"

    async def metrics(self, name: str) -> dict[str, float]:
        """Return what *name* counts and measures: each sample's name with its labels -> its value."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.health_url(name)}/-/metrics") as answer:
            assert answer.status == 200
            lines = (await answer.text()).splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}

    async def kill(self, *names: str) -> None:
        """End the named processes with kill -9."""
        for name in names:
            await self._children.pop(name).kill()

    async def terminate(self, *names: str) -> None:
        """End the named processes with SIGTERM; each has to end well and in time."""
        async with asyncio.TaskGroup() as group:
            for name in names:
                group.create_task(self._terminate(self._children.pop(name)))

    async def aclose(self) -> None:
        """End what still runs as `terminate` does, and see that nothing is left."""
        ended_early = {name: self.log(name)[-2_000:] for name in self._children if not self.running(name)}
        try:
            await self.terminate(*self._children)
        finally:
            left = find_marked(self.folder)
            for process in left:
                process.kill()
        assert not left
        assert not ended_early

    async def run(
        self,
        *arguments: str,
        settings: Mapping[str, str] | None = None,
        status: int | None = 0,
        within: float = _PATIENCE_S,
    ) -> str:
        """Run a command of `packyard` to its end, with the same settings and *settings*; return what it printed.

        That is what went to standard output and standard error; it has to end with *status*, if that is not None.
        """
        name = "-".join(("run", *arguments[:2])).replace("/", "_")
        child = Child(self._program(name, settings or {}, arguments))
        child.program.log.unlink(missing_ok=True)
        child.start()
        async with asyncio.timeout(within):
            found = await child.wait()
        output = child.program.log.read_text(encoding="utf-8")
        assert status in {None, found}, output
        return output

    async def import_packages(self, folder: Path, packages: Iterable[Mapping[str, Any]], *options: str) -> None:
        """Import packages through a file that is written into *folder*."""
        file = folder / "packages.ndjson"
        file.write_text("".join(json.dumps(package) + "\n" for package in packages), encoding="utf-8")
        await self.run("import", str(file), *options)

    def log(self, name: str) -> str:
        """Return what every run of *name* has logged so far."""
        return (self.folder / "logs" / f"{name}.log").read_text(encoding="utf-8")

    def _program(self, name: str, settings: Mapping[str, str], command: tuple[str, ...]) -> Program:
        return Program(
            name=name,
            arguments=[sys.executable, "-m", "workers.cli", *command],
            folder=self.folder,
            environment={**self.environment, **settings},
            patience=timedelta(seconds=_PATIENCE_S),
        )

    async def _ready(self) -> None:
        try:
            await until_ready(self.base_url, within_s=_PATIENCE_S, require_alive=self._require_api)
        except TimeoutError:
            raise AssertionError(f"the API is not ready: {self.log('serve')}") from None

    def _require_api(self) -> None:
        assert self.running("serve"), self.log("serve")

    async def _terminate(self, child: Child) -> None:
        # Before it has begun, SIGTERM ends any process immediately, as the system does it.
        async with asyncio.timeout(_PATIENCE_S):
            while child.running and not _has_begun(child):
                await asyncio.sleep(_GLANCE_S)
        await child.stop()
        status = await child.wait()
        assert status == 0, f"{child.program.name} ended with {status}: {self.log(child.program.name)[-2_000:]}"


async def eventually(seen: Callable[[], Awaitable[bool]], *, within: float) -> None:
    """Wait until *seen*; fails when that takes longer than *within* seconds."""
    async with asyncio.timeout(within):
        while not await seen():
            await asyncio.sleep(_GLANCE_S)


def _has_begun(child: Child) -> bool:
    return "process_started" in _log_of_run(child)


def _health_ports(child: Child) -> list[str]:
    return re.findall(r'"port":(\d+),"event":"health_listening"', _log_of_run(child))


def _log_of_run(child: Child) -> str:
    with child.program.log.open("rb") as log:
        log.seek(child.log_start)
        return log.read().decode()


def _text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, timedelta):
        return f"{value.total_seconds()}s"
    return ",".join(map(_text, value)) if isinstance(value, tuple) else str(value)
