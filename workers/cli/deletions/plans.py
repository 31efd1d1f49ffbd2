"""How the plan of a bulk deletion is printed."""

from typing import Final
from uuid import UUID

import click
from rich.filesize import decimal

from service.deletions.bulk import BulkPlan
from service.deletions.viewing.entities import bulk_entity, planned_lines, refusal_text
from workers.cli.deletions.output import print_some
from workers.cli.outputs import Output, print_json, print_names
from workers.cli.tables import Column, Size, counted

_COLUMNS: Final = (
    Column("package"),
    Column("project", rank=3),
    Column("type", rank=2),
    Column("name", is_text=True),
    Column("version", is_text=True),
    Column("files", rank=1, is_number=True),
    Column("size", is_number=True),
)
_REFUSALS: Final = (Column("package"), Column("refused because", is_text=True))


def print_plan(plan: BulkPlan, output: Output, address: str, *, batch_id: UUID | None, is_known: bool = False) -> None:
    """Print what goes, or would go; to people who know the packages already, only the sums."""
    if output is Output.JSON:
        print_json(bulk_entity(plan, batch_id=batch_id, base=address))
    elif output in {Output.NDJSON, Output.NAME}:
        if output is Output.NAME:
            print_names(package.id for package in plan.accepted)
        else:
            for line in planned_lines(plan):
                print_json(line)
        if batch_id is not None or plan.remaining:
            print_sums(plan, batch_id=batch_id, err=True)
    else:
        print_tables(plan, names_accepted=not is_known, is_wide=output is Output.WIDE)
        print_sums(plan, batch_id=batch_id)


def print_tables(plan: BulkPlan, *, names_accepted: bool = True, is_wide: bool = False, err: bool = False) -> None:
    """Print the packages that go, and those that are refused."""
    if names_accepted:
        rows = [
            (str(one.id), str(one.project_id), one.package_type, one.name, one.version, one.files, Size(one.bytes))
            for one in plan.accepted
        ]
        print_some(_COLUMNS, rows, is_wide=is_wide, err=err)
    refused = [(str(package_id), refusal_text(refusal)) for package_id, refusal in plan.refused.items()]
    print_some(_REFUSALS, refused, is_wide=is_wide, err=err)


def print_sums(plan: BulkPlan, *, batch_id: UUID | None, err: bool = False) -> None:
    """Print how many packages go, and what their files add up to."""
    verb = "would delete" if batch_id is None else "deleting"
    sizes = f"{counted(plan.files, 'file')}, {decimal(plan.bytes)}"
    line = f"{verb} {counted(len(plan.accepted), 'package')}: {sizes}"
    if plan.refused:
        line += f"; {len(plan.refused):,} refused"
    if plan.remaining:
        line += f"; {plan.remaining:,} more match, which need another call"
    click.echo(line, err=err)
    if batch_id is not None and plan.accepted:
        click.echo(f"batch {batch_id}", err=err)
