"""Machines out of namespaces: each has a network, mounts and processes of its own, and ends with its first process."""

import shlex
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from service.environment import process_environment
from tests.cluster.cgroups import kill, remove_cgroups
from tests.cluster.plan import BESIDE, Family, Node

_BRIDGE: Final = "bridge"
_NAMES: Final = Path("/run/netns")
_PATIENCE_S: Final = 20

# The kubelet sets kernel parameters, which are those of the whole machine: it gets copies that have no effect.
_INIT: Final = """
set -eu
mount --make-rprivate /
mount --make-rshared /
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/node /run/tunables
if [ -n "$2" ]; then mount -o loop "$2" /run/node; fi
mkdir -p /run/node/log
mount --bind /run/node/log /var/log
for tunable in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops \\
    kernel/keys/root_maxkeys kernel/keys/root_maxbytes; do
    copy=/run/tunables/$(basename "$tunable")
    cat "/proc/sys/$tunable" >"$copy"
    mount --bind "$copy" "/proc/sys/$tunable"
done
hostname "$1"
touch /run/ready
while :; do sleep 3600 & wait $!; done
"""


class ClusterError(Exception):
    """The cluster cannot do what was asked; the text says why, in one line."""


def lay_network(nodes: Sequence[Node]) -> None:
    """Make the network namespaces and the bridge between them; no packet has a way out."""
    families = nodes[0].families
    _ip("netns", "add", BESIDE)
    _inside(BESIDE, "link", "add", _BRIDGE, "type", "bridge")
    for link in ("lo", _BRIDGE):
        _inside(BESIDE, "link", "set", link, "up")
    for family in families:
        _give(BESIDE, _BRIDGE, family, family.beside)
        _lead_to_loopback(family)
    _set(BESIDE, "net.bridge.bridge-nf-call-iptables=0", "net.bridge.bridge-nf-call-ip6tables=0")
    for node in nodes:
        _plug_in(node)
    for node in nodes:
        for other in (BESIDE, *(one.name for one in nodes if one != node)):
            for pods, address in zip(node.pods, node.addresses, strict=True):
                _inside(other, "route", "add", pods, "via", address)


def _give(name: str, link: str, family: Family, address: str) -> None:
    # Nobody else has the address, so that no time is lost for asking.
    at_once = ("nodad",) if family.network.version == 6 else ()
    _inside(name, "address", "add", f"{address}/{family.network.prefixlen}", "dev", link, *at_once)


def _lead_to_loopback(family: Family) -> None:
    """Lead callers to the loopback of the namespace, where servers see every client as their own machine.

    The loopback of IPv6 takes no packets of others, so programs pass those on.
    """
    if family.network.version == 4:
        _set(BESIDE, f"net.ipv4.conf.{_BRIDGE}.route_localnet=1")
        nat = ("iptables", "-w", "-t", "nat", "-A")
        arriving = ("PREROUTING", "-i", _BRIDGE, "-d", family.beside, "-p", "tcp", "-j", "DNAT", "--to", "127.0.0.1")
        _in_network(BESIDE, *nat, *arriving)
        _in_network(BESIDE, *nat, "INPUT", "-d", "127.0.0.1", "-p", "tcp", "-j", "SNAT", "--to", "127.0.0.1")


def _plug_in(node: Node) -> None:
    _ip("netns", "add", node.name)
    _inside(node.name, "link", "add", "eth0", "type", "veth", "peer", "name", node.name, "netns", BESIDE)
    _inside(BESIDE, "link", "set", node.name, "master", _BRIDGE, "up")
    for link in ("lo", "eth0"):
        _inside(node.name, "link", "set", link, "up")
    for family, address in zip(node.families, node.addresses, strict=True):
        _give(node.name, "eth0", family, address)
    _set(node.name, "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")


def cut_off(node: Node) -> None:
    """Take the node off the bridge: its packets are lost without a word, as if its cable was pulled."""
    _inside(BESIDE, "link", "set", node.name, "nomaster")


def join_again(node: Node) -> None:
    """Put a node that was cut off back on the bridge."""
    _inside(BESIDE, "link", "set", node.name, "master", _BRIDGE)


def boot(name: str, *, disk: Path | None = None, size: int = 0) -> None:
    """Start the first process of a machine whose network is there; with *disk*, /run/node is a new file system."""
    if disk is not None:
        disk.unlink(missing_ok=True)
        with disk.open("wb") as file:
            file.truncate(size)
        _run("mkfs.ext4", "-q", "-O", "^has_journal", "-E", "lazy_itable_init=1,root_owner=0:0", disk)
    command = [f"--net={_NAMES / name}", "unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--mount-proc"]
    subprocess.Popen(
        ["nsenter", *command, "--kill-child", "sh", "-c", _INIT, "init", name, str(disk or "")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )
    wait_for(lambda: _is_ready(name), f"{name} did not start", _PATIENCE_S)


def shut_down(names: Sequence[str]) -> None:
    """Kill all processes of the machines and remove their namespaces; mounts and loop devices go with them."""
    for name in names:
        for pid in _pids_in(name):
            kill(pid)
    wait_for(lambda: not any(_pids_in(name) for name in names), "processes do not end", _PATIENCE_S)
    for name in names:
        if (_NAMES / name).exists():
            _ip("netns", "delete", name)
    wait_for(remove_cgroups, "control groups do not go away", _PATIENCE_S)
    _forget_names()


def _forget_names() -> None:
    """Remove the mount that `ip netns add` made for its names, unless other programs have names there."""
    while _names_are_mounted() and not any(_NAMES.iterdir()):
        _run("umount", _NAMES)


def _names_are_mounted() -> bool:
    # `Path.is_mount` cannot see it: the folder is mounted on itself, so its device is that of its parent.
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    return any(line.split()[4] == str(_NAMES) for line in mounts)


def existing(names: Iterable[str]) -> list[str]:
    """Return those of the names that machines have, whole or in part, or namespaces of other programs."""
    return [name for name in names if (_NAMES / name).exists()]


def is_booted(name: str) -> bool:
    """Return whether the machine's first process lives."""
    return _first_process(name) is not None


def command_in(name: str, *arguments: str | Path) -> list[str]:
    """Return what runs *arguments* in a machine, with all its namespaces."""
    first = _first_process(name)
    if first is None:
        raise ClusterError(f"{name} is not running: start the cluster with `make cluster`")
    return ["nsenter", f"--target={first}", "--all", "--", *map(str, arguments)]


def command_beside_network(name: str, *arguments: str | Path) -> list[str]:
    """Return what runs *arguments* with the network and files of this machine, as a process of machine *name*."""
    return ["nsenter", f"--target={_first_process(name)}", "--pid", "--", *map(str, arguments)]


def start(command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
    """Start a program that goes on when this process ends; it ends with its machine."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        subprocess.Popen(
            command,
            env={**process_environment(), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd="/",
        )


def wait_for(condition: Callable[[], bool], failure: str, seconds: float) -> None:
    """Return when *condition* holds.

    Raises:
        ClusterError: it did not in that time; *failure* is the text.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise ClusterError(f"{failure} within {seconds:.0f} s")
        time.sleep(0.1)


def _is_ready(name: str) -> bool:
    first = _first_process(name)
    return first is not None and Path(f"/proc/{first}/root/run/ready").exists()


def _first_process(name: str) -> int | None:
    for pid in _pids_in(name):
        try:
            status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        except OSError:
            continue
        numbers = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[1:]
        if len(numbers) > 1 and numbers[-1] == "1":
            return pid
    return None


def _pids_in(name: str) -> list[int]:
    if not (_NAMES / name).exists():
        return []
    done = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False)
    return [int(word) for word in done.stdout.split()]


def _inside(name: str, *arguments: str) -> None:
    _ip("-n", name, *arguments)


def _ip(*arguments: str) -> None:
    _run("ip", *arguments)


def _set(name: str, *settings: str) -> None:
    _in_network(name, "sysctl", "-qw", *settings)


def _in_network(name: str, *command: str) -> None:
    _run("nsenter", f"--net={_NAMES / name}", *command)


def _run(*command: str | Path) -> None:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if done.returncode:
        said = " ".join(done.stderr.split())
        raise ClusterError(f"{shlex.join(map(str, command))} failed: {said}")
