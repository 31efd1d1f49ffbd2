"""An upgrade from an earlier commit with an older schema to this one, under load, and back."""

import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.cluster import yard
from tests.cluster.checks.beside import prepare_place
from tests.cluster.checks.cases import load
from tests.cluster.checks.clients import Summary
from tests.cluster.checks.report import UNTESTED, Outcome
from tests.cluster.checks.running import transfers
from tests.cluster.control import kubectl
from tests.cluster.machines import ClusterError
from tests.cluster.plan import RELEASE, Plan
from tests.cluster.registry import push_packyard
from tests.cluster.yard import Place
from tests.support.paths import ROOT

EARLIER: Final = "fa645d51c865"
"""The newest commit whose schema is older than this one's; a new migration takes a new one."""

MIGRATIONS: Final = "service/infra/postgres/migrations/versions"

_LANES: Final = "60,60,30,10"
"""How long clients take for an upload, and for a download, of 50 MB."""

_PLACE: Final = Place("upgrade", 30081, "upgrade", "upgrade", "upgrade")


def upgrade(plan: Plan) -> Outcome:
    """Install the earlier commit, upgrade to this one, and roll back, while clients upload and delete."""
    if not has_earlier():
        return Outcome("upgrade", 0, figures={"because": f"a shallow clone has no {EARLIER}"}, problems=[UNTESTED])
    tree = _earlier_tree(plan)
    earlier, current = push_packyard(plan, tree), push_packyard(plan)
    if earlier == current:
        raise ClusterError("the earlier commit has the same content as this one")
    prepare_place(plan, _PLACE)
    try:
        return _upgrade_and_back(plan, tree, earlier, current)
    finally:
        kubectl(plan, "delete", "namespace", _PLACE.namespace, "--wait=false")


def _upgrade_and_back(plan: Plan, tree: Path, earlier: str, current: str) -> Outcome:
    yard.install(plan, yard.several_values(plan, earlier, _PLACE), place=_PLACE, chart=tree / "deploy" / "chart")
    yard.expose(plan, _PLACE)
    began = time.monotonic()
    with load(plan, _PLACE) as running:
        with transfers(plan, _PLACE, "--lanes", _LANES, "--stream") as there:
            started = time.monotonic()
            yard.install(plan, yard.several_values(plan, current, _PLACE), place=_PLACE)
            upgraded = time.monotonic() - started
        with transfers(plan, _PLACE, "--lanes", _LANES, "--stream") as back:
            started = time.monotonic()
            yard.helm(plan, "rollback", RELEASE, "--wait", "--timeout", "5m", place=_PLACE)
            rolled_back = time.monotonic() - started
    figures: dict[str, float | str] = {
        "from": tree.name.removeprefix("earlier-"),
        "upgrade s": round(upgraded),
        "rollback s": round(rolled_back),
        **_added(there, back),
    }
    problems = [*running.counts.problems, *there.problems, *back.problems]
    problems += ["no stream was ended by a pod that was replaced"] * (there.streams_ended + back.streams_ended == 0)
    counts = replace(
        running.counts,
        requests=running.counts.requests + there.requests + back.requests,
        failed=running.counts.failed + there.failed + back.failed,
    )
    return Outcome("upgrade", round(time.monotonic() - began, 1), counts, figures, problems)


def _added(there: Summary, back: Summary) -> dict[str, float | str]:
    return {
        "transfers of 50 MB": there.transfers + back.transfers,
        "longest s": max(there.longest_s, back.longest_s),
        "streams ended and taken up": there.streams_ended + back.streams_ended,
        "events streamed": there.streamed + back.streamed,
        "events missed": there.missed + back.missed,
    }


def has_earlier() -> bool:
    """Return whether this clone has the earlier commit."""
    command = ["git", "cat-file", "-e", f"{EARLIER}^{{commit}}"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 0


def _earlier_tree(plan: Plan) -> Path:
    """Return a tree of the earlier commit."""
    tree = plan.build / f"earlier-{EARLIER}"
    if not tree.exists():
        draft = tree.with_name(f"{tree.name}.draft")
        shutil.rmtree(draft, ignore_errors=True)
        git("clone", "--quiet", "--shared", "--no-checkout", str(ROOT), str(draft))
        git("-C", str(draft), "checkout", "--quiet", "--detach", EARLIER)
        draft.rename(tree)
    return tree


def git(*arguments: str) -> str:
    """Run git in the tree; return its output."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"git {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip()
