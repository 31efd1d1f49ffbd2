"""A worker whose steps are taken one by one, so that anything can come between them."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

from service.context import Context
from service.deletions import destroying
from service.deletions.destroying import Failure, NextStep
from service.deletions.rows.accepting import Deletion
from service.deletions.rows.destroying import MarkedFile


def with_settings(context: Context, **settings: object) -> Context:
    """Return the context with other settings."""
    return replace(context, settings=context.settings.model_copy(update=settings))


class StepwiseWorker:
    """One claim of a worker: what it holds, which files it is about to destroy, and which it has to record."""

    def __init__(self) -> None:
        self.token = uuid4()
        self.owned: dict[UUID, Deletion] = {}
        self.untouched: set[UUID] = set()
        self.files: list[MarkedFile] = []
        self.removed: list[MarkedFile] = []

    async def claim(self, context: Context, *ids: UUID) -> set[UUID]:
        """Claim the deletions under the context's settings; return those that may be destroyed now."""
        settings = context.settings
        claimed = await destroying.claim(
            context.database,
            ids,
            token=self.token,
            lease=settings.lease,
            grace=settings.grace_period,
            max_attempts=settings.max_attempts,
        )
        self.owned |= claimed
        self.untouched -= claimed.keys()
        self.untouched |= {each for each, deletion in claimed.items() if deletion.removal_began_at is None}
        return set(claimed)

    async def look(self, context: Context, *, limit: int = 1_000) -> None:
        """Read which files come next."""
        self.files = await destroying.next_files(context.database, self.owned, token=self.token, limit=limit)
        self.untouched -= {file.deletion_id for file in self.files}

    async def remove(self, context: Context) -> None:
        """Remove the objects of the files that were read."""
        files, self.files = self.files, []
        if files:
            assert not await context.store.delete([file.storage_key for file in files])
        self.removed += files

    async def record(self, context: Context) -> dict[UUID, NextStep]:
        """Note that those objects are gone; return how what is still held stands."""
        files, self.removed = self.removed, []
        return await destroying.record_destroyed(
            context.database, self.owned, files, token=self.token, lease=context.settings.lease
        )

    async def prepare_chunk(self, context: Context, *, limit: int = 1_000) -> None:
        """Come as far as to have something to record."""
        await self.look(context, limit=limit)
        await self.remove(context)

    async def fail(self, context: Context, *, is_last_attempt: bool = False) -> None:
        """Report an error of this attempt; after one that is not the last, the next may begin at once."""
        failure = Failure("the store is away", pause=None if is_last_attempt else timedelta(0))
        await destroying.record_failures(
            context.database, dict.fromkeys(self.owned, failure), token=self.token, untouched=self.untouched
        )

    async def release(self, context: Context) -> None:
        """Give everything back."""
        await destroying.release(context.database, self.owned, token=self.token, untouched=self.untouched)

    async def renew(self, context: Context) -> int:
        """Renew the leases; return how many are still held."""
        return await destroying.renew(context.database, self.owned, token=self.token, lease=context.settings.lease)


async def try_claim(context: Context, deletion: Deletion) -> bool:
    """Let a fresh worker try to claim the deletion; tell whether it may destroy it now."""
    return await StepwiseWorker().claim(context, deletion.id) == {deletion.id}
