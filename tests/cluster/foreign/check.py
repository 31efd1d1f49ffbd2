"""The checks in a foreign cluster: its context and nodes are printed first, and at the end all that was left out."""

import json
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.cluster.checks.report import Outcome, as_json, as_table
from tests.cluster.foreign import cases
from tests.cluster.foreign.target import Target
from tests.cluster.foreign.trial import own_namespace
from tests.cluster.machines import ClusterError

_CASES: Final[Mapping[str, Callable[[Target], Outcome]]] = {
    "install": cases.install,
    "delete": cases.delete,
    "rollout": cases.roll_out,
    "drain": cases.drain,
}
_OWN: Final = "it needs a cluster of `make cluster`, whose servers and nodes it disturbs"


def check_foreign(target: Target, report: Path, only: str, known: Collection[str]) -> int:
    """Run the cases that *only* names and that are allowed; return 1 if one of them failed.

    *known* are the cases of a cluster of `make cluster`; those that cannot run here are named at the end.
    """
    names = chosen(only, known)
    sys.stdout.write(describe(target))
    sys.stdout.flush()
    left_out = {name: why for name in known if (why := _why_not(target, name, names))}
    outcomes = run_cases(target, [name for name in names if name not in left_out])
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(as_json(outcomes, _versions(target)), encoding="utf-8")
    sys.stdout.write(f"\n{as_table(outcomes)}\nLeft out:\n")
    sys.stdout.writelines(f"- {name}: {why}\n" for name, why in left_out.items())
    sys.stdout.write(f"The report: {report}\n")
    return int(not all(outcome.is_good for outcome in outcomes))


def run_cases(target: Target, names: Sequence[str]) -> list[Outcome]:
    """Run cases in a new namespace, which goes at the end."""
    with own_namespace(target):
        return [_run(target, name) for name in names]


def chosen(only: str, known: Collection[str]) -> list[str]:
    """Return the names of the cases that *only* asks for, and `install`, which the others need.

    Raises:
        ClusterError: a case of that name does not exist, or cannot run in a foreign cluster.
    """
    wanted = _CASES.keys() if only in {"", "quick"} else set(only.split(","))
    if unknown := wanted - set(known):
        raise ClusterError(f"no case is called {', '.join(sorted(unknown))}: ONLY is some of {', '.join(_CASES)}")
    if refused := wanted - _CASES.keys():
        raise ClusterError(
            f"not in a foreign cluster: {', '.join(sorted(refused))}; ONLY is some of {', '.join(_CASES)}"
        )
    return [name for name in _CASES if name in {*wanted, "install"}]


def describe(target: Target) -> str:
    """Return the cluster that the checks run in, and what they make there."""
    lines = [
        f"Context: {target.context}, of {target.kubeconfig}",
        f"Nodes that take pods: {', '.join(target.nodes())}",
        f"Namespace: {target.namespace}, which goes at the end",
        f"Nodes are {'drained' if target.may_drain else 'left alone'}",
    ]
    return "".join(f"{line}\n" for line in lines)


def _why_not(target: Target, name: str, names: Sequence[str]) -> str:
    if name not in _CASES:
        return _OWN
    if name not in names:
        return "ONLY does not name it"
    return cases.why_not_drain(target) if name == "drain" else ""


def _run(target: Target, name: str) -> Outcome:
    sys.stdout.write(f"{name}: ")
    sys.stdout.flush()
    began = time.monotonic()
    try:
        found = _CASES[name](target)
    except ClusterError as error:
        seen = _keep_sight(target, name)
        found = Outcome(name, round(time.monotonic() - began, 1), problems=[f"{error}; see {seen}"])
    sys.stdout.write(f"{'; '.join(found.problems) or 'passed'}\n")
    sys.stdout.flush()
    return found


def _keep_sight(target: Target, name: str) -> Path:
    """Write down the pods and events of the namespace, which goes at the end."""
    file = target.logs / f"{target.namespace}-{name}.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    asked = (("get", "pods", "-o", "wide"), ("get", "events", "--sort-by=.lastTimestamp"), ("describe", "pods"))
    with file.open("w", encoding="utf-8") as written:
        for arguments in asked:
            try:
                written.write(f"{target.kubectl(*arguments)}\n")
            except ClusterError as error:
                written.write(f"{error}\n")
    return file


def _versions(target: Target) -> dict[str, str]:
    server = json.loads(target.kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"]
    return {"Kubernetes": server, "Helm": target.helm("version", "--template={{.Version}}").strip()}
