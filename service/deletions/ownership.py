"""Claims: which worker owns a deletion, and whether a byte of it may be gone.

`docs/explanation/deletion.md` explains `removal_began_at` and the untouched claim.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from service.deletions.deletion import Deletion, Deletions
from service.infra.postgres.database import Connection, execute, fetch
from service.infra.postgres.repeating import repeated


@dataclass(slots=True)
class Claims:
    """The deletions that a worker claimed under one token."""

    token: UUID = field(default_factory=uuid4)
    owned: dict[UUID, Deletion] = field(default_factory=dict)
    untouched: set[UUID] = field(default_factory=set)
    """Those of which no object can have been removed, in this attempt or before."""


async def lock_owned(connection: Connection, claims: Claims, ids: Collection[UUID]) -> dict[UUID, bool]:
    """Lock those that are still owned, with their packages; return whether a hold stops each of them."""
    rows = await fetch(connection, "lock_claims", ids=list(ids), claim=claims.token)
    return {row["id"]: row["hold"] is not None for row in rows}


@repeated
async def renew(deletions: Deletions, claims: Claims) -> int:
    """Renew the leases of what is still owned; return how many."""
    async with deletions.database.connection() as connection:
        return await execute(
            connection, "renew_claims", ids=list(claims.owned), claim=claims.token, lease=deletions.lease
        )


@repeated
async def release(deletions: Deletions, claims: Claims, ids: Collection[UUID]) -> None:
    """Give back what is still owned, without counting it as an attempt; another worker may continue immediately."""
    async with deletions.database.connection() as connection:
        await execute(connection, "release_claims", ids=list(ids), claim=claims.token, untouched=list(claims.untouched))
