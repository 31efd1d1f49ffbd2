"""`packyard deletions hold`, `lift` and `holds`: keeping projects and groups from being deleted."""

from dataclasses import asdict
from typing import Final

import click

from schemas.fields import Text
from service.deletions import holds
from service.deletions.holds import Place
from workers.cli.options import TEXT, validated
from workers.cli.outputs import Output, output_option, print_json, print_names
from workers.cli.run_use_case import run_use_case
from workers.cli.tables import Column, counted, print_table, written

_MOST_PRINTED: Final = 1_000
_COLUMNS: Final = (
    Column("on hold"),
    Column("is a", rank=1),
    Column("id", is_extra=True),
    Column("reason", is_text=True),
)
_FINISHING: Final = "a worker finishes its chunk of"


@click.command()
@click.argument("place", type=TEXT)
@click.option(
    "--reason", type=TEXT, required=True, help="The reason; shown to users who try to delete something there."
)
@click.option("--group", "is_group", is_flag=True, help="PLACE is a group, with everything below it.")
def hold(place: str, reason: str, *, is_group: bool) -> None:
    """Keep everything in PLACE (a project's path or number) from being deleted, until the hold is lifted."""
    report = _put(place, validated(Text, reason, name="--reason"), is_group=is_group)
    waiting = f"{counted(report.below.waiting, 'deletion')} {'waits' if report.below.waiting == 1 else 'wait'}"
    click.echo(f"{report.hold.path} is on hold: {waiting}; {_FINISHING} {report.below.under_way:,} of them")


@click.command()
@click.argument("place", type=TEXT)
@click.option("--group", "is_group", is_flag=True, help="PLACE is a group.")
def lift(place: str, *, is_group: bool) -> None:
    """Lift the hold on PLACE; what waited for that goes on, unless another hold stops it."""
    report = _put(place, None, is_group=is_group)
    path, waiting = report.hold.path, report.below.waiting - report.below.released
    if report.nearest is None:
        click.echo(f"{path} is not on hold any more: {counted(report.below.released, 'deletion')} can go on")
    else:
        click.echo(f"{path} has no hold of its own any more, but is below one: {written(report.nearest)}")
    if waiting:
        click.echo(f"{counted(waiting, 'deletion')} still on hold; `packyard deletions holds` lists what holds them")


@click.command("holds")
@output_option(json="Print JSON, one object a line.", name="their paths")
def list_holds(*, output: Output) -> None:
    """Print what is on hold, and why."""
    found = run_use_case(lambda context: holds.list_holds(context.database, limit=_MOST_PRINTED + 1))
    printed = found[:_MOST_PRINTED]
    if output is Output.JSON:
        for one in printed:
            print_json(asdict(one))
    elif output is Output.NAME:
        print_names(one.path for one in printed)
    else:
        rows = [(one.path, one.place, str(one.id), one.reason) for one in printed]
        print_table(_COLUMNS, rows, nothing="no holds", is_wide=output is Output.WIDE)
    if len(found) > _MOST_PRINTED:
        click.echo(f"there are more than these {_MOST_PRINTED:,}", err=True)


def _put(reference: str, reason: str | None, *, is_group: bool) -> holds.HoldReport:
    place = Place.GROUP if is_group else Place.PROJECT
    return run_use_case(
        lambda context: holds.put_on_hold(context.database, place, reference, reason=reason),
        missing=f"there is no {place} {reference}",
    )
