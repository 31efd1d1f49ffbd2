"""The page of one rule, saved or not: its sentence, its form, and its runs."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from aiohttp import web

from schemas.names import PackageType
from schemas.problems import Problem
from schemas.retention import RetentionKind
from schemas.statuses import DISPLAYABLE
from service.infra.postgres.database import Connection
from service.retention import reports, runs
from service.retention.rules import StoredRule
from service.retention.run_planning import MOST_UNAPPROVED
from service.retention.sentences import sentence_of
from service.web.frame.rendering import render
from service.web.routes.retention.forms import form_values
from service.web.routes.retention.places import RuledPlace

SHOWN_RUNS: Final = 10


@dataclass(frozen=True, slots=True)
class SpokenRule:
    """A rule with its sentence, and the place that it is inherited from."""

    stored: StoredRule
    sentence: str
    source: str | None = None

    @property
    def undone_run(self) -> str | None:
        """The number of the run whose undoing has paused the rule."""
        return reports.undone_run_in(self.stored.pause_reason)


@dataclass(frozen=True, slots=True)
class RuleForm:
    """The form of a rule: the values that were filled in, and their problems."""

    given: Mapping[str, object]
    problems: Sequence[Problem] = ()
    status: int = 200


async def rule_page(
    request: web.Request, connection: Connection, place: RuledPlace, stored: StoredRule, form: RuleForm
) -> web.Response:
    """Show a rule with its form and its newest runs."""
    found = await runs.newest_runs(connection, rule_id=stored.id, limit=SHOWN_RUNS)
    undone = await reports.undone_among(connection, found)
    return _page(request, place, form, SpokenRule(stored, sentence_of(stored.rule)), found, undone)


def new_rule_page(request: web.Request, place: RuledPlace, form: RuleForm) -> web.Response:
    """Show the form of a new rule."""
    return _page(request, place, form, None)


def _page(
    request: web.Request,
    place: RuledPlace,
    form: RuleForm,
    rule: SpokenRule | None,
    found: Sequence[runs.RetentionRun] = (),
    undone: Collection[UUID] = (),
) -> web.Response:
    return render(
        request,
        "retention/rule.html",
        status=form.status,
        place=place.view,
        address=place.address,
        rule=rule,
        given=form_values(form.given),
        problems=form.problems,
        most_unapproved=MOST_UNAPPROVED,
        runs=found,
        undone=undone,
        kinds=list(RetentionKind),
        types=list(PackageType),
        statuses=sorted(DISPLAYABLE),
    )
