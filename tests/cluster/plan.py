"""Names, addresses and folders of the cluster; nothing here touches the machine."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

KUBERNETES: Final = "v1.36.3"
"""The version that tests/cluster/parts/kubernetes/go.mod pins."""

BESIDE: Final = "beside"
"""The machine beside the nodes: their bridge, the registry, the servers that Packyard uses, and the load."""

NETWORK: Final = ipaddress.ip_network("198.18.0.0/16")
"""The range for tests of network devices (RFC 2544); nothing outside this machine has such an address."""

PODS: Final = ipaddress.ip_network("10.244.0.0/16")
SERVICES: Final = ipaddress.ip_network("10.96.0.0/16")
BESIDE_ADDRESS: Final = str(NETWORK[1])
DNS_ADDRESS: Final = str(SERVICES[10])

REGISTRY: Final = f"{BESIDE_ADDRESS}:5000"
API_PORT: Final = 6443
LOCAL_API_PORT: Final = 16443
"""The port of this machine's loopback that leads to the API server, for kubectl and Helm."""

SERVER_PORTS: Final = {
    "postgres": 5432,
    "rabbitmq_amqp": 5672,
    "rabbitmq_management": 15672,
    "seaweedfs_s3.port": 8333,
}
"""The names that the stack keeps its ports under, and the ports that the chart's policies open."""

OPTIONAL: Final = frozenset({"keda", "metrics-server", "kube-router"})
"""The parts that a cluster can do without; the tests that need them fail then."""

NODE_BYTES: Final = 8 * 2**30
"""The size of a node's file system; the file behind it has holes."""

AUTHORITIES: Final = ("first", "second")
"""The authorities that sign certificates of the servers, one after the other."""

IMAGE: Final = "registry.test/packyard"
RELEASE: Final = "yard"
NAMESPACE: Final = "packyard"


@dataclass(frozen=True, slots=True)
class Node:
    """One node; the first has the control plane, too."""

    number: int

    @property
    def name(self) -> str:
        """The name of the node, of its network namespace, and of its port at the bridge."""
        return f"node-{self.number}"

    @property
    def address(self) -> str:
        """Its address at the bridge."""
        return str(NETWORK[self.number + 1])

    @property
    def pods(self) -> str:
        """The addresses of its pods."""
        return str(list(PODS.subnets(new_prefix=24))[self.number])


@dataclass(frozen=True, slots=True)
class Plan:
    """The folders of one cluster, and its nodes."""

    folder: Path
    build: Path
    count: int = 2
    without: frozenset[str] = frozenset()
    """Parts that are neither built nor started, out of OPTIONAL."""

    helm: int = 4
    """The major version of the Helm that the checks use."""

    @property
    def nodes(self) -> list[Node]:
        """Its nodes, the one with the control plane first."""
        return [Node(number) for number in range(1, self.count + 1)]

    @property
    def kubeconfig(self) -> Path:
        """The file that kubectl and Helm need on this machine."""
        return self.folder / "kubeconfig"

    @property
    def certificates(self) -> Path:
        """The authorities, certificates and keys that kubeadm makes."""
        return self.folder / "certificates"

    @property
    def authorities(self) -> Path:
        """The authorities of the servers' certificates, a folder each."""
        return self.folder / "authorities"

    @property
    def logs(self) -> Path:
        """A log for each program."""
        return self.folder / "logs"

    def inside(self, node: Node) -> Path:
        """Return the folder for the settings of a node's programs."""
        return self.folder / "nodes" / node.name
