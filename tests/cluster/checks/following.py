"""The number of a Deployment's pods as it changes: the one that is asked for, and the ready ones."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from tests.cluster.machines import wait_for
from tests.cluster.plan import NAMESPACE, RELEASE, Plan
from tests.support.chart import CHECKERS

_COLUMNS: Final = "jsonpath={.spec.replicas},{.status.readyReplicas}{'\\n'}"
_FIRST_S: Final = 30


@dataclass(frozen=True, slots=True)
class Moment:
    """A change: when by the monotonic clock, replicas that are asked for, and those that are ready."""

    at: float
    replicas: int
    ready: int


class Followed:
    """The changes of one Deployment since it is followed, the first one being its state of then."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.moments: list[Moment] = []

    @property
    def now(self) -> Moment:
        """The last change."""
        return self.moments[-1]

    @property
    def fewest(self) -> int:
        """The smallest number of replicas that was asked for."""
        return min(moment.replicas for moment in self.moments)

    def most_since(self, began: float) -> int:
        """Return the largest number of ready pods since then."""
        return max((moment.ready for moment in self.moments if moment.at >= began), default=self.now.ready)

    def wait(self, ready: int, *, seconds: float) -> float:
        """Return after how many seconds just as many pods are ready, and are asked for."""
        return self._wait(lambda one: one.ready == ready == one.replicas, f"are not {ready} pods", seconds)

    def wait_for_more(self, ready: int, *, seconds: float) -> float:
        """Return after how many seconds at least as many pods are ready."""
        return self._wait(lambda one: one.ready >= ready, f"has no {ready} ready pods", seconds)

    def _wait(self, holds: Callable[[Moment], bool], failure: str, seconds: float) -> float:
        began = time.monotonic()
        wait_for(lambda: holds(self.now), f"{self._name} {failure} after {seconds:.0f} s", seconds)
        return round(time.monotonic() - began, 1)

    def read(self, lines: IO[str]) -> None:
        """Note changes until the lines end."""
        for line in lines:
            replicas, _, ready = line.strip().partition(",")
            self.moments.append(Moment(time.monotonic(), int(replicas), int(ready or 0)))


@contextmanager
def followed(plan: Plan, component: str) -> Iterator[Followed]:
    """Follow the Deployment of a component while the block runs."""
    name = f"{RELEASE}-packyard-{component}"
    command: list[str | Path] = [CHECKERS / "kubectl", f"--kubeconfig={plan.kubeconfig}", "--namespace", NAMESPACE]
    command += ["get", "deployment", name, "--watch", f"--output={_COLUMNS}"]
    found = Followed(name)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        reading = threading.Thread(target=found.read, args=(watching.stdout,))
        reading.start()
        try:
            wait_for(lambda: bool(found.moments), f"{name} cannot be followed", _FIRST_S)
            yield found
        finally:
            watching.terminate()
            reading.join()
