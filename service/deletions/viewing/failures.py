"""Failed deletions together: grouped by the kind of their error, and tried again in one act."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from schemas.names import AccessLevel
from service.deletions.deletion import Deletions
from service.deletions.undoing.acts import Actor, DeletionChange
from service.deletions.undoing.requeue import retry
from service.infra.postgres.database import Connection, fetch
from service.infra.postgres.records import row_reader
from service.refusals import RefusedError

RETRIED_TOGETHER: Final = 500
"""How many deletions one act tries again at most."""

_COUNTED: Final = 10_000
_GROUPS: Final = 20


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Failed deletions with the same kind of error."""

    kind: str
    """The text of the error before the first colon, which every reader may see."""
    deletions: int


@dataclass(frozen=True, slots=True)
class FailedDeletion:
    """A failed deletion, and its project."""

    id: UUID
    project_id: int


@dataclass(frozen=True, slots=True)
class Retried:
    """The result of trying deletions again: how many began anew, and why others did not."""

    changed: int
    refused: Sequence[str]


_read_group: Final = row_reader(FailureGroup)
_read_failed: Final = row_reader(FailedDeletion)


async def failures_of(
    connection: Connection, project_ids: Collection[int], *, batch_id: UUID | None = None
) -> Sequence[FailureGroup]:
    """Return the failed deletions of these projects by the kind of their error, the most frequent first."""
    rows = await fetch(
        connection,
        "group_failures",
        project_ids=list(project_ids),
        batch_id=batch_id,
        counted=_COUNTED,
        limit=_GROUPS,
    )
    return [_read_group(row) for row in rows]


async def failed_of(
    connection: Connection, project_ids: Collection[int], *, batch_id: UUID | None, kind: str | None
) -> Sequence[FailedDeletion]:
    """Return failed deletions of these projects, of one batch or with one kind of error; at most `RETRIED_TOGETHER`."""
    rows = await fetch(
        connection,
        "failed_deletions",
        project_ids=list(project_ids),
        batch_id=batch_id,
        kind=kind,
        limit=RETRIED_TOGETHER,
    )
    return [_read_failed(row) for row in rows]


async def retry_all(
    deletions: Deletions, failed: Sequence[FailedDeletion], *, actor: Actor, levels: Mapping[int, AccessLevel]
) -> Retried:
    """Begin these deletions anew, each in a transaction of its own; protection is judged against the actor's level."""
    changed = 0
    refused: list[str] = []
    for deletion in failed:
        change = DeletionChange(deletion.id, actor, deletion.project_id, levels[deletion.project_id])
        try:
            await retry(deletions, change)
            changed += 1
        except RefusedError as error:
            refused.append(next(iter(error.body().values())))
    return Retried(changed, refused)
