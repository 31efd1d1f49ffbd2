"""Rows of the secrets of webhooks, which are encrypted."""

import json
from collections.abc import Mapping
from typing import Final

import structlog

from service.infra.postgres.database import Connection, Database, execute, fetch, fetch_row
from service.infra.postgres.records import Record
from service.webhooks.secrets import PlainSecrets, SecretBox, UnreadableSecretError

_PORTION: Final = 500
_COLUMNS: Final = ("signing_token", "previous_signing_token", "token", "custom_headers")

log = structlog.get_logger()


async def store_secrets(
    connection: Connection, webhook_id: int, *, signing_token: str, token: str | None, custom_headers: str | None
) -> None:
    """Add the secrets of a new webhook, encrypted."""
    await execute(
        connection,
        "insert_webhook_secrets",
        webhook_id=webhook_id,
        signing_token=signing_token,
        token=token,
        custom_headers=custom_headers,
    )


async def change_secrets(connection: Connection, webhook_id: int, encrypted: Mapping[str, str | None]) -> None:
    """Change those secrets; the signing token that is replaced signs beside the new one for a day."""
    await execute(
        connection,
        "change_webhook_secrets",
        webhook_id=webhook_id,
        signing_token=encrypted.get("signing_token"),
        token=encrypted.get("token"),
        sets_token="token" in encrypted,
        custom_headers=encrypted.get("custom_headers"),
        sets_headers="custom_headers" in encrypted,
    )


async def read_secrets(connection: Connection, webhook_id: int, box: SecretBox) -> PlainSecrets:
    """Return the secrets of a webhook.

    Raises:
        UnreadableSecretError: no key decrypts them.
    """
    row = await fetch_row(connection, "webhook_secrets", webhook_id=webhook_id)
    if row is None:
        return PlainSecrets(())
    encrypted = (row["signing_token"], row["previous_signing_token"])
    return PlainSecrets(
        tuple(box.decrypt(token) for token in encrypted if token is not None),
        None if row["token"] is None else box.decrypt(row["token"]),
        {} if row["custom_headers"] is None else json.loads(box.decrypt(row["custom_headers"])),
    )


async def has_token(connection: Connection, webhook_ids: list[int]) -> set[int]:
    """Return those of the webhooks that have a token."""
    return {row["webhook_id"] for row in await fetch(connection, "webhooks_with_token", ids=webhook_ids)}


async def renew_secrets(database: Database, box: SecretBox) -> int:
    """Encrypt all secrets with the first key; return how many webhooks had some of an older one."""
    after, renewed, read = 0, 0, _PORTION
    while read == _PORTION:
        async with database.connection() as connection:
            found = await fetch(connection, "secrets_to_renew", after=after, limit=_PORTION)
            for row in found:
                after = row["webhook_id"]
                try:
                    changed = {name: box.renewed(row[name]) for name in _COLUMNS if row[name] is not None}
                except UnreadableSecretError:
                    log.warning("webhook_secrets_unreadable", webhook_id=after)
                    continue
                if any(changed.values()):
                    renewed += await _renew(connection, row, {**row, **{k: v for k, v in changed.items() if v}})
        read = len(found)
    if renewed:
        log.info("webhook_secrets_renewed", webhooks=renewed)
    return renewed


async def _renew(connection: Connection, read: Record, renewed: Record) -> int:
    return await execute(
        connection,
        "renew_secrets",
        webhook_id=read["webhook_id"],
        signing_token=renewed["signing_token"],
        previous_signing_token=renewed["previous_signing_token"],
        token=renewed["token"],
        custom_headers=renewed["custom_headers"],
        read_signing_token=read["signing_token"],
        read_previous=read["previous_signing_token"],
        read_token=read["token"],
        read_headers=read["custom_headers"],
    )
