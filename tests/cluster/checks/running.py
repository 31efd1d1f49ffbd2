"""Programs of a check that run beside the cluster while a case disturbs it."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.cluster import yard
from tests.cluster.checks.clients import Summary
from tests.cluster.checks.load import BEGUN
from tests.cluster.machines import ClusterError, command_in
from tests.cluster.plan import BESIDE, Plan
from tests.cluster.yard import HOME, Place
from tests.support.paths import ROOT

_PATIENCE_S: Final = 420


class RunningProgram:
    """A program of the checks that runs until its input ends, and then prints one JSON value."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        """Start it, and return once it is under way."""
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = log.open("wb")
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        if self._process.stdout is None or self._process.stdout.readline().strip() != BEGUN:
            raise ClusterError(f"a program did not begin, see {self._log.name}")

    def finish(self) -> Any:
        """Let it end, and return the value that it printed."""
        try:
            printed, _ = self._process.communicate("", timeout=_PATIENCE_S)
        finally:
            self._process.kill()
            self._log.close()
        if not printed:
            raise ClusterError(f"a program ended without a result, see {self._log.name}")
        return json.loads(printed)


@contextmanager
def transfers(plan: Plan, place: Place, *options: str) -> Iterator[Summary]:
    """Let clients transfer, read and stream while the block runs, by the module's options; fill the summary after."""
    program = [sys.executable, "-m", "tests.cluster.checks.transfers", yard.address(plan, place), *options]
    command = command_in(BESIDE, "env", f"--chdir={ROOT}", *program)
    running = RunningProgram(command, plan.logs / f"transfers{options[0]}.log")
    summary = Summary()
    try:
        yield summary
    finally:
        for name, value in running.finish().items():
            setattr(summary, name, value)


def follow_backlog(plan: Plan, name: str, count: int, *options: str, place: Place = HOME) -> Iterator[int]:
    """Import packages of that name and delete them in bulk; yield how many are left, each second until none is."""
    folder = str(plan.folder / "servers")
    program = [
        sys.executable,
        "-m",
        "tests.cluster.checks.backlog",
        yard.address(plan, place),
        folder,
        name,
        str(count),
    ]
    program += ["--database", place.database, "--prefix", place.prefix, *options]
    with (plan.logs / "backlog.log").open("wb") as log:
        running = subprocess.Popen(
            command_in(BESIDE, "env", f"--chdir={ROOT}", *program),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        assert running.stdout is not None
        yield from map(int, running.stdout)
        if running.wait():
            raise ClusterError(f"the backlog ended with {running.returncode}, see {log.name}")
