"""Each mode of scaling after each other, under load: replicas never drop, and in the end one autoscaler acts."""

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from tests.cluster import yard
from tests.cluster.checks.cases import load, outcome, own_values
from tests.cluster.checks.report import Outcome
from tests.cluster.control import get, kubectl
from tests.cluster.machines import ClusterError, wait_for
from tests.cluster.plan import NAMESPACE, RELEASE, Plan

_WAY: Final = ("none", "hpa", "keda", "none", "keda", "hpa", "none")
"""Each of the three after each other one."""

_WORKERS: Final = f"{RELEASE}-packyard-worker-bulk"
_REPLICAS: Final = 3
_SETTLING_S: Final = 60


def change_modes(plan: Plan) -> Outcome:
    """Change the mode six times, with more workers than the least, and see which autoscaler acts on them."""
    values = own_values(plan)
    began = time.monotonic()
    problems: list[str] = []
    yard.install(plan, _in_mode(values, _WAY[0]))
    kubectl(plan, "-n", NAMESPACE, "scale", "deployment", _WORKERS, f"--replicas={_REPLICAS}")
    with load(plan) as running:
        for earlier, mode in itertools.pairwise(_WAY):
            problems += _change(plan, values, earlier, mode)
    yard.install(plan, values)
    return outcome("modes", began, running.counts, {"changes": len(_WAY) - 1}, problems)


def _change(plan: Plan, values: dict[str, Any], earlier: str, mode: str) -> list[str]:
    name = f"{earlier} to {mode}"
    with _least_replicas(plan) as seen:
        try:
            yard.install(plan, _in_mode(values, mode))
            wait_for(lambda: _acts_alone(plan, mode), f"not just the autoscaler of {mode} acts", _SETTLING_S)
        except ClusterError as error:
            return [f"{name}: {error}"]
    return [f"{name}: replicas fell to {min(seen)}"] * (min(seen) < _REPLICAS)


def _in_mode(values: dict[str, Any], mode: str) -> dict[str, Any]:
    # Replicas that autoscalers and kubectl decide on have no number in the values. The long window keeps idle workers.
    lane = {"replicas": None, "minReplicas": _REPLICAS, "maxReplicas": 4}
    return {
        **values,
        "workers": {"interactive": {"replicas": None, "maxReplicas": 2}, "bulk": lane},
        "autoscaling": {"mode": mode, "pollingInterval": 5, "scaleDownAfterSeconds": 600},
    }


def _acts_alone(plan: Plan, mode: str) -> bool:
    autoscalers = [
        found["metadata"]["name"]
        for found in get(plan, "-n", NAMESPACE, "horizontalpodautoscalers")["items"]
        if found["spec"]["scaleTargetRef"]["name"] == _WORKERS and "deletionTimestamp" not in found["metadata"]
    ]
    wanted = {"none": [], "hpa": [_WORKERS], "keda": [f"keda-hpa-{_WORKERS}"]}
    return autoscalers == wanted[mode]


@contextmanager
def _least_replicas(plan: Plan) -> Iterator[list[int]]:
    """Note the replicas that are asked for, several times a second."""
    seen: list[int] = [_replicas(plan)]
    ended = threading.Event()

    def note() -> None:
        while not ended.wait(0.3):
            seen.append(_replicas(plan))

    noting = threading.Thread(target=note)
    noting.start()
    try:
        yield seen
    finally:
        ended.set()
        noting.join()


def _replicas(plan: Plan) -> int:
    replicas: int = get(plan, "-n", NAMESPACE, "deployment", _WORKERS)["spec"]["replicas"]
    return replicas
