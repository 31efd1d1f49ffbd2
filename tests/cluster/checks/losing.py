"""Nodes and pods that are lost under load: a node without a word, pods by a kill, a disk that is full."""

import subprocess
import time
from collections.abc import Mapping
from typing import Any, Final

from tests.cluster.cgroups import kill, pids_of_container
from tests.cluster.checks.beside import unreadable_files
from tests.cluster.checks.cases import await_ready, load, own_pods
from tests.cluster.checks.report import Counts, Outcome
from tests.cluster.control import get, kubectl
from tests.cluster.machines import ClusterError, command_in, cut_off, join_again, wait_for
from tests.cluster.plan import NAMESPACE, Node, Plan

_NOTICED_S: Final = 120
_TAKEOVER_S: Final = 30
_BETWEEN_S: Final = 3
_MOVED_S: Final = 400
_FILLER: Final = "/run/node/filler"
_FILL: Final = f"fallocate -l $(($(stat -f -c '%a * %S' /run/node) * 99 / 100)) {_FILLER}"
_ALONE: Final = ("relay", "scheduler")


def lose_node(plan: Plan) -> Outcome:
    """Cut the last node off until Kubernetes has noticed, and let it come back."""
    first, lost = plan.nodes[0], plan.nodes[-1]
    # A node that was drained before may have no pod yet.
    kubectl(plan, "-n", NAMESPACE, "rollout", "restart", "deployment")
    await_ready(plan)
    for component in _ALONE:
        _let_act_on(plan, component, other=first)
    began = time.monotonic()
    with load(plan) as running:
        cut = time.monotonic()
        cut_off(lost)
        try:
            wait_for(lambda: not _is_ready(plan, lost), f"{lost.name} is still Ready", _NOTICED_S)
            noticed = time.monotonic() - cut
            time.sleep(_TAKEOVER_S)
        finally:
            join_again(lost)
        wait_for(lambda: _is_ready(plan, lost), f"{lost.name} is not Ready again", _NOTICED_S)
        await_ready(plan)
    counts = running.counts
    problems = _problems(plan, counts)
    if counts.longest_event_gap_s > _TAKEOVER_S:
        problems.append(f"no event for {counts.longest_event_gap_s:.0f} s, over {_TAKEOVER_S} s")
    figures: dict[str, float | str] = {
        "noticed after s": round(noticed),
        "longest time without an event s": counts.longest_event_gap_s,
        "failed until noticed": counts.failed,
    }
    return Outcome("lose-node", round(time.monotonic() - began, 1), counts, figures, problems)


def kill_pods(plan: Plan) -> Outcome:
    """Kill the processes of pods with -9, one after the other, at all components; only requests under way may fail."""
    began = time.monotonic()
    killed = 0
    with load(plan) as running:
        for pod in own_pods(plan):
            component = pod["metadata"]["labels"]["app.kubernetes.io/component"]
            if component != "operator":
                killed += _kill_processes(pod)
                time.sleep(_BETWEEN_S)
        await_ready(plan)
    counts = running.counts
    problems = _problems(plan, counts)
    figures: dict[str, float | str] = {"containers killed": killed, "requests cut": counts.failed}
    return Outcome("kill-pods", round(time.monotonic() - began, 1), counts, figures, problems)


def fill_disk(plan: Plan) -> Outcome:
    """Fill the disk of the last node until its pods have moved to another one, and make room again."""
    node = plan.nodes[-1]
    began = time.monotonic()
    with load(plan) as running:
        started = time.monotonic()
        _on_node(node, "sh", "-c", _FILL)
        try:
            wait_for(lambda: _is_true(plan, node, "DiskPressure"), f"{node.name} does not run out of disk", _NOTICED_S)
            wait_for(lambda: not _running_on(plan, node), f"pods stay on {node.name}", _MOVED_S)
            await_ready(plan)
            moved = time.monotonic() - started
        finally:
            _on_node(node, "rm", "-f", _FILLER)
        wait_for(lambda: not _is_true(plan, node, "DiskPressure"), f"{node.name} stays full", _MOVED_S)
        evicted = sum(_forget_pods(plan, phase) for phase in ("Failed", "Succeeded"))
    counts = running.counts
    problems = _problems(plan, counts)
    figures: dict[str, float | str] = {"moved after s": round(moved), "evicted": evicted, "requests cut": counts.failed}
    return Outcome("fill-disk", round(time.monotonic() - began, 1), counts, figures, problems)


def _problems(plan: Plan, counts: Counts) -> list[str]:
    """Return what was lost; a request that was cut is none, but may leave no file that is listed in part."""
    lost = [problem for problem in counts.problems if "requests failed" not in problem]
    return lost + [f"a file is listed without its bytes: {file}" for file in unreadable_files(plan)]


def _forget_pods(plan: Plan, phase: str) -> int:
    """Remove pods that ended so; return how many. An autoscaler of Kubernetes takes a succeeded one for a busy pod."""
    chosen = f"--field-selector=status.phase={phase}"
    found = kubectl(plan, "-n", NAMESPACE, "get", "pods", chosen, "-o", "name").split()
    kubectl(plan, "-n", NAMESPACE, "delete", "pods", chosen)
    return len(found)


def _running_on(plan: Plan, node: Node) -> list[str]:
    return [
        pod["metadata"]["name"]
        for pod in own_pods(plan)
        if pod["spec"].get("nodeName") == node.name and pod["status"]["phase"] == "Running"
    ]


def _on_node(node: Node, *command: str) -> None:
    done = subprocess.run(command_in(node.name, *command), capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"{command[0]} failed on {node.name}: {done.stderr.strip()}")


def _kill_processes(pod: Mapping[str, Any]) -> int:
    container = pod["status"]["containerStatuses"][0]["containerID"].rpartition("/")[2]
    pids = pids_of_container(container)
    if not pids:
        raise ClusterError(f"no process of {pod['metadata']['name']} was found")
    for pid in pids:
        kill(pid)
    return 1


def _let_act_on(plan: Plan, component: str, *, other: Node) -> None:
    """Delete the pods on the other node, so that the one that acts is not there."""
    chosen = f"app.kubernetes.io/component={component}"
    for pod in own_pods(plan, chosen):
        if pod["spec"].get("nodeName") == other.name:
            kubectl(plan, "-n", NAMESPACE, "delete", "pod", pod["metadata"]["name"])
    await_ready(plan)


def _is_ready(plan: Plan, node: Node) -> bool:
    return _is_true(plan, node, "Ready")


def _is_true(plan: Plan, node: Node, condition: str) -> bool:
    conditions = get(plan, "node", node.name)["status"]["conditions"]
    return any(one["type"] == condition and one["status"] == "True" for one in conditions)
