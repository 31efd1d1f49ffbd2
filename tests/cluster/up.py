"""Starts and ends the cluster: one at a time on a machine, and each step can be repeated after a kill."""

import fcntl
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.cluster import addons, yard
from tests.cluster.control import await_nodes, start_control_plane
from tests.cluster.kubeadm import make_certificates
from tests.cluster.machines import (
    ClusterError,
    boot,
    command_beside_network,
    command_in,
    existing,
    is_booted,
    lay_network,
    shut_down,
    start,
    wait_for,
)
from tests.cluster.nodes import await_containerd, enforce_policies, join_node, start_node
from tests.cluster.parts import build_part, build_pause, kubernetes_parts, part_names
from tests.cluster.plan import API_PORT, BESIDE, KUBERNETES, LOCAL_API_PORT, SERVER_PORTS, Plan
from tests.cluster.registry import push_packyard, start_registry
from tests.cluster.servers import prepare
from tests.support.paths import ROOT

_LOCK: Final = Path("/run/packyard-cluster.lock")
_RUNNING: Final = Path("/run/packyard-cluster.json")
_PATIENCE_S: Final = 90
_FORWARD: Final = ("env", f"--chdir={ROOT}", sys.executable, "-m", "tests.cluster.forward")
_MADE: Final = ("nodes", "certificates", "authorities", "logs", "servers", "kubeconfig", "registry.yaml")
_PROGRAMS: Final = (
    *("containerd", "runc", "docker-registry", "skopeo", "buildah", "mmdebstrap"),
    *("ip", "iptables", "ipset", "nft", "conntrack", "nsenter", "unshare", "mkfs.ext4", "gcc"),
)


def start_cluster(plan: Plan) -> None:
    """Build what is missing, start everything, and install Packyard.

    Raises:
        ClusterError: a cluster is running, something is missing, or did not start.
    """
    _check_machine()
    with _alone():
        if running := _running_folder(is_complete=True):
            raise ClusterError(f"a cluster is running already, of {running}; `make cluster-down` there ends it")
        _end(plan)
        if foreign := existing(_names(plan)):
            raise ClusterError(f"other programs have network namespaces of these names: {' '.join(foreign)}")
        for part in part_names(plan.kubernetes):
            if part not in plan.without:
                build_part(part, plan.build)
        build_pause(plan.build)
        began = time.monotonic()
        _record(plan, is_complete=False)
        _start_machines(plan)
        _say(began, "nodes are Ready")
        addons.await_addons(plan)
        _say(began, "DNS, metrics and KEDA are there")
        tag = push_packyard(plan)
        _say(began, "the image is in the registry")
        yard.prepare_namespace(plan)
        yard.install(plan, yard.several_values(plan, tag))
        yard.expose(plan)
        _record(plan, is_complete=True)
        _say(began, "Packyard is installed")


def end_cluster(plan: Plan) -> None:
    """End everything that a start began, whole or in part, and nothing that it did not note."""
    running = _running_folder()
    if running not in {"", str(plan.folder)}:
        sys.stdout.write(f"The cluster that runs is of {running}: end it there\n")
        return
    if os.geteuid() != 0:
        if running:
            raise ClusterError("the cluster was started by root, and takes root to end")
        return
    with _alone():
        _end(plan)


def _start_machines(plan: Plan) -> None:
    for folder in ("nodes", "logs"):
        (plan.folder / folder).mkdir(parents=True, exist_ok=True)
    prepare(plan.folder / "servers")
    lay_network(plan.nodes)
    boot(BESIDE)
    servers: list[str | Path] = [sys.executable, "-m", "tests.cluster.servers", plan.folder / "servers", plan.beside]
    start(command_in(BESIDE, "env", f"--chdir={ROOT}", *servers), plan.logs / "servers.log")
    start_registry(plan)
    make_certificates(plan)
    for node in plan.nodes:
        start_node(plan, node)
    first = plan.nodes[0]
    target = (f"/run/netns/{first.name}", first.address, str(API_PORT))
    forward = (*_FORWARD, "127.0.0.1", str(LOCAL_API_PORT), *target)
    start(command_beside_network(first.name, *forward), plan.logs / "forward.log")
    start_control_plane(plan)
    for node in plan.nodes:
        await_containerd(node)
        join_node(plan, node)
    addons.install_addons(plan)
    await_nodes(plan)
    if "kube-router" not in plan.without:
        for node in plan.nodes:
            enforce_policies(plan, node)
    wait_for((plan.folder / "servers" / "servers.json").exists, "the servers do not answer", _PATIENCE_S)
    # SeaweedFS does not start beside a program that listens on the same port of any address.
    _pass_on_to_servers(plan)


def _pass_on_to_servers(plan: Plan) -> None:
    """Pass on from the address of IPv6 beside the nodes to the servers, which listen on the loopback of IPv4."""
    host = plan.families[0].beside
    if ":" in host:
        for port in map(str, SERVER_PORTS.values()):
            forward = (*_FORWARD, host, port, "/proc/self/ns/net", "127.0.0.1", port)
            start(command_in(BESIDE, *forward), plan.logs / f"forward-{port}.log")


def _end(plan: Plan) -> None:
    if _RUNNING.exists():
        shut_down(existing(json.loads(_RUNNING.read_text(encoding="utf-8"))["machines"]))
    _RUNNING.unlink(missing_ok=True)
    for name in _MADE:
        path = plan.folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _record(plan: Plan, *, is_complete: bool) -> None:
    written = {"folder": str(plan.folder), "is_complete": is_complete, "machines": _names(plan)}
    _RUNNING.write_text(json.dumps(written), encoding="utf-8")


def _names(plan: Plan) -> list[str]:
    return [BESIDE, *(node.name for node in plan.nodes)]


def _running_folder(*, is_complete: bool = False) -> str:
    """Return the folder of the cluster that runs, or an empty text; with *is_complete* only if its start went well."""
    if not _RUNNING.exists() or not is_booted(BESIDE):
        return ""
    found = json.loads(_RUNNING.read_text(encoding="utf-8"))
    return str(found["folder"]) if found["is_complete"] or not is_complete else ""


@contextmanager
def _alone() -> Iterator[None]:
    with _LOCK.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ClusterError("another `make cluster` or `make cluster-down` is at work on this machine") from None
        yield


def _check_machine() -> None:
    if sys.platform != "linux" or os.geteuid() != 0:
        raise ClusterError("a cluster on one machine takes Linux and root")
    if missing := [program for program in _PROGRAMS if not shutil.which(program)]:
        raise ClusterError(f"these programs are missing: {' '.join(missing)}")


def _say(began: float, text: str) -> None:
    sys.stdout.write(f"{time.monotonic() - began:5.0f} s  {text}\n")
    sys.stdout.flush()


def describe(plan: Plan) -> str:
    """Return the next steps, to copy."""
    address = yard.address(plan)
    minors = {part: minor for minor, part in kubernetes_parts().items()}
    settings = f" FAMILY={plan.family}" * (plan.family != "ipv4")
    settings += f" KUBERNETES={minors[plan.kubernetes]}" * (plan.kubernetes != KUBERNETES)
    lines = [
        f"export KUBECONFIG={plan.kubeconfig}",
        "kubectl get nodes; kubectl -n packyard get pods -o wide",
        f"sudo nsenter --net=/run/netns/{BESIDE} curl {address}/-/ready",
        f"make cluster-check ONLY=quick{settings}",
        "make cluster-down",
    ]
    return "\n".join(["Next:", *(f"  {line}" for line in lines)])
