"""`packyard deletions`: looking at deletions, undoing and repeating them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict, fields
from typing import Any, Final, TypeVar
from uuid import UUID

import click
from pydantic_core import to_json
from rich.console import Console
from rich.table import Table

from schemas.names import AccessLevel, Credential
from schemas.statuses import DeletionState
from service import deletions as use_cases
from service import holds, second_thoughts
from service.context import Context, open_context
from service.errors import NotFoundError, RefusedError, StartError
from service.infra.deletion_rows import Deletion
from service.infra.hold_rows import Place
from service.infra.second_thought_rows import Actor
from workers.cli.options import command_settings

_ACTOR: Final = Actor(user_id=None, credential=Credential.COMMAND_LINE)
_MOST_HOLDS: Final = 1_000
_Result = TypeVar("_Result")


@click.group()
def deletions() -> None:
    """Look at deletions, undo them, try them again."""


@deletions.command("list")
@click.option("--state", type=click.Choice(list(DeletionState)), help="Only those in this state.")
@click.option("--project", "project_id", type=int, help="Only those of the project with this id.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True, help="How many at most.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")
def list_deletions(state: DeletionState | None, project_id: int | None, limit: int, *, as_json: bool) -> None:
    """Print deletions, newest first."""
    found = _with_context(
        lambda context: use_cases.newest(
            context.database, state=DeletionState(state) if state else None, project_id=project_id, limit=limit
        )
    )
    if as_json:
        for deletion in found:
            click.echo(to_json(asdict(deletion)).decode())
        return
    table = Table("deletion", "package", "state", "files", "bytes", "attempts", "requested at", "last error")
    for deletion in found:
        table.add_row(*_cells(deletion))
    Console(width=None if Console().is_terminal else 200).print(table)


@deletions.command()
@click.argument("deletion_id", type=click.UUID)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(deletion_id: UUID, *, as_json: bool) -> None:
    """Print one deletion."""
    _print(_with_context(lambda context: use_cases.find(context.database, deletion_id)), as_json=as_json)


@deletions.command()
@click.argument("deletion_id", type=click.UUID)
@click.option("--rename-to", metavar="VERSION", help="Come back as this version, when its own was published again.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def restore(deletion_id: UUID, rename_to: str | None, *, as_json: bool) -> None:
    """Undo a deletion whose bytes are still there."""

    def undo(context: Context) -> Awaitable[Deletion]:
        return second_thoughts.restore(context.database, deletion_id, actor=_ACTOR, rename_to=rename_to)

    _print(_with_context(undo), as_json=as_json)


@deletions.command("destroy-now")
@click.argument("deletion_id", type=click.UUID)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def destroy_now(deletion_id: UUID, *, as_json: bool) -> None:
    """End the grace of a deletion early."""

    def end_grace(context: Context) -> Awaitable[Deletion]:
        resend = context.settings.resend
        return second_thoughts.destroy_now(context.database, deletion_id, actor=_ACTOR, resend=resend)

    _print(_with_context(end_grace), as_json=as_json)


@deletions.command()
@click.argument("deletion_id", type=click.UUID)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def retry(deletion_id: UUID, *, as_json: bool) -> None:
    """Try a failed deletion again, with all its attempts."""

    def again(context: Context) -> Awaitable[Deletion]:
        return second_thoughts.retry(
            context.database,
            deletion_id,
            level=AccessLevel.ADMIN,
            actor=_ACTOR,
            resend=context.settings.resend,
        )

    _print(_with_context(again), as_json=as_json)


@deletions.command()
@click.argument("place")
@click.option("--reason", required=True, help="Why; told to whoever tries to delete something there.")
@click.option("--group", "is_group", is_flag=True, help="PLACE is a group, with everything below it.")
def hold(place: str, reason: str, *, is_group: bool) -> None:
    """Keep everything in PLACE (a project's path or number) from being deleted, until the hold is lifted."""
    report = _hold(place, reason, is_group=is_group)
    click.echo(f"{report.hold.path} is on hold: {report.waiting} deletions wait, {report.under_way} finish a chunk")


@deletions.command()
@click.argument("place")
@click.option("--group", "is_group", is_flag=True, help="PLACE is a group.")
def lift(place: str, *, is_group: bool) -> None:
    """Lift the hold on PLACE; what waited for that goes on."""
    report = _hold(place, None, is_group=is_group)
    click.echo(f"{report.hold.path} is not on hold any more: {report.waiting} deletions go on")


@deletions.command("holds")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")
def list_holds(*, as_json: bool) -> None:
    """Print what is on hold, and why."""
    found = _with_context(lambda context: holds.list_holds(context.database, limit=_MOST_HOLDS))
    if as_json:
        for one in found:
            click.echo(to_json(asdict(one)).decode())
        return
    table = Table("on hold", "is a", "reason")
    for one in found:
        table.add_row(one.path, one.place, one.reason or "")
    Console(width=None if Console().is_terminal else 200).print(table)


def _hold(reference: str, reason: str | None, *, is_group: bool) -> holds.HoldReport:
    place = Place.GROUP if is_group else Place.PROJECT
    missing = f"there is no {place} {reference}"
    return _with_context(
        lambda context: holds.put_on_hold(context.database, place, reference, reason=reason), missing=missing
    )


def _with_context(
    use_case: Callable[[Context], Awaitable[_Result]], *, missing: str = "there is no such deletion"
) -> _Result:
    settings = command_settings()

    async def run() -> _Result:
        async with open_context(settings, connections=1) as context:
            return await use_case(context)

    try:
        return asyncio.run(run())
    except NotFoundError:
        raise StartError(missing) from None
    except RefusedError as error:
        raise StartError(str(error) or error.text) from None


def _cells(deletion: Deletion) -> list[str]:
    name = f"{deletion.package_name} {deletion.package_version or ''}".strip()
    return [
        str(deletion.id),
        f"{name} / {deletion.file_name}" if deletion.file_name else name,
        deletion.state,
        f"{deletion.files_done}/{deletion.files_total}",
        f"{deletion.bytes_done}/{deletion.bytes_total}",
        str(deletion.attempts),
        deletion.requested_at.isoformat(timespec="seconds"),
        deletion.last_error or "",
    ]


def _print(deletion: Deletion, *, as_json: bool) -> None:
    values: dict[str, Any] = asdict(deletion)
    if as_json:
        click.echo(to_json(values).decode())
        return
    for column in fields(deletion):
        value = values[column.name]
        click.echo(f"{column.name:18} {'-' if value is None else value}")
