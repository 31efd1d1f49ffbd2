"""A table of who may reach whom: a pod tries each cell, with the policies of the chart and without them."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from tests.cluster import yard
from tests.cluster.checks.cases import await_ready, own_pods, own_values
from tests.cluster.checks.report import Outcome
from tests.cluster.control import get, kubectl
from tests.cluster.plan import BESIDE_ADDRESS, DNS_ADDRESS, IMAGE, NAMESPACE, RELEASE, SERVER_PORTS, SERVICES, Plan

_SERVERS: Final = {"dns", "database"}
REACHABLE: Final[Mapping[str, frozenset[str]]] = {
    "api": frozenset({*_SERVERS, "store"}),
    "relay": frozenset({*_SERVERS, "broker", "store"}),
    "scheduler": frozenset({*_SERVERS, "store"}),
    "worker-interactive": frozenset({*_SERVERS, "broker", "store"}),
    "worker-bulk": frozenset({*_SERVERS, "broker", "store"}),
    "operator": frozenset({*_SERVERS, "store"}),
    "set-up": frozenset({*_SERVERS, "management"}),
    "test": frozenset({"dns", "API"}),
}
"""The table: each process, and what the policies let it reach."""

_PROBE: Final = """
import concurrent.futures, json, socket, sys
def reached(place):
    try:
        socket.create_connection(tuple(place), 2).close()
    except OSError:
        return False
    return True
places = json.loads(sys.argv[1])
with concurrent.futures.ThreadPoolExecutor(len(places)) as pool:
    print(json.dumps(dict(zip(places, pool.map(reached, places.values())))))
"""
"""All places are tried at the same time, since each one that a policy closes takes two seconds."""

_PYTHON: Final = "/opt/packyard/bin/python"
_PROBES: Final = {"set-up": NAMESPACE, "test": NAMESPACE, "stranger": "default"}
_WITHOUT_HEALTH: Final = frozenset({"operator", *_PROBES})
_SETTLING_S: Final = 60


def reach(plan: Plan) -> Outcome:
    """Compare what each process reaches with the table; without policies it reaches everything."""
    began = time.monotonic()
    values = own_values(plan)
    with _probes(plan, values["image"]["tag"]):
        with _policies_of_hooks(plan, values):
            problems = _awaited_differences(plan, REACHABLE)
        yard.install(plan, {**values, "networkPolicy": {"enabled": False}})
        await_ready(plan)
        places = frozenset(_places(plan))
        everything = dict.fromkeys(REACHABLE, places)
        problems += [f"without policies: {one}" for one in _awaited_differences(plan, everything)]
        yard.install(plan, values)
    cells = 2 * len(REACHABLE) * len(places)
    return Outcome("reach", round(time.monotonic() - began, 1), figures={"cells": cells}, problems=problems)


@contextmanager
def _probes(plan: Plan, tag: str) -> Iterator[None]:
    """Run pods in place of those that are only there for a moment, and one in another namespace."""
    for component, namespace in _PROBES.items():
        yard.apply(plan, [_probe_pod(component, namespace, tag)])
    try:
        for component, namespace in _PROBES.items():
            wait = ("wait", "pod", f"probe-{component}", "--for=condition=Ready", "--timeout=60s")
            kubectl(plan, "-n", namespace, *wait)
        yield
    finally:
        for component, namespace in _PROBES.items():
            kubectl(plan, "-n", namespace, "delete", "pod", f"probe-{component}", "--grace-period=1")


@contextmanager
def _policies_of_hooks(plan: Plan, values: Mapping[str, Any]) -> Iterator[None]:
    """Apply the policies that Helm removes once their hooks have succeeded."""
    policies = _hook_policies(plan, values)
    yard.apply(plan, policies)
    try:
        yield
    finally:
        for policy in policies:
            kubectl(plan, "-n", NAMESPACE, "delete", "networkpolicy", policy["metadata"]["name"])


def _hook_policies(plan: Plan, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = []
    for manifest in yard.rendered(plan, values):
        about = manifest["metadata"]
        if manifest["kind"] == "NetworkPolicy" and "helm.sh/hook" in about.get("annotations", {}):
            manifest["metadata"] = {"name": f"{about['name']}-probe", "namespace": NAMESPACE}
            found.append(manifest)
    return found


def _awaited_differences(plan: Plan, table: Mapping[str, frozenset[str]]) -> list[str]:
    """Return the cells that differ from the table, once the firewall had time to follow."""
    differences: list[str] = []

    def is_as_written() -> bool:
        differences[:] = _differences(plan, table)
        return not differences

    deadline = time.monotonic() + _SETTLING_S
    while not is_as_written() and time.monotonic() < deadline:
        time.sleep(2)
    return differences


def _differences(plan: Plan, table: Mapping[str, frozenset[str]]) -> list[str]:
    places = _places(plan)
    found = []
    for component, allowed in table.items():
        reached = _probe(plan, component, places)
        found += [f"{component} reaches {name}" for name in sorted(reached - allowed)]
        found += [f"{component} does not reach {name}" for name in sorted(allowed - reached - _own(component))]
    return found


def _places(plan: Plan) -> dict[str, tuple[str, int]]:
    """Return what is tried: a name, an address and a port."""
    stranger = get(plan, "-n", "default", "pod", "probe-stranger")["status"]["podIP"]
    api = get(plan, "-n", NAMESPACE, "service", f"{RELEASE}-packyard-api")["spec"]["clusterIP"]
    servers = {
        "database": SERVER_PORTS["postgres"],
        "broker": SERVER_PORTS["rabbitmq_amqp"],
        "management": SERVER_PORTS["rabbitmq_management"],
        "store": SERVER_PORTS["seaweedfs_s3.port"],
        "outside": 5000,
    }
    health = {
        f"health of {component}": (pod["status"]["podIP"], 9090)
        for pod in own_pods(plan)
        if (component := pod["metadata"]["labels"]["app.kubernetes.io/component"]) not in _WITHOUT_HEALTH
    }
    return {
        **{name: (BESIDE_ADDRESS, port) for name, port in servers.items()},
        "dns": (DNS_ADDRESS, 53),
        "API server": (str(SERVICES[1]), 443),
        "node": (plan.nodes[-1].address, 10250),
        "API": (api, 80),
        "another namespace": (stranger, 8000),
        **health,
    }


def _probe(plan: Plan, component: str, places: Mapping[str, tuple[str, int]]) -> frozenset[str]:
    name = f"probe-{component}"
    if component not in _PROBES:
        chosen = f"app.kubernetes.io/component={component}"
        name = next(pod["metadata"]["name"] for pod in own_pods(plan, chosen))
    others = {place: where for place, where in places.items() if place not in _own(component)}
    command = ("exec", name, "-c", "packyard", "--", _PYTHON, "-c", _PROBE, json.dumps(others))
    found: dict[str, bool] = json.loads(kubectl(plan, "-n", NAMESPACE, *command))
    return frozenset(place for place, is_reached in found.items() if is_reached)


def _own(component: str) -> frozenset[str]:
    """Return the places that may lead back to the pod itself, which no policy keeps from it."""
    return frozenset({f"health of {component}", *(["API"] if component == "api" else [])})


def _probe_pod(component: str, namespace: str, tag: str) -> dict[str, Any]:
    labels = {"app.kubernetes.io/component": component}
    if namespace == NAMESPACE:
        labels |= {"app.kubernetes.io/name": "packyard", "app.kubernetes.io/instance": RELEASE}
    listening = [_PYTHON, "-m", "http.server", "8000"]
    security = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {"name": "packyard", "image": f"{IMAGE}:{tag}", "command": listening, "securityContext": security}
    metadata = {"name": f"probe-{component}", "namespace": namespace, "labels": labels}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 1, "automountServiceAccountToken": False}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
