"""Packyard in the cluster: its namespace, Secrets, values and release."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from ruamel.yaml import YAML

from tests.cluster.control import kubectl
from tests.cluster.machines import ClusterError
from tests.cluster.parts import HELM_3, built_folder
from tests.cluster.plan import IMAGE, NAMESPACE, RELEASE, SERVER_PORTS, Plan, in_url
from tests.cluster.servers import Addresses
from tests.support.chart import CHART, CHECKERS
from tests.support.paths import ROOT
from tests.support.seaweed import BUCKET

DIRECTORY: Final = ROOT / "tests" / "support" / "directory.yaml"


@dataclass(frozen=True, slots=True)
class Place:
    """One installation: its namespace, its port at each node, and what it has of the servers for itself."""

    namespace: str
    port: int
    database: str
    vhost: str
    prefix: str


HOME: Final = Place(NAMESPACE, 30080, "packyard", "%2F", RELEASE)
"""The installation that the cluster starts with."""


def prepare_namespace(plan: Plan, place: Place = HOME) -> None:
    """Make the namespace with the Secrets that the values name; it enforces the level `restricted`."""
    level = {"pod-security.kubernetes.io/enforce": "restricted"}
    found = Addresses.read(plan.folder / "servers")
    namespace = place.namespace
    items = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": level}},
        _secret(namespace, "storage", {"AWS_ACCESS_KEY_ID": found.s3_key, "AWS_SECRET_ACCESS_KEY": found.s3_secret}),
        _secret(namespace, "directory", {"directory.yaml": DIRECTORY.read_text(encoding="utf-8")}),
    ]
    apply(plan, items)


def apply(plan: Plan, items: Sequence[Mapping[str, Any]]) -> None:
    """Apply manifests."""
    kubectl(plan, "apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))


def small_values(plan: Plan, tag: str, place: Place = HOME) -> dict[str, Any]:
    """Return values beside those of `small`: the servers beside the cluster, and a bucket in place of a volume."""
    found = Addresses.read(plan.folder / "servers")
    s3_port = SERVER_PORTS["seaweedfs_s3.port"]
    database = urlsplit(found.database)._replace(path=f"/{place.database}").geturl()
    broker = urlsplit(found.broker)._replace(path=f"/{place.vhost}").geturl()
    return {
        "image": {"repository": IMAGE, "tag": tag},
        "database": {"url": database},
        "broker": {"url": broker, "managementUrl": f"{found.management}/{place.vhost}"},
        "storage": {"url": f"s3://{BUCKET}/{place.prefix}", "existingClaim": "", "credentialsSecret": "storage"},
        "settings": {"STORAGE_ENDPOINT": f"http://{plan.beside}:{s3_port}", "STORAGE_REGION": "us-east-1"},
        "directory": {"existingSecret": "directory"},
        "networkPolicy": {"storage": {"ports": [s3_port]}},
    }


def several_values(plan: Plan, tag: str, place: Place = HOME) -> dict[str, Any]:
    """Return the same with two of each process that can have two, and with KEDA, as in production."""
    two = {"replicas": 2}
    mode = "none" if "keda" in plan.without else "keda"
    return {
        **small_values(plan, tag, place),
        "api": two,
        "relay": two,
        "scheduler": two,
        "workers": {"interactive": {"replicas": 1, "maxReplicas": 2}, "bulk": {"replicas": 1, "maxReplicas": 4}},
        "autoscaling": {
            "mode": mode,
            "pollingInterval": 5,
            "scaleDownAfterSeconds": 15,
        },
    }


def install(
    plan: Plan, values: Mapping[str, Any], *, place: Place = HOME, chart: Path = CHART, example: str = "small"
) -> None:
    """Install or upgrade the release by an example and *values*, and wait until it is ready."""
    chosen = (*_chosen(plan, values, chart, place, example), "--wait", "--timeout", "5m")
    helm(plan, "upgrade", "--install", RELEASE, chart, *chosen, place=place)


def rendered(plan: Plan, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what the chart makes of the values, hooks included, without asking the cluster."""
    text = helm(plan, "template", RELEASE, CHART, *_chosen(plan, values, CHART, HOME))
    return [manifest for manifest in YAML(typ="safe").load_all(text) if manifest]


def _chosen(
    plan: Plan, values: Mapping[str, Any], chart: Path, place: Place, example: str = "small"
) -> tuple[str | Path, ...]:
    file = plan.logs / f"values-{place.namespace}.json"
    file.write_text(json.dumps(values, indent=2), encoding="utf-8")
    return ("--values", chart / "examples" / f"{example}.yaml", "--values", file)


def helm(plan: Plan, *arguments: str | Path, place: Place = HOME) -> str:
    """Run Helm against the cluster.

    Raises:
        ClusterError: it failed; the text has all that it printed, also the logs of hooks.
    """
    command = [helm_program(plan), *arguments, "--kubeconfig", plan.kubeconfig, "--namespace", place.namespace]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        raise ClusterError(f"helm {arguments[0]} failed: {done.stdout.strip()} {done.stderr.strip()}")
    return done.stdout


def helm_program(plan: Plan) -> Path:
    """Return the Helm that the checks use: that of `make checkers`, or the older one, which is built."""
    return built_folder(HELM_3, plan.build) / "helm" if plan.helm == 3 else CHECKERS / "helm"


def expose(plan: Plan, place: Place = HOME) -> None:
    """Open a port of every node to the API, as a load balancer would use it."""
    labels = {"app.kubernetes.io/instance": RELEASE, "app.kubernetes.io/component": "api"}
    ports = [{"port": 80, "targetPort": "http", "nodePort": place.port}]
    spec = {"type": "NodePort", "selector": labels, "ports": ports, "ipFamilyPolicy": "PreferDualStack"}
    metadata = {"name": "from-beside", "namespace": place.namespace}
    apply(plan, [{"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}])


def address(plan: Plan, place: Place = HOME) -> str:
    """Return where clients beside the cluster reach the API: a port of the first node, by its first family."""
    return addresses(plan, place)[0]


def addresses(plan: Plan, place: Place = HOME) -> list[str]:
    """Return the same for each family."""
    return [f"http://{in_url(found)}:{place.port}" for found in plan.nodes[0].addresses]


def _secret(namespace: str, name: str, values: Mapping[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "stringData": dict(values),
    }
