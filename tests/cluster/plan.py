"""Names, addresses and folders of the cluster; nothing here touches the machine."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Final

KUBERNETES: Final = "kubernetes"
"""The part with the newest Kubernetes; `kubernetes-v1.NN` has an older one."""

BESIDE: Final = "beside"
"""The machine beside the nodes: their bridge, the registry, the servers that Packyard uses, and the load."""


@dataclass(frozen=True, slots=True)
class Family:
    """The addresses of one family: of the machines, of pods and of Services."""

    network: IPv4Network | IPv6Network
    pods: IPv4Network | IPv6Network
    pods_of_node: int
    """The length of the prefix of one node's pods."""

    services: IPv4Network | IPv6Network

    @property
    def beside(self) -> str:
        """The address of the machine beside the nodes."""
        return str(self.network[1])

    @property
    def everything(self) -> str:
        """The range of all addresses there are."""
        return "::/0" if self.network.version == 6 else "0.0.0.0/0"


IPV4: Final = Family(
    # The range for tests of network devices (RFC 2544); nothing outside this machine has such an address.
    IPv4Network("198.18.0.0/16"),
    IPv4Network("10.244.0.0/16"),
    24,
    IPv4Network("10.96.0.0/16"),
)
IPV6: Final = Family(IPv6Network("fd98:18::/64"), IPv6Network("fd98:244::/56"), 64, IPv6Network("fd98:96::/112"))
"""Ranges for use inside one site (RFC 4193)."""

FAMILIES: Final = {"ipv4": (IPV4,), "ipv6": (IPV6,), "dual": (IPV4, IPV6)}
"""The families of a cluster by its `FAMILY`, the first one first."""

NETWORK: Final = IPV4.network
SERVICES: Final = IPV4.services
BESIDE_ADDRESS: Final = IPV4.beside
DNS_ADDRESS: Final = str(SERVICES[10])
"""Addresses for the cases that only a cluster of IPv4 runs."""

REGISTRY_PORT: Final = 5000
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


def in_url(address: str) -> str:
    """Return an address in the form that URLs have."""
    return f"[{address}]" if ":" in address else address


def _subnet(network: IPv4Network | IPv6Network, length: int, number: int) -> IPv4Network | IPv6Network:
    start = int(network.network_address) + (number << network.max_prefixlen - length)
    return type(network)((start, length))


@dataclass(frozen=True, slots=True)
class Node:
    """One node; the first has the control plane, too."""

    number: int
    families: tuple[Family, ...] = (IPV4,)

    @property
    def name(self) -> str:
        """The name of the node, of its network namespace, and of its port at the bridge."""
        return f"node-{self.number}"

    @property
    def address(self) -> str:
        """Its address at the bridge, of the first family."""
        return self.addresses[0]

    @property
    def addresses(self) -> list[str]:
        """Its addresses at the bridge, one of each family."""
        return [str(family.network[self.number + 1]) for family in self.families]

    @property
    def pods(self) -> list[str]:
        """The ranges of its pods, one of each family."""
        return [str(_subnet(family.pods, family.pods_of_node, self.number)) for family in self.families]


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

    family: str = "ipv4"
    """One of FAMILIES."""

    kubernetes: str = KUBERNETES
    """The part with its Kubernetes."""

    @property
    def nodes(self) -> list[Node]:
        """Its nodes, the one with the control plane first."""
        return [Node(number, self.families) for number in range(1, self.count + 1)]

    @property
    def families(self) -> tuple[Family, ...]:
        """The families of its addresses, the first one first."""
        return FAMILIES[self.family]

    @property
    def beside(self) -> str:
        """The address of the machine beside the nodes, in the form that URLs have."""
        return in_url(self.families[0].beside)

    @property
    def pod_ranges(self) -> str:
        """The addresses of all pods, with commas between the families."""
        return ",".join(str(family.pods) for family in self.families)

    @property
    def service_ranges(self) -> str:
        """The addresses of all Services, with commas between the families."""
        return ",".join(str(family.services) for family in self.families)

    @property
    def dns(self) -> str:
        """The address of the Service that resolves names."""
        return str(self.families[0].services[10])

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
