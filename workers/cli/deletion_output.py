"""How deletions and batches of them are printed: as tables for people, or as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import click
from pydantic import BaseModel
from pydantic_core import to_json

from schemas.deletion_resources import Batch
from schemas.statuses import DeletionState
from service.infra.database import Record
from service.infra.deletion_rows import Deletion, read
from service.second_thoughts import Restoration
from workers.cli.tables import counted, print_fields, print_table

MOST_SHOWN: Final = 50
"""How many rows of one kind a table has; JSON has them all."""

_COLUMNS: Final = ("deletion", "package", "state", "files", "bytes", "attempts", "requested at", "last error")


def print_json(value: object) -> None:
    """Print a value, or a resource as the API has it but for its links, as one line of JSON."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"links"})
    click.echo(to_json(value).decode())


def deletion_values(row: Record) -> dict[str, Any]:
    """Return what JSON tells of a deletion: its row, who asked for it, what holds it, and who acted on it since."""
    more = {"requested_by_username": row["username"], "hold": row["hold"], "acts": row["acts"] or []}
    return {**asdict(read(row)), **more}


def print_deletions(rows: Sequence[Record]) -> None:
    """Print a table of deletions."""
    print_table(_COLUMNS, (_cells(read(row)) for row in rows), numbers=("files", "bytes", "attempts"))


def print_deletion(row: Record, *, as_json: bool) -> None:
    """Print one deletion, with who asked what of it when, and with which kind of credential."""
    if as_json:
        print_json(deletion_values(row))
        return
    deletion = read(row)
    print_fields(
        {
            "deletion": deletion.id,
            "batch": deletion.batch_id,
            "project": str(deletion.project_id),
            "package": f"{_name(deletion)} ({deletion.package_type}, {deletion.package_id})",
            "file": deletion.file_name,
            "state": deletion.state,
            "hold": row["hold"],
            "files": f"{deletion.files_done:,} of {deletion.files_total:,} gone",
            "bytes": f"{deletion.bytes_done:,} of {deletion.bytes_total:,} gone",
            "attempts": deletion.attempts,
            "last error": deletion.last_error,
            "destroy after": deletion.not_before if deletion.state is DeletionState.GRACE else None,
            "finished at": deletion.finished_at,
            "restored as": deletion.restored_as,
            "cause": deletion.cause,
            "lane": deletion.lane,
        }
    )
    print_table(("when", "who", "did what", "with", "reason"), _acts(deletion, row))


def print_batch(batch: Batch, holds: Sequence[str], *, as_json: bool) -> None:
    """Print how far a batch is, and what keeps it from going on."""
    if as_json:
        print_json({**batch.model_dump(mode="json", exclude={"links"}), "holds": list(holds)})
        return
    print_fields(
        {
            "batch": batch.id,
            "reason": batch.reason,
            "hold": "; ".join(holds) or None,
            "files": f"{batch.files_done:,} of {batch.files_total:,} gone",
            "bytes": f"{batch.bytes_done:,} of {batch.bytes_total:,} gone",
            "requested at": batch.requested_at,
            "finished at": batch.finished_at,
        }
    )
    print_table(("state", "deletions"), batch.states.items(), numbers=("deletions",))


def print_restoration(restoration: Restoration) -> None:
    """Print what became of a batch that was to be undone."""
    restored, refused = counted(len(restoration.restored), "deletion"), restoration.refused
    click.echo(f"restored {restored}" + (f", {len(refused):,} refused" if refused else ""))
    print_some(("deletion", "refused because"), list(refused.items()))


def print_some(
    columns: Sequence[str], rows: Sequence[Sequence[object]], *, numbers: Sequence[str] = (), err: bool = False
) -> None:
    """Print a table of the first rows, and how many more there are; nothing where there is none."""
    if not rows:
        return
    print_table(columns, rows[:MOST_SHOWN], numbers=numbers, err=err)
    if len(rows) > MOST_SHOWN:
        click.echo(f"and {len(rows) - MOST_SHOWN:,} more", err=err)


def _acts(deletion: Deletion, row: Record) -> list[tuple[object, ...]]:
    asker = row["username"] or deletion.requested_by or "-"
    asked = (deletion.requested_at, asker, "delete", deletion.credential, deletion.reason)
    return [asked, *(_act(act) for act in row["acts"] or ())]


def _act(act: Mapping[str, Any]) -> tuple[object, ...]:
    return act["acted_at"], act["username"] or act["user_id"] or "-", act["action"], act["credential"], None


def _name(deletion: Deletion) -> str:
    return f"{deletion.package_name} {deletion.package_version or ''}".strip()


def _cells(deletion: Deletion) -> list[object]:
    name = _name(deletion)
    return [
        deletion.id,
        f"{name} / {deletion.file_name}" if deletion.file_name else name,
        deletion.state,
        f"{deletion.files_done:,}/{deletion.files_total:,}",
        f"{deletion.bytes_done:,}/{deletion.bytes_total:,}",
        deletion.attempts,
        deletion.requested_at,
        deletion.last_error,
    ]
