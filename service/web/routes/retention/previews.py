"""The page of a preview: what rules would do now, in sum and on each package; also a rule that is not saved."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from schemas.http.retention import PreviewRequest
from schemas.retention import RetentionKind, RetentionRule
from service.access.callers import WRITING_SCOPES
from service.http.keys import PREVIEWS
from service.retention import rules
from service.retention.planning import Verdict
from service.retention.preview import PreviewPage
from service.retention.rules import StoredRule
from service.retention.sentences import sentence_of
from service.web.frame.rendering import render
from service.web.frame.routing import PageRoutes
from service.web.routes.retention.forms import read_rule, read_text, rule_text
from service.web.routes.retention.lists import fate_tabs, first_address, next_address, read_id, read_wish
from service.web.routes.retention.places import RuledPlace, RulePages, ruled_visit
from service.web.routes.retention.rule_page import RuleForm, new_rule_page
from service.web.sessions.forms import is_own
from service.web.views import package_address

routes = PageRoutes()
_pages: Final = RulePages(routes)

_FATES: Final = ("deleted", "kept", "refused")
_MOST_TOTALS: Final = 200


@dataclass(frozen=True, slots=True)
class PreviewSubject:
    """The rule that a preview is about: a saved one, or one that is not; all rules of the place without either."""

    stored: StoredRule | None = None
    unsaved: RetentionRule | None = None
    changes: int | None = None
    """The number of the rule that the unsaved one would change."""

    @property
    def rule(self) -> RetentionRule | None:
        """The rule itself."""
        return self.unsaved or (self.stored.rule if self.stored else None)

    @property
    def sentence(self) -> str | None:
        """What it does."""
        return None if self.rule is None else sentence_of(self.rule)

    @property
    def keeps(self) -> bool:
        """Whether it is a rule that keeps, whose effect shows on those that delete."""
        return self.rule is not None and self.rule.kind is RetentionKind.KEEP

    @property
    def text(self) -> str:
        """The unsaved rule, as a field of a form."""
        return rule_text(self.unsaved) if self.unsaved else ""


@dataclass(frozen=True, slots=True)
class PreviewedPackage:
    """A package in the list of a preview, with its page and the rule that decides."""

    verdict: Verdict
    address: str | None
    rule: str


@_pages.page("/preview")
async def show_preview(request: web.Request) -> web.Response:
    """Show what the rules of a place would do now, or one of them, or one that is not saved.

    The preview of a saved rule counts as its dry run, if the reader came from a page of ours and may write.
    """
    async with ruled_visit(request) as (connection, place):
        rule_id = read_id(request.query.get("rule_id", ""))
        stored = None if rule_id is None else await rules.find_rule(connection, place.key, rule_id)
    subject = PreviewSubject(stored)
    if "rule" in request.query:
        given = read_text(request.query["rule"])
        unsaved = read_rule(given)
        if not isinstance(unsaved, RetentionRule):
            return new_rule_page(request, place, RuleForm(given, unsaved, 422))
        subject = PreviewSubject(unsaved=unsaved, changes=read_id(request.query.get("changes", "")))
    wanted = PreviewRequest(rule_id=subject.stored.id if subject.stored else None, rule=subject.unsaved)
    counts = is_own(request) and bool(place.caller.scopes & WRITING_SCOPES)
    found = await request.app[PREVIEWS].page(place.key, wanted, read_wish(request, _FATES), counts=counts)
    return _page(request, place, found, subject, counts=counts)


def _page(
    request: web.Request, place: RuledPlace, found: PreviewPage, subject: PreviewSubject, *, counts: bool
) -> web.Response:
    totals = sorted(found.totals, key=lambda one: (-one.packages, one.project_id))
    return render(
        request,
        "retention/preview.html",
        place=place.view,
        address=place.address,
        subject=subject,
        is_seen=counts,
        counts={fate: found.count(fate) for fate in _FATES},
        totals=[
            (one, found.rules[one.rule].rule.name, found.paths.get(one.project_id, "")) for one in totals[:_MOST_TOTALS]
        ],
        more_totals=max(0, len(totals) - _MOST_TOTALS),
        packages=_packages(found),
        latest_by_date=found.latest_by_date,
        tabs=fate_tabs(request, _FATES),
        first_address=first_address(request),
        next_address=next_address(request, [(one.project_id, one.package_id) for one in found.verdicts]),
    )


def _packages(found: PreviewPage) -> Sequence[PreviewedPackage]:
    return [
        PreviewedPackage(
            one,
            package_address(path, one.package_type, one.package_id)
            if (path := found.paths.get(one.project_id))
            else None,
            found.rules[one.rule].rule.name,
        )
        for one in found.verdicts
    ]
