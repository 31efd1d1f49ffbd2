"""The cases for a foreign cluster; each leaves the release as it found it."""

import json
import subprocess
import time
from typing import Any, Final

from tests.cluster.checks.cases import outcome
from tests.cluster.checks.report import Outcome
from tests.cluster.foreign import trial
from tests.cluster.foreign.target import Target
from tests.cluster.machines import ClusterError

_CALL: Final = """
import sys, urllib.request
method, address = sys.argv[1:]
content = sys.stdin.buffer.read() or None
asked = urllib.request.Request(address, content, {"PRIVATE-TOKEN": "maintainer-token"}, method=method)
print(urllib.request.urlopen(asked, timeout=30).read().decode())
"""
_PACKAGE: Final = "/api/v4/projects/100/packages/generic/kept/1/file.txt"
_LOAD_S: Final = 5


def install(target: Target) -> Outcome:
    """Install, keep a package, uninstall, see that no object and all data is left, and install again."""
    values = trial.values(target)
    began = time.monotonic()
    trial.install(target, values)
    seconds = time.monotonic() - began
    trial.start_clients(target)
    _call(target, "PUT", _PACKAGE, "kept")
    target.helm("uninstall", target.namespace, "--wait")
    problems = [f"the uninstall left {name}" for name in trial.left_objects(target)]
    began = time.monotonic()
    trial.install(target, values)
    again = round(time.monotonic() - began)
    problems += ["a package from before was not found again"] * (_call(target, "GET", _PACKAGE) != "kept")
    return Outcome("install", round(seconds, 1), figures={"again s": again}, problems=problems)


def delete(target: Target) -> Outcome:
    """Upload and delete for some seconds."""
    began = time.monotonic()
    with trial.load(target) as running:
        time.sleep(_LOAD_S)
    return outcome("delete", began, running.counts)


def roll_out(target: Target) -> Outcome:
    """Replace every pod under load, by an upgrade that changes a setting, and by a rollback."""
    values = trial.values(target)
    began = time.monotonic()
    with trial.load(target) as running:
        before = _pods(target)
        started = time.monotonic()
        trial.install(target, {**values, "settings": {"STORAGE_RETRIES": "3"}})
        upgraded = round(time.monotonic() - started)
        kept = before.keys() & _pods(target).keys()
        target.helm("rollback", target.namespace, "--wait", "--timeout", "5m")
    problems = [f"{len(kept)} pods were not replaced"] * bool(kept)
    return outcome("rollout", began, running.counts, {"upgrade s": upgraded}, problems)


def drain(target: Target) -> Outcome:
    """Drain each node that takes pods in turn under load, of the pods of the release alone."""
    began = time.monotonic()
    figures: dict[str, float | str] = {}
    with trial.load(target) as running:
        for node in target.nodes():
            started = time.monotonic()
            _drain(target, node)
            figures[f"{node} s"] = round(time.monotonic() - started)
    return outcome("drain", began, running.counts, figures)


def why_not_drain(target: Target) -> str:
    """Return why the nodes are not drained; an empty text when they are."""
    if not target.may_drain:
        return "it cordons and drains nodes, which MAY_DRAIN=yes allows"
    if not trial.is_shared(target):
        return f"the objects lie in a volume of one node; CHECK_SERVERS= names servers whose {trial.OBJECTS} is shared"
    if len(target.nodes()) < 2:
        return "it takes two nodes"
    return ""


def _drain(target: Target, node: str) -> None:
    if not target.may_drain:
        raise ClusterError("without MAY_DRAIN=yes no node is drained")
    chosen = f"--pod-selector=packyard-check={target.namespace}"
    options = ("--delete-emptydir-data", "--ignore-daemonsets", chosen, "--timeout=200s")
    try:
        target.kubectl("drain", node, *options)
        trial.await_ready(target)
        if on_it := [name for name, place in _pods(target).items() if place == node]:
            raise ClusterError(f"{len(on_it)} pods are still on {node}")
    finally:
        target.kubectl("uncordon", node)


def _pods(target: Target) -> dict[str, str]:
    """Return the pods of the release that are not about to end, with their nodes."""
    found: list[dict[str, Any]] = target.get("pods", "-l", f"packyard-check={target.namespace}")["items"]
    living = (pod for pod in found if "deletionTimestamp" not in pod["metadata"])
    return {pod["metadata"]["name"]: pod["spec"].get("nodeName", "") for pod in living if _runs_on(pod)}


def _runs_on(pod: dict[str, Any]) -> bool:
    owners = pod["metadata"].get("ownerReferences", ())
    return any(owner["kind"] == "ReplicaSet" for owner in owners)


def _call(target: Target, method: str, path: str, content: str = "") -> str:
    """Call the API from the pod of the load, as a maintainer."""
    command = trial.in_clients(target, "-c", _CALL, method, f"{trial.address(target)}{path}")
    done = subprocess.run(command, input=content, capture_output=True, text=True, check=False, timeout=90)
    if done.returncode:
        raise ClusterError(f"{method} {path} failed: {json.dumps(done.stderr[-300:])}")
    return done.stdout.removesuffix("\n")
