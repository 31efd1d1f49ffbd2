"""`python -m tests.cluster up|down|check`: the cluster of `make cluster`, and the checks of `make cluster-check`."""

import argparse
import sys
from pathlib import Path

from tests.cluster.checks.check import run_checks
from tests.cluster.machines import ClusterError
from tests.cluster.parts import BuildError
from tests.cluster.plan import OPTIONAL, Plan
from tests.cluster.up import describe, end_cluster, start_cluster


def main() -> int:
    """Do what the arguments say; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster")
    parser.add_argument("command", choices=["up", "down", "check"])
    parser.add_argument("--folder", type=Path, required=True, help="where the cluster keeps all that it makes")
    parser.add_argument("--build", type=Path, help="where programs and images are kept for the next start")
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--without", default="", help="optional parts to leave out: keda, metrics-server, kube-router")
    parser.add_argument("--only", default="", help="quick, or names of cases with commas between them")
    options = parser.parse_args()
    folder = options.folder.resolve()
    without = frozenset(filter(None, options.without.split(",")))
    if unknown := without - OPTIONAL:
        parser.error(f"a cluster cannot do without {', '.join(sorted(unknown))}")
    plan = Plan(folder, (options.build or folder / "build").resolve(), options.nodes, without)
    try:
        return _run(options.command, plan, options.only)
    except (ClusterError, BuildError) as error:
        sys.stderr.write(f"packyard: {error}\n")
        return 1


def _run(command: str, plan: Plan, only: str) -> int:
    if command == "down":
        end_cluster(plan)
    elif command == "up":
        start_cluster(plan)
        sys.stdout.write(f"{describe(plan)}\n")
    else:
        return run_checks(plan, only)
    return 0


if __name__ == "__main__":
    sys.exit(main())
