"""Programs of a check that run beside the cluster while a case disturbs it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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
    """A module of the checks that runs until its input ends, and then prints one JSON value."""

    def __init__(self, plan: Plan, module: str, *arguments: str, name: str) -> None:
        """Start it, with *name* for its log, and return once it is under way."""
        self._log = (plan.logs / f"{name}.log").open("wb")
        program = [sys.executable, "-m", f"tests.cluster.checks.{module}", *arguments]
        self._process = subprocess.Popen(
            command_in(BESIDE, "env", f"--chdir={ROOT}", *program),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        if self._process.stdout is None or self._process.stdout.readline().strip() != BEGUN:
            raise ClusterError(f"{module} did not begin, see {self._log.name}")

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
    running = RunningProgram(plan, "transfers", yard.address(plan, place), *options, name=f"transfers{options[0]}")
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
