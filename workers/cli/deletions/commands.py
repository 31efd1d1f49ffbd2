"""`packyard deletions`: showing deletions, undoing and repeating them."""

import sys
from datetime import timedelta
from typing import Final
from uuid import UUID

import click

from schemas.http.bulk import Restore
from schemas.http.deletion_parameters import DeletionListing
from schemas.http.parameters import MAX_PER_PAGE
from schemas.names import PackageType
from schemas.statuses import DeletionState
from service.access import access
from service.access.callers import OPERATOR
from service.context import Context
from service.deletions.undoing import requeue
from service.deletions.undoing import restore as undoing
from service.deletions.undoing.acts import DeletionChange
from service.deletions.viewing import views
from service.deletions.viewing.views import DeletionDetails, DeletionPage
from service.infra.postgres.database import Connection
from workers.cli.deletions.batches import restore_batch, show_batch
from workers.cli.deletions.bulk_delete import bulk_delete
from workers.cli.deletions.holds import hold, lift, list_holds
from workers.cli.deletions.output import print_deletion, print_deletions, resource
from workers.cli.deletions.snapshots import DeletionSnapshot, snapshot_of_deletion
from workers.cli.deletions.watching import STILL_RUNNING, watch, watch_options
from workers.cli.options import TEXT, command_settings, one_of, validated
from workers.cli.outputs import Output, output_option
from workers.cli.run_use_case import ACTOR, find_group, find_project, run_use_case
from workers.cli.tables import counted, written

_ONE: Final = output_option(json="Print one JSON object, as the API answers.")
_ID: Final = click.argument("deletion_id", type=click.UUID)
_ID_OR_BATCH: Final = click.argument("deletion_id", type=click.UUID, required=False)
_BATCH: Final = "Instead of one deletion, all that one call asked for."


@click.group()
def deletions() -> None:
    """Show deletions, undo them, try them again; delete many packages together."""


for _command in (bulk_delete, hold, lift, list_holds):
    deletions.add_command(_command)


@deletions.command("list")
@click.option("--state", type=one_of(DeletionState), help="Only those in this state.")
@click.option("--project", type=TEXT, help="Only those in this project: a path or number.")
@click.option("--group", type=TEXT, help="Only those below this group: a path or number.")
@click.option("--package-type", "--type", type=one_of(PackageType), help="Only of packages of this type.")
@click.option("--package-name", "--name", type=TEXT, help="Only of names that contain all of these words.")
@click.option("--batch", "batch_id", type=click.UUID, help="Only those that one call asked for.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True, help="How many at most.")
@click.option("--cursor", type=TEXT, help="Continue after an earlier list, with the cursor that it printed.")
@output_option(json="Print JSON, one object a line, as the API answers.", name="their ids")
def list_deletions(
    *, project: str | None, group: str | None, limit: int, cursor: str | None, output: Output, **filters: object
) -> None:
    """Print deletions, newest first. Where there are more, standard error says how to go on."""
    if project and group:
        raise click.UsageError("--project and --group cannot go together")
    listing: DeletionListing = validated(DeletionListing, filters, name="the list")
    found = run_use_case(lambda context: _list(context, listing, project, group, limit=limit, cursor=cursor))
    settings = command_settings()
    print_deletions([resource(view, settings) for view in found.deletions], output)
    if found.next_cursor is not None:
        click.echo(f"there are more: --cursor {found.next_cursor}", err=True)


@deletions.command()
@_ID_OR_BATCH
@click.option("--batch", "batch_id", type=click.UUID, help=_BATCH)
@watch_options
@_ONE
def show(
    *, deletion_id: UUID | None, batch_id: UUID | None, is_watched: bool, within: timedelta | None, output: Output
) -> None:
    """Print one deletion, or how far a batch is.

    A deletion is printed with the person who asked for it, and each later act.
    """
    _require_one(deletion_id, batch_id)
    if deletion_id is not None:
        _show(deletion_id, is_watched=is_watched, within=within, output=output)
    if batch_id is not None:
        _exit(show_batch(batch_id, is_watched=is_watched, within=within, output=output))


@deletions.command()
@_ID_OR_BATCH
@click.option("--batch", "batch_id", type=click.UUID, help=_BATCH)
@click.option(
    "--rename-to", type=TEXT, metavar="VERSION", help="Come back as this version, when its own was published again."
)
@_ONE
def restore(*, deletion_id: UUID | None, batch_id: UUID | None, rename_to: str | None, output: Output) -> None:
    """Undo a deletion, or all of a batch that can be undone.

    Bytes that are gone cannot come back. The exit status is 1 if any deletion could not be undone.
    """
    _require_one(deletion_id, batch_id)
    if batch_id is not None and rename_to is not None:
        raise click.UsageError("--rename-to is for one deletion and cannot go with --batch")
    if deletion_id is not None:
        version = validated(Restore, {"rename_to": rename_to}, name="--rename-to").rename_to
        change = DeletionChange(deletion_id, ACTOR, rename_to=version)
        run_use_case(lambda context: undoing.restore(context.deletions, change))
        _show(deletion_id, output=output)
    if batch_id is not None:
        _exit(restore_batch(batch_id, output=output))


@deletions.command("destroy-now")
@_ID
@click.option("--yes", "-y", "is_sure", is_flag=True, help="Do not ask.")
@watch_options
@_ONE
def destroy_now(
    *, deletion_id: UUID, is_sure: bool, is_watched: bool, within: timedelta | None, output: Output
) -> None:
    """End the grace of a deletion early. At a terminal you are shown what goes, and asked."""
    if not is_sure and sys.stdin.isatty():
        _confirm_destruction(deletion_id)

    run_use_case(lambda context: requeue.destroy_now(context.deletions, DeletionChange(deletion_id, ACTOR)))
    _show(deletion_id, is_watched=is_watched, within=within, output=output)


@deletions.command()
@_ID
@watch_options
@_ONE
def retry(*, deletion_id: UUID, is_watched: bool, within: timedelta | None, output: Output) -> None:
    """Try a failed deletion again, with all its attempts."""
    run_use_case(lambda context: requeue.retry(context.deletions, DeletionChange(deletion_id, ACTOR)))
    _show(deletion_id, is_watched=is_watched, within=within, output=output)


async def _list(
    context: Context,
    listing: DeletionListing,
    project: str | None,
    group: str | None,
    *,
    limit: int,
    cursor: str | None,
) -> DeletionPage:
    found: list[DeletionDetails] = []
    async with context.database.connection() as connection:
        places = await _places(connection, project, group)
        while len(found) < limit:
            page = {"per_page": min(limit - len(found), MAX_PER_PAGE), "cursor": cursor}
            listed = await views.list_newest(connection, places, listing.model_copy(update=page))
            found += listed.deletions
            cursor = listed.next_cursor
            if cursor is None:
                break
    return DeletionPage(found, cursor)


async def _places(connection: Connection, project: str | None, group: str | None) -> list[int] | None:
    if project is not None:
        return [(await find_project(connection, project)).id]
    if group is not None:
        return list(await access.readable_projects(connection, OPERATOR, await find_group(connection, group)))
    return None


def _confirm_destruction(deletion_id: UUID) -> None:
    deletion = _find(deletion_id).deletion
    parts = (deletion.package_type, deletion.package_name, deletion.package_version)
    name = " ".join(written(part) for part in parts if part)
    sizes = f"{counted(deletion.files_total, 'file')}, {counted(deletion.bytes_total, 'byte')}"
    click.confirm(f"Destroy {name} ({sizes}), which cannot be undone then?", abort=True, err=True)


def _find(deletion_id: UUID) -> DeletionDetails:
    async def find(context: Context) -> DeletionDetails:
        async with context.database.connection() as connection:
            return await views.show(connection, None, deletion_id)

    return run_use_case(find)


def _show(deletion_id: UUID, *, is_watched: bool = False, within: timedelta | None = None, output: Output) -> None:
    async def read_snapshot(connection: Connection) -> DeletionSnapshot:
        return snapshot_of_deletion(await views.show(connection, None, deletion_id))

    status = watch(read_snapshot, within=within) if is_watched else 0
    if status != STILL_RUNNING:
        print_deletion(resource(_find(deletion_id), command_settings()), output)
    _exit(status)


def _exit(status: int) -> None:
    click.get_current_context().exit(status)


def _require_one(deletion_id: UUID | None, batch_id: UUID | None) -> None:
    if (deletion_id is None) == (batch_id is None):
        raise click.UsageError("give either the id of a deletion or --batch")
