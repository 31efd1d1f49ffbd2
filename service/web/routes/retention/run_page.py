"""The page of one run: its plan, what became of its list, and what can be done about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from aiohttp import web

from schemas.http.retention import FateTotals
from schemas.statuses import RESTORABLE, DeletionState
from service.catalogue import overview
from service.catalogue.overview import Person
from service.http.keys import CONTEXT, READS
from service.infra.postgres.database import Connection
from service.infra.postgres.expensive_reads import Cost
from service.refusals import NotFoundError
from service.retention import reports, rules, runs
from service.retention.planning import project_paths
from service.retention.reports import ReportedItem, RunOutcome
from service.retention.runs import RetentionRun, RunState
from service.retention.sentences import sentence_of
from service.web.frame.rendering import render
from service.web.outcomes import shown_outcome
from service.web.routes.retention.lists import fate_tabs, first_address, next_address, read_wish
from service.web.routes.retention.places import RuledPlace
from service.web.routes.retention.rule_page import SpokenRule
from service.web.views import package_address

_MOST_TOTALS: Final = 200
_FATES: Final = ("deleted", "planned", "kept", "refused")


@dataclass(frozen=True, slots=True)
class RunView:
    """A run with what became of its list, and the people and projects in it."""

    run: RetentionRun
    totals: Sequence[FateTotals]
    """The totals of its plan, the largest first."""

    outcome: RunOutcome
    people: Mapping[int, Person]
    paths: Mapping[int, str]
    grace: timedelta
    """For how long its deletions wait at least, once a worker has taken them."""

    @property
    def sentence(self) -> str:
        """The sentence of its rule, as it was then."""
        return sentence_of(self.run.rule)

    @property
    def is_over(self) -> bool:
        """Whether its page stays as it is until somebody acts, or a worker frees bytes."""
        return self.run.finished_at is not None or self.run.state is RunState.AWAITING_APPROVAL

    @property
    def freed(self) -> int:
        """How many bytes its deletions have freed."""
        return sum(one.bytes_done for one in self.outcome.progress)

    @property
    def can_undo(self) -> bool:
        """Whether a deletion of it can still be undone."""
        return any(one.state in RESTORABLE for one in self.outcome.progress)

    @property
    def undo_until(self) -> datetime | None:
        """Until when all of it can be undone; None if that is over, or nothing waits."""
        waits: Mapping[str, timedelta] = {DeletionState.QUEUED: self.grace, DeletionState.GRACE: timedelta(0)}
        ends = [one.first_due + waits[one.state] for one in self.outcome.progress if one.state in waits]
        first = min(ends, default=None)
        return first if first is not None and first > datetime.now(UTC) else None


async def run_page(
    request: web.Request, place: RuledPlace, run_id: UUID, *, notice: str = "", status: int = 200
) -> web.Response:
    """Show a run with its report."""
    async with request.app[READS].connection(Cost.PLANNED) as connection:
        run = await runs.find_run(connection, place.key, run_id)
        view = await _view(connection, run, request.app[CONTEXT].settings.retention_grace)
        items = await reports.list_items(connection, run_id, read_wish(request, _FATES))
        paths = {**view.paths, **await project_paths(connection, (one.project_id for one in items))}
        rule = await _rule_of(connection, place, run)
    address = f"{place.address}/runs/{run_id}"
    return render(
        request,
        "retention/run.html",
        status=status,
        place=place.view,
        base=place.base,
        address=place.address,
        it=view,
        run=run,
        rule=rule,
        notice=notice,
        outcome=shown_outcome(request, address),
        most_totals=_MOST_TOTALS,
        most_listing=reports.MOST_LISTING,
        items=[(one, _package_address(one, paths)) for one in items],
        tabs=fate_tabs(request, _FATES),
        first_address=first_address(request),
        next_address=next_address(request, [(one.project_id, one.package_id) for one in items]),
    )


async def _view(connection: Connection, run: RetentionRun, grace: timedelta) -> RunView:
    outcome = await reports.outcome_of(connection, run)
    people = await overview.people(connection, [each for each in (run.requested_by, run.approved_by) if each])
    found = [FateTotals.model_validate(one) for one in run.verdicts]
    totals = sorted(found, key=lambda one: (-one.packages, one.project_id))
    paths = await project_paths(connection, (one.project_id for one in totals[:_MOST_TOTALS]))
    return RunView(run, totals, outcome, people, paths, grace)


async def _rule_of(connection: Connection, place: RuledPlace, run: RetentionRun) -> SpokenRule | None:
    try:
        stored = await rules.find_rule(connection, place.key, run.rule_id)
    except NotFoundError:
        return None
    return SpokenRule(stored, sentence_of(stored.rule))


def _package_address(item: ReportedItem, paths: Mapping[int, str]) -> str | None:
    path = paths.get(item.project_id)
    if path is None or item.package_type is None:
        return None
    if item.deletion_id is not None:
        return f"/{path}/-/deletions/{item.deletion_id}"
    return package_address(path, item.package_type, item.package_id)
