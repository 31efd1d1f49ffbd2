"""Workers that follow a backlog, up and down, as KEDA and Kubernetes scale them."""

import time
from dataclasses import astuple
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from tests.cluster.checks.plot import Sample
from tests.cluster.checks.report import Outcome
from tests.cluster.checks.running import follow_backlog
from tests.cluster.control import get
from tests.cluster.machines import ClusterError
from tests.cluster.plan import NAMESPACE, RELEASE, Plan

_COUNT: Final = 30_000
_WORKERS: Final = f"{RELEASE}-packyard-worker-bulk"
_DOWN_S: Final = 420
_MAKING_S: Final = 10


def scale(plan: Plan) -> Outcome:
    """Ask for many deletions; workers come for them, and go when nothing is left."""
    began = time.monotonic()
    least, most = _limits(plan)
    samples = _followed(plan)
    gone = samples[-1].seconds
    down = _followed_down(plan, gone, least)
    problems = [f"no {most} workers were ready, at most {max(one.ready for one in samples)}"] * (
        not any(one.ready >= most for one in samples)
    )
    problems += [f"the workers did not go down to {least} within {_DOWN_S} s"] * (down[-1].ready > least)
    problems += _warnings(plan)
    figures: dict[str, float | str] = {
        "deletions": _COUNT,
        "first new worker s": next((round(one.seconds) for one in samples if one.ready > least), "none"),
        "all gone s": round(gone),
        f"back to {least} s": round(down[-1].seconds - gone),
    }
    moments = [astuple(one) for one in [*samples, *down]]
    return Outcome("scale", round(time.monotonic() - began, 1), None, figures, problems, moments)


def _followed(plan: Plan) -> list[Sample]:
    samples: list[Sample] = []
    began = 0.0
    for left in follow_backlog(plan, f"backlog-{uuid4().hex}", _COUNT):
        began = began or time.monotonic()
        samples.append(Sample(time.monotonic() - began, left, _ready(plan)))
    if not samples:
        raise ClusterError("the backlog was over before it was seen")
    return samples


def _ready(plan: Plan) -> int:
    found: dict[str, Any] = get(plan, "-n", NAMESPACE, "deployment", _WORKERS)
    ready: int = found["status"].get("readyReplicas", 0)
    return ready


def _limits(plan: Plan) -> tuple[int, int]:
    spec = get(plan, "-n", NAMESPACE, "horizontalpodautoscaler", f"keda-hpa-{_WORKERS}")["spec"]
    return spec["minReplicas"], spec["maxReplicas"]


def _followed_down(plan: Plan, gone: float, least: int) -> list[Sample]:
    """Return samples from the moment at which nothing is left until the workers are the least again."""
    began = time.monotonic()
    samples = [Sample(gone, 0, _ready(plan))]
    while samples[-1].ready > least and samples[-1].seconds - gone < _DOWN_S:
        time.sleep(2)
        samples.append(Sample(gone + time.monotonic() - began, 0, _ready(plan)))
    return samples


def _warnings(plan: Plan) -> list[str]:
    """Return the warnings about the autoscalers that are there."""
    made = {
        found["metadata"]["uid"]: datetime.fromisoformat(found["metadata"]["creationTimestamp"])
        for found in get(plan, "-n", NAMESPACE, "scaledobjects.keda.sh")["items"]
    }
    events = get(plan, "-n", NAMESPACE, "events", "--field-selector=type=Warning")["items"]
    return [
        f"KEDA warns: {event['reason']}: {event['message']}"
        for event in events
        if (uid := event["involvedObject"].get("uid")) in made and not _comes_of_order(event, made[uid])
    ]


def _comes_of_order(event: dict[str, Any], made: datetime) -> bool:
    """Return whether Helm had not made the addresses for KEDA yet: it makes kinds in the order of their names."""
    at = datetime.fromisoformat(event["lastTimestamp"] or event["eventTime"])
    return "TriggerAuthentication" in event["message"] and (at - made).total_seconds() < _MAKING_S
