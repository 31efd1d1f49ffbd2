"""Certificates, accesses and add-ons by the phases of kubeadm."""

import json
import subprocess
from pathlib import Path

from tests.cluster.machines import ClusterError
from tests.cluster.parts import built_folder, kubernetes_version
from tests.cluster.plan import API_PORT, LOCAL_API_PORT, Node, Plan, in_url


def make_certificates(plan: Plan) -> None:
    """Make the authorities and all certificates, and the accesses of the control plane and of kubectl here."""
    plan.certificates.mkdir(parents=True, exist_ok=True)
    first = plan.nodes[0]
    _phase(plan, first, "certs", "all")
    _phase(plan, first, "kubeconfig", "all", f"--kubeconfig-dir={plan.certificates}")
    text = (plan.certificates / "super-admin.conf").read_text(encoding="utf-8")
    local = text.replace(f"https://{in_url(first.address)}:{API_PORT}", f"https://127.0.0.1:{LOCAL_API_PORT}")
    plan.kubeconfig.write_text(local, encoding="utf-8")
    plan.kubeconfig.chmod(0o600)


def node_kubeconfig(plan: Plan, node: Node) -> Path:
    """Return the access of a node's kubelet."""
    folder = plan.inside(node)
    if not (folder / "kubelet.conf").exists():
        _phase(plan, node, "kubeconfig", "kubelet", f"--kubeconfig-dir={folder}")
    return folder / "kubelet.conf"


def proxy_kubeconfig(plan: Plan) -> Path:
    """Return the access of the nodes' proxies."""
    target = plan.certificates / "proxy.conf"
    if not target.exists():
        name = "--client-name=system:kube-proxy"
        text = _kubeadm(plan, "kubeconfig", "user", name, f"--config={_settings(plan, plan.nodes[0])}")
        target.write_text(text, encoding="utf-8")
    return target


def install_dns(plan: Plan) -> None:
    """Install CoreDNS as kubeadm does."""
    _phase(plan, plan.nodes[0], "addon", "coredns", f"--kubeconfig={plan.kubeconfig}")


def _phase(plan: Plan, node: Node, *arguments: str) -> None:
    _kubeadm(plan, "init", "phase", *arguments, f"--config={_settings(plan, node)}")


def _settings(plan: Plan, node: Node) -> Path:
    target = plan.certificates / f"{node.name}.yaml"
    documents = [_init(node, plan.nodes[0]), _cluster(plan)]
    target.write_text("\n---\n".join(json.dumps(document) for document in documents), encoding="utf-8")
    return target


def _init(node: Node, first: Node) -> dict[str, object]:
    return {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "InitConfiguration",
        "localAPIEndpoint": {"advertiseAddress": first.address, "bindPort": API_PORT},
        "nodeRegistration": {"name": node.name, "criSocket": "unix:///run/containerd/containerd.sock"},
    }


def _cluster(plan: Plan) -> dict[str, object]:
    return {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "ClusterConfiguration",
        "kubernetesVersion": kubernetes_version(plan.kubernetes),
        "certificatesDir": str(plan.certificates),
        "controlPlaneEndpoint": f"{in_url(plan.nodes[0].address)}:{API_PORT}",
        "networking": {
            "podSubnet": plan.pod_ranges,
            "serviceSubnet": plan.service_ranges,
            "dnsDomain": "cluster.local",
        },
        "apiServer": {"certSANs": ["127.0.0.1", "localhost"]},
        "dns": {"imageTag": "v1.13.1"},
    }


def _kubeadm(plan: Plan, *arguments: str) -> str:
    program = built_folder(plan.kubernetes, plan.build) / "kubeadm"
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        said = " ".join(done.stderr.split())
        raise ClusterError(f"kubeadm {' '.join(arguments)} failed: {said}")
    return done.stdout
