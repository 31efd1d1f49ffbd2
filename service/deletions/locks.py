"""The order of locks: deletions first, then packages, then files, each in the order of their ids.

Every transaction about deletions takes them so, therefore no two of them wait in a circle. A lock on a package also
protects the locks on its files.
"""

from collections.abc import Collection
from uuid import UUID

from service.infra.postgres.database import Connection, execute, fetch


async def lock_packages(connection: Connection, ids: Collection[UUID]) -> None:
    """Lock the packages of locked deletions until the transaction ends, before any of their files."""
    await fetch(connection, "lock_packages_of_deletions", ids=list(ids))


async def lock_waking(connection: Connection) -> None:
    """Let the lift of a hold and the scheduler that finds deletions under it come one after the other.

    This is a statement of its own, so the next one sees what was committed while we waited.
    """
    await execute(connection, "lock_waking")
