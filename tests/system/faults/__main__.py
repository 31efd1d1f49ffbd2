"""`python -m tests.system.faults`: a long run under faults; prints its figures and every fault."""

import argparse
import secrets
import sys

from rich.console import Console

from service import event_loop
from tests.system.faults.failover.left_out import LeftOut
from tests.system.faults.failover.run import run_failovers
from tests.system.faults.network import enter, why_not
from tests.system.faults.run import Plan, Verdict, run
from tests.system.faults.silence import run_silences, tabulate_silences


def main() -> int:
    """Run with the options that were given; return the exit status."""
    parser = argparse.ArgumentParser(prog="tests.system.faults")
    parser.add_argument("--deletions", type=int, default=20_000, help="0: only servers that fall silent")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--minutes", type=float, default=240, help="when faults and load end at the latest")
    parser.add_argument("--rate", type=float, default=45, help="deletions a second")
    parser.add_argument("--short", action="store_true", help="one fault of each kind is enough")
    parser.add_argument("--silence", type=float, default=80, help="seconds for which each server falls silent; 0: none")
    parser.add_argument("--servers", choices=("single", "cluster"), default="single", help="cluster: they fail over")
    parser.add_argument(
        "--without",
        default="",
        help=f"settings of a cluster to leave out, with commas between them: {', '.join(LeftOut)}",
    )
    options = parser.parse_args()
    enter("tests.system.faults", sys.argv[1:])
    plan = Plan(
        options.deletions,
        options.seed,
        rate=options.rate,
        is_short=options.short,
        most_seconds=60 * options.minutes,
        settling_seconds=300,
    )
    if options.servers == "cluster":
        without = frozenset(map(LeftOut, filter(None, options.without.split(","))))
        verdict = event_loop.run(run_failovers(plan, without))
        return int(any(verdict.breaches.values()) or bool(verdict.surprises))
    verdict = event_loop.run(run(plan)) if plan.deletions else Verdict(0, {}, [])
    silent = _silences(options.silence)
    return int(any(verdict.breaches.values()) or bool(verdict.surprises or silent))


def _silences(seconds: float) -> list[str]:
    """Let the servers fall silent, each for that time; print what came of it, and return what should not have."""
    console = Console(soft_wrap=True, highlight=False, markup=False)
    if reason := why_not():
        console.print(f"silent servers: cannot be had here: {reason}")
        return []
    outcomes = event_loop.run(run_silences(seconds)) if seconds else []
    console.print(tabulate_silences(outcomes))
    breaches = [breach for outcome in outcomes for breach in outcome.breaches]
    for breach in breaches:
        console.print(breach)
    return breaches


if __name__ == "__main__":
    sys.exit(main())
