"""How rules, previews and runs are printed."""

import csv
import sys
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import click
from pydantic import BaseModel
from pydantic_core import to_json

from schemas.http.retention import PackageFate, ReportedPackage
from service.retention.entities import fate_entity, item_entity, report_entity, run_entity, totals_entity
from service.retention.preview import Preview
from service.retention.reports import ReportedItem, RunOutcome
from service.retention.rules import StoredRule
from service.retention.runs import RetentionRun, RunState
from service.retention.sentences import sentence_of
from workers.cli.outputs import Output, print_json
from workers.cli.tables import Column, Size, counted, print_table

_RULES: Final = (
    Column("id"),
    Column("place", rank=1),
    Column("name"),
    Column("next run", rank=2),
    Column("state", rank=1),
    Column("it", is_text=True),
)
_TOTALS: Final = (
    Column("project"),
    Column("verdict"),
    Column("rule"),
    Column("because"),
    Column("packages", is_number=True),
    Column("files", is_number=True, is_extra=True),
    Column("bytes", is_number=True),
)
_RUNS: Final = (
    Column("id"),
    Column("rule"),
    Column("asked for", rank=1),
    Column("state"),
    Column("packages", is_number=True),
    Column("bytes", is_number=True),
)


def print_rules(found: Sequence[StoredRule], *, is_wide: bool) -> None:
    """Print a table of rules, each with its sentence."""
    rows = [
        (each.id, _place_of(each), each.rule.name, each.next_run_at, _state(each), sentence_of(each.rule))
        for each in found
    ]
    print_table(_RULES, rows, nothing="no rules", is_wide=is_wide)


def print_totals(totals: Sequence[Mapping[str, Any]], *, is_wide: bool = False, err: bool = False) -> None:
    """Print a table of totals, as JSON has them."""
    rows = [
        (
            one["project_id"],
            one["verdict"],
            one["rule"],
            one["reason"] or "",
            one["packages"],
            one["files"],
            Size(one["bytes"]),
        )
        for one in totals
    ]
    print_table(_TOTALS, rows, nothing="no rule is about any package that deletes", is_wide=is_wide, err=err)


async def print_preview(found: Preview, output: Output, *, err: bool = False) -> None:
    """Print the totals of a preview, or its list."""
    totals = [totals_entity(each, found.rules) for each in found.totals]
    if output.is_for_people:
        print_totals([one.model_dump() for one in totals], is_wide=output is Output.WIDE, err=err)
        packages, _, size = found.count("deleted")
        click.echo(f"{counted(packages, 'package')} would go, and free {counted(size, 'byte')}", err=err)
        if found.latest_by_date:
            types = ", ".join(found.latest_by_date)
            click.echo(f"the latest are counted by date for {types}", err=True)
        return
    rows = (fate_entity(each, found.rules) async for each in found.verdicts)
    await _print_list({"totals": totals}, rows, output, list(PackageFate.model_fields))


def print_runs(found: Sequence[RetentionRun], undone: Collection[UUID], output: Output) -> None:
    """Print runs: a table that says which were *undone*, or JSON, one object a line."""
    if output.is_for_people:
        rows = [
            (
                run.id,
                run.rule_name,
                run.requested_at,
                _run_state(run, is_undone=run.id in undone),
                run.packages,
                Size(run.bytes),
            )
            for run in found
        ]
        print_table(_RUNS, rows, nothing="no runs", is_wide=output is Output.WIDE)
        return
    for run in found:
        print_json(run_entity(run))


async def print_report(
    run: RetentionRun, outcome: RunOutcome, items: AsyncIterator[ReportedItem], output: Output
) -> None:
    """Print what became of the list of a run."""
    report = report_entity(run, outcome)
    if output.is_for_people:
        print_totals(run.verdicts, is_wide=output is Output.WIDE)
        state = _run_state(run, is_undone=outcome.is_undone)
        deletions = ", ".join(f"{count:,} {state}" for state, count in report.deletions.items()) or "none"
        click.echo(f"{state}; deletions: {deletions}; {counted(report.bytes_freed, 'byte')} freed")
        return
    rows = (item_entity(each) async for each in items)
    await _print_list(report.model_dump(mode="json"), rows, output, list(ReportedPackage.model_fields))


async def _print_list(
    head: Mapping[str, object], rows: AsyncIterator[BaseModel], output: Output, columns: Sequence[str]
) -> None:
    if output is Output.JSON:
        click.echo(to_json(head).decode().removesuffix("}") + ',"list":[', nl=False)
        separator = ""
        async for row in rows:
            click.echo(separator + row.model_dump_json(), nl=False)
            separator = ","
        click.echo("]}")
    elif output is Output.NDJSON:
        async for row in rows:
            click.echo(row.model_dump_json())
    else:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        async for row in rows:
            found = row.model_dump(mode="json")
            writer.writerow([found[column] for column in columns])


def _place_of(stored: StoredRule) -> str:
    number = stored.place.project_id or stored.place.group_id
    return stored.place.kind if number is None else f"{stored.place.kind} {number}"


def _state(stored: StoredRule) -> str:
    if not stored.rule.enabled:
        return "off"
    if stored.paused_at is not None:
        return "paused"
    return "on" if stored.is_seen or stored.rule.kind == "keep" else "first runs dry"


def _run_state(run: RetentionRun, *, is_undone: bool) -> str:
    state = run.state.value.replace("_", " ")
    if is_undone and run.state is RunState.FINISHED:
        state = f"{state}, undone"
    return f"{state} (dry run)" if run.dry_run else state
