"""Set-ups that fail: the old version goes on, Helm prints the reason, and the next good upgrade works."""

import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from tests.cluster import yard
from tests.cluster.checks.cases import await_ready, load, outcome, own_pods, own_values
from tests.cluster.checks.report import Outcome
from tests.cluster.machines import ClusterError
from tests.cluster.plan import BESIDE_ADDRESS, SERVER_PORTS, Plan
from tests.cluster.servers import Addresses

_DEADLINE_S: Final = 60
_CLOSED_PORT: Final = 5439


def set_up_failures(plan: Plan) -> Outcome:
    """Upgrade with a wrong password, with a database that is not there, and with a Secret that lacks a key."""
    values = own_values(plan)
    yard.install(plan, values)
    before = _templates(plan)
    began = time.monotonic()
    problems: list[str] = []
    figures: dict[str, float | str] = {}
    with load(plan) as running:
        for name, (wrong, reason) in _wrong(plan, values).items():
            started = time.monotonic()
            said = _refused(plan, {**values, **wrong})
            figures[f"{name} s"] = round(time.monotonic() - started)
            problems += [f"{name}: Helm does not say {reason!r}: {said[-300:]}"] * (reason not in said)
        problems += [f"a failed upgrade began to replace pods by {made}" for made in _templates(plan) - before]
        yard.install(plan, values)
        await_ready(plan)
    return outcome("set-up", began, running.counts, figures, problems)


def _templates(plan: Plan) -> set[str]:
    """Return the templates that the pods were made of; autoscalers add and remove pods of the same ones."""
    labels = [pod["metadata"]["labels"] for pod in own_pods(plan)]
    made = [(own["app.kubernetes.io/component"], own.get("pod-template-hash")) for own in labels]
    return {f"{component} {template}" for component, template in made if template}


def _wrong(plan: Plan, values: Mapping[str, Any]) -> dict[str, tuple[dict[str, Any], str]]:
    database = Addresses.read(plan.folder / "servers").database
    parts = urlsplit(database)
    wrong_password = parts._replace(netloc=f"{parts.username}:wrong@{BESIDE_ADDRESS}:{SERVER_PORTS['postgres']}")
    away = parts._replace(netloc=f"{parts.username}:{parts.password}@{BESIDE_ADDRESS}:{_CLOSED_PORT}")
    soon = {"setUp": {**values.get("setUp", {}), "activeDeadlineSeconds": _DEADLINE_S}}
    opened = {**values["networkPolicy"], "database": {"ports": [SERVER_PORTS["postgres"], _CLOSED_PORT]}}
    return {
        "wrong password": ({"database": {"url": wrong_password.geturl()}}, "password authentication failed"),
        "server away": ({"database": {"url": away.geturl()}, "networkPolicy": opened, **soon}, str(_CLOSED_PORT)),
        "key missing": ({"directory": {"existingSecret": "directory", "key": "missing"}, **soon}, "directory/missing"),
    }


def _refused(plan: Plan, values: Mapping[str, Any]) -> str:
    try:
        yard.install(plan, values)
    except ClusterError as error:
        return str(error)
    return "nothing: the upgrade was accepted"
