"""Control groups of the nodes' pods, in each hierarchy of the machine."""

import os
import signal
from pathlib import Path
from typing import Final

from tests.cluster.plan import Node

_CGROUPS: Final = Path("/sys/fs/cgroup")
_OWN_CGROUP: Final = "packyard-cluster"
_SHARES: Final = 16_384


def make_cgroups(node: Node) -> Path:
    """Make the control groups below which the node's pods live; return their path in each hierarchy."""
    own = Path(_OWN_CGROUP) / node.name
    for top in _hierarchies():
        for folder in (top / _OWN_CGROUP, top / own):
            folder.mkdir(exist_ok=True)
            for name in ("cpuset.cpus", "cpuset.mems"):
                if top.name == "cpuset":
                    (folder / name).write_text((folder.parent / name).read_text())
            if (folder / "cpu.shares").exists():
                # All pods together would otherwise get as much as one program beside the cluster.
                (folder / "cpu.shares").write_text(str(_SHARES))
            if (folder.parent / "cgroup.controllers").exists() and (top / "cgroup.controllers").read_text().strip():
                given = (folder.parent / "cgroup.controllers").read_text().split()
                (folder.parent / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in given))
    return Path("/") / own


def remove_cgroups() -> bool:
    """Remove all of them, and kill what is in them; return False when some are not empty yet."""
    gone = [_remove(top) for top in _cgroup_folders()]
    return all(gone)


def pids_of_container(container: str) -> list[int]:
    """Return the processes of a container, by its number, as this machine numbers them."""
    for top in _cgroup_folders():
        for folder in top.rglob(container):
            return [int(pid) for pid in (folder / "cgroup.procs").read_text().split()]
    return []


def kill(pid: int) -> None:
    """Kill a process, if it is there."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _hierarchies() -> list[Path]:
    if (_CGROUPS / "cgroup.controllers").exists():
        return [_CGROUPS]
    return sorted({folder.resolve() for folder in _CGROUPS.iterdir() if (folder / "cgroup.procs").exists()})


def _cgroup_folders() -> list[Path]:
    return [top / _OWN_CGROUP for top in _hierarchies() if (top / _OWN_CGROUP).exists()]


def _remove(top: Path) -> bool:
    for folder, _, _ in os.walk(top, topdown=False):
        try:
            Path(folder).rmdir()
        except OSError:
            for pid in (Path(folder) / "cgroup.procs").read_text().split():
                kill(int(pid))
            return False
    return True
