"""`make scaling`: throughput with 1, 2, 4 and 8 workers, then a backlog that workers follow up and down."""

import argparse
import sys
from typing import Final

from rich.console import Console

from service import event_loop
from tests.system.scaling.run import Outcome, fixed_run, private_trial, scaled_run

_SIZES: Final = (1, 2, 4, 8)
_WIDTH: Final = 130


async def main(deletions: int, rate: int, speed: float) -> Outcome:
    """Measure, print, and return how the scaled run ended."""
    say = Console(highlight=False, width=_WIDTH).print
    for workers in _SIZES:
        count = deletions // len(_SIZES)
        say(f"{workers} workers: {await fixed_run(count, workers):,.0f} deletions a second ({count:,} deletions)")
    async with private_trial(log_level="debug", storage_delete_rate=str(rate)) as trial:
        outcome = await scaled_run(trial, deletions, speed=speed)
    say(f"scaled, at most {rate or 'any number of'} objects a second each: {list(outcome.sizes)}")
    for workers, measured in outcome.rates.items():
        say(f"  {workers} workers: {measured:,.0f} deletions a second")
    say(
        f"{outcome.deletions:,} deletions: lost {outcome.lost}, stuck {outcome.stuck},"
        f" objects removed twice {outcome.removed_twice}, claims taken over {outcome.taken_over}"
    )
    return outcome


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="tests.system.scaling")
    parser.add_argument("--deletions", type=int, default=20_000)
    parser.add_argument("--rate", type=int, default=50, help="objects a second of each worker; 0 is no limit")
    parser.add_argument("--speed", type=float, default=20, help="how many times as fast time passes for the scaler")
    options = parser.parse_args()
    ended = event_loop.run(main(options.deletions, options.rate, options.speed))
    sys.exit(int(any((ended.lost, ended.stuck, ended.removed_twice, ended.taken_over))))
