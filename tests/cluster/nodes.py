"""The programs of every node: containerd, the kubelet, the proxy of Services, and the firewall of policies."""

import json
import subprocess
from pathlib import Path
from typing import Final

from tests.cluster.cgroups import make_cgroups
from tests.cluster.kubeadm import node_kubeconfig, proxy_kubeconfig
from tests.cluster.machines import boot, command_in, start, wait_for
from tests.cluster.parts import built_folder
from tests.cluster.plan import NODE_BYTES, REGISTRY_PORT, Node, Plan

_PATIENCE_S: Final = 60

_CONTAINERD: Final = """
version = 2
root = "/run/node/containerd"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "registry.k8s.io/pause:3.10.1"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{folder}/registries"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
"""
# Every name leads to the one registry there is. containerd takes no brackets in the name of a table, and wants it.
_REGISTRIES: Final = """
server = "http://{beside}:{port}"
capabilities = ["pull", "resolve"]
[host]
"""
_RESOLVERS: Final = "nameserver {beside}\n"
"""Nothing listens there, so a name of the outside is unknown. An address of loopback would be CoreDNS itself."""


def start_node(plan: Plan, node: Node) -> None:
    """Start the machine of a node, with a file system of fixed size, and containerd on it."""
    folder = plan.inside(node)
    (folder / "cni").mkdir(parents=True, exist_ok=True)
    (folder / "registries" / "_default").mkdir(parents=True, exist_ok=True)
    (folder / "cni" / "pods.conflist").write_text(json.dumps(_pod_network(node)), encoding="utf-8")
    registries = _REGISTRIES.format(beside=plan.beside, port=REGISTRY_PORT)
    (folder / "registries" / "_default" / "hosts.toml").write_text(registries, encoding="utf-8")
    (folder / "containerd.toml").write_text(_CONTAINERD.format(folder=folder), encoding="utf-8")
    (folder / "resolv.conf").write_text(_RESOLVERS.format(beside=plan.families[0].beside), encoding="utf-8")
    boot(node.name, disk=folder / "disk", size=NODE_BYTES)
    run_on(plan, node, "containerd", "--config", folder / "containerd.toml")


def join_node(plan: Plan, node: Node) -> None:
    """Start the kubelet and the program for Services, once the API server is there."""
    folder, kubernetes = plan.inside(node), built_folder(plan.kubernetes, plan.build)
    kubelet_access, proxy_access = node_kubeconfig(plan, node), proxy_kubeconfig(plan)
    (folder / "kubelet.yaml").write_text(json.dumps(_kubelet(plan, node)), encoding="utf-8")
    (folder / "proxy.yaml").write_text(json.dumps(_proxy(plan, node, proxy_access)), encoding="utf-8")
    run_on(
        plan,
        node,
        kubernetes / "kubelet",
        f"--config={folder / 'kubelet.yaml'}",
        f"--kubeconfig={kubelet_access}",
        "--root-dir=/run/node/kubelet",
        f"--node-ip={','.join(node.addresses)}",
        f"--hostname-override={node.name}",
    )
    run_on(
        plan, node, kubernetes / "kube-proxy", f"--config={folder / 'proxy.yaml'}", f"--hostname-override={node.name}"
    )


def enforce_policies(plan: Plan, node: Node) -> None:
    """Start the firewall of a node that the API server knows, and return when its rules are there."""
    program = built_folder("kube-router", plan.build) / "kube-router"
    run_on(
        plan,
        node,
        program,
        f"--kubeconfig={plan.certificates / 'super-admin.conf'}",
        *_families(plan),
        *("--run-firewall=true", "--run-router=false", "--run-service-proxy=false"),
        f"--hostname-override={node.name}",
        *("--metrics-port=0", "--health-port=0"),
    )
    wait_for(lambda: _has_firewall(node), f"policies are not enforced on {node.name}", _PATIENCE_S)


def _families(plan: Plan) -> list[str]:
    versions = {family.network.version for family in plan.families}
    own = [f"--enable-ipv{version}={str(version in versions).lower()}" for version in (4, 6)]
    return [*own, f"--service-cluster-ip-range={plan.service_ranges}"]


def _has_firewall(node: Node) -> bool:
    programs = ["ip6tables" if family.network.version == 6 else "iptables" for family in node.families]
    commands = [command_in(node.name, program, "-w", "-n", "-L", "KUBE-ROUTER-FORWARD") for program in programs]
    return all(subprocess.run(command, capture_output=True, check=False).returncode == 0 for command in commands)


def run_on(plan: Plan, node: Node, program: str | Path, *arguments: str | Path) -> None:
    """Start a program on a node; its log has the names of both."""
    start(command_in(node.name, program, *arguments), plan.logs / f"{node.name}-{Path(program).name}.log")


def await_containerd(node: Node) -> None:
    """Return when containerd of the node answers."""
    wait_for(lambda: _has_socket(node), f"containerd of {node.name} does not answer", _PATIENCE_S)


def _has_socket(node: Node) -> bool:
    command = command_in(node.name, "test", "-S", "/run/containerd/containerd.sock")
    return subprocess.run(command, check=False).returncode == 0


def _pod_network(node: Node) -> dict[str, object]:
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": pods}] for pods in node.pods],
        "routes": [{"dst": family.everything} for family in node.families],
        "dataDir": "/run/node/cni",
    }
    # Pairs of links and no bridge, so that packets between pods of one node pass the firewall as well.
    pairs = {"type": "ptp", "ipMasq": False, "ipam": addresses}
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "1.0.0", "name": "pods", "plugins": [pairs, ports]}


def _kubelet(plan: Plan, node: Node) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(plan.certificates / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": str(make_cgroups(node)),
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "clusterDNS": [plan.dns],
        "clusterDomain": "cluster.local",
        "resolvConf": str(plan.inside(node) / "resolv.conf"),
        "podLogsDir": "/run/node/log/pods",
        "volumePluginDir": "/run/node/plugins",
        "serializeImagePulls": False,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "10%"},
        "evictionPressureTransitionPeriod": "15s",
    }


def _proxy(plan: Plan, node: Node, access: Path) -> dict[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clusterCIDR": plan.pod_ranges,
        "hostnameOverride": node.name,
        "clientConnection": {"kubeconfig": str(access)},
        # The table of connections belongs to the whole machine, which keeps its limits.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }
