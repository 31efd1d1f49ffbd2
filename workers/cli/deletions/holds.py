"""`packyard deletions hold`, `lift` and `holds`: keeping projects and groups from being deleted."""

from dataclasses import asdict
from typing import Final

import click

from schemas.fields import Text
from service.access import access
from service.access.callers import OPERATOR
from service.context import Context
from service.deletions import holds
from service.deletions.holds import Place
from service.errors import StartError
from service.refusals import GroupNotFoundError, NotFoundError
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


@click.command()
@click.argument("place", type=TEXT)
@click.option(
    "--reason", type=TEXT, required=True, help="The reason; shown to users who try to delete something there."
)
@click.option("--group", "is_group", is_flag=True, help="PLACE is a group, with everything below it.")
def hold(place: str, reason: str, *, is_group: bool) -> None:
    """Keep a project or group from being deleted.

    PLACE is the path or number of a project, or of a group with --group. The hold lasts until `lift`.
    """
    report = _put(place, validated(Text, reason, name="--reason"), is_group=is_group)
    waiting = f"{counted(report.below.waiting, 'deletion')} {'waits' if report.below.waiting == 1 else 'wait'}"
    finishing = f"; a worker finishes its chunk of {report.below.under_way:,} of them" if report.below.under_way else ""
    click.echo(f"{report.hold.path} is on hold: {waiting}{finishing}")


@click.command()
@click.argument("place", type=TEXT)
@click.option("--group", "is_group", is_flag=True, help="PLACE is a group.")
def lift(place: str, *, is_group: bool) -> None:
    """Lift the hold on a project or group.

    PLACE is the path or number of a project, or of a group with --group. Deletions that waited continue, unless
    another hold stops them.
    """
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

    async def put(context: Context) -> holds.HoldReport:
        try:
            return await holds.put_on_hold(context.database, place, reference, reason=reason)
        except NotFoundError:
            if not is_group:
                await _refuse_group(context, reference)
            raise

    return run_use_case(put, missing=f"there is no {place} {reference}")


async def _refuse_group(context: Context, reference: str) -> None:
    """Name the option that is missing, if *reference* is that of a group."""
    async with context.database.connection() as connection:
        try:
            await access.visible_group(connection, OPERATOR, reference)
        except GroupNotFoundError:
            return
    raise StartError(f"there is no project {reference}, but a group: add --group")
