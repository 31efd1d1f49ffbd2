"""Rules, previews and runs as the API and the command line show them."""

from collections.abc import Sequence

from schemas.base import Json
from schemas.http.retention import (
    FateTotals,
    OutcomeResource,
    PackageFate,
    PackageRetention,
    ReportedPackage,
    RuleResource,
    RunReport,
    RunResource,
)
from service.retention.conditions import PlannedRule
from service.retention.planning import Verdict, VerdictTotals
from service.retention.reports import ReportedItem, RunOutcome
from service.retention.rules import StoredRule
from service.retention.runs import RetentionRun
from service.retention.sentences import sentence_of


def rule_entity(stored: StoredRule) -> RuleResource:
    """Return a rule as JSON has it."""
    return RuleResource(
        id=stored.id,
        sentence=sentence_of(stored.rule),
        rule=stored.rule.model_dump(mode="json", exclude_none=True),
        place=stored.place.kind,
        group_id=stored.place.group_id,
        project_id=stored.place.project_id,
        version=stored.version,
        is_seen=stored.is_seen,
        next_run_at=stored.next_run_at,
        paused_at=stored.paused_at,
        pause_reason=stored.pause_reason,
        created_at=stored.created_at,
        changed_at=stored.changed_at,
    )


def fate_entity(verdict: Verdict, rules: Sequence[PlannedRule]) -> PackageFate:
    """Return the fate of a package by one of these rules."""
    rule = rules[verdict.rule]
    return PackageFate(
        id=verdict.package_id,
        project_id=verdict.project_id,
        package_type=verdict.package_type,
        name=verdict.name,
        version=verdict.version,
        status=verdict.status,
        files=verdict.files,
        bytes=verdict.bytes,
        verdict=verdict.verdict,
        rule_id=rule.id,
        rule=rule.rule.name,
        reason=verdict.reason,
    )


def totals_entity(totals: VerdictTotals, rules: Sequence[PlannedRule]) -> FateTotals:
    """Return totals by one of these rules."""
    rule = rules[totals.rule]
    return FateTotals(
        project_id=totals.project_id,
        verdict=totals.verdict,
        rule_id=rule.id,
        rule=rule.rule.name,
        reason=totals.reason,
        packages=totals.packages,
        files=totals.files,
        bytes=totals.bytes,
    )


def retention_entity(
    verdict: Verdict | None, rules: Sequence[PlannedRule], stored: Sequence[StoredRule]
) -> PackageRetention:
    """Return the fate of the one package, and the moment at which it goes."""
    if verdict is None:
        return PackageRetention(
            verdict="untouched", rule_id=None, rule=None, sentence=None, reason=None, next_run_at=None
        )
    rule = rules[verdict.rule]
    moments = {each.id: each.deletes_next_at for each in stored}
    return PackageRetention(
        verdict=verdict.verdict,
        rule_id=rule.id,
        rule=rule.rule.name,
        sentence=sentence_of(rule.rule),
        reason=verdict.reason,
        next_run_at=moments.get(rule.id) if verdict.verdict == "deleted" else None,
    )


def run_entity(run: RetentionRun) -> RunResource:
    """Return a run as JSON has it."""
    return RunResource.model_validate(_run_values(run))


def report_entity(run: RetentionRun, outcome: RunOutcome) -> RunReport:
    """Return a run with what became of its list."""
    return RunReport.model_validate(
        {
            **_run_values(run),
            "outcomes": [
                OutcomeResource(
                    project_id=one.project_id,
                    outcome=one.outcome,
                    reason=one.reason,
                    packages=one.packages,
                    files=one.files,
                    bytes=one.bytes,
                )
                for one in outcome.totals
            ],
            "deletions": {one.state: one.deletions for one in outcome.progress},
            "bytes_freed": sum(one.bytes_done for one in outcome.progress),
            "has_all": outcome.has_all,
        }
    )


def item_entity(item: ReportedItem) -> ReportedPackage:
    """Return a package on the list of a run."""
    return ReportedPackage(
        id=item.package_id,
        project_id=item.project_id,
        package_type=item.package_type,
        name=item.name,
        version=item.version,
        files=item.files,
        bytes=item.bytes,
        outcome=item.outcome,
        reason=item.reason,
        rule_id=item.rule_id,
        rule=item.rule,
        deletion_id=item.deletion_id,
        deletion_state=item.deletion_state,
        bytes_freed=item.bytes_freed,
    )


def _run_values(run: RetentionRun) -> Json:
    return {
        "id": run.id,
        "rule_id": run.rule_id,
        "rule": run.rule_name,
        "rule_version": run.rule_version,
        "sentence": sentence_of(run.rule),
        "place": run.place.kind,
        "group_id": run.group_id,
        "project_id": run.project_id,
        "cause": run.cause.value,
        "dry_run": run.dry_run,
        "state": run.state.value,
        "requested_by": run.requested_by,
        "requested_at": run.requested_at,
        "planned_at": run.planned_at,
        "approved_by": run.approved_by,
        "approved_at": run.approved_at,
        "refused_by": run.refused_by,
        "refused_at": run.refused_at,
        "lapses_at": run.lapses_at,
        "finished_at": run.finished_at,
        "error": run.error,
        "packages": run.packages,
        "files": run.files,
        "bytes": run.bytes,
        "totals": [FateTotals.model_validate(one) for one in run.verdicts],
    }
