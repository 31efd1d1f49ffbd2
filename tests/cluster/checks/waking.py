"""Bulk workers from none to some and back: by the queue, by graces that end together, and without the management API.

The API scales at the same time, by requests under way, and no request may fail while it does.
"""

import json
import time
from typing import Any, Final
from uuid import uuid4

from schemas.names import Lane
from tests.cluster import yard
from tests.cluster.checks.beside import ask_database, call_management, management_away
from tests.cluster.checks.cases import load, outcome
from tests.cluster.checks.following import Followed, followed
from tests.cluster.checks.report import Outcome
from tests.cluster.checks.running import follow_backlog, transfers
from tests.cluster.control import kubectl
from tests.cluster.machines import ClusterError
from tests.cluster.plan import RELEASE, Plan
from tests.cluster.registry import push_packyard
from tests.cluster.yard import DIRECTORY, HOME, Place

_PATIENCE_S: Final = 300
_FEW: Final = 20
_MANY: Final = 1_500
_GRACE_S: Final = 45
_EXCHANGE: Final = "/api/exchanges/{vhost}/amq.default/publish"
_INSIDE: Final = "acme/inside"
_FEWEST_APIS: Final = 2
_MOST: Final = 4
_HOLDERS: Final = 25
"""Requests under way, beside those of the load: they call for three pods."""

_PER_API: Final = 10
_AS_GRACES_END: Final = "workers as graces end"
_TIMES: Final = """
SELECT round(extract(epoch FROM min(finished_at) - min(not_before)), 1), extract(epoch FROM now() - min(not_before))
FROM deletion WHERE package_name = '{name}'
"""

Figures = dict[str, float | str]


def wake(plan: Plan, place: Place = HOME) -> Outcome:
    """Let the bulk workers go, and wake them in four ways, while the API gets and loses pods."""
    values = yard.several_values(plan, push_packyard(plan), place)
    yard.install(plan, _scaling(values), place=place)
    began = time.monotonic()
    figures: Figures = {}
    try:
        with (
            followed(plan, "worker-bulk", place) as workers,
            followed(plan, "api", place) as api,
            load(plan, place) as running,
            transfers(plan, place, "--lanes", "20,10") as slow,
        ):
            with transfers(plan, place, "--holders", str(_HOLDERS)) as held:
                workers.wait(0, seconds=_PATIENCE_S)
                figures |= _wake_by_queue(plan, place, workers)
                api.wait_for_more(_FEWEST_APIS + 1, seconds=_PATIENCE_S)
                figures["API pods for readers"] = api.now.ready
            figures |= _wake_by_graces(plan, place, workers)
            figures |= _wake_without_management(plan, place, workers)
            api.wait(_FEWEST_APIS, seconds=_PATIENCE_S)
    finally:
        _set_grace(plan, place)
        kubectl(plan, "-n", place.namespace, "delete", "events", "--field-selector=type=Warning")
    yard.install(plan, values, place=place)
    stayed = ["workers were there as the graces ended, so that these woke none"] * (figures[_AS_GRACES_END] != 0)
    return outcome("wake", began, running.counts, figures, [*slow.problems, *held.problems, *stayed])


def _scaling(values: dict[str, Any]) -> dict[str, Any]:
    scaler = {"enabled": True, "by": "requests", "requestsPerReplica": _PER_API}
    return {
        **values,
        "api": {"autoscaling": {**scaler, "minReplicas": _FEWEST_APIS, "maxReplicas": _MOST}},
        "workers": {**values["workers"], "bulk": {"minReplicas": 0, "maxReplicas": _MOST}},
        "autoscaling": {"mode": "keda", "pollingInterval": 5, "scaleDownAfterSeconds": 5},
    }


def _wake_by_queue(plan: Plan, place: Place, workers: Followed) -> Figures:
    """Send a command of a deletion that is not there, which only the queue shows; then delete packages."""
    command = json.dumps({"deletion_ids": [str(uuid4())]})
    message = {"properties": {}, "routing_key": Lane.BULK.queue, "payload": command, "payload_encoding": "string"}
    call_management(plan, "POST", _EXCHANGE.format(vhost=place.vhost), message)
    woken = workers.wait_for_more(1, seconds=_PATIENCE_S)
    workers.wait(0, seconds=_PATIENCE_S)
    seconds, _ = _first_removal(plan, place, _delete(plan, place, _FEW))
    workers.wait(0, seconds=_PATIENCE_S)
    return {"worker for a message alone s": woken, "first removal from no worker s": seconds}


def _wake_by_graces(plan: Plan, place: Place, workers: Followed) -> Figures:
    """Delete packages with a grace; workers come to mark them, go, and come again when the graces end."""
    _set_grace(plan, place, f"{_GRACE_S}s")
    name = _delete(plan, place, _MANY, "--project", _INSIDE)
    seconds, ended = _first_removal(plan, place, name)
    figures: Figures = {
        _AS_GRACES_END: workers.ready_at(ended),
        "first removal by graces s": seconds,
        "most workers then": workers.most_since(ended),
    }
    _set_grace(plan, place)
    workers.wait(0, seconds=_PATIENCE_S)
    return figures


def _wake_without_management(plan: Plan, place: Place, workers: Followed) -> Figures:
    """Delete while nobody can count the queue: due deletions wake a worker, if KEDA has started none for errors."""
    began = time.monotonic()
    with management_away(plan):
        seconds, _ = _first_removal(plan, place, _delete(plan, place, _FEW))
        workers.wait_for_more(1, seconds=_PATIENCE_S)
    back = time.monotonic()
    workers.wait(0, seconds=_PATIENCE_S)
    return {
        "first removal without management API s": seconds,
        "most workers without it": workers.most_since(began),
        "back to 0 with it s": round(time.monotonic() - back),
    }


def _delete(plan: Plan, place: Place, count: int, *options: str) -> str:
    """Delete packages in bulk and return their name once all are gone."""
    name = f"woken-{uuid4().hex}"
    for _ in follow_backlog(plan, name, count, *options, place=place):
        pass
    return name


def _first_removal(plan: Plan, place: Place, name: str) -> tuple[float, float]:
    """Return the seconds from the moment at which the first of them could go to the first one gone, and that moment."""
    seconds, ago = map(float, ask_database(plan, _TIMES.format(name=name), place)[0].split("|"))
    return seconds, time.monotonic() - ago


def _set_grace(plan: Plan, place: Place, grace: str = "null") -> None:
    """Give the project a grace period, or none."""
    directory = DIRECTORY.read_text(encoding="utf-8")
    inside = f"  - path: {_INSIDE}\n"
    if inside not in directory:
        raise ClusterError(f"the directory has no {_INSIDE}")
    wanted = directory.replace(inside, f"{inside}    grace_period: {grace}\n")
    in_pod = ("-n", place.namespace, "exec", "--stdin", f"deploy/{RELEASE}-packyard-operator", "--", "packyard")
    kubectl(plan, *in_pod, "directory", "apply", "--yes", "-", text=wanted)
