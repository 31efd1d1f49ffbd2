"""`python -m tests.cluster up|down|check`: the cluster of `make cluster`, and the checks of `make cluster-check`."""

import argparse
import sys
from pathlib import Path

from tests.cluster.checks.check import CASES, run_checks
from tests.cluster.foreign.check import check_foreign
from tests.cluster.foreign.target import SERVERS, Target, open_target
from tests.cluster.machines import ClusterError
from tests.cluster.parts import HELM_3, BuildError, build_part, kubernetes_part
from tests.cluster.plan import FAMILIES, OPTIONAL, Plan
from tests.cluster.up import describe, end_cluster, start_cluster
from tests.cluster.yard import helm_program
from tests.support.chart import CHART


def main() -> int:
    """Do what the arguments say; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster")
    parser.add_argument("command", choices=["up", "down", "check"])
    parser.add_argument("--folder", type=Path, required=True, help="where the cluster keeps all that it makes")
    parser.add_argument("--build", type=Path, help="where programs and images are kept for the next start")
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--without", default="", help="optional parts to leave out: keda, metrics-server, kube-router")
    parser.add_argument("--only", default="", help="quick, or names of cases with commas between them")
    parser.add_argument("--helm", type=int, default=4, choices=[3, 4], help="the major version that the checks use")
    parser.add_argument("--family", default="ipv4", choices=FAMILIES, help="the addresses of nodes, pods and Services")
    parser.add_argument("--kubernetes", default="", help="an older Kubernetes, such as v1.35")
    _add_foreign(parser)
    options = parser.parse_args()
    folder = options.folder.resolve()
    without = frozenset(filter(None, options.without.split(",")))
    if unknown := without - OPTIONAL:
        parser.error(f"a cluster cannot do without {', '.join(sorted(unknown))}")
    try:
        plan = _plan(options, folder, without)
        if options.command == "check" and options.helm == 3:
            build_part(HELM_3, plan.build)
        if options.kubeconfig is not None:
            return check_foreign(_target(plan, options), folder / "foreign.json", options.only, CASES)
        return _run(options.command, plan, options.only)
    except (ClusterError, BuildError) as error:
        sys.stderr.write(f"packyard: {error}\n")
        return 1


def _plan(options: argparse.Namespace, folder: Path, without: frozenset[str]) -> Plan:
    build = (options.build or folder / "build").resolve()
    kubernetes = kubernetes_part(options.kubernetes)
    return Plan(folder, build, options.nodes, without, options.helm, options.family, kubernetes)


def _add_foreign(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("a check in a foreign cluster")
    group.add_argument("--kubeconfig", type=Path, help="how to reach it; its current context is used")
    group.add_argument("--may-drain", default="", choices=["", "yes"], help="yes allows to cordon and drain its nodes")
    group.add_argument(
        "--image", default="", help="the image of Packyard with its tag or digest; that of the chart if empty"
    )
    group.add_argument("--chart", default=str(CHART), help="a folder, or oci://…")
    group.add_argument("--servers", type=Path, default=SERVERS, help="manifests of the servers to try")


def _target(plan: Plan, options: argparse.Namespace) -> Target:
    return open_target(
        options.kubeconfig,
        plan.logs,
        may_drain=options.may_drain == "yes",
        image=options.image,
        chart=options.chart or str(CHART),
        servers=options.servers,
        helm_program=helm_program(plan),
    )


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
