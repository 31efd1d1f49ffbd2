"""An upgrade from an earlier commit with an older schema to this one, under load, and back."""

import subprocess
import time
from pathlib import Path
from typing import Final

from tests.cluster import yard
from tests.cluster.checks.cases import load
from tests.cluster.checks.report import Outcome
from tests.cluster.control import kubectl
from tests.cluster.machines import ClusterError, command_in
from tests.cluster.plan import BESIDE, BESIDE_ADDRESS, RELEASE, Plan
from tests.cluster.registry import push_packyard
from tests.cluster.servers import Addresses
from tests.cluster.yard import Place
from tests.support.paths import ROOT
from workers.stack.state import LOOPBACK

_PLACE: Final = Place("upgrade", 30081, "upgrade", "upgrade", "upgrade")
_MIGRATIONS: Final = "service/infra/postgres/migrations/versions"
_STATEMENTS: Final = "DROP DATABASE IF EXISTS upgrade WITH (FORCE);\nCREATE DATABASE upgrade;\n"


def upgrade(plan: Plan) -> Outcome:
    """Install the earlier commit, upgrade to this one, and roll back, while clients upload and delete."""
    tree = _earlier_tree(plan)
    earlier, current = push_packyard(plan, tree), push_packyard(plan)
    if earlier == current:
        raise ClusterError("the earlier commit has the same content as this one")
    _prepare(plan)
    try:
        return _upgrade_and_back(plan, tree, earlier, current)
    finally:
        kubectl(plan, "delete", "namespace", _PLACE.namespace, "--timeout=150s")


def _upgrade_and_back(plan: Plan, tree: Path, earlier: str, current: str) -> Outcome:
    yard.install(plan, yard.several_values(plan, earlier, _PLACE), place=_PLACE, chart=tree / "deploy" / "chart")
    yard.expose(plan, _PLACE)
    began = time.monotonic()
    with load(plan, _PLACE) as running:
        started = time.monotonic()
        yard.install(plan, yard.several_values(plan, current, _PLACE), place=_PLACE)
        upgraded = time.monotonic()
        yard.helm(plan, "rollback", RELEASE, "--wait", "--timeout", "5m", place=_PLACE)
        back = time.monotonic()
    figures: dict[str, float | str] = {
        "from": tree.name.removeprefix("earlier-"),
        "upgrade s": round(upgraded - started),
        "rollback s": round(back - upgraded),
    }
    return Outcome("upgrade", round(time.monotonic() - began, 1), running.counts, figures, running.counts.problems)


def _earlier_tree(plan: Plan) -> Path:
    """Return a tree of the newest commit whose schema is older than this one's."""
    commit = _git("log", "-1", "--diff-filter=A", "--format=%h", "--", f"{_MIGRATIONS}/*.py")
    earlier = _git("rev-parse", "--short", f"{commit}^")
    tree = plan.build / f"earlier-{earlier}"
    if not tree.exists():
        _git("worktree", "prune")
        _git("worktree", "add", "--detach", str(tree), earlier)
    return tree


def _prepare(plan: Plan) -> None:
    found = Addresses.read(plan.folder / "servers")
    local = {name: getattr(found, name).replace(BESIDE_ADDRESS, LOOPBACK) for name in ("database", "management")}
    _beside("psql", "--quiet", "--no-psqlrc", local["database"], text=_STATEMENTS)
    _beside("curl", "-sf", "-X", "PUT", f"{local['management']}/api/vhosts/{_PLACE.vhost}")
    yard.prepare_namespace(plan, _PLACE)


def _beside(*command: str, text: str = "") -> None:
    done = subprocess.run(command_in(BESIDE, *command), input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"{command[0]} failed: {done.stderr.strip()}")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"git {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip()
