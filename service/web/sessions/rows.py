"""The rows of sessions: only digests of what a cookie holds."""

from datetime import timedelta
from typing import Final

from service.access import rows as access_rows
from service.access.rows import Token
from service.digests import token_digest
from service.infra.postgres.database import Connection, execute, fetch, fetch_row

IDLE: Final = timedelta(hours=12)
"""A session that is not used for this long has ended."""
LONGEST: Final = timedelta(days=30)
"""How long a session lasts at most."""


async def open_session(connection: Connection, secret: str, *, user_id: int, token_id: int | None) -> None:
    """Add a session; one without a token was opened by a proxy."""
    await execute(connection, "open_web_session", digest=token_digest(secret), user_id=user_id, token_id=token_id)


async def find_session(connection: Connection, secret: str) -> tuple[Token, bool] | None:
    """Return the token of the session, and whether the use of the session should be noted again."""
    row = await fetch_row(connection, "find_web_session", digest=token_digest(secret), idle=IDLE, longest=LONGEST)
    return None if row is None else (access_rows.read_token(row), bool(row["is_stale"]))


async def note_use(connection: Connection, secret: str) -> None:
    """Note that the session is used now."""
    await execute(connection, "note_web_session", digest=token_digest(secret))


async def close_session(connection: Connection, secret: str) -> None:
    """Remove the session."""
    await execute(connection, "close_web_session", digest=token_digest(secret))


async def close_sessions_of(connection: Connection, user_id: int) -> None:
    """Remove every session of a user."""
    await execute(connection, "close_web_sessions_of_user", user_id=user_id)


async def prune_sessions(connection: Connection, *, limit: int) -> int:
    """Remove at most *limit* sessions that have ended; return how many."""
    (row,) = await fetch(connection, "prune_web_sessions", idle=IDLE, longest=LONGEST, limit=limit)
    pruned: int = row["pruned"]
    return pruned


async def form_key(connection: Connection) -> bytes:
    """Return the key that signs forms of callers without a session; every process has the same."""
    (row,) = await fetch(connection, "find_web_key")
    key: bytes = row["key"]
    return key
