"""The events of a run, one for each project, and the totals of its plan."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic_core import to_json

from schemas.messages.outgoing import Outgoing
from schemas.messages.retention_events import (
    RetentionEvent,
    RetentionRunAwaitsApproval,
    RetentionRunFinished,
    RetentionRunPlanned,
)
from service.events import outbox
from service.infra.postgres.database import Connection, fetch
from service.retention.conditions import PlannedRule
from service.retention.planning import VerdictTotals
from service.retention.runs import OutcomeTotals, RetentionRun, RunState


@dataclass(slots=True)
class _Counts:
    """The counts of an event, those of one project."""

    project_id: int
    root_group_id: int
    packages: int = 0
    files: int = 0
    bytes: int = 0
    kept: int = 0
    refused: int = 0

    def add(self, verdict: str, packages: int, files: int, size: int) -> None:
        if verdict == "deleted":
            self.packages += packages
            self.files += files
            self.bytes += size
        elif verdict == "refused":
            self.refused += packages
        else:
            self.kept += packages


def planned_events(run: RetentionRun, totals: Sequence[VerdictTotals]) -> list[Outgoing]:
    """Announce a plan, and that it waits for approval where it does."""
    projects: dict[int, _Counts] = {}
    for one in totals:
        counts = projects.setdefault(one.project_id, _Counts(one.project_id, one.root_group_id))
        counts.add(one.verdict, one.packages, one.files, one.bytes)
    events = [_fact(RetentionRunPlanned, run, counts) for counts in projects.values()]
    if run.state is RunState.AWAITING_APPROVAL:
        events += [
            _fact(RetentionRunAwaitsApproval, run, counts, lapses_at=run.lapses_at)
            for counts in projects.values()
            if counts.packages
        ]
    return [outbox.event(event) for event in events]


async def finished_events(
    connection: Connection, run: RetentionRun, outcomes: Iterable[OutcomeTotals]
) -> list[Outgoing]:
    """Announce the end of a run: what became of the packages on its list, and how many its plan had left."""
    totals = list(outcomes)
    left = [one for one in run.verdicts if one["verdict"] == "kept"]
    ids = {one.project_id for one in totals} | {one["project_id"] for one in left}
    roots = await fetch(connection, "retention_roots", ids=list(ids))
    projects = {root["id"]: _Counts(root["id"], root["root_group_id"]) for root in roots}
    for one in totals:
        if one.project_id in projects:
            projects[one.project_id].add(one.outcome, one.packages, one.files, one.bytes)
    for kept in left:
        if kept["project_id"] in projects:
            projects[kept["project_id"]].kept += kept["packages"]
    return [outbox.event(_fact(RetentionRunFinished, run, each, state=run.state.value)) for each in projects.values()]


def _fact(kind: type[RetentionEvent], run: RetentionRun, counts: _Counts, **more: object) -> RetentionEvent:
    return kind.model_validate(
        {
            "run_id": run.id,
            "rule_id": run.rule_id,
            "rule_name": run.rule_name,
            "project_id": counts.project_id,
            "root_group_id": counts.root_group_id,
            "dry_run": run.dry_run,
            "packages": counts.packages,
            "files": counts.files,
            "bytes": counts.bytes,
            "kept": counts.kept,
            "refused": counts.refused,
            **more,
        }
    )


def written_totals(totals: Sequence[VerdictTotals], rules: Sequence[PlannedRule]) -> str:
    """Return the totals of a plan as JSON, with the names of the rules that decided."""
    return to_json(
        [
            {
                "project_id": one.project_id,
                "verdict": one.verdict,
                "rule_id": rules[one.rule].id,
                "rule": rules[one.rule].rule.name,
                "reason": one.reason,
                "packages": one.packages,
                "files": one.files,
                "bytes": one.bytes,
            }
            for one in totals
        ]
    ).decode()
