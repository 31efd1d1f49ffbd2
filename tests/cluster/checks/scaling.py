"""Workers that follow a backlog, up and down, as KEDA and Kubernetes scale them."""

import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any, Final

from tests.cluster import yard
from tests.cluster.checks.report import Outcome
from tests.cluster.control import get, kubectl
from tests.cluster.machines import ClusterError, command_in
from tests.cluster.plan import BESIDE, NAMESPACE, RELEASE, Plan
from tests.support.paths import ROOT

_COUNT: Final = 30_000
_WORKERS: Final = f"{RELEASE}-packyard-worker-bulk"
_DOWN_S: Final = 420


@dataclass(frozen=True, slots=True)
class Sample:
    """A moment: seconds since the deletions were asked for, deletions that are not over, and workers that are ready."""

    seconds: float
    left: int
    ready: int


def scale(plan: Plan) -> Outcome:
    """Ask for many deletions; workers come for them, and go when nothing is left."""
    began = time.monotonic()
    samples = list(_followed(plan))
    asked = time.monotonic() - (samples[-1].seconds if samples else 0)
    least, most = _limits(plan)
    problems = [f"no {most} workers were ready, at most {max((one.ready for one in samples), default=0)}"] * (
        not any(one.ready >= most for one in samples)
    )
    down = _seconds_until_down(plan, least)
    problems += [f"the workers did not go down to {least} within {_DOWN_S} s"] * (down is None)
    problems += _warnings(plan)
    figures: dict[str, float | str] = {
        "deletions": _COUNT,
        "first new worker s": next((round(one.seconds) for one in samples if one.ready > least), "none"),
        "all gone s": round(time.monotonic() - asked - (down or 0)),
        f"back to {least} s": round(down or 0),
        "over time": " ".join(f"{one.seconds:.0f}:{one.left}:{one.ready}" for one in samples[::5]),
    }
    return Outcome("scale", round(time.monotonic() - began, 1), figures=figures, problems=problems)


def _followed(plan: Plan) -> list[Sample]:
    program = [
        sys.executable,
        "-m",
        "tests.cluster.checks.backlog",
        yard.address(plan),
        str(plan.folder / "servers"),
        str(_COUNT),
    ]
    samples: list[Sample] = []
    with (plan.logs / "backlog.log").open("wb") as log:
        running = subprocess.Popen(
            command_in(BESIDE, "env", f"--chdir={ROOT}", *program), stdout=subprocess.PIPE, stderr=log, text=True
        )
        assert running.stdout is not None
        began = 0.0
        for line in running.stdout:
            began = began or time.monotonic()
            samples.append(Sample(time.monotonic() - began, int(line), _ready(plan)))
        if running.wait():
            raise ClusterError(f"the backlog ended with {running.returncode}, see {log.name}")
    return samples


def _ready(plan: Plan) -> int:
    found: dict[str, Any] = get(plan, "-n", NAMESPACE, "deployment", _WORKERS)
    ready: int = found["status"].get("readyReplicas", 0)
    return ready


def _limits(plan: Plan) -> tuple[int, int]:
    spec = get(plan, "-n", NAMESPACE, "horizontalpodautoscaler", f"keda-hpa-{_WORKERS}")["spec"]
    return spec["minReplicas"], spec["maxReplicas"]


def _seconds_until_down(plan: Plan, least: int) -> float | None:
    began = time.monotonic()
    while _ready(plan) > least:
        if time.monotonic() - began > _DOWN_S:
            return None
        time.sleep(2)
    return time.monotonic() - began


def _warnings(plan: Plan) -> list[str]:
    chosen = "type=Warning,involvedObject.kind=ScaledObject"
    text = kubectl(plan, "-n", NAMESPACE, "get", "events", f"--field-selector={chosen}", "-o", "name")
    return [f"KEDA warns: {len(text.split())} events"] * bool(text.split())
