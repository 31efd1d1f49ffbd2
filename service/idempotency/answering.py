"""Answering a request once: a repetition with the same key gets the first answer again.

This follows the IETF's draft of the header field Idempotency-Key, version 07. Another request under the same key is
refused, and so is the same request while the first one runs. A refusal is not kept, since nothing was done.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from service.idempotency import rows as idempotency_rows
from service.idempotency.rows import RequestKey
from service.infra.postgres.database import Sessions, Within
from service.refusals import ConflictError, KeyReusedError


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer as a client gets it."""

    status: int
    media: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    """Those that say something about this answer, beside the body's own."""
    is_repeated: bool = False
    """It was given before, and nothing was done this time."""


async def answer_once(
    database: Sessions, key: RequestKey, act: Callable[[Sessions], Awaitable[StoredAnswer]]
) -> StoredAnswer:
    """Return what was answered under the key, or *act* and keep the answer, in one transaction.

    Raises:
        ConflictError: the request is under way.
        KeyReusedError: the key was used for another one.
    """
    async with database.transaction() as connection:
        if not await idempotency_rows.lock(connection, key):
            raise ConflictError("a request with this Idempotency-Key is under way")
        kept = await idempotency_rows.find(connection, key)
        if kept is not None and kept.request_digest != key.request_digest:
            raise KeyReusedError
        if kept is not None:
            return StoredAnswer(kept.status, kept.media, kept.body, kept.headers, is_repeated=True)
        answer = await act(Within(connection))
        await idempotency_rows.keep(
            connection, key, status=answer.status, media=answer.media, headers=answer.headers, body=answer.body
        )
    return answer
