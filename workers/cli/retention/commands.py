"""`packyard retention`: rules, previews, runs and approval, for the operator."""

import asyncio
import sys
from typing import Final
from uuid import UUID

import click

from schemas.http.retention import PreviewRequest
from schemas.retention import RetentionRule
from service.context import Context
from service.errors import StartError
from service.retention import reports, rules, runs
from service.retention.ending import refuse_run
from service.retention.entities import rule_entity, run_entity
from service.retention.preview import preview_of
from service.retention.rules import INSTANCE, RulePlace, StoredRule
from service.retention.runs import RetentionRun, RunState
from workers.cli.options import TEXT, validated
from workers.cli.outputs import USUAL, Output, output_option, print_json, print_names
from workers.cli.retention.printing import print_preview, print_report, print_rules, print_runs, print_totals
from workers.cli.run_use_case import find_group, find_project, run_use_case
from workers.cli.tables import counted

_MOST_RUNS: Final = 50
_POLL_S: Final = 0.5
_LISTS: Final = (Output.TABLE, Output.WIDE, Output.JSON, Output.NDJSON, Output.CSV)
_NO_RULE: Final = "there is no such rule"
_NO_RUN: Final = "there is no such run"


@click.group()
def retention() -> None:
    """Rules by which packages go by themselves, or stay.

    Rules come from the directory file or over HTTP. The scheduler runs them.
    """


@retention.command("rules")
@click.option("--project", type=TEXT, help="The rules of this project: a path or number.")
@click.option("--group", type=TEXT, help="The rules of this group.")
@output_option(*USUAL, json="Print JSON, one object a line.", name="their numbers")
def list_rules(*, project: str | None, group: str | None, output: Output) -> None:
    """List the rules of a project or group; of all places without one."""

    async def find(context: Context) -> list[StoredRule]:
        async with context.database.connection() as connection:
            if project is None and group is None:
                return await rules.rules_around(connection, INSTANCE)
        place = await _place(context, project, group)
        async with context.database.connection() as connection:
            return await rules.list_rules(connection, place)

    found = run_use_case(find)
    if output is Output.JSON:
        for each in found:
            print_json(rule_entity(each))
    elif output is Output.NAME:
        print_names(each.id for each in found)
    else:
        print_rules(found, is_wide=output is Output.WIDE)


@retention.command("preview")
@click.argument("rule_id", required=False, type=click.IntRange(1, 2**63 - 1))
@click.option("--project", type=TEXT, help="Preview all rules in this project: a path or number.")
@click.option("--group", type=TEXT, help="Preview all rules below this group.")
@click.option("--rule", "text", type=TEXT, help="A rule that is not saved, as JSON; --project or --group is its place.")
@output_option(*_LISTS, json="Print one JSON object with totals and list.")
def preview(rule_id: int | None, *, project: str | None, group: str | None, text: str | None, output: Output) -> None:
    """Show what rules would do now: totals, or each package with --json, -o ndjson or -o csv.

    RULE_ID is the number of a rule; without one, all rules count. A preview of a saved rule counts as its dry run.
    """
    unsaved = validated(RetentionRule, _json(text), name="--rule") if text is not None else None

    async def show(context: Context) -> None:
        place = await _place(context, project, group)
        if rule_id is not None:
            async with context.database.connection() as connection:
                place = (await rules.find_rule(connection, None, rule_id)).place
        async with preview_of(context.database, place, PreviewRequest(rule_id=rule_id, rule=unsaved)) as found:
            await print_preview(found, output)

    run_use_case(show, missing=_NO_RULE)


@retention.command("run")
@click.argument("rule_id", type=click.IntRange(1, 2**63 - 1))
@click.option("--dry-run", is_flag=True, help="Only report.")
@click.option("--yes", "-y", "is_sure", is_flag=True, help="Do not ask.")
@click.option("--watch", "is_watched", is_flag=True, help="Return when the run has ended, or waits for approval.")
@output_option(*USUAL)
def run(rule_id: int, *, dry_run: bool, is_sure: bool, is_watched: bool, output: Output) -> None:
    """Ask for a run of a rule. The scheduler carries it out within seconds.

    On a terminal you are shown what would go, and asked. A run that would delete a large share waits for `approve`.
    """
    if not dry_run and not is_sure:
        _ask(rule_id)

    async def ask(context: Context) -> RetentionRun:
        async with context.database.transaction() as connection:
            stored = await rules.find_rule(connection, None, rule_id, lock=True)
            asked = await runs.ask_for_run(connection, stored, requested_by=None, dry_run=dry_run)
        return await _ended(context, asked) if is_watched else asked

    _print_run(run_use_case(ask, missing=_NO_RULE), output)


@retention.command("runs")
@click.argument("run_id", required=False, type=click.UUID)
@click.option("--rule", "rule_id", type=click.IntRange(1, 2**63 - 1), help="Only runs of this rule.")
@output_option(*_LISTS, json="Print JSON: one object a line, or the one run with its report.")
def show_runs(run_id: UUID | None, *, rule_id: int | None, output: Output) -> None:
    """List the newest runs, or report one: its totals, or each package with --json, -o ndjson or -o csv."""

    async def show(context: Context) -> None:
        async with context.database.transaction() as connection:
            if run_id is None:
                listed = await runs.newest_runs(connection, rule_id=rule_id, limit=_MOST_RUNS)
                print_runs(listed, await reports.undone_among(connection, listed), output)
            else:
                found = await runs.find_run(connection, None, run_id)
                outcome = await reports.outcome_of(connection, found)
                await print_report(found, outcome, reports.stream_items(connection, run_id), output)

    run_use_case(show, missing=_NO_RUN)


@retention.command("approve")
@click.argument("run_id", type=click.UUID)
@click.option("--yes", "-y", "is_sure", is_flag=True, help="Do not ask.")
@output_option(*USUAL)
def approve(run_id: UUID, *, is_sure: bool, output: Output) -> None:
    """Approve the list of a run that waits: the packages on it that still match go."""

    async def find(context: Context) -> RetentionRun:
        async with context.database.connection() as connection:
            return await runs.find_run(connection, None, run_id)

    seen = run_use_case(find, missing=_NO_RUN)
    if not is_sure:
        print_totals(seen.verdicts, err=True)
        _confirm(f"Delete {counted(seen.packages, 'package')}?")

    async def act(context: Context) -> RetentionRun:
        async with context.database.transaction() as connection:
            locked = await runs.find_run(connection, None, run_id, lock=True)
            return await runs.approve_run(connection, locked, user_id=None, packages=seen.packages, size=seen.bytes)

    _print_run(run_use_case(act, missing=_NO_RUN), output)


@retention.command("refuse")
@click.argument("run_id", type=click.UUID)
@output_option(*USUAL)
def refuse(run_id: UUID, *, output: Output) -> None:
    """Refuse the list of a run that waits for approval: nothing on it goes."""

    async def act(context: Context) -> RetentionRun:
        async with context.database.transaction() as connection:
            locked = await runs.find_run(connection, None, run_id, lock=True)
            return await refuse_run(connection, locked, user_id=None, who="the command line")

    _print_run(run_use_case(act, missing=_NO_RUN), output)


@retention.command("pause")
@click.argument("rule_id", type=click.IntRange(1, 2**63 - 1))
def pause(rule_id: int) -> None:
    """Let a rule begin no run, and ask for no deletion, until it is resumed."""

    async def act(context: Context) -> StoredRule:
        async with context.database.transaction() as connection:
            stored = await rules.find_rule(connection, None, rule_id, lock=True)
            return await rules.pause_rule(connection, stored, reason="the command line paused it")

    click.echo(f"rule {run_use_case(act, missing=_NO_RULE).rule.name} is paused")


@retention.command("resume")
@click.argument("rule_id", type=click.IntRange(1, 2**63 - 1))
def resume(rule_id: int) -> None:
    """Let a paused rule run again: one that was paused by hand, or since a run of it was undone."""

    async def act(context: Context) -> StoredRule:
        async with context.database.transaction() as connection:
            return await rules.resume_rule(connection, await rules.find_rule(connection, None, rule_id, lock=True))

    click.echo(f"rule {run_use_case(act, missing=_NO_RULE).rule.name} runs again")


async def _ended(context: Context, asked: RetentionRun) -> RetentionRun:
    """Wait for the scheduler, and return the run as it is then."""
    while True:
        async with context.database.connection() as connection:
            found = await runs.find_run(connection, None, asked.id)
        if found.state not in {RunState.PLANNING, RunState.DELETING}:
            return found
        await asyncio.sleep(_POLL_S)


def _ask(rule_id: int) -> None:
    async def show(context: Context) -> None:
        async with context.database.connection() as connection:
            stored = await rules.find_rule(connection, None, rule_id)
        async with preview_of(context.database, stored.place, PreviewRequest(rule_id=rule_id)) as found:
            await print_preview(found, Output.TABLE, err=True)

    run_use_case(show, missing=_NO_RULE)
    _confirm("Run the rule?")


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise StartError("nothing is done: nobody can be asked here, for standard input is no terminal; give --yes")
    click.confirm(question, abort=True, err=True)


def _print_run(found: RetentionRun, output: Output) -> None:
    if output is Output.JSON:
        print_json(run_entity(found))
    elif output is Output.NAME:
        print_names([found.id])
    else:
        dry = ", which only reports" if found.dry_run else ""
        click.echo(f"run {found.id} of rule {found.rule_name}{dry}: {found.state.value.replace('_', ' ')}")


async def _place(context: Context, project: str | None, group: str | None) -> RulePlace:
    if project is not None and group is not None:
        raise click.UsageError("give --project or --group, and not both")
    async with context.database.connection() as connection:
        if project is not None:
            return RulePlace(project_id=(await find_project(connection, project)).id)
        if group is not None:
            return RulePlace(group_id=(await find_group(connection, group)).id)
    return INSTANCE


def _json(text: str) -> object:
    from pydantic_core import from_json

    try:
        return from_json(text)
    except ValueError:
        raise click.UsageError("--rule should be a JSON object") from None
