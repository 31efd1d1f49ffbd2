"""A rendered ScaledObject: from how many to how many workers, by which figures, how fast up and down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from tests.support.paths import ROOT

RENDERED: Final = ROOT / "tests" / "deployment" / "golden" / "production.yaml"
"""The chart's manifests of its production example; a test holds it to the chart."""


@dataclass(frozen=True, slots=True)
class QueueTrigger:
    """The messages of a queue, by the management API: those that are ready and those that workers hold."""

    queue: str
    per_worker: int


@dataclass(frozen=True, slots=True)
class QueryTrigger:
    """The count of a query."""

    query: str
    per_worker: int


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast the number may change: a number of workers within a number of seconds, by the figures of a window."""

    window_s: float
    workers: int
    period_s: float


@dataclass(frozen=True, slots=True)
class Scaling:
    """All that scales one kind of worker."""

    least: int
    most: int
    poll_s: float
    up: Pace
    down: Pace
    triggers: Sequence[QueueTrigger | QueryTrigger]


def read_scaling(lane: str, rendered: Path = RENDERED) -> Scaling:
    """Return how the workers of *lane* are scaled.

    Raises:
        ValueError: there is no such ScaledObject, or it says something that is not played here.
    """
    name = f"worker-{lane}"
    for manifest in YAML(typ="safe").load_all(rendered):
        if manifest and manifest["kind"] == "ScaledObject" and manifest["metadata"]["name"].endswith(name):
            return _scaling(manifest["spec"])
    raise ValueError(f"no ScaledObject for {name} in {rendered}")


def _scaling(spec: Mapping[str, Any]) -> Scaling:
    behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    return Scaling(
        least=spec["minReplicaCount"],
        most=spec["maxReplicaCount"],
        poll_s=spec["pollingInterval"],
        up=_pace(behavior["scaleUp"]),
        down=_pace(behavior["scaleDown"]),
        triggers=[_trigger(trigger["type"], trigger["metadata"]) for trigger in spec["triggers"]],
    )


def _pace(rules: Mapping[str, Any]) -> Pace:
    (policy,) = rules["policies"]
    if policy["type"] != "Pods":
        raise ValueError(f"a policy of type {policy['type']} is not played here")
    return Pace(rules["stabilizationWindowSeconds"], policy["value"], policy["periodSeconds"])


def _trigger(kind: str, about: Mapping[str, str]) -> QueueTrigger | QueryTrigger:
    match kind:
        case "rabbitmq" if (about["protocol"], about["mode"]) == ("http", "QueueLength"):
            return QueueTrigger(about["queueName"], int(about["value"]))
        case "postgresql":
            return QueryTrigger(about["query"], int(about["targetQueryValue"]))
        case _:
            raise ValueError(f"a trigger of type {kind} with {about} is not played here")
