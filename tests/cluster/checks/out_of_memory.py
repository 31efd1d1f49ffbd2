"""Pods that are killed because they need more memory than they may, under load."""

import subprocess
import time
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from tests.cluster.checks.beside import ask_database
from tests.cluster.checks.cases import await_ready, load, own_pods
from tests.cluster.checks.report import Outcome
from tests.cluster.checks.running import follow_backlog
from tests.cluster.control import get
from tests.cluster.machines import wait_for
from tests.cluster.plan import NAMESPACE, Plan
from tests.support.chart import CHECKERS

_KILLED: Final = ("worker-bulk", "worker-interactive", "api")
_COUNT: Final = 2_000
_KILLED_WITHIN_S: Final = 60
_MOST_ATTEMPTS: Final = 2
"""The one that was cut, and the one that took over."""

# Each of them takes less memory than the process of the pod, so that the kernel ends that one.
_FILL: Final = """
import os, time
for _ in range(60):
    if not os.fork():
        held = b"x" * (8 << 20)
        break
time.sleep(60)
"""
_DONE: Final = """
SELECT count(*) FILTER (WHERE state = 'succeeded'), max(attempts), count(*) FILTER (WHERE attempts > 1)
FROM deletion WHERE package_name = '{name}'
"""


def kill_for_memory(plan: Plan) -> Outcome:
    """Fill the memory of a bulk worker amid a backlog, of an interactive worker, and of an API pod."""
    began = time.monotonic()
    name = f"memory-{uuid4().hex}"
    with load(plan) as running:
        left = follow_backlog(plan, name, _COUNT)
        next(left)
        seconds = [_fill(plan, component) for component in _KILLED]
        for _ in left:
            pass
        await_ready(plan)
    counts = running.counts
    succeeded, attempts, taken_over = map(int, ask_database(plan, _DONE.format(name=name))[0].split("|"))
    problems = [problem for problem in counts.problems if "requests failed" not in problem]
    problems += [f"{succeeded} of {_COUNT} deletions of the backlog succeeded"] * (succeeded != _COUNT)
    problems += [f"a deletion counts {attempts} attempts after one kill"] * (attempts > _MOST_ATTEMPTS)
    figures: dict[str, float | str] = {
        "killed": ", ".join(_KILLED),
        "within s": max(seconds),
        "backlog": _COUNT,
        "of it taken over": taken_over,
        "requests cut": counts.failed,
    }
    return Outcome("kill-memory", round(time.monotonic() - began, 1), counts, figures, problems)


def _fill(plan: Plan, component: str) -> float:
    """Fill the memory of a pod of the component; return after how many seconds Kubernetes says that it was killed."""
    pod = own_pods(plan, f"app.kubernetes.io/component={component}")[0]["metadata"]["name"]
    command: list[str | Path] = [CHECKERS / "kubectl", f"--kubeconfig={plan.kubeconfig}", "--namespace", NAMESPACE]
    before = _ends(plan, pod)
    began = time.monotonic()
    with subprocess.Popen(
        [*command, "exec", pod, "--", "python3", "-c", _FILL], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as filling:
        try:
            wait_for(lambda: _ends(plan, pod) > before, f"{pod} is not killed for its memory", _KILLED_WITHIN_S)
        finally:
            filling.terminate()
    return round(time.monotonic() - began, 1)


def _ends(plan: Plan, pod: str) -> int:
    """Return how often the pod's container was started anew, if the last time was for its memory."""
    (status,) = get(plan, "-n", NAMESPACE, "pod", pod)["status"]["containerStatuses"]
    last: dict[str, Any] = {**status["state"], **status["lastState"]}.get("terminated", {})
    return int(status["restartCount"]) + 1 if last.get("reason") == "OOMKilled" else 0
