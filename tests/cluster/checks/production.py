"""An installation by the example for production: least rights, Secrets, TLS to all servers, KEDA, a quota."""

import base64
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from tests.cluster import yard
from tests.cluster.checks.beside import call_api, call_management, prepare_place, run_statements
from tests.cluster.checks.cases import left_objects, load, own_pods
from tests.cluster.checks.certified import certified_servers, certified_values, trust
from tests.cluster.checks.fronts import FRONTS
from tests.cluster.checks.report import Outcome
from tests.cluster.control import get, kubectl
from tests.cluster.plan import AUTHORITIES, BESIDE_ADDRESS, IMAGE, NETWORK, RELEASE, Plan
from tests.cluster.registry import push_packyard
from tests.cluster.servers import Addresses
from tests.cluster.yard import Place
from tests.support.seaweed import BUCKET

PLACE: Final = Place("production", 30082, "production", "production", "production")
ROLES: Final = ("api", "relay", "worker", "scheduler", "deliverer", "operator", "scaler")
USERS: Final = ("relay", "worker", "scaler")
_PATIENCE_S: Final = 90
_FIRST: Final = "packyard-first"
"""The class of priority that the example names."""


@dataclass(frozen=True, slots=True)
class Production:
    """The installation, and what it was installed with."""

    values: Mapping[str, Any]
    install_s: float


def production(plan: Plan) -> Outcome:
    """Install, delete under load, uninstall without a rest, and install again over the same data."""
    began = time.monotonic()
    with installed(plan) as made:
        problems = _autoscaler_problems(plan)
        with load(plan, PLACE) as running:
            pods = len(own_pods(plan, place=PLACE))
        path, content = "/projects/100/packages/generic/kept/1/file.txt", secrets.token_hex(8)
        call_api(plan, "PUT", path, content, PLACE)
        yard.helm(plan, "uninstall", RELEASE, "--wait", place=PLACE)
        problems += [f"the uninstall left {name}" for name in left_objects(plan, PLACE)]
        install(plan, made.values)
        found = call_api(plan, "GET", path, place=PLACE)
        problems += ["a package from before was not found again"] * (found != content)
    figures: dict[str, float | str] = {"install s": round(made.install_s), "pods": pods}
    problems += running.counts.problems
    return Outcome("production", round(time.monotonic() - began, 1), running.counts, figures, problems)


@contextmanager
def installed(plan: Plan) -> Iterator[Production]:
    """Give an installation whose servers speak TLS, in a namespace with a quota; all of it goes at the end."""
    kubectl(plan, "delete", "namespace", PLACE.namespace, "--ignore-not-found", "--timeout=150s")
    prepare_place(plan, PLACE)
    _forget_accounts(plan)
    try:
        with certified_servers(plan):
            began = time.monotonic()
            trust(plan, PLACE, AUTHORITIES[:1])
            passwords = drawn()
            own = [secret("packyard-passwords", passwords), secret("packyard-webhooks", {"keys": _webhook_key()})]
            yard.apply(plan, [_quota(), _defaults(), _priority(), *own, *address_secrets(plan, passwords)])
            install(plan, values := _values(plan))
            yard.expose(plan, PLACE)
            yield Production(values, time.monotonic() - began)
    finally:
        kubectl(plan, "delete", "namespace", PLACE.namespace, "--wait=false")
        kubectl(plan, "delete", "priorityclass", _FIRST, "--ignore-not-found")


def _forget_accounts(plan: Plan) -> None:
    """Drop the accounts of an earlier run, whose passwords the set-up would keep; they belong to the whole servers."""
    run_statements(plan, "".join(f"DROP ROLE IF EXISTS packyard_{name};\n" for name in ROLES))
    for name in USERS:
        call_management(plan, "PUT", f"/api/users/packyard-{name}", {"password": "", "tags": ""})
        call_management(plan, "DELETE", f"/api/users/packyard-{name}")


def install(plan: Plan, values: Mapping[str, Any]) -> None:
    """Install or upgrade it."""
    yard.install(plan, values, place=PLACE, example="production")


def drawn() -> dict[str, str]:
    """Return a new password for each role and user."""
    return {name: secrets.token_hex(16) for name in ROLES}


def address_secrets(plan: Plan, passwords: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the Secrets with the addresses of each process."""
    found = Addresses.read(plan.folder / "servers")

    def database(user: str) -> str:
        return f"postgresql://{user}@{BESIDE_ADDRESS}:{FRONTS['database'][0]}/{PLACE.database}?sslmode=verify-full"

    def broker(scheme: str, user: str) -> str:
        port = FRONTS["broker" if scheme == "amqps" else "management"][0]
        return f"{scheme}://{user}@{BESIDE_ADDRESS}:{port}/{PLACE.vhost}"

    administrator = urlsplit(found.management).netloc.rpartition("@")[0]
    owner = urlsplit(found.database).netloc.rpartition("@")[0]
    databases = {name: database(f"packyard_{name}:{passwords[name]}") for name in ROLES}
    brokers = {name: broker("amqps", f"packyard-{name}:{passwords[name]}") for name in ("relay", "worker")}
    more = {
        "management": broker("https", administrator),
        "scaler": broker("https", f"packyard-scaler:{passwords['scaler']}"),
    }
    return [
        secret("packyard-database", {"owner": database(owner), **databases}),
        secret("packyard-broker", {**brokers, **more}),
    ]


def secret(name: str, values: Mapping[str, str]) -> dict[str, Any]:
    """Return a Secret of the installation."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": _metadata(name), "stringData": dict(values)}


def _values(plan: Plan) -> dict[str, Any]:
    certified = certified_values(plan)
    policies = certified["networkPolicy"]
    beside = [{"ipBlock": {"cidr": f"{BESIDE_ADDRESS}/32"}}]
    small = {"resources": {"requests": {"cpu": "50m", "memory": "96Mi"}, "limits": {"memory": "512Mi"}}}
    return {
        "image": {"repository": IMAGE, "tag": push_packyard(plan), "digest": "", "pullSecrets": []},
        # The load counts what is gone, and asks more often than a person.
        "settings": {**certified["settings"], "GRACE_PERIOD": "0s", "RATE_LIMIT": 0},
        "trust": certified["trust"],
        "storage": {"url": f"s3://{BUCKET}/{PLACE.prefix}", "credentialsSecret": "storage"},
        "directory": {"existingSecret": "directory"},
        "api": {"replicas": 2, **small},
        "autoscaling": {"pollingInterval": 5, "scaleDownAfterSeconds": 15},
        "networkPolicy": {
            # The nodes pass on the packets of their own ports.
            "apiFrom": [{"ipBlock": {"cidr": str(NETWORK)}}],
            "database": {**policies["database"], "to": beside},
            "broker": {**policies["broker"], "to": beside},
            "management": {**policies["management"], "to": beside},
            "storage": policies["storage"],
        },
        "metrics": {"serviceMonitor": False, "rules": False},
    }


def _autoscaler_problems(plan: Plan) -> list[str]:
    """Return the triggers that KEDA cannot ask after some time."""
    deadline = time.monotonic() + _PATIENCE_S
    while (unhappy := _unhappy(plan)) and time.monotonic() < deadline:
        time.sleep(1)
    return [f"KEDA cannot ask {name}" for name in unhappy]


def _unhappy(plan: Plan) -> list[str]:
    found = get(plan, "-n", PLACE.namespace, "scaledobjects.keda.sh")["items"]
    return [
        f"{one['metadata']['name']} {name}"
        for one in found
        for name, health in one.get("status", {}).get("health", {"nothing": {"status": "unknown"}}).items()
        if health["status"] != "Happy"
    ] or ["no autoscaler"] * (not found)


def _webhook_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def _metadata(name: str) -> dict[str, str]:
    return {"name": name, "namespace": PLACE.namespace}


def _priority() -> dict[str, Any]:
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": _FIRST},
        "value": 1000,
    }


def _quota() -> dict[str, Any]:
    hard = {"pods": "40", "requests.cpu": "8", "requests.memory": "12Gi", "limits.memory": "16Gi"}
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": _metadata("quota"), "spec": {"hard": hard}}


def _defaults() -> dict[str, Any]:
    limits = {"type": "Container", "default": {"memory": "512Mi"}, "defaultRequest": {"cpu": "10m", "memory": "64Mi"}}
    return {"apiVersion": "v1", "kind": "LimitRange", "metadata": _metadata("defaults"), "spec": {"limits": [limits]}}
