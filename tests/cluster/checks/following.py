"""The number of a Deployment's pods as it changes: the one that is asked for, and the ready ones."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.cluster.machines import wait_for
from tests.cluster.plan import RELEASE, Plan
from tests.cluster.yard import HOME, Place
from tests.support.chart import CHECKERS

_COLUMNS: Final = "jsonpath={.spec.replicas},{.status.readyReplicas}{'\\n'}"
_FIRST_S: Final = 60
_AGAIN_S: Final = 0.2


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
        self._ended = threading.Event()
        self._watching: subprocess.Popen[str] | None = None

    @property
    def now(self) -> Moment:
        """The last change."""
        return self.moments[-1]

    @property
    def fewest(self) -> int:
        """The smallest number of replicas that was asked for."""
        return min(moment.replicas for moment in self.moments)

    def ready_at(self, moment: float) -> int:
        """Return how many pods were ready then."""
        return [self.moments[0], *(one for one in self.moments if one.at <= moment)][-1].ready

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

    def follow(self, command: Sequence[str | Path]) -> None:
        """Note changes until ended; a watch that the API server ends, or loses, begins anew."""
        while not self._ended.is_set():
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as watching:
                self._watching = watching
                assert watching.stdout is not None
                for line in watching.stdout:
                    self._note(line)
            self._ended.wait(_AGAIN_S)

    def end(self, following: threading.Thread) -> None:
        """Return once the thread that follows has ended."""
        self._ended.set()
        while following.is_alive():
            if self._watching:
                self._watching.terminate()
            following.join(_AGAIN_S)

    def _note(self, line: str) -> None:
        replicas, _, ready = line.strip().partition(",")
        if replicas:
            self.moments.append(Moment(time.monotonic(), int(replicas), int(ready or 0)))


@contextmanager
def followed(plan: Plan, component: str, place: Place = HOME) -> Iterator[Followed]:
    """Follow the Deployment of a component while the block runs."""
    name = f"{RELEASE}-packyard-{component}"
    command: list[str | Path] = [
        CHECKERS / "kubectl",
        f"--kubeconfig={plan.kubeconfig}",
        "--namespace",
        place.namespace,
    ]
    # A watch may go silent on an API server that is short of time, so that each one ends after a while.
    command += ["get", "deployment", name, "--watch", "--request-timeout=30s", f"--output={_COLUMNS}"]
    found = Followed(name)
    following = threading.Thread(target=found.follow, args=(command,))
    following.start()
    try:
        wait_for(lambda: bool(found.moments), f"{name} cannot be followed", _FIRST_S)
        yield found
    finally:
        found.end(following)
