"""The pages of rules: those that count in a place, and one by itself; forms that add, change, pause and remove."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import web
from multidict import MultiMapping
from yarl import URL

from schemas.problems import Problem
from schemas.retention import RetentionKind, RetentionRule
from service.http.keys import CONTEXT
from service.infra.postgres.database import Connection
from service.refusals import ConflictError, NotFoundError
from service.retention import reports, rules, runs
from service.retention.rules import StoredRule
from service.retention.sentences import sentence_of
from service.web.frame.rendering import render, see_other
from service.web.frame.routing import PageRoutes
from service.web.parameters import read_number
from service.web.routes.retention.forms import (
    fits_in_address,
    is_from_preview,
    read_rule,
    read_text,
    rule_text,
    typed_rule,
    written_rule,
)
from service.web.routes.retention.places import RuledPlace, RulePages, ruled_visit
from service.web.routes.retention.rule_page import SHOWN_RUNS, RuleForm, SpokenRule, new_rule_page, rule_page
from service.web.visits import sent_form

routes = PageRoutes()
_pages: Final = RulePages(routes)

_RULE: Final = "/rules/{rule_id:[0-9]+}"
_MOST_ABOVE: Final = 200
_NOTHING: Final[Mapping[str, object]] = {}
_TOO_LONG: Final = Problem(
    (), "the rule is too long to be shown before it is saved: save it, and open its preview then"
)


@_pages.page("")
async def show_rules(request: web.Request) -> web.Response:
    """Show the rules that count in a place, and the newest runs of its own."""
    async with ruled_visit(request) as (connection, place):
        own = await rules.list_rules(connection, place.key)
        above = [] if place.view is None else await rules.rules_above(connection, place.key, limit=_MOST_ABOVE)
        found = await runs.list_runs(connection, place.key, limit=SHOWN_RUNS)
        undone = await reports.undone_among(connection, found)
    return render(
        request,
        "retention/rules.html",
        place=place.view,
        address=place.address,
        own=[SpokenRule(each, sentence_of(each.rule)) for each in own],
        above=[SpokenRule(each.stored, sentence_of(each.stored.rule), each.source) for each in above],
        runs=found,
        undone=undone,
    )


@_pages.page("/new")
async def show_new_rule(request: web.Request) -> web.Response:
    """Show the form of a new rule, filled in if one was tried."""
    async with ruled_visit(request) as (_, place):
        return new_rule_page(request, place, RuleForm(read_text(request.query.get("rule", ""))))


@_pages.form("/new")
async def add_rule(request: web.Request) -> web.Response:
    """Add a rule, or show what it would do; a form that comes twice leads to the same rule."""
    _, fields = await sent_form(request)
    async with ruled_visit(request) as (_, place):
        pass
    given = typed_rule(fields)
    rule = read_rule(given)
    if not isinstance(rule, RetentionRule):
        return new_rule_page(request, place, RuleForm(given, rule, 422))
    if fields.get("act") == "preview":
        return _to_preview(request, place, rule) or new_rule_page(request, place, RuleForm(given, [_TOO_LONG], 422))
    try:
        async with request.app[CONTEXT].database.transaction() as connection:
            added = await rules.add_rule(connection, place.key, rule)
    except ConflictError as error:
        same = await _same(request, place, rule)
        if same is None:
            return new_rule_page(request, place, RuleForm(given, [_problem(error)], error.status))
        added = same
    return _saved(request, place, fields, added)


@_pages.page(_RULE)
async def show_rule(request: web.Request) -> web.Response:
    """Show a rule: its sentence and state, its form, and its runs."""
    async with ruled_visit(request) as (connection, place):
        stored = await rules.find_rule(connection, place.key, read_number(request, "rule_id"))
        tried = read_text(request.query.get("rule", ""))
        form = RuleForm(tried or written_rule(stored.rule))
        return await rule_page(request, connection, place, stored, form)


@_pages.form(_RULE)
async def change_rule(request: web.Request) -> web.Response:
    """Change a rule, or show what it would do then."""
    _, fields = await sent_form(request)
    async with ruled_visit(request) as (_, place):
        rule_id = read_number(request, "rule_id")
    given = typed_rule(fields)
    rule = read_rule(given)
    if not isinstance(rule, RetentionRule):
        return await _again(request, place, rule_id, RuleForm(given, rule, 422))
    if fields.get("act") == "preview":
        asked = _to_preview(request, place, rule, changes=rule_id)
        return asked or await _again(request, place, rule_id, RuleForm(given, [_TOO_LONG], 422))
    try:
        async with request.app[CONTEXT].database.transaction() as connection:
            stored = await rules.find_rule(connection, place.key, rule_id, lock=True)
            changed = await rules.change_rule(connection, stored, rule)
    except ConflictError as error:
        return await _again(request, place, rule_id, RuleForm(given, [_problem(error)], error.status))
    return _saved(request, place, fields, changed)


@_pages.form(_RULE + "/pause")
async def pause_rule(request: web.Request) -> web.Response:
    """Pause a rule, and show it."""

    async def pause(connection: Connection, place: RuledPlace, stored: StoredRule) -> None:
        await rules.pause_rule(connection, stored, reason=f"{place.caller.username} paused it")

    return await _act(request, pause)


@_pages.form(_RULE + "/resume")
async def resume_rule(request: web.Request) -> web.Response:
    """Let a paused rule run again, and show it."""

    async def resume(connection: Connection, _: RuledPlace, stored: StoredRule) -> None:
        if stored.paused_at is not None:
            await rules.resume_rule(connection, stored)

    return await _act(request, resume)


@_pages.form(_RULE + "/delete")
async def delete_rule(request: web.Request) -> web.Response:
    """Remove a rule, and show the others; a form that comes twice does the same."""
    await sent_form(request)
    async with ruled_visit(request) as (_, place):
        rule_id = read_number(request, "rule_id")
    async with request.app[CONTEXT].database.transaction() as connection:
        try:
            stored = await rules.find_rule(connection, place.key, rule_id, lock=True)
        except NotFoundError:
            return see_other(request, place.address)
        await rules.remove_rule(connection, stored)
    return see_other(request, place.address)


@_pages.form(_RULE + "/run")
async def ask_for_run(request: web.Request) -> web.Response:
    """Ask for a run of a rule, and show it; a form that comes twice leads to the same run."""
    _, fields = await sent_form(request)
    async with ruled_visit(request) as (_, place):
        rule_id = read_number(request, "rule_id")
    try:
        async with request.app[CONTEXT].database.transaction() as connection:
            stored = await rules.find_rule(connection, place.key, rule_id, lock=True)
            run = await runs.open_run(connection, rule_id) or await runs.ask_for_run(
                connection, stored, requested_by=place.caller.user_id, dry_run="dry_run" in fields
            )
    except ConflictError as error:
        return await _again(request, place, rule_id, RuleForm(_NOTHING, [_problem(error)], error.status))
    return see_other(request, f"{place.address}/runs/{run.id}")


async def _act(
    request: web.Request, act: Callable[[Connection, RuledPlace, StoredRule], Awaitable[None]]
) -> web.Response:
    await sent_form(request)
    async with ruled_visit(request) as (_, place):
        rule_id = read_number(request, "rule_id")
    async with request.app[CONTEXT].database.transaction() as connection:
        await act(connection, place, await rules.find_rule(connection, place.key, rule_id, lock=True))
    return see_other(request, place.rule_address(rule_id))


def _saved(request: web.Request, place: RuledPlace, fields: MultiMapping[str], stored: StoredRule) -> web.Response:
    """Show a saved rule. One saved from its preview is previewed as it is now, which counts as its dry run."""
    if is_from_preview(fields) and stored.rule.kind is RetentionKind.DELETE:
        return see_other(request, f"{place.address}/preview?rule_id={stored.id}")
    return see_other(request, place.rule_address(stored.id))


async def _same(request: web.Request, place: RuledPlace, rule: RetentionRule) -> StoredRule | None:
    async with request.app[CONTEXT].database.connection() as connection:
        found = await rules.list_rules(connection, place.key)
    return next((each for each in found if each.rule == rule), None)


async def _again(request: web.Request, place: RuledPlace, rule_id: int, form: RuleForm) -> web.Response:
    async with request.app[CONTEXT].database.connection() as connection:
        stored = await rules.find_rule(connection, place.key, rule_id)
        shown = RuleForm(form.given or written_rule(stored.rule), form.problems, form.status)
        return await rule_page(request, connection, place, stored, shown)


def _to_preview(
    request: web.Request, place: RuledPlace, rule: RetentionRule, *, changes: int | None = None
) -> web.Response | None:
    text = rule_text(rule)
    if not fits_in_address(text):
        return None
    query = {"rule": text} | ({"changes": str(changes)} if changes else {})
    return see_other(request, str(URL.build(path=f"{place.address}/preview", query=query)))


def _problem(error: ConflictError) -> Problem:
    return Problem((), next(iter(error.body().values())))
