"""`packyard` as a process: run to its end, watched while it runs, or at a terminal."""

import asyncio
import json
import os
import pty
import re
import sys
import termios
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from service.settings import Settings
from tests.support.paths import ROOT
from tests.support.yard import environment_of

_PATIENCE_S: Final = 30
_GLANCE_S: Final = 0.02
_GAP: Final = re.compile(r" {2,}")
_SEQUENCE: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True, slots=True)
class Ended:
    """The result of a command."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        """Its output, of which each line is JSON."""
        return [json.loads(line) for line in self.out.splitlines()]


def cells_in(shown: str) -> list[list[str]]:
    """Return the cells of the rows of what was printed without a terminal; columns are at least two blanks apart."""
    return [_GAP.split(line.strip()) for line in shown.splitlines() if _GAP.search(line.strip())]


class Running:
    """A command that runs, without a terminal."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self._told: list[str] = []

    async def until_told(self, words: str) -> str:
        """Read standard error up to a line that holds these words, and return that line."""
        assert self.process.stderr is not None
        async with asyncio.timeout(_PATIENCE_S):
            while line := (await self.process.stderr.readline()).decode():
                self._told.append(line)
                if words in line:
                    return line
        raise AssertionError(f"it ended without telling {words!r}: {''.join(self._told)}")

    async def end(self) -> Ended:
        """Wait for its end."""
        async with asyncio.timeout(_PATIENCE_S):
            out, err = await self.process.communicate()
        assert self.process.returncode is not None
        return Ended(self.process.returncode, (out or b"").decode(), "".join(self._told) + err.decode())


class Commands:
    """Runs `packyard` with the settings of one test."""

    def __init__(self, settings: Settings) -> None:
        self._environment = {**environment_of(settings), "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}

    async def start(self, *arguments: object, changed: Mapping[str, str] | None = None, given: str = "") -> Running:
        """Start a command that nobody can be asked by; *given* is its standard input."""
        process = await asyncio.create_subprocess_exec(
            *_command(arguments),
            env={**self._environment, **(changed or {})},
            stdin=asyncio.subprocess.PIPE if given else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        if process.stdin is not None:
            process.stdin.write(given.encode())
            process.stdin.close()
        return Running(process)

    async def run(self, *arguments: object, changed: Mapping[str, str] | None = None, given: str = "") -> Ended:
        """Run a command to its end."""
        return await (await self.start(*arguments, changed=changed, given=given)).end()

    async def unread(self, *arguments: object) -> Ended:
        """Run a command to whose standard output nobody listens."""
        reading, writing = os.pipe()
        os.close(reading)
        process = await asyncio.create_subprocess_exec(
            *_command(arguments), env=self._environment, stdout=writing, stderr=asyncio.subprocess.PIPE
        )
        os.close(writing)
        return await Running(process).end()

    async def done(self, *arguments: object, given: str = "") -> Ended:
        """Run a command that has to end well, without a word on standard error."""
        ended = await self.run(*arguments, given=given)
        assert (ended.status, ended.err) == (0, ""), ended
        return ended

    async def refused(self, *arguments: object, status: int, line: str) -> None:
        """Run a command that has to end with this status and begin its last line so, and to print nothing else."""
        ended = await self.run(*arguments)
        assert (ended.status, ended.out) == (status, ""), ended
        assert ended.err.splitlines()[-1].startswith(line), ended.err

    async def at_terminal(self, *arguments: object, columns: int = 160) -> "Terminal":
        """Start a command at a terminal of its own, so many columns wide."""
        ours, its = pty.openpty()
        termios.tcsetwinsize(its, (50, columns))
        process = await asyncio.create_subprocess_exec(
            *_command(arguments),
            env={**self._environment, "TERM": "xterm"},
            stdin=its,
            stdout=its,
            stderr=its,
            start_new_session=True,
        )
        os.close(its)
        return Terminal(process, ours)


class Terminal:
    """A terminal with a command that runs at it."""

    def __init__(self, process: asyncio.subprocess.Process, terminal: int) -> None:
        self.process = process
        self._bytes = b""
        self._terminal = terminal
        self._reading = asyncio.create_task(asyncio.to_thread(self._read))

    @property
    def shown(self) -> str:
        """All that it has shown, without colours and movements."""
        return _SEQUENCE.sub("", self._bytes.decode(errors="replace"))

    async def until_shown(self, words: str) -> None:
        """Wait until the terminal has shown these words."""
        async with asyncio.timeout(_PATIENCE_S):
            while words not in self.shown:
                assert not self._reading.done(), self.shown
                await asyncio.sleep(_GLANCE_S)

    def answer(self, text: str) -> None:
        """Type this."""
        os.write(self._terminal, text.encode())

    async def end(self) -> int:
        """Wait for the command's end and return its status."""
        async with asyncio.timeout(_PATIENCE_S):
            status = await self.process.wait()
            await self._reading
        os.close(self._terminal)
        return status

    def _read(self) -> None:
        with suppress(OSError):  # the command has ended
            while chunk := os.read(self._terminal, 65_536):
                self._bytes += chunk


def _command(arguments: tuple[object, ...]) -> list[str]:
    return [sys.executable, "-m", "workers.cli", *map(str, arguments)]
