"""Packyard in a foreign cluster: a namespace with servers to try, the release, and a pod for the load."""

import base64
import json
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import Any, Final

from ruamel.yaml import YAML

from tests.cluster.checks.cases import RunningLoad, playing
from tests.cluster.foreign.target import Target
from tests.cluster.machines import ClusterError
from tests.support.chart import CHART
from tests.support.paths import ROOT

OBJECTS: Final = "packyard-objects"
"""The claim of the trial set that holds the objects."""

_DIRECTORY: Final = ROOT / "tests" / "support" / "directory.yaml"
_MODULES: Final = (
    *("tests/__init__.py", "tests/support/__init__.py", "tests/support/paths.py"),
    *("tests/cluster/__init__.py", "tests/cluster/checks/__init__.py", "tests/cluster/foreign/__init__.py"),
    *(f"tests/cluster/checks/{name}.py" for name in ("load", "plot", "report")),
    "tests/cluster/foreign/clients.py",
)
"""All that the load imports but what Packyard's image has."""

CLIENTS: Final = "clients"
_PYTHON: Final = "/opt/packyard/bin/python"
_LEVEL: Final = {"pod-security.kubernetes.io/enforce": "restricted"}
_SECURITY: Final = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "runAsUser": 10001,
    "seccompProfile": {"type": "RuntimeDefault"},
}
_ENDING_S: Final = 120


@contextmanager
def own_namespace(target: Target) -> Iterator[None]:
    """Make the namespace with the servers; it goes with all that is in it when the block ends."""
    about = {"name": target.namespace, "labels": _LEVEL}
    target.kubectl("create", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": about}))
    try:
        apply(target, [_secret("directory", {"directory.yaml": _DIRECTORY.read_text(encoding="utf-8")})])
        apply(target, [modules()])
        target.kubectl("apply", "-f", str(target.servers))
        for server in ("postgres", "rabbitmq"):
            target.kubectl("rollout", "status", f"deployment/{server}", "--timeout=180s")
        yield
    finally:
        target.kubectl("delete", "namespace", target.namespace, "--timeout=200s")


def apply(target: Target, items: Sequence[dict[str, Any]]) -> None:
    """Apply manifests in the namespace."""
    target.kubectl("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(items)}))


def values(target: Target) -> dict[str, Any]:
    """Return the values beside those of `small`."""
    chosen: dict[str, Any] = {
        "fullnameOverride": target.namespace,
        "directory": {"existingSecret": "directory"},
        "podLabels": {"packyard-check": target.namespace},
    }
    if image := target.image_values():
        chosen["image"] = image
    if is_shared(target):
        return {**chosen, **{name: {"replicas": 2} for name in ("api", "relay", "scheduler")}}
    return {**chosen, "affinity": _BESIDE_POSTGRES}


_BESIDE_POSTGRES: Final = {
    "podAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": [
            {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "postgres"}}}
        ]
    }
}
"""A volume of one node is where its first pod runs; all others have to come there, too."""


def is_shared(target: Target) -> bool:
    """Return whether pods on every node may write to the volume with the objects."""
    manifests = YAML(typ="safe").load_all(target.servers.read_text(encoding="utf-8"))
    claims = [one for one in manifests if one and one["kind"] == "PersistentVolumeClaim"]
    modes = next((one["spec"]["accessModes"] for one in claims if one["metadata"]["name"] == OBJECTS), None)
    if modes is None:
        raise ClusterError(f"{target.servers} has no claim {OBJECTS} for the objects")
    return "ReadWriteMany" in modes


def install(target: Target, chosen: dict[str, Any]) -> None:
    """Install or upgrade the release and wait until it is ready."""
    options = ("--values", CHART / "examples" / "small.yaml", "--values", "-", "--wait", "--timeout", "5m")
    target.helm("upgrade", "--install", target.namespace, target.chart, *options, text=json.dumps(chosen))


def start_clients(target: Target) -> None:
    """Start the pod of the load, in the image of the API, with the volume that has the objects."""
    spec = target.get("deployment", f"{target.namespace}-api")["spec"]["template"]["spec"]
    image = next(one["image"] for one in spec["containers"] if one["name"] == "packyard")
    apply(target, [_clients_pod(target, image)])
    target.kubectl("wait", "pod", CLIENTS, "--for=condition=Ready", "--timeout=120s")


def address(target: Target) -> str:
    """Return where pods of the cluster reach the API."""
    return f"http://{target.namespace}-api"


def in_clients(target: Target, *command: str) -> list[str]:
    """Return what runs a command of Python in the pod of the load, with the modules of the tests."""
    return [*target.kubectl_command(), "exec", "--stdin", CLIENTS, "--", _PYTHON, *command]


@contextmanager
def load(target: Target) -> Iterator[RunningLoad]:
    """Let clients in the pod upload and delete while the block runs."""
    command = in_clients(target, "-m", "tests.cluster.foreign.clients", address(target), "/objects")
    with playing(command, target.logs / f"load-{target.namespace}.log") as running:
        yield running


def await_ready(target: Target, seconds: float = 180) -> None:
    """Return when each Deployment of the release is rolled out."""
    deadline = time.monotonic() + seconds
    chosen = ("-l", f"app.kubernetes.io/instance={target.namespace}", "-o", "name")
    for deployment in target.kubectl("get", "deployments", *chosen).split():
        left = max(1, round(deadline - time.monotonic()))
        target.kubectl("rollout", "status", deployment, f"--timeout={left}s")


def left_objects(target: Target) -> list[str]:
    """Return the objects of the release that are still there when its pods had time to end."""
    kinds = "all,secrets,configmaps,serviceaccounts,networkpolicies,poddisruptionbudgets,horizontalpodautoscalers"
    chosen = ("-l", f"app.kubernetes.io/instance={target.namespace}", "-o", "name")
    deadline = time.monotonic() + _ENDING_S
    while left := target.kubectl("get", kinds, *chosen).split():
        if time.monotonic() > deadline:
            break
        time.sleep(1)
    return left


def _clients_pod(target: Target, image: str) -> dict[str, Any]:
    mounts = [
        {"name": "objects", "mountPath": "/objects", "readOnly": True},
        {"name": "modules", "mountPath": "/modules", "readOnly": True},
    ]
    container = {
        "name": CLIENTS,
        "image": image,
        "command": [_PYTHON, "-c", "import signal; signal.pause()"],
        "env": [{"name": "PYTHONPATH", "value": "/modules/tests.zip"}],
        "securityContext": _SECURITY,
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "volumeMounts": mounts,
    }
    volumes = [
        {"name": "objects", "persistentVolumeClaim": {"claimName": OBJECTS}},
        {"name": "modules", "configMap": {"name": CLIENTS}},
    ]
    spec: dict[str, Any] = {"containers": [container], "volumes": volumes, "terminationGracePeriodSeconds": 1}
    spec |= {"automountServiceAccountToken": False, "enableServiceLinks": False}
    if not is_shared(target):
        spec["affinity"] = _BESIDE_POSTGRES
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": CLIENTS}, "spec": spec}


def modules() -> dict[str, Any]:
    """Return the modules of the load as an archive that Python imports from."""
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in _MODULES:
            archive.write(ROOT / name, name)
    data = {"tests.zip": base64.b64encode(content.getvalue()).decode()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": CLIENTS}, "binaryData": data}


def _secret(name: str, content: dict[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": content}
