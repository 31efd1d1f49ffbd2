"""The control plane on the first node: etcd, API server, controllers and scheduler, as plain programs."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tests.cluster.machines import ClusterError, wait_for
from tests.cluster.nodes import run_on
from tests.cluster.parts import built_folder
from tests.cluster.plan import API_PORT, Plan
from tests.support.chart import CHECKERS

_PATIENCE_S: Final = 90
_ISSUER: Final = "https://kubernetes.default.svc.cluster.local"


def start_control_plane(plan: Plan) -> None:
    """Start the four programs; return when the API server is ready."""
    first, keys = plan.nodes[0], plan.certificates
    kubernetes = built_folder(plan.kubernetes, plan.build)
    etcd = built_folder("etcd", plan.build) / "server"
    run_on(plan, first, etcd, "--data-dir=/run/node/etcd", "--unsafe-no-fsync", "--logger=zap")
    run_on(plan, first, kubernetes / "kube-apiserver", *_api_server(plan))
    wait_for(lambda: _answers(plan), "the API server is not ready", _PATIENCE_S)
    own = [f"--{name}={keys / 'controller-manager.conf'}" for name in _ACCESSES]
    run_on(plan, first, kubernetes / "kube-controller-manager", *own, *_controllers(plan))
    own = [f"--{name}={keys / 'scheduler.conf'}" for name in _ACCESSES]
    run_on(plan, first, kubernetes / "kube-scheduler", *own, "--leader-elect=false")


_ACCESSES: Final = ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")


def _api_server(plan: Plan) -> Sequence[str]:
    keys = plan.certificates
    return [
        "--etcd-servers=http://127.0.0.1:2379",
        f"--advertise-address={plan.nodes[0].address}",
        f"--secure-port={API_PORT}",
        f"--client-ca-file={keys}/ca.crt",
        f"--tls-cert-file={keys}/apiserver.crt",
        f"--tls-private-key-file={keys}/apiserver.key",
        f"--kubelet-client-certificate={keys}/apiserver-kubelet-client.crt",
        f"--kubelet-client-key={keys}/apiserver-kubelet-client.key",
        "--kubelet-preferred-address-types=InternalIP",
        f"--proxy-client-cert-file={keys}/front-proxy-client.crt",
        f"--proxy-client-key-file={keys}/front-proxy-client.key",
        f"--requestheader-client-ca-file={keys}/front-proxy-ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--service-account-issuer={_ISSUER}",
        f"--service-account-key-file={keys}/sa.pub",
        f"--service-account-signing-key-file={keys}/sa.key",
        f"--service-cluster-ip-range={plan.service_ranges}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--enable-aggregator-routing=true",
        "--allow-privileged=true",
    ]


def _controllers(plan: Plan) -> Sequence[str]:
    keys = plan.certificates
    return [
        f"--cluster-cidr={plan.pod_ranges}",
        "--allocate-node-cidrs=false",
        f"--root-ca-file={keys}/ca.crt",
        f"--client-ca-file={keys}/ca.crt",
        f"--requestheader-client-ca-file={keys}/front-proxy-ca.crt",
        f"--service-account-private-key-file={keys}/sa.key",
        f"--cluster-signing-cert-file={keys}/ca.crt",
        f"--cluster-signing-key-file={keys}/ca.key",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        "--controllers=*",
    ]


def kubectl(plan: Plan, *arguments: str, text: str | None = None, seconds: float = 180) -> str:
    """Run kubectl against the cluster; return its output.

    Raises:
        ClusterError: it failed; the text has its errors.
    """
    command: list[str | Path] = [CHECKERS / "kubectl", f"--kubeconfig={plan.kubeconfig}", *arguments]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=seconds)
    if done.returncode:
        raise ClusterError(f"kubectl {' '.join(arguments)} failed: {done.stderr.strip()}")
    return done.stdout


def get(plan: Plan, *arguments: str) -> Any:
    """Return what `kubectl get` finds, as JSON."""
    return json.loads(kubectl(plan, "get", *arguments, "-o", "json"))


def await_nodes(plan: Plan) -> None:
    """Return when every node is Ready."""

    def are_ready() -> bool:
        nodes = get(plan, "nodes")["items"]
        ready = [
            condition["status"] == "True"
            for node in nodes
            for condition in node["status"].get("conditions", ())
            if condition["type"] == "Ready"
        ]
        return len(nodes) == plan.count and len(ready) == plan.count and all(ready)

    wait_for(are_ready, "the nodes are not Ready", _PATIENCE_S)


def _answers(plan: Plan) -> bool:
    try:
        return kubectl(plan, "get", "--raw", "/readyz", seconds=10) == "ok"
    except (ClusterError, subprocess.TimeoutExpired):
        return False
