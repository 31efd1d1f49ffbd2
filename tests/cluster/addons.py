"""Installs the add-ons of the cluster: names, metrics of pods, and KEDA."""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from tests.cluster.control import kubectl
from tests.cluster.kubeadm import install_dns
from tests.cluster.machines import ClusterError
from tests.cluster.parts import module_folder
from tests.cluster.plan import AUTHORITIES, BESIDE_ADDRESS, Plan
from tests.support.certificates import make_authority
from tests.support.chart import CHECKERS

_KEDA: Final = "github.com/kedacore/keda/v2"
_METRICS: Final = "sigs.k8s.io/metrics-server"
_TRUSTED: Final = "company-ca"
_TRUST_FOLDER: Final = "/custom/ca"

Manifest = dict[str, Any]


def install_addons(plan: Plan) -> None:
    """Install those that are built; each runs on the first node, which no test takes away."""
    # Without it nobody can run a command in a pod or read its log: the API server may not ask the kubelets.
    rights = ("--clusterrole=system:kubelet-api-admin", "--user=kube-apiserver-kubelet-client")
    kubectl(plan, "create", "clusterrolebinding", "api-server-to-kubelets", *rights)
    install_dns(plan)
    place = {"spec": {"replicas": 1, "template": {"spec": {"nodeSelector": _first(plan)}}}}
    kubectl(plan, "-n", "kube-system", "patch", "deployment", "coredns", "--type=strategic", "-p", json.dumps(place))
    if "metrics-server" not in plan.without:
        _apply(plan, "metrics-server", _METRICS, "manifests/base")
    if "keda" not in plan.without:
        _apply(plan, "keda", _KEDA, "config/default")
        trust_authorities(plan)


def trust_authorities(plan: Plan) -> None:
    """Make the authorities of the servers beside the cluster, and let KEDA trust all of them."""
    for name in AUTHORITIES:
        make_authority(plan.authorities / name, f"IP:{BESIDE_ADDRESS}")
    bundle = "".join((plan.authorities / name / "ca.crt").read_text(encoding="utf-8") for name in AUTHORITIES)
    metadata = {"name": _TRUSTED, "namespace": "keda"}
    trusted = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"ca.crt": bundle}}
    kubectl(plan, "apply", "-f", "-", text=json.dumps(trusted))


def await_addons(plan: Plan) -> None:
    """Return when the Deployments of the add-ons are complete."""
    for namespace in ("kube-system", "keda"):
        # A Deployment of one pod is Available without it, for its rollout may take that one away.
        for deployment in kubectl(plan, "-n", namespace, "get", "deployments", "-o", "name").split():
            kubectl(plan, "-n", namespace, "rollout", "status", deployment, "--timeout=150s")


def _apply(plan: Plan, part: str, module: str, folder: str) -> None:
    command: list[str | Path] = [CHECKERS / "kubectl", "kustomize", module_folder(part, module) / folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"kubectl kustomize of {module} failed: {done.stderr.strip()}")
    manifests = [_placed(plan, manifest) for manifest in YAML(typ="safe").load_all(done.stdout)]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
    kubectl(plan, "apply", "--server-side", "-f", "-", text=text)


def _placed(plan: Plan, manifest: Manifest) -> Manifest:
    if manifest["kind"] == "Deployment":
        pod = manifest["spec"]["template"]["spec"]
        pod["nodeSelector"] = _first(plan)
        (container,) = pod["containers"]
        if manifest["metadata"]["name"] == "metrics-server":
            # The kubelets sign their own certificates here.
            container["args"].append("--kubelet-insecure-tls")
        if manifest["metadata"]["name"] == "keda-operator":
            # Its HTTP clients read the folder by themselves; its driver of PostgreSQL reads what the system trusts.
            container.setdefault("volumeMounts", []).append({"name": _TRUSTED, "mountPath": _TRUST_FOLDER})
            container.setdefault("env", []).append({"name": "SSL_CERT_DIR", "value": _TRUST_FOLDER})
            pod.setdefault("volumes", []).append({"name": _TRUSTED, "configMap": {"name": _TRUSTED}})
    return manifest


def _first(plan: Plan) -> dict[str, str]:
    return {"kubernetes.io/hostname": plan.nodes[0].name}
