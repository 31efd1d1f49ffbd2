"""How deletions and batches of them are printed: as tables for people, as names, or as JSON as the API has it."""

from collections.abc import Sequence
from typing import Final

import click
from rich.filesize import decimal

from schemas.http.deletion_resources import Act, Batch, DeletionResource, Requester
from schemas.names import AccessLevel
from service.deletions.undoing.restore import Restoration
from service.deletions.viewing.entities import deletion_entity
from service.deletions.viewing.views import DeletionDetails
from service.settings import Settings
from workers.cli.outputs import Output, print_json, print_names
from workers.cli.tables import Column, Size, counted, print_fields, print_table

MOST_PRINTED: Final = 50
"""How many rows of one kind a table has; JSON has them all."""

_COLUMNS: Final = (
    Column("deletion"),
    Column("package", is_text=True),
    Column("state"),
    Column("requested", rank=1),
    Column("files", rank=3, is_number=True),
    Column("size", rank=4, is_number=True),
    Column("attempts", rank=5, is_number=True),
    Column("last error", rank=2, is_text=True),
    Column("hold", is_extra=True),
    Column("project", is_extra=True),
    Column("type", is_extra=True),
    Column("by", is_extra=True),
    Column("reason", is_extra=True),
    Column("finished", is_extra=True),
    Column("batch", is_extra=True),
)
_ACTS: Final = (
    Column("when"),
    Column("who", is_text=True),
    Column("did what"),
    Column("with", rank=1),
    Column("reason", is_text=True),
)
_STATES: Final = (Column("state"), Column("deletions", is_number=True))
_REFUSALS: Final = (Column("deletion"), Column("refused because", is_text=True))


def resource(view: DeletionDetails, settings: Settings) -> DeletionResource:
    """Return a deletion just as the API has it for an admin; without EXTERNAL_URL, its links are paths."""
    base = str(settings.external_url or "").rstrip("/")
    return deletion_entity(view, base=base, level=AccessLevel.ADMIN)


def print_deletions(deletions: Sequence[DeletionResource], output: Output) -> None:
    """Print a list of deletions."""
    if output is Output.NAME:
        print_names(deletion.id for deletion in deletions)
    elif output is Output.JSON:
        for deletion in deletions:
            print_json(deletion)
    else:
        rows = [_cells(deletion) for deletion in deletions]
        print_table(_COLUMNS, rows, nothing="no deletions", is_wide=output is Output.WIDE)


def print_deletion(deletion: DeletionResource, output: Output) -> None:
    """Print one deletion, with who asked what of it when, and with which kind of credential."""
    if not output.is_for_people:
        print_deletions([deletion], output)
        return
    package, is_wide = deletion.package, output is Output.WIDE
    values = {
        "deletion": deletion.id,
        "batch": deletion.batch_id,
        "project": str(deletion.project_id),
        "package": f"{_name(deletion)} ({package.type}, {package.id})",
        "file": deletion.file_name,
        "state": deletion.state,
        "hold": deletion.hold,
        "files": f"{deletion.files_done:,} of {deletion.files_total:,} gone",
        "size": _gone(deletion.bytes_done, deletion.bytes_total, is_wide=is_wide),
        "attempts": deletion.attempts,
        "last error": deletion.last_error,
        "destroy after": deletion.destroy_after,
        "finished": deletion.finished_at,
        "restored as": deletion.restored_as,
        "cause": deletion.cause,
        "lane": deletion.lane,
    }
    print_fields(values, is_wide=is_wide)
    click.echo()
    print_table(_ACTS, _acts(deletion), nothing="nobody acted", is_wide=is_wide)


def print_batch(batch: Batch, holds: Sequence[str], output: Output) -> None:
    """Print how far a batch is, and what keeps it from going on."""
    if output is Output.JSON:
        # The search is not limited to one place, so it has no address: the API's are below a project or group.
        print_json(batch.model_dump(mode="json", exclude={"links"}))
        return
    if output is Output.NAME:
        print_names([batch.id])
        return
    is_wide = output is Output.WIDE
    values = {
        "batch": batch.id,
        "reason": batch.reason,
        "hold": "; ".join(holds) or None,
        "files": f"{batch.files_done:,} of {batch.files_total:,} gone",
        "size": _gone(batch.bytes_done, batch.bytes_total, is_wide=is_wide),
        "requested": batch.requested_at,
        "finished": batch.finished_at,
    }
    print_fields(values, is_wide=is_wide)
    click.echo()
    print_table(_STATES, list(batch.states.items()), nothing="no deletions", is_wide=is_wide)


def print_restoration(restoration: Restoration, *, is_wide: bool) -> None:
    """Print what became of a batch that was to be undone."""
    restored, refused = counted(len(restoration.restored), "deletion"), restoration.refused
    click.echo(f"restored {restored}" + (f", {len(refused):,} refused" if refused else ""))
    print_some(_REFUSALS, list(refused.items()), is_wide=is_wide)


def print_some(
    columns: Sequence[Column], rows: Sequence[Sequence[object]], *, is_wide: bool = False, err: bool = False
) -> None:
    """Print a table of the first rows, and how many more there are; nothing where there is none."""
    if not rows:
        return
    print_table(columns, rows[:MOST_PRINTED], nothing="", is_wide=is_wide, err=err)
    if len(rows) > MOST_PRINTED:
        click.echo(f"and {len(rows) - MOST_PRINTED:,} more", err=err)


def _acts(deletion: DeletionResource) -> list[tuple[object, ...]]:
    asked = (deletion.requested_at, _who(deletion.requested_by), "delete", deletion.credential, deletion.reason)
    return [asked, *map(_act, deletion.acts)]


def _act(act: Act) -> tuple[object, ...]:
    return act.acted_at, _who(act.by), act.action, act.credential, None


def _who(person: Requester | None) -> str:
    return "-" if person is None else person.username


def _gone(done: int, total: int, *, is_wide: bool) -> str:
    if is_wide:
        return f"{done:,} of {total:,} bytes gone"
    return f"{decimal(done)} of {decimal(total)} gone"


def _name(deletion: DeletionResource) -> str:
    return f"{deletion.package.name} {deletion.package.version or ''}".strip()


def _cells(deletion: DeletionResource) -> list[object]:
    name = _name(deletion)
    return [
        deletion.id,
        f"{name} / {deletion.file_name}" if deletion.file_name else name,
        deletion.state,
        deletion.requested_at,
        f"{deletion.files_done:,}/{deletion.files_total:,}",
        Size(deletion.bytes_total),
        deletion.attempts,
        deletion.last_error,
        deletion.hold,
        str(deletion.project_id),
        deletion.package.type,
        _who(deletion.requested_by),
        deletion.reason,
        deletion.finished_at,
        deletion.batch_id,
    ]
