"""One run with servers that fail over, and the longest stall of each kind of work."""

import tempfile
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from service.configuration.several_hosts import one_host_each
from tests.system.faults.evidence import Evidence
from tests.system.faults.failover.left_out import LeftOut
from tests.system.faults.failover.nodes import Nodes
from tests.system.faults.failover.pair import Pair
from tests.system.faults.failover.rounds import Observed, Reads, Rounds
from tests.system.faults.fleet import Fleet
from tests.system.faults.journal import Journal
from tests.system.faults.ledger import Ledger
from tests.system.faults.run import Places, Plan, Run, Verdict, chance, opened_yard
from tests.system.faults.volume import open_volume

_LONGEST_STALL_S: Final = 30.0


async def run_failovers(plan: Plan, without: frozenset[LeftOut]) -> Verdict:
    """Carry out the plan with servers that lack the settings of *without*; print what came of it."""
    journal = Journal()
    journal.say(f"seed {plan.seed}, {plan.deletions} deletions, without {', '.join(sorted(without)) or 'nothing'}")
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="packyard-failover-")))
        volume = stack.enter_context(open_volume(folder, chance(plan, "volume")))
        pair = Pair(folder, without)
        stack.push_async_callback(pair.kill)
        nodes = Nodes(folder, without)
        stack.push_async_callback(nodes.kill)
        await pair.start()
        await nodes.start()
        yard = await stack.enter_async_context(opened_yard(folder, pair.url, nodes.url, volume))
        ledger = Ledger()
        reads = Reads(yard, ledger)
        made: list[Rounds] = []

        def rounds(fleet: Fleet) -> Rounds:
            made.append(Rounds(pair, nodes, fleet, journal, reads, without))
            return made[0]

        places = Places(pair.primary_url, one_host_each(nodes.url))
        verdict, evidence = await Run(plan, yard, places, volume, journal, rounds, ledger).judged()
        stalls = _stalls(made[0].observed, _moments(evidence, reads))
        Console(soft_wrap=True).print(_tabulate(stalls), dict(reads.answers))
        surprises = [*verdict.surprises, *made[0].breaches, *_too_long(stalls)]
        return Verdict(verdict.accepted, verdict.breaches, surprises)


def _moments(evidence: Evidence, reads: Reads) -> Mapping[str, list[float]]:
    """Return when each kind of work was done."""
    ended = (row["finished_at"] for row in evidence.deletions.values())
    return {
        "upload": evidence.ledger.uploaded_at,
        "read": reads.answered_at,
        "DELETE": [accepted.at for accepted in evidence.ledger.accepted.values()],
        "deletion ended": [moment.timestamp() for moment in ended if moment],
        "event received": evidence.subscriber.received_at,
    }


def _stalls(
    observed: Iterable[Observed], moments: Mapping[str, list[float]]
) -> list[tuple[Observed, dict[str, float]]]:
    return [(each, {kind: _longest_gap(each, times) for kind, times in moments.items()}) for each in observed]


def _longest_gap(observed: Observed, moments: Iterable[float]) -> float:
    within = sorted(at for at in moments if observed.began < at < observed.ended)
    edges = [observed.began, *within, observed.ended]
    return max(later - earlier for earlier, later in pairwise(edges))


def _too_long(stalls: list[tuple[Observed, dict[str, float]]]) -> list[str]:
    return [
        f"{observed.what}: {kind} stalled for {seconds:.1f} s"
        for observed, found in stalls
        for kind, seconds in found.items()
        if seconds > _LONGEST_STALL_S
    ]


def _tabulate(stalls: list[tuple[Observed, dict[str, float]]]) -> Table:
    kinds = list(stalls[0][1]) if stalls else []
    table = Table("after", *kinds, title="longest stall in s")
    for observed, found in stalls:
        table.add_row(observed.what, *(f"{found[kind]:.1f}" for kind in kinds))
    return table
