"""The table at the end."""

from collections import Counter

from rich.console import Console
from rich.table import Table

from tests.system.faults.evidence import Evidence
from tests.system.faults.findings import lost_with_the_broker, takeovers


def tabulate(evidence: Evidence, breaches: dict[int, list[str]], *, seed: int, seconds: float) -> Table:
    """Return what was done, what was done to it, and what came of it."""
    table = Table("what", "figure", title="faults")
    rows = {
        **_deletions(evidence),
        **{f"fault: {kind}": str(times) for kind, times in sorted(evidence.journal.counts.items())},
        **{f"fault: {kind}": f"not here: {why}" for kind, why in sorted(evidence.journal.missing.items())},
        "lost": str(len(breaches[1])),
        "stuck": str(len(evidence.unended)),
        **_events(evidence),
        **_times(evidence),
        "objects of uploads that came to nothing": str(len(evidence.objects.keys() - _keys(evidence))),
        "samples of live and of forgotten files": str(evidence.witness.samples),
        **{f"promise {number}": f"{len(found)} breaches" for number, found in breaches.items()},
        "seed": str(seed),
        "duration": f"{seconds:.0f} s",
    }
    for what, figure in rows.items():
        table.add_row(what, figure)
    return table


def show(table: Table, breaches: dict[int, list[str]]) -> None:
    """Print the table, and the first breaches of each promise."""
    console = Console(soft_wrap=True, highlight=False, markup=False)
    for number, found in breaches.items():
        for breach in found[:10]:
            console.print(f"promise {number}: {breach}")
    console.print(table)


def _deletions(evidence: Evidence) -> dict[str, str]:
    outcomes = Counter(row["state"] for row in evidence.deletions.values())
    ledger = evidence.ledger
    return {
        "deletions accepted": str(len(ledger.accepted)),
        **{f"deletions {state}": str(times) for state, times in sorted(outcomes.items())},
        "deletions of single files": str(
            sum(row["package_file_id"] is not None for row in evidence.deletions.values())
        ),
        "deletions by one of how many calls": (
            f"{sum(map(len, evidence.batches.values()))} by {len(evidence.batches)}"
        ),
        "deletions in doubt": (
            f"{len(ledger.deletes_in_doubt)}, of which made {len(evidence.deletions.keys() - ledger.accepted.keys())}"
        ),
        "deletions tried again": str(len(ledger.retried)),
        "packages at the end": str(len(evidence.packages)),
    }


def _events(evidence: Evidence) -> dict[str, str]:
    subscriber = evidence.subscriber
    return {
        "events committed": str(len(evidence.events)),
        "events received": str(subscriber.deliveries),
        "events distinct": str(len(subscriber.events)),
        "events doubled by id": str(subscriber.doubled),
        "events gone with a wiped broker": str(lost_with_the_broker(evidence)),
    }


def _times(evidence: Evidence) -> dict[str, str]:
    found = [(leases, row["by_another"]) for row, leases in takeovers(evidence)]
    longest = max((leases for leases, _ in found), default=0.0)
    gone = sorted(evidence.seconds_to_gone)
    return {
        "claims that lapsed": f"{len(found)}, taken over by another {sum(another for _, another in found)}",
        "longest takeover": f"{longest:.2f} lease times",
        "time to gone, with no fault": f"middle {gone[len(gone) // 2]:.3f} s, longest {gone[-1]:.3f} s"
        if gone
        else "-",
    }


def _keys(evidence: Evidence) -> set[str]:
    return {row["storage_key"] for row in evidence.committed.values()}
