"""Asking an anonymous client for its credentials, where they may show it more of a group."""

from service.access.callers import Caller
from service.access.rows import Group
from service.infra.postgres.database import Connection, fetch
from service.refusals import UnauthorizedError


async def ask_for_credentials(connection: Connection, caller: Caller, group: Group, *, is_found: bool) -> None:
    """Let a client that came without a credential come again with one, if it found nothing.

    Some clients ask anonymously first, and take a 404 for the last word.

    Raises:
        UnauthorizedError: the group has projects that not everybody can read.
    """
    if not is_found and caller.credential is None and await _has_closed_project(connection, group.id):
        raise UnauthorizedError


async def _has_closed_project(connection: Connection, group_id: int) -> bool:
    (row,) = await fetch(connection, "has_closed_project", group_id=group_id)
    return bool(row["is_so"])
