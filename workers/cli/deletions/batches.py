"""Batches on the command line: how far everything is that one call asked for, and undoing it."""

from collections.abc import Awaitable, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from schemas.http.deletion_resources import Batch
from service.context import Context
from service.deletions.undoing import restore
from service.deletions.undoing.restore import Restoration
from service.deletions.viewing import views
from service.deletions.viewing.entities import batch_entity, restoration_entity
from service.infra.postgres.database import Connection
from workers.cli.deletions.output import print_batch, print_restoration
from workers.cli.deletions.snapshots import DeletionSnapshot, snapshot_of_batch
from workers.cli.deletions.watching import SOME_FAILED, STILL_RUNNING, watch
from workers.cli.outputs import Output, print_json, print_names
from workers.cli.run_use_case import ACTOR, run_use_case

_MISSING: Final = "there is no deletion of such a batch"
_MOST_HOLDS: Final = 10


def show_batch(batch_id: UUID, *, is_watched: bool = False, within: timedelta | None = None, output: Output) -> int:
    """Print how far a batch is; watched, once it has ended. Return the exit status, that of the watching."""

    async def find(context: Context) -> tuple[Batch, Sequence[str]]:
        async with context.database.connection() as connection:
            return await _find(connection, batch_id)

    async def read_snapshot(connection: Connection) -> DeletionSnapshot:
        return snapshot_of_batch(*(await _find(connection, batch_id)))

    status = watch(read_snapshot, within=within, missing=_MISSING) if is_watched else 0
    if status != STILL_RUNNING:
        print_batch(*run_use_case(find, missing=_MISSING), output)
    return status


def restore_batch(batch_id: UUID, *, output: Output) -> int:
    """Undo each deletion of a batch that can be undone, print the results, and return the exit status."""

    def undo(context: Context) -> Awaitable[Restoration]:
        return restore.restore_batch(context.deletions, batch_id, actor=ACTOR, project_ids=None)

    restoration = run_use_case(undo, missing=_MISSING)
    if output is Output.JSON:
        print_json(restoration_entity(restoration, batch_id=batch_id))
    elif output is Output.NAME:
        print_names(deletion.id for deletion in restoration.restored)
    else:
        print_restoration(restoration, is_wide=output is Output.WIDE)
    return SOME_FAILED if restoration.refused else 0


async def _find(connection: Connection, batch_id: UUID) -> tuple[Batch, Sequence[str]]:
    parts = await views.progress_of(connection, batch_id, project_ids=None)
    holds = await views.holds_on(connection, batch_id, limit=_MOST_HOLDS)
    return batch_entity(parts, batch_id=batch_id, base="", place=None), holds
