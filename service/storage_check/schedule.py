"""The checks that the scheduler makes: when one is due, and what is announced of it."""

from contextlib import aclosing
from datetime import UTC, datetime, time, timedelta
from typing import Final

import structlog

from schemas.checks import CheckReport, ReportedFinding
from schemas.messages.events import StorageChecked
from service.events import outbox
from service.ids import new_id
from service.infra.postgres.database import Database
from service.infra.storage.interface import ObjectStore
from service.observing import metrics
from service.settings import Settings
from service.storage_check import rows as checking_rows
from service.storage_check.check import CheckPlan, StorageCheck
from service.storage_check.findings import Finding

_KEPT: Final = 100
"""How many findings a report has at most."""

log = structlog.get_logger()


def next_after(moment: datetime, times: str) -> datetime | None:
    """Return the first of these times of the day (UTC, such as `03:00,15:30`) after a moment; None: never."""
    if times == "never":
        return None
    start = moment.astimezone(UTC)
    ways = [time.fromisoformat(part.strip()) for part in times.split(",")]
    days = [start.date(), start.date() + timedelta(days=1)]
    return min(due for day in days for way in ways if (due := datetime.combine(day, way, UTC)) > start)


async def is_due(database: Database, settings: Settings) -> bool:
    """Return whether one of the times has passed since the last check began; one that broke off does not count."""
    async with database.connection() as connection:
        last, now = await checking_rows.last_check(connection)
    due = next_after(last, settings.check_times)
    return due is not None and due <= now


async def run_scheduled_check(database: Database, store: ObjectStore, settings: Settings) -> None:
    """Check, log what is wrong, and announce the figures.

    Raises:
        StartError: the store seems to be another instance's, or another check repairs.
        StorageUnavailableError, StorageRefusedError: the store cannot be read to the end.
    """
    plan = CheckPlan(
        orphan_age=settings.orphan_age,
        quarantine_retention=settings.quarantine_retention,
        repair=settings.check_repair,
    )
    async with database.connection() as connection:
        _, began = await checking_rows.last_check(connection)
    # Opening a store does this too; but processes may run for months.
    await store.remove_stale()
    run = StorageCheck(database, store, plan)
    kept: list[ReportedFinding] = []
    async with run.alone(), aclosing(run.findings()) as pieces:
        async for found in pieces:
            for finding in found:
                _report(finding)
            kept += map(_kept, found[: _KEPT - len(kept)])
    report = CheckReport(
        started_at=began,
        finished_at=datetime.now(UTC),
        repaired=plan.repair,
        figures=run.figures,
        findings=tuple(kept),
    )
    await _announce(database, report)


def _kept(finding: Finding) -> ReportedFinding:
    file = finding.file
    return ReportedFinding(
        kind=finding.kind,
        key=finding.key,
        project_id=file.project_id if file else finding.project_id,
        package=file.package if file else None,
        file_name=file.file_name if file else None,
        detail=finding.detail,
        outcome=finding.outcome,
    )


def _report(finding: Finding) -> None:
    metrics.ORPHANS_FOUND.labels(finding.kind).inc()
    log.warning(
        "storage_finding",
        finding=finding.kind,
        key=finding.key,
        project_id=finding.file.project_id if finding.file else finding.project_id,
        detail=finding.detail,
        outcome=finding.outcome,
    )


async def _announce(database: Database, report: CheckReport) -> None:
    fact = StorageChecked(
        check_id=new_id(),
        started_at=report.started_at,
        finished_at=report.finished_at,
        repaired=report.repaired,
        clean=report.figures.is_clean,
        figures=report.figures,
    )
    async with database.transaction() as connection:
        await checking_rows.note_check(connection, report.started_at, report)
        await outbox.append(connection, [outbox.event(fact)])
    log.info("storage_checked", clean=fact.clean, repaired=fact.repaired, **report.figures.model_dump())
