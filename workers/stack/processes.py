"""Child processes: started with a mark, stopped with all that they started, found again by their mark."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

import psutil

from service.environment import process_environment

PROCESS_MARK: Final = "YARD_STACK"
"""The variable that every child carries: the data folder that it belongs to."""

_FOREIGN: Final = ("PACKYARD_", "PG", "RABBITMQ_", "ERL_", PROCESS_MARK)
_LARGEST_LOG: Final = 10_000_000
_POLL_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Account:
    """The account that a process runs under, when it is not ours."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program to run, and how to stop it."""

    name: str
    arguments: Sequence[str | Path]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    patience: timedelta = timedelta(seconds=20)
    """The time between the signal and a kill.

    A worker whose store hangs may need longer, but nobody waits longer after Ctrl-C. The kill costs its claim until
    the lease lapses.
    """

    @property
    def log(self) -> Path:
        """Where it writes what it has to say."""
        return self.folder / "logs" / f"{self.name}.log"


class Child:
    """One run of a program."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.log_start = 0
        """Where in the log, in bytes, this run begins."""

        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Its process id, once it was started."""
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it in a session of its own, so that Ctrl-C at the terminal reaches us alone."""
        program = self.program
        account = program.account
        program.log.parent.mkdir(mode=0o700, exist_ok=True)
        _rotate(program.log)
        with program.log.open("ab") as log:
            self.log_start = log.tell()
            self._process = subprocess.Popen(  # the programs are ours
                program.arguments,
                env={**inherited(), **program.environment, PROCESS_MARK: str(program.folder)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )

    async def wait(self) -> int:
        """Return its exit status, when it has one."""
        # Polled: so it can be waited for from any event loop, and from none of its threads.
        while self._process is None or (status := self._process.poll()) is None:
            await asyncio.sleep(_POLL_S)
        return status

    async def stop(self) -> None:
        """Ask it to stop; after its patience, kill it and what it started."""
        if self._process is None:
            return
        started = _descendants(self._process.pid)
        if self.running:
            self._process.send_signal(self.program.stop_signal)
            with suppress(TimeoutError):
                async with asyncio.timeout(self.program.patience.total_seconds()):
                    await self.wait()
        if self.running:
            # It may have started more while it was waited for.
            started += _descendants(self._process.pid)
        self._process.kill()
        await self.wait()
        await _kill(started)

    async def kill(self) -> None:
        """Kill it and what it started, as a power cut would."""
        if self._process is None:
            return
        started = _descendants(self._process.pid)
        self._process.kill()
        await self.wait()
        await _kill(started)


def inherited() -> dict[str, str]:
    """Return our own environment without what would steer the servers or the settings."""
    return {name: value for name, value in process_environment().items() if not name.startswith(_FOREIGN)}


def find_marked(folder: Path) -> list[psutil.Process]:
    """Return the processes that belong to *folder*, by whomever they were started."""
    ourselves = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    return [process for process in psutil.process_iter() if process.pid not in ourselves and _belongs(process, folder)]


async def end_leftovers(folder: Path) -> int:
    """End what a killed run left behind in *folder*; return how many processes that were.

    The processes of Packyard go first, politely, since their claims would otherwise have to lapse.
    """
    found = find_marked(folder)
    ours = [process for process in found if "workers.cli" in _command(process)]
    await _end(ours, signal.SIGTERM)
    await _end([process for process in found if process not in ours], signal.SIGTERM)
    return len(found)


async def _end(processes: Sequence[psutil.Process], number: signal.Signals, patience: float = 5) -> None:
    for process in processes:
        with suppress(psutil.Error):
            process.send_signal(signal.SIGINT if "postgres" in _command(process) else number)
    _, alive = await asyncio.to_thread(psutil.wait_procs, processes, patience)
    await _kill(alive)


async def _kill(processes: Iterable[psutil.Process]) -> None:
    family = list(processes)
    for process in family:
        with suppress(psutil.Error):
            process.kill()
    await asyncio.to_thread(psutil.wait_procs, family, 5)


def _descendants(pid: int) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return psutil.Process(pid).children(recursive=True)
    return []


def _belongs(process: psutil.Process, folder: Path) -> bool:
    with suppress(psutil.Error, OSError):
        if process.environ().get(PROCESS_MARK) == str(folder):
            return True
        # PostgreSQL writes its title over its environment; its working folder identifies it as well.
        return process.name() == "postgres" and Path(process.cwd()).is_relative_to(folder)
    return False


def _command(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def _rotate(log: Path) -> None:
    if log.exists() and log.stat().st_size > _LARGEST_LOG:
        log.replace(log.with_name(f"{log.name}.1"))
