"""Passwords, and authorities of certificates, that change under load without a restart."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from tests.cluster import yard
from tests.cluster.checks.beside import call_management, run_statements
from tests.cluster.checks.cases import await_ready, load, outcome, own_pods
from tests.cluster.checks.certified import BROKER, BUCKET, DATABASE, show, trust
from tests.cluster.checks.production import (
    PLACE,
    ROLES,
    USERS,
    address_secrets,
    drawn,
    install,
    installed,
)
from tests.cluster.checks.report import Outcome
from tests.cluster.control import kubectl
from tests.cluster.machines import wait_for
from tests.cluster.plan import AUTHORITIES, Plan

_ENDING: Final = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE datname = 'production' AND usename LIKE 'packyard\\_%' AND usename {condition};
"""
_SEEN_S: Final = 150
"""The kubelet brings a changed Secret or ConfigMap to its pods within its sync period, a minute, and a jitter."""
_REPLACED_S: Final = 240


def rotate(plan: Plan) -> Outcome:
    """Rotate all passwords under load, end all sessions, and upgrade with the Secret of the first passwords."""
    with installed(plan) as made:
        began = time.monotonic()
        before = _starts(plan)
        with load(plan, PLACE) as rotating:
            _set_passwords(plan, passwords := drawn())
            yard.apply(plan, address_secrets(plan, passwords))
            seen = _await_file(plan, "/run/addresses/packyard-database/{role}", lambda name: passwords[name])
        _end_sessions(plan)
        with load(plan, PLACE) as upgrading:
            problems = ["a pod was started anew by the rotation"] * (_starts(plan) != before)
            started = time.monotonic()
            install(plan, {**made.values, "settings": {**made.values["settings"], "STORAGE_RETRIES": "3"}})
            upgraded = time.monotonic() - started
        figures: dict[str, float | str] = {"Secrets in all pods s": round(seen), "upgrade s": round(upgraded)}
        return outcome("rotate", began, rotating.counts + upgrading.counts, figures, problems)


def rotate_authorities(plan: Plan) -> Outcome:
    """Replace the authority of database and broker without a restart, and that of the bucket by a rollout."""
    first, second = AUTHORITIES
    with installed(plan):
        began = time.monotonic()
        before = _starts(plan)
        with load(plan, PLACE) as connecting:
            bundle = trust(plan, PLACE, (first, second))
            seen = _await_file(plan, "/run/trust/ca.crt", lambda _: bundle.strip())
            show(plan, second, (DATABASE, *BROKER))
            _end_sessions(plan, "<> 'packyard_api'")
            time.sleep(5)
        # A request whose session is ended by the server fails; those that come after it are what counts.
        _end_sessions(plan, "= 'packyard_api'")
        with load(plan, PLACE) as replacing:
            problems = ["a pod was started anew by the authority of database and broker"] * (_starts(plan) != before)
            started = time.monotonic()
            kubectl(plan, "-n", PLACE.namespace, "rollout", "restart", "deployment")
            await_ready(plan, _REPLACED_S, PLACE)
            show(plan, second, (BUCKET,))
            replaced = time.monotonic() - started
        trust(plan, PLACE, (second,))
        figures: dict[str, float | str] = {"authorities in all pods s": round(seen), "rollout s": round(replaced)}
        return outcome("rotate-ca", began, connecting.counts + replacing.counts, figures, problems)


def _set_passwords(plan: Plan, passwords: Mapping[str, str]) -> None:
    run_statements(plan, "".join(f"ALTER ROLE packyard_{name} PASSWORD '{passwords[name]}';\n" for name in ROLES))
    for name in USERS:
        content = {"password": passwords[name], "tags": "management" if name == "scaler" else ""}
        call_management(plan, "PUT", f"/api/users/packyard-{name}", content)


def _end_sessions(plan: Plan, condition: str = "IS NOT NULL") -> None:
    """End the sessions of the processes, so that they connect anew."""
    run_statements(plan, _ENDING.format(condition=condition))


def _await_file(plan: Plan, path: str, expected: Callable[[str], str]) -> float:
    """Return after how many seconds *path*, with {role} for that of the pod, has the text that is expected of it."""
    began = time.monotonic()
    left = [(pod["metadata"]["name"], _role(pod)) for pod in _pods(plan)]

    def are_there() -> bool:
        found = [(name, role) for name, role in left if expected(role) not in _read(plan, name, path.format(role=role))]
        left[:] = found
        return not found

    wait_for(are_there, f"{path} did not change in all pods", _SEEN_S)
    return time.monotonic() - began


def _read(plan: Plan, pod: str, path: str) -> str:
    return kubectl(plan, "-n", PLACE.namespace, "exec", pod, "--", "cat", path)


def _role(pod: Mapping[str, Any]) -> str:
    component: str = pod["metadata"]["labels"]["app.kubernetes.io/component"]
    return component.partition("-")[0]


def _pods(plan: Plan) -> list[dict[str, Any]]:
    return own_pods(plan, "app.kubernetes.io/component!=set-up", PLACE)


def _starts(plan: Plan) -> dict[str, int]:
    """Return the pods that do not scale, and how often each was started."""
    return {
        pod["metadata"]["name"]: sum(status["restartCount"] for status in pod["status"]["containerStatuses"])
        for pod in _pods(plan)
        if _role(pod) not in {"worker", "deliverer"}
    }
