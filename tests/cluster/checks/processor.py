"""Scaling by use of the processor, with metrics-server: the API for readers alone, workers for deletions, and back."""

import time
from typing import Any, Final

from tests.cluster import yard
from tests.cluster.checks.cases import load, outcome, own_values
from tests.cluster.checks.following import followed
from tests.cluster.checks.report import Outcome
from tests.cluster.checks.running import transfers
from tests.cluster.control import get
from tests.cluster.plan import NAMESPACE, RELEASE, Plan
from tests.cluster.yard import HOME

_PATIENCE_S: Final = 300
_READERS: Final = 3
_APIS: Final = (2, 3)
_WORKERS: Final = (1, 2)
_PERCENT: Final = 20
"""Of the requested processor: readers and deletions take more, also on a busy machine, and idle pods take less."""


def scale_by_use(plan: Plan) -> Outcome:
    """Read until the API gets a pod, delete until the workers do, and stop until both are as few as before."""
    values = own_values(plan)
    yard.install(plan, _scaling(values))
    began = time.monotonic()
    problems = _others(plan)
    with followed(plan, "api") as api, followed(plan, "worker-interactive") as workers:
        api.wait(_APIS[0], seconds=_PATIENCE_S)
        with transfers(plan, HOME, "--readers", str(_READERS)) as readers:
            up = {"API for readers s": api.wait_for_more(_APIS[1], seconds=_PATIENCE_S)}
        with load(plan) as running, transfers(plan, HOME, "--lanes", "20,10") as slow:
            up["worker for deletions s"] = workers.wait_for_more(_WORKERS[1], seconds=_PATIENCE_S)
        stopped = time.monotonic()
        workers.wait(_WORKERS[0], seconds=_PATIENCE_S)
        api.wait(_APIS[0], seconds=_PATIENCE_S)
        figures: dict[str, float | str] = {**up, "back s": round(time.monotonic() - stopped)}
    yard.install(plan, values)
    problems += [*readers.problems, *slow.problems]
    return outcome("hpa", began, running.counts, figures, problems)


def _scaling(values: dict[str, Any]) -> dict[str, Any]:
    scaler = {"enabled": True, "by": "cpu", "cpuUtilization": _PERCENT}
    lane = {"minReplicas": _WORKERS[0], "maxReplicas": _WORKERS[1]}
    return {
        **values,
        "api": {"autoscaling": {**scaler, "minReplicas": _APIS[0], "maxReplicas": _APIS[1]}},
        "workers": {"interactive": lane, "bulk": lane},
        "autoscaling": {"mode": "hpa", "cpuUtilization": _PERCENT, "scaleDownAfterSeconds": 15},
    }


def _others(plan: Plan) -> list[str]:
    """Return a problem for each autoscaler that is not the one of its Deployment."""
    found = get(plan, "-n", NAMESPACE, "horizontalpodautoscalers")["items"]
    acting = sorted(one["metadata"]["name"] for one in found if "deletionTimestamp" not in one["metadata"])
    wanted = [f"{RELEASE}-packyard-{name}" for name in ("api", "worker-bulk", "worker-interactive")]
    return [f"the autoscalers are {', '.join(acting)}"] * (acting != wanted)
