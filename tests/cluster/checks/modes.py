"""Each mode of scaling after each other, under load: replicas never drop, and in the end one autoscaler acts."""

import itertools
import time
from collections.abc import Mapping
from typing import Any, Final

from tests.cluster import yard
from tests.cluster.checks.cases import load, outcome, own_values
from tests.cluster.checks.following import followed
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
    # The set-up changes nothing here, and each change would wait for it.
    quick = {**values, "setUp": {"enabled": False}, "directory": {}}
    yard.install(plan, _in_mode(quick, _WAY[0]))
    kubectl(plan, "-n", NAMESPACE, "scale", "deployment", _WORKERS, f"--replicas={_REPLICAS}")
    with load(plan) as running:
        for earlier, mode in itertools.pairwise(_WAY):
            problems += _change(plan, quick, earlier, mode)
    yard.install(plan, values)
    return outcome("modes", began, running.counts, {"changes": len(_WAY) - 1}, problems)


def _change(plan: Plan, values: dict[str, Any], earlier: str, mode: str) -> list[str]:
    name = f"{earlier} to {mode}"
    with followed(plan, "worker-bulk") as workers:
        try:
            yard.install(plan, _in_mode(values, mode))
            wait_for(lambda: _acts_alone(plan, mode), f"not just the autoscaler of {mode} acts", _SETTLING_S)
        except ClusterError as error:
            return [f"{name}: {error}"]
    return [f"{name}: replicas fell to {workers.fewest}"] * (workers.fewest < _REPLICAS)


def _in_mode(values: dict[str, Any], mode: str) -> dict[str, Any]:
    # Replicas that autoscalers and kubectl decide on have no number in the values. The long window keeps idle workers.
    lane = {"replicas": None, "minReplicas": _REPLICAS, "maxReplicas": 4}
    return {
        **values,
        "workers": {"interactive": {"replicas": None, "maxReplicas": 2}, "bulk": lane},
        "autoscaling": {"mode": mode, "pollingInterval": 5, "scaleDownAfterSeconds": 600},
    }


def _acts_alone(plan: Plan, mode: str) -> bool:
    """Return whether the one autoscaler is that of *mode*, and has found a number by its metrics."""
    autoscalers = {
        found["metadata"]["name"]: _is_active(found)
        for found in get(plan, "-n", NAMESPACE, "horizontalpodautoscalers")["items"]
        if found["spec"]["scaleTargetRef"]["name"] == _WORKERS and "deletionTimestamp" not in found["metadata"]
    }
    wanted = {"none": {}, "hpa": {_WORKERS: True}, "keda": {f"keda-hpa-{_WORKERS}": True}}
    return autoscalers == wanted[mode]


def _is_active(autoscaler: Mapping[str, Any]) -> bool:
    conditions = autoscaler.get("status", {}).get("conditions", ())
    return any(one["type"] == "ScalingActive" and one["status"] == "True" for one in conditions)
