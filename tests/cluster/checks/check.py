"""The checks in the running cluster, one after the other, and their report."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from tests.cluster.checks import cases
from tests.cluster.checks.guide import follow_guide
from tests.cluster.checks.losing import fill_disk, kill_pods, lose_node
from tests.cluster.checks.modes import change_modes
from tests.cluster.checks.operating import helm_test, run_commands
from tests.cluster.checks.out_of_memory import kill_for_memory
from tests.cluster.checks.outside import call_from_outside
from tests.cluster.checks.processor import scale_by_use
from tests.cluster.checks.production import production
from tests.cluster.checks.reach import reach
from tests.cluster.checks.report import UNTESTED, Outcome, as_json, as_table, from_json
from tests.cluster.checks.rotating import rotate, rotate_authorities
from tests.cluster.checks.scaling import scale
from tests.cluster.checks.setting_up import set_up_failures
from tests.cluster.checks.upgrading import upgrade
from tests.cluster.checks.versions import versions
from tests.cluster.checks.waking import wake
from tests.cluster.machines import ClusterError
from tests.cluster.parts import BuildError, kubernetes_parts
from tests.cluster.plan import KUBERNETES, Plan

CASES: Final[Mapping[str, Callable[[Plan], Outcome]]] = {
    "install": cases.install,
    "delete": cases.delete,
    "rollout": cases.roll_out,
    "drain": cases.drain,
    "upgrade": upgrade,
    "scale": scale,
    "reach": reach,
    "lose-node": lose_node,
    "kill-pods": kill_pods,
    "kill-memory": kill_for_memory,
    "fill-disk": fill_disk,
    "modes": change_modes,
    "hpa": scale_by_use,
    "wake": wake,
    "set-up": set_up_failures,
    "production": production,
    "rotate": rotate,
    "rotate-ca": rotate_authorities,
    "commands": run_commands,
    "helm-test": helm_test,
    "outside": call_from_outside,
    "guide": follow_guide,
}
_QUICK: Final = ("install", "delete", "rollout", "drain")
OLDER: Final = {part: f"Kubernetes {minor}" for minor, part in kubernetes_parts().items() if part != KUBERNETES}
"""The names of runs with an older Kubernetes, by its part."""

VARIANTS: Final[Mapping[str, Sequence[str]]] = {
    "Helm 3": ("install", "rollout", "modes"),
    "IPv6": ("install", "delete"),
    "dual-stack": ("install", "delete"),
    **dict.fromkeys(OLDER.values(), _QUICK),
}
"""Runs of their own, with the cases that belong to them; those have rows of their own in the report."""


def run_checks(plan: Plan, only: str) -> int:
    """Run the cases that *only* names, all without a name; return 1 if one of them failed."""
    variant = variant_of(plan)
    names = chosen(only, VARIANTS.get(variant, _QUICK if variant else CASES))
    found = versions(plan)
    outcomes = []
    for name in names:
        row = f"{name}, {variant}" if variant else name
        sys.stdout.write(f"{row}: ")
        sys.stdout.flush()
        outcomes.append(replace(_run(name, plan), case=row))
        sys.stdout.write(f"{'; '.join(outcomes[-1].problems) or 'passed'}\n")
        sys.stdout.flush()
    report = plan.folder / "report.json"
    earlier = from_json(report.read_text(encoding="utf-8")) if report.exists() else ([], {})
    report.write_text(as_json(merged(earlier[0], outcomes), {**earlier[1], **found}), encoding="utf-8")
    sys.stdout.write(f"\n{as_table(outcomes)}\nThe report, with the cases of earlier runs: {report}\n")
    return int(not all(outcome.is_good or outcome.problems == [UNTESTED] for outcome in outcomes))


def variant_of(plan: Plan) -> str:
    """Return the name of a run with another Helm, addresses or Kubernetes; an empty text for the usual run."""
    families = {"ipv6": "IPv6", "dual": "dual-stack"}
    names = ("Helm 3" if plan.helm == 3 else "", families.get(plan.family, ""), OLDER.get(plan.kubernetes, ""))
    return ", ".join(filter(None, names))


def merged(earlier: Sequence[Outcome], outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return the last outcome of each case and variant, "untested" for those that never ran."""
    known = {outcome.case: outcome for outcome in [*earlier, *outcomes]}
    listed = [*CASES, *(f"{name}, {variant}" for variant, names in VARIANTS.items() for name in names)]
    others = [row for row in known if row.partition(", ")[0] in CASES]
    return [known.get(row, Outcome(row, 0, problems=[UNTESTED])) for row in dict.fromkeys([*listed, *others])]


def chosen(only: str, usual: Iterable[str] = CASES) -> list[str]:
    """Return the names of the cases that *only* asks for, else the usual ones, in the order in which they run."""
    wanted = set(only.split(","))
    if only in {"", "quick"}:
        wanted = set(_QUICK if only else usual)
    if unknown := wanted - CASES.keys():
        raise ClusterError(
            f"no case is called {', '.join(sorted(unknown))}: ONLY is quick, or some of {', '.join(CASES)}"
        )
    return [name for name in CASES if name in wanted]


def _run(name: str, plan: Plan) -> Outcome:
    """Run a case; its outcome says how busy the machine was, since that decides about its seconds."""
    began = time.monotonic()
    try:
        outcome = CASES[name](plan)
    except (ClusterError, BuildError) as error:
        outcome = Outcome(name, time.monotonic() - began, problems=[str(error)])
    return replace(outcome, figures={**outcome.figures, "load average": round(os.getloadavg()[1], 1)})
