"""Packyard in the cluster: its namespace, Secrets, values and release."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.cluster.control import kubectl
from tests.cluster.machines import ClusterError
from tests.cluster.plan import BESIDE_ADDRESS, IMAGE, NAMESPACE, RELEASE, SERVER_PORTS, Plan
from tests.cluster.servers import Addresses
from tests.support.chart import CHART, CHECKERS
from tests.support.paths import ROOT
from tests.support.seaweed import BUCKET

NODE_PORT: Final = 30080
DIRECTORY: Final = ROOT / "tests" / "support" / "directory.yaml"


def prepare_namespace(plan: Plan, namespace: str = NAMESPACE) -> None:
    """Make the namespace with the Secrets that the values name; it enforces the level `restricted`."""
    level = {"pod-security.kubernetes.io/enforce": "restricted"}
    found = Addresses.read(plan.folder / "servers")
    items = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": level}},
        _secret(namespace, "storage", {"AWS_ACCESS_KEY_ID": found.s3_key, "AWS_SECRET_ACCESS_KEY": found.s3_secret}),
        _secret(namespace, "directory", {"directory.yaml": DIRECTORY.read_text(encoding="utf-8")}),
    ]
    apply(plan, items)


def apply(plan: Plan, items: Sequence[Mapping[str, Any]]) -> None:
    """Apply manifests."""
    kubectl(plan, "apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))


def small_values(plan: Plan, tag: str) -> dict[str, Any]:
    """Return values beside those of `small`: the servers beside the cluster, and a bucket in place of a volume."""
    found = Addresses.read(plan.folder / "servers")
    s3_port = SERVER_PORTS["seaweedfs_s3.port"]
    return {
        "image": {"repository": IMAGE, "tag": tag},
        "database": {"url": found.database},
        "broker": {"url": found.broker, "managementUrl": found.management},
        "storage": {"url": f"s3://{BUCKET}/{RELEASE}", "existingClaim": "", "credentialsSecret": "storage"},
        "settings": {"STORAGE_ENDPOINT": f"http://{BESIDE_ADDRESS}:{s3_port}", "STORAGE_REGION": "us-east-1"},
        "directory": {"existingSecret": "directory"},
        "networkPolicy": {"storage": {"ports": [s3_port]}},
    }


def several_values(plan: Plan, tag: str) -> dict[str, Any]:
    """Return the same with two of each process that can have two, and with KEDA, as in production."""
    two = {"replicas": 2}
    return {
        **small_values(plan, tag),
        "api": two,
        "relay": two,
        "scheduler": two,
        "workers": {"interactive": {"replicas": 1, "maxReplicas": 2}, "bulk": {"replicas": 1, "maxReplicas": 4}},
        "autoscaling": {"mode": "keda", "pollingInterval": 5, "scaleDownAfterSeconds": 15},
    }


def install(plan: Plan, values: Mapping[str, Any], *options: str, namespace: str = NAMESPACE) -> None:
    """Install or upgrade the release and wait until it is ready."""
    file = plan.folder / "values.json"
    file.write_text(json.dumps(values, indent=2), encoding="utf-8")
    small = CHART / "examples" / "small.yaml"
    arguments: tuple[str | Path, ...] = ("--values", small, "--values", file, "--wait", "--timeout", "5m", *options)
    helm(plan, "upgrade", "--install", RELEASE, CHART, *arguments, namespace=namespace)


def helm(plan: Plan, *arguments: str | Path, namespace: str = NAMESPACE) -> str:
    """Run Helm against the cluster.

    Raises:
        ClusterError: it failed; the text has its errors.
    """
    command = [CHECKERS / "helm", *arguments, "--kubeconfig", plan.kubeconfig, "--namespace", namespace]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        raise ClusterError(f"helm {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout


def expose(plan: Plan, namespace: str = NAMESPACE) -> None:
    """Open a port of every node to the API, as a load balancer would use it."""
    labels = {"app.kubernetes.io/instance": RELEASE, "app.kubernetes.io/component": "api"}
    ports = [{"port": 80, "targetPort": "http", "nodePort": NODE_PORT}]
    spec = {"type": "NodePort", "selector": labels, "ports": ports}
    metadata = {"name": "from-beside", "namespace": namespace}
    apply(plan, [{"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}])


def _secret(namespace: str, name: str, values: Mapping[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "stringData": dict(values),
    }
