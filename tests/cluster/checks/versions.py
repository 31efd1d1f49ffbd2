"""The versions of all that takes part, asked of the programs themselves where they run here."""

import json
import subprocess
from typing import Final

from tests.cluster import yard
from tests.cluster.checks.report import UNTESTED
from tests.cluster.control import kubectl
from tests.cluster.machines import command_in
from tests.cluster.parts import built_folder, pinned_version
from tests.cluster.plan import BESIDE, KUBERNETES, Plan
from tests.cluster.servers import Addresses, local
from workers.stack.postgres import find_programs

_PINNED: Final = {
    "KEDA": ("keda", "github.com/kedacore/keda/v2"),
    "metrics-server": ("metrics-server", "sigs.k8s.io/metrics-server"),
    "kube-router": ("kube-router", "github.com/cloudnativelabs/kube-router/v2"),
    "CoreDNS": ("coredns", "github.com/coredns/coredns"),
    "Traefik": ("traefik", "github.com/traefik/traefik/v3"),
    "Gateway API": ("traefik", "sigs.k8s.io/gateway-api"),
}


_HELM: Final = {3: "Helm 3", 4: "Helm"}


def versions(plan: Plan) -> dict[str, str]:
    """Return what runs in the cluster and beside it, by name."""
    server = json.loads(kubectl(plan, "version", "-o", "json"))["serverVersion"]["gitVersion"]
    minor = "" if plan.kubernetes == KUBERNETES else f" {server.rpartition('.')[0]}"
    management = local(Addresses.read(plan.folder / "servers").management)
    overview = json.loads(_printed(*command_in(BESIDE, "curl", "-sf", f"{management}/api/overview")))
    postgres = _printed(str(find_programs() / "postgres"), "--version").split()[-1]
    found = {
        f"Kubernetes{minor}": server,
        _HELM[plan.helm]: yard.helm(plan, "version", "--template={{.Version}}").strip(),
        "PostgreSQL": postgres,
        "RabbitMQ": overview["rabbitmq_version"],
        "containerd": _printed("containerd", "--version").split()[2],
    }
    pinned = {name: pinned_version(*place) for name, place in _PINNED.items() if _is_there(plan, place[0])}
    return {**found, **pinned, **dict.fromkeys(_PINNED.keys() - pinned.keys(), UNTESTED)}


def _is_there(plan: Plan, part: str) -> bool:
    return part not in plan.without and built_folder(part, plan.build).exists()


def _printed(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
