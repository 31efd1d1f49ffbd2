"""Adding, changing and testing webhooks, and having events sent again."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from schemas.messages.cloud_events import enveloped, published
from schemas.messages.webhook_events import WebhookTested
from schemas.webhooks import WebhookChange, WebhookSettings
from service.ids import new_id
from service.infra.egress.addresses import AllowedAddresses
from service.infra.egress.resolving import UrlNotAllowedError, check_url
from service.infra.postgres.database import Connection, conflicts
from service.refusals import ConflictError, NotFoundError, WebhookUrlRefusedError
from service.webhooks import deliveries, rows, secret_rows
from service.webhooks.deliveries import DeliveryKind, WebhookDelivery
from service.webhooks.events import tested
from service.webhooks.rows import Webhook, WebhookPlace
from service.webhooks.secrets import SecretBox, new_signing_token

MOST: Final = 100
"""How many webhooks a project or a group has at most."""
_TAKEN: Final = "another webhook has that name"
_PLAIN: Final = ("name", "description", "url", "package_events")


@dataclass(frozen=True, slots=True)
class NewWebhook:
    """A webhook that was added."""

    webhook: Webhook
    signing_token: str | None
    """Where we made it: it is shown this one time."""


async def require_allowed(url: str, allowed: AllowedAddresses) -> None:
    """Check that a webhook may go there. The name is resolved, which may take seconds: hold no connection for it.

    Raises:
        WebhookUrlRefusedError: it may not.
    """
    try:
        await check_url(url, allowed)
    except UrlNotAllowedError as error:
        raise WebhookUrlRefusedError(str(error)) from None


async def add(connection: Connection, place: WebhookPlace, given: WebhookSettings, box: SecretBox) -> NewWebhook:
    """Add a webhook, which begins with the next event. Call it in a transaction.

    Raises:
        SecretsNotKeptError: the instance has no key.
        ConflictError: the place has as many as it may, or another one has that name.
    """
    if await rows.count_webhooks(connection, place) >= MOST:
        raise ConflictError(f"there are {MOST} webhooks already")
    made = None if given.signing_token is not None else new_signing_token()
    secrets = _encrypted(given, box)
    signing_token = secrets.pop("signing_token", None) or box.encrypt(made or "")
    try:
        webhook = await rows.insert_webhook(connection, place, columns_of(given))
    except conflicts():
        raise ConflictError(_TAKEN) from None
    await secret_rows.store_secrets(
        connection,
        webhook.id,
        signing_token=signing_token,
        token=secrets.get("token"),
        custom_headers=secrets.get("custom_headers"),
    )
    return NewWebhook(webhook, made)


async def change(connection: Connection, webhook: Webhook, given: WebhookChange, box: SecretBox) -> Webhook:
    """Change what is given. Call it in a transaction.

    A new address gets no token and no headers of the old one, as in GitLab: its owner may not know them.

    Raises:
        SecretsNotKeptError: the instance has no key.
        ConflictError: another one has that name.
        NotFoundError: somebody has deleted it.
    """
    secrets = _encrypted(given, box)
    columns = columns_of(given)
    if given.url is not None and given.url != webhook.url:
        secrets = {"token": None, "custom_headers": None, **secrets}
        columns = {"custom_header_names": [], **columns}
    try:
        changed = await rows.update_webhook(connection, webhook.id, columns)
    except conflicts():
        raise ConflictError(_TAKEN) from None
    if changed is None:
        raise NotFoundError
    if secrets:
        await secret_rows.change_secrets(connection, webhook.id, secrets)
    return changed


async def test(connection: Connection, webhook: Webhook) -> WebhookDelivery:
    """Have an event sent to it that is about nothing but this webhook."""
    event_id = new_id()
    envelope = enveloped(tested(webhook, event_id), event_id=event_id, causation_id=event_id, now=datetime.now(UTC))
    instance_id = await rows.instance_id(connection)
    body = published(envelope.model_dump(mode="json"), instance_id=instance_id, sequence=webhook.position)
    return await deliveries.ask_for(
        connection,
        webhook.id,
        DeliveryKind.TEST,
        event_id=event_id,
        topic=WebhookTested.topic(),
        sequence=None,
        body=json.dumps(body),
    )


async def resend(connection: Connection, webhook: Webhook, delivery_id: int) -> WebhookDelivery:
    """Have the event of a delivery sent to it again, with the same id.

    Raises:
        NotFoundError: it has no such delivery.
    """
    earlier = await deliveries.find_delivery(connection, webhook.id, delivery_id)
    if earlier is None:
        raise NotFoundError
    return await deliveries.ask_for(
        connection,
        webhook.id,
        DeliveryKind.RESEND,
        event_id=earlier.event_id,
        topic=earlier.type,
        sequence=earlier.sequence,
        body=earlier.body,
    )


async def find(connection: Connection, place: WebhookPlace, webhook_id: int) -> Webhook:
    """Return the webhook of a place.

    Raises:
        NotFoundError: it has no such webhook.
    """
    webhook = await rows.find_webhook(connection, place, webhook_id)
    if webhook is None:
        raise NotFoundError
    return webhook


def columns_of(given: WebhookChange) -> dict[str, object]:
    """Return the columns that were given, as JSON has them."""
    columns: dict[str, object] = {name: getattr(given, name) for name in _PLAIN if name in given.model_fields_set}
    renamed = {
        "event_types": ("types", None if given.event_types is None else list(given.event_types)),
        "content_mode": ("content_mode", given.content_mode),
        "ordered": ("is_ordered", given.ordered),
        "enable_ssl_verification": ("verifies_tls", given.enable_ssl_verification),
        "custom_headers": ("custom_header_names", [header.key for header in given.custom_headers or ()]),
    }
    return columns | {column: value for name, (column, value) in renamed.items() if name in given.model_fields_set}


def _encrypted(given: WebhookChange, box: SecretBox) -> dict[str, str | None]:
    """Return the secrets that were given, encrypted; an empty token or list of headers is none."""
    encrypted: dict[str, str | None] = {}
    if given.signing_token is not None:
        encrypted["signing_token"] = box.encrypt(given.signing_token.get_secret_value())
    if "token" in given.model_fields_set:
        token = given.token.get_secret_value() if given.token is not None else ""
        encrypted["token"] = box.encrypt(token) if token else None
    if "custom_headers" in given.model_fields_set:
        headers = {header.key: header.value.get_secret_value() for header in given.custom_headers or ()}
        encrypted["custom_headers"] = box.encrypt(json.dumps(headers)) if headers else None
    return encrypted
