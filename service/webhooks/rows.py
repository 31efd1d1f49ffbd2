"""Rows of webhooks and of their secrets."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from schemas.webhooks import ContentMode
from service.infra.postgres.database import Connection, execute, fetch, fetch_row
from service.infra.postgres.queries import whole_row
from service.infra.postgres.records import row_reader


class DisabledReason(StrEnum):
    """Why nothing is sent to a webhook any more."""

    GONE = "gone"
    """The receiver answered 410."""
    FAILURES = "failures"
    """For three days, nothing but failures."""


@dataclass(frozen=True, slots=True)
class WebhookPlace:
    """The project or the group that has a webhook."""

    project_id: int | None = None
    group_id: int | None = None


@whole_row("webhook")
@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook: what to send where, and how far it is."""

    id: int
    project_id: int | None
    group_id: int | None
    name: str | None
    description: str | None
    url: str
    package_events: bool
    types: tuple[str, ...] | None
    """None: all types."""
    content_mode: ContentMode
    is_ordered: bool
    verifies_tls: bool
    custom_header_names: tuple[str, ...]
    created_at: datetime
    position: int
    """The number of the last event that it is done with."""
    wanted: int
    """The number of the newest event for it."""
    not_before: datetime
    lease_token: UUID | None
    failing_since: datetime | None
    failures: int
    last_delivered_at: datetime | None
    disabled_at: datetime | None
    disabled_reason: DisabledReason | None


_webhook: Final = row_reader(Webhook)


async def list_webhooks(connection: Connection, place: WebhookPlace, *, limit: int, offset: int) -> list[Webhook]:
    """Return some of the webhooks of a project or a group, in the order of their ids."""
    records = await fetch(
        connection,
        "list_webhooks",
        project_id=place.project_id,
        group_id=place.group_id,
        limit=limit,
        offset=offset,
    )
    return [_webhook(record) for record in records]


async def count_webhooks(connection: Connection, place: WebhookPlace) -> int:
    """Return how many webhooks a project or a group has."""
    (row,) = await fetch(connection, "count_webhooks", project_id=place.project_id, group_id=place.group_id)
    return int(row["webhooks"])


async def find_webhook(connection: Connection, place: WebhookPlace, webhook_id: int) -> Webhook | None:
    """Return the webhook of a project or a group with that id."""
    record = await fetch_row(
        connection, "find_webhook", project_id=place.project_id, group_id=place.group_id, id=webhook_id
    )
    return _webhook(record) if record else None


async def insert_webhook(connection: Connection, place: WebhookPlace, values: Mapping[str, object]) -> Webhook:
    """Add a webhook that begins with the next event; *values* has its columns, besides those with a default."""
    record = await fetch_row(
        connection, "insert_webhook", project_id=place.project_id, group_id=place.group_id, values=json.dumps(values)
    )
    if record is None:
        raise LookupError("an INSERT returns its row")
    return _webhook(record)


async def update_webhook(connection: Connection, webhook_id: int, values: Mapping[str, object]) -> Webhook | None:
    """Change the columns that *values* has."""
    record = await fetch_row(connection, "update_webhook", id=webhook_id, values=json.dumps(values))
    return _webhook(record) if record else None


async def delete_webhook(connection: Connection, webhook_id: int) -> bool:
    """Delete a webhook with all of its deliveries; return whether it was there."""
    return await execute(connection, "delete_webhook", id=webhook_id) > 0


async def instance_id(connection: Connection) -> UUID:
    """Return the id of this instance."""
    (row,) = await fetch(connection, "instance_of_webhooks")
    found: UUID = row["id"]
    return found
