"""Rows of answers that a client may ask for again, by whom they were given and under which key."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from pydantic_core import to_json

from service.infra.postgres.database import Connection, execute, fetch, fetch_row
from service.infra.postgres.records import row_reader


@dataclass(frozen=True, slots=True)
class RequestKey:
    """The name that a client gives one of its requests."""

    caller: str
    key: str
    request_digest: bytes
    """SHA-256 of what was asked for."""


@dataclass(frozen=True, slots=True)
class StoredAnswerRow:
    """An answer as it was given, and to what."""

    request_digest: bytes
    status: int
    media: str
    headers: Mapping[str, str]
    body: bytes


_stored_answer: Final = row_reader(StoredAnswerRow)


async def lock(connection: Connection, key: RequestKey) -> bool:
    """Lock the key until the transaction ends; return False if another transaction has locked it."""
    (row,) = await fetch(connection, "lock_answer", caller=key.caller, key=key.key)
    return bool(row["is_ours"])


async def find(connection: Connection, key: RequestKey) -> StoredAnswerRow | None:
    """Return the answer that was given under the key."""
    record = await fetch_row(connection, "find_answer", caller=key.caller, key=key.key)
    return None if record is None else _stored_answer(record)


async def keep(
    connection: Connection, key: RequestKey, *, status: int, media: str, headers: Mapping[str, str], body: bytes
) -> None:
    """Keep an answer under a held key."""
    await execute(
        connection,
        "keep_answer",
        caller=key.caller,
        key=key.key,
        request_digest=key.request_digest,
        status=status,
        media=media,
        headers=to_json(headers).decode(),
        body=body,
    )


async def prune(connection: Connection, *, older_than: timedelta, limit: int) -> int:
    """Remove answers that were given longer ago than that; return how many."""
    return await execute(connection, "prune_answers", older_than=older_than, limit=limit)
