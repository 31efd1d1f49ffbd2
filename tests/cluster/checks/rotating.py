"""A production-like installation: a role and a user for each process, made by the set-up, whose passwords rotate."""

import secrets
import time
from typing import Any, Final
from urllib.parse import urlsplit

from tests.cluster import yard
from tests.cluster.checks.beside import call_management, prepare_place, run_statements
from tests.cluster.checks.cases import load
from tests.cluster.checks.report import Outcome
from tests.cluster.control import get, kubectl
from tests.cluster.plan import Plan
from tests.cluster.registry import push_packyard
from tests.cluster.servers import Addresses
from tests.cluster.yard import Place

_PLACE: Final = Place("production", 30082, "production", "production", "production")
_ROLES: Final = ("api", "relay", "worker", "scheduler", "deliverer", "operator", "scaler")
_USERS: Final = ("relay", "worker", "scaler")
_ENDING: Final = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE datname = 'production' AND usename LIKE 'packyard\\_%' AND state = 'idle';
"""
_SEEN_S: Final = 100
"""The kubelet brings a changed Secret to its pods within its sync period, a minute, and a jitter."""


def rotate(plan: Plan) -> Outcome:
    """Install with Secrets, rotate all passwords under load without a restart, and upgrade afterwards."""
    prepare_place(plan, _PLACE)
    try:
        return _rotate(plan)
    finally:
        kubectl(plan, "delete", "namespace", _PLACE.namespace, "--timeout=150s")


def _rotate(plan: Plan) -> Outcome:
    began = time.monotonic()
    yard.apply(plan, [_quota(), _defaults(), *_secrets(plan, first := _drawn())])
    yard.apply(plan, [_secret("passwords", first)])
    values = _values(plan)
    yard.install(plan, values, place=_PLACE)
    yard.expose(plan, _PLACE)
    installed = time.monotonic() - began
    with load(plan, _PLACE) as running:
        before = _starts(plan)
        _set_passwords(plan, second := _drawn())
        yard.apply(plan, _secrets(plan, second))
        time.sleep(_SEEN_S)
        _end_sessions(plan)
        time.sleep(10)
        problems = ["a pod was started anew by the rotation"] * (_starts(plan) != before)
        changed = {**values, "settings": {**values["settings"], "STORAGE_RETRIES": "3"}}
        yard.install(plan, changed, place=_PLACE)
    counts = running.counts
    # Between the new password on the server and the new Secret in the pods, new connections fail, as the runbook says.
    problems += [f"not only 503: {failure}" for failure in counts.failures if ": 503 " not in failure]
    problems += [problem for problem in counts.problems if "requests failed" not in problem]
    figures: dict[str, float | str] = {"install s": round(installed), "503 in between": counts.failed}
    return Outcome("rotate", round(time.monotonic() - began, 1), counts, figures, problems)


def _values(plan: Plan) -> dict[str, Any]:
    values = yard.several_values(plan, push_packyard(plan), _PLACE)
    return {
        **values,
        "database": {"url": "", "existingSecret": "database"},
        "broker": {"url": "", "managementUrl": "", "existingSecret": "broker"},
        "setUp": {
            "grantRights": True,
            "broker": True,
            "databasePasswordsSecret": "passwords",
            "brokerPasswordsSecret": "passwords",
        },
    }


def _drawn() -> dict[str, str]:
    return {name: secrets.token_hex(16) for name in _ROLES}


def _set_passwords(plan: Plan, passwords: dict[str, str]) -> None:
    run_statements(plan, "".join(f"ALTER ROLE packyard_{name} PASSWORD '{passwords[name]}';\n" for name in _ROLES))
    for name in _USERS:
        tags = "management" if name == "scaler" else ""
        content = {"password": passwords[name], "tags": tags}
        call_management(plan, "PUT", f"/api/users/packyard-{name}", content)


def _end_sessions(plan: Plan) -> None:
    """End the idle sessions of the processes, so that they connect anew with their new passwords."""
    run_statements(plan, _ENDING)


def _starts(plan: Plan) -> dict[str, int]:
    """Return the pods, and how often each was started."""
    return {
        pod["metadata"]["name"]: sum(status["restartCount"] for status in pod["status"]["containerStatuses"])
        for pod in get(plan, "-n", _PLACE.namespace, "pods", "-l", "app.kubernetes.io/component!=set-up")["items"]
    }


def _secrets(plan: Plan, passwords: dict[str, str]) -> list[dict[str, Any]]:
    found = Addresses.read(plan.folder / "servers")

    def address(url: str, name: str, path: str) -> str:
        parts = urlsplit(url)
        joint = "_" if parts.scheme == "postgresql" else "-"
        netloc = f"packyard{joint}{name}:{passwords[name]}@{parts.hostname}:{parts.port}"
        return parts._replace(netloc=netloc, path=f"/{path}").geturl()

    owner = urlsplit(found.database)._replace(path=f"/{_PLACE.database}").geturl()
    database = {"owner": owner, **{name: address(found.database, name, _PLACE.database) for name in _ROLES}}
    broker = {name: address(found.broker, name, _PLACE.vhost) for name in ("relay", "worker")}
    broker["management"] = f"{found.management}/{_PLACE.vhost}"
    broker["scaler"] = address(found.management, "scaler", _PLACE.vhost)
    return [_secret("database", database), _secret("broker", broker)]


def _secret(name: str, values: dict[str, str]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": _PLACE.namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values}


def _quota() -> dict[str, Any]:
    metadata = {"name": "quota", "namespace": _PLACE.namespace}
    hard = {"pods": "40", "requests.cpu": "8", "requests.memory": "12Gi", "limits.memory": "16Gi"}
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": hard}}


def _defaults() -> dict[str, Any]:
    metadata = {"name": "defaults", "namespace": _PLACE.namespace}
    limits = {"type": "Container", "default": {"memory": "512Mi"}, "defaultRequest": {"cpu": "10m", "memory": "64Mi"}}
    return {"apiVersion": "v1", "kind": "LimitRange", "metadata": metadata, "spec": {"limits": [limits]}}
