"""`python -m tests.faults`: a long run under faults; prints its figures and every fault."""

import argparse
import asyncio
import secrets
import sys

from tests.faults.run import Plan, run


def main() -> int:
    """Run with the options that were given; return the exit status."""
    parser = argparse.ArgumentParser(prog="tests.faults")
    parser.add_argument("--deletions", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--minutes", type=float, default=240, help="when faults and load end at the latest")
    parser.add_argument("--rate", type=float, default=45, help="deletions a second")
    parser.add_argument("--short", action="store_true", help="one fault of each kind is enough")
    options = parser.parse_args()
    plan = Plan(
        options.deletions,
        options.seed,
        rate=options.rate,
        is_short=options.short,
        most_seconds=60 * options.minutes,
        settling_seconds=300,
    )
    verdict = asyncio.run(run(plan))
    return int(any(verdict.breaches.values()) or bool(verdict.surprises))


if __name__ == "__main__":
    sys.exit(main())
