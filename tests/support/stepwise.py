"""The phases of a worker, called one by one, so that anything can come between them."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import UUID

from service.context import Context
from service.deletions.chunk import MarkedFile, next_files, record_removed
from service.deletions.claim import claim
from service.deletions.deletion import Deletion
from service.deletions.outcome import AttemptOutcome, Failure, record_failures
from service.deletions.ownership import Claims, release, renew

_LEASE = timedelta(seconds=60)


def with_settings(context: Context, **settings: object) -> Context:
    """Return the context with other settings."""
    return replace(context, settings=context.settings.model_copy(update=settings))


@dataclass(slots=True)
class Worker(Claims):
    """The claims of a worker between two phases, the files that it removes next, and those that it has to record."""

    files: list[MarkedFile] = field(default_factory=list)
    removed: list[MarkedFile] = field(default_factory=list)

    async def claim(self, context: Context, *ids: UUID) -> set[UUID]:
        """Claim the deletions under the context's settings; return those that may be destroyed now."""
        return await claim(context.deletions, self, ids)

    async def look(self, context: Context, *, limit: int = 1_000) -> None:
        """Read which files come next."""
        self.files = await next_files(context.deletions, self, limit=limit)

    async def remove(self, context: Context) -> None:
        """Remove the objects of the files that were read."""
        files, self.files = self.files, []
        if files:
            assert not await context.store.delete([file.storage_key for file in files])
        self.removed += files

    async def record(self, context: Context) -> dict[UUID, AttemptOutcome]:
        """Note that those objects are gone; return what does not continue."""
        files, self.removed = self.removed, []
        return await record_removed(context.deletions, self, files)

    async def prepare_chunk(self, context: Context, *, limit: int = 1_000) -> None:
        """Claim and remove, so that there is something to record."""
        await self.look(context, limit=limit)
        await self.remove(context)

    async def fail(self, context: Context, *, is_last_attempt: bool = False) -> None:
        """Report an error of this attempt; after one that is not the last, the next may begin immediately."""
        failure = Failure("the store is away", pause=None if is_last_attempt else timedelta(0))
        await record_failures(context.deletions, self, dict.fromkeys(self.owned, failure))

    async def release(self, context: Context) -> None:
        """Give everything back."""
        await release(context.deletions, self, self.owned)

    async def renew(self, context: Context) -> int:
        """Renew the leases; return how many are still owned."""
        return await renew(context.deletions, self)


async def claimed(
    context: Context, deletion: Deletion, *, lease: timedelta = _LEASE, worker: Worker | None = None
) -> Worker:
    """Let the worker, a fresh one if none is given, claim the deletion for *lease*; return it."""
    worker = worker or Worker()
    await worker.claim(with_settings(context, lease=lease), deletion.id)
    return worker


async def try_claim(context: Context, deletion: Deletion) -> bool:
    """Let a fresh worker try to claim the deletion; return whether it may destroy it now."""
    return await Worker().claim(context, deletion.id) == {deletion.id}


async def destroy(context: Context, deletion_id: UUID) -> None:
    """Carry out an accepted deletion to its end, as a worker does."""
    worker = Worker()
    await worker.claim(context, deletion_id)
    await worker.prepare_chunk(context)
    await worker.record(context)
