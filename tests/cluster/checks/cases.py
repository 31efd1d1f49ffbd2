"""The quick cases: each function is one, and leaves the release as it found it."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.cluster import yard
from tests.cluster.checks.beside import call_api
from tests.cluster.checks.report import Counts, Outcome, total
from tests.cluster.checks.running import RunningProgram, transfers
from tests.cluster.control import get, kubectl
from tests.cluster.machines import ClusterError, command_in, wait_for
from tests.cluster.plan import BESIDE, RELEASE, Node, Plan
from tests.cluster.registry import push_packyard
from tests.cluster.servers import Addresses
from tests.cluster.yard import HOME, Place
from tests.support.paths import ROOT

_OWN: Final = f"app.kubernetes.io/instance={RELEASE}"
_WARM_S: Final = 5
_PATIENCE_S: Final = 420
_ENDING_S: Final = 120
_LANES: Final = "30,10"
"""How long clients take for an upload, and for a download, of 50 MB while pods are replaced."""


class RunningLoad:
    """Clients that a command starts; *counts* are there after the block."""

    counts: Counts

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self._program = RunningProgram(command, log)

    def finish(self) -> None:
        """Let the clients end, and wait until the effects are seen."""
        self.counts = Counts(**self._program.finish())


@contextmanager
def load(plan: Plan, place: Place = HOME, *, address: str = "") -> Iterator[RunningLoad]:
    """Let clients beside the cluster upload and delete while the block runs, and for some seconds before and after."""
    filer = Addresses.read(plan.folder / "servers").filer
    where = (address or yard.address(plan, place), filer, place.prefix)
    program = [sys.executable, "-m", "tests.cluster.checks.load_beside", *where]
    command = command_in(BESIDE, "env", f"--chdir={ROOT}", *program)
    with playing(command, plan.logs / f"load-{place.namespace}.log") as running:
        yield running


@contextmanager
def playing(command: Sequence[str], log: Path) -> Iterator[RunningLoad]:
    """Let the clients of *command* ask while the block runs, and for some seconds before and after."""
    running = RunningLoad(command, log)
    time.sleep(_WARM_S)
    try:
        yield running
        time.sleep(_WARM_S)
    finally:
        running.finish()


def install(plan: Plan) -> Outcome:
    """Uninstall, see that no object and all data is left, and install again."""
    values = own_values(plan)
    path, content = f"/projects/100/packages/generic/kept/{time.time_ns()}/file.txt", f"kept since {time.time_ns()}"
    call_api(plan, "PUT", path, content)
    yard.helm(plan, "uninstall", RELEASE, "--wait", "--ignore-not-found")
    left = left_objects(plan)
    began = time.monotonic()
    yard.install(plan, values)
    seconds = time.monotonic() - began
    problems = [f"the uninstall left {name}" for name in left]
    problems += ["a package from before was not found again"] * (call_api(plan, "GET", path) != content)
    return Outcome("install", seconds, figures={"pods": len(own_pods(plan))}, problems=problems)


def left_objects(plan: Plan, place: Place = HOME) -> list[str]:
    """Return the objects of a release that are still there when its pods had time to end."""
    kinds = (
        "all,secrets,configmaps,serviceaccounts,networkpolicies,poddisruptionbudgets,horizontalpodautoscalers,ingresses"
    )
    if "keda" not in plan.without:
        kinds += ",scaledobjects.keda.sh,triggerauthentications.keda.sh"
    deadline = time.monotonic() + _ENDING_S
    while left := kubectl(plan, "-n", place.namespace, "get", kinds, "-l", _OWN, "-o", "name").split():
        if time.monotonic() > deadline:
            break
        time.sleep(1)
    return left


def delete(plan: Plan) -> Outcome:
    """Upload and delete for some seconds, by an address of each family that the cluster has."""
    began = time.monotonic()
    counts = []
    for address in yard.addresses(plan):
        with load(plan, address=address) as running:
            time.sleep(_WARM_S)
        counts.append(running.counts)
    found = len(get(plan, "-n", HOME.namespace, "service", f"{RELEASE}-packyard-api")["spec"]["clusterIPs"])
    problems = [f"the Service has {found} families, the cluster {len(counts)}"] * (found != len(counts))
    return outcome("delete", began, total(counts), problems=problems)


def roll_out(plan: Plan) -> Outcome:
    """Replace every pod under load, by an upgrade that changes a setting, and by a rollback."""
    values = own_values(plan)
    changed = {**values, "settings": {**values["settings"], "STORAGE_RETRIES": "3"}}
    before = {pod["metadata"]["uid"] for pod in own_pods(plan)}
    began = time.monotonic()
    with load(plan) as running, transfers(plan, HOME, "--lanes", _LANES) as slow:
        yard.install(plan, changed)
        upgraded = time.monotonic() - began - _WARM_S
        kept = before & {pod["metadata"]["uid"] for pod in own_pods(plan)}
        yard.helm(plan, "rollback", RELEASE, "--wait", "--timeout", "5m")
    problems = [f"{len(kept)} pods were not replaced"] * bool(kept) + slow.problems
    figures: dict[str, float | str] = {"upgrade s": round(upgraded), "transfers of 50 MB": slow.transfers}
    return outcome("rollout", began, running.counts, figures, problems)


def drain(plan: Plan) -> Outcome:
    """Drain each node in turn under load."""
    began = time.monotonic()
    figures: dict[str, float | str] = {}
    with load(plan) as running:
        for node in reversed(plan.nodes):
            started = time.monotonic()
            _drain(plan, node)
            figures[f"{node.name} s"] = round(time.monotonic() - started)
    return outcome("drain", began, running.counts, figures)


def _drain(plan: Plan, node: Node) -> None:
    options = ("--delete-emptydir-data", "--ignore-daemonsets", f"--pod-selector={_OWN}", "--timeout=200s")
    try:
        kubectl(plan, "drain", node.name, *options, seconds=240)
        await_ready(plan)
        if on_it := [pod for pod in own_pods(plan) if pod["spec"].get("nodeName") == node.name]:
            raise ClusterError(f"{len(on_it)} pods are still on {node.name}")
    finally:
        kubectl(plan, "uncordon", node.name)


def await_ready(plan: Plan, seconds: float = 180, place: Place = HOME) -> None:
    """Return when every Deployment has all its pods ready and no other pods."""

    def are_ready() -> bool:
        return all(map(_is_complete, get(plan, "-n", place.namespace, "deployments", "-l", _OWN)["items"]))

    wait_for(are_ready, "the Deployments are not ready", seconds)


def _is_complete(deployment: dict[str, Any]) -> bool:
    status, wanted = deployment["status"], deployment["spec"]["replicas"]
    seen = status.get("observedGeneration") == deployment["metadata"]["generation"]
    return bool(seen) and status.get("readyReplicas", 0) == status.get("replicas", 0) == wanted


def own_pods(plan: Plan, also: str = "", place: Place = HOME) -> list[dict[str, Any]]:
    """Return the pods of a release that are not about to end, with *also* only those with that label."""
    found = get(plan, "-n", place.namespace, "pods", "-l", ",".join(filter(None, (_OWN, also))))["items"]
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def own_values(plan: Plan) -> dict[str, Any]:
    """Return the values of the release that the cluster starts with, and the image of the tree as it is."""
    return yard.several_values(plan, push_packyard(plan))


def outcome(
    case: str,
    began: float,
    counts: Counts,
    figures: dict[str, float | str] | None = None,
    problems: list[str] | None = None,
) -> Outcome:
    """Return the outcome of a case with a load that began then."""
    seconds = round(time.monotonic() - began, 1)
    return Outcome(case, seconds, counts, figures or {}, [*(problems or []), *counts.problems])
