"""Webhooks and their deliveries, from rows to what the API shows."""

from datetime import UTC, datetime
from typing import Literal

from schemas.http.webhooks import OTHER_FLAGS, CustomHeaderName, WebhookDeliveryResource, WebhookResource
from service.webhooks.deliveries import DeliveryState, WebhookDelivery
from service.webhooks.rows import Webhook


def webhook_entity(webhook: Webhook, *, has_token: bool, signing_token: str | None = None) -> WebhookResource:
    """Return the resource of a webhook; *signing_token*: one that we made right now."""
    place = {"group_id": webhook.group_id} if webhook.project_id is None else {"project_id": webhook.project_id}
    shown_once = {} if signing_token is None else {"signing_token": signing_token}
    status = _status(webhook)
    return WebhookResource(
        id=webhook.id,
        name=webhook.name,
        description=webhook.description,
        url=webhook.url,
        created_at=webhook.created_at,
        enable_ssl_verification=webhook.verifies_tls,
        custom_headers=[CustomHeaderName(key=name) for name in webhook.custom_header_names],
        token_present=has_token,
        package_events=webhook.package_events,
        event_types=None if webhook.types is None else list(webhook.types),
        content_mode=webhook.content_mode,
        ordered=webhook.is_ordered,
        alert_status=status,
        disabled_until=webhook.not_before if status == "temporarily_disabled" else None,
        disabled_reason=None if webhook.disabled_reason is None else webhook.disabled_reason.value,
        failing_since=webhook.failing_since,
        last_delivered_at=webhook.last_delivered_at,
        **place,
        **shown_once,
        **dict.fromkeys(OTHER_FLAGS, False),
    )


def delivery_entity(webhook: Webhook, delivery: WebhookDelivery) -> WebhookDeliveryResource:
    """Return the resource of a delivery."""
    is_waiting = delivery.state is DeliveryState.WAITING
    return WebhookDeliveryResource(
        id=delivery.id,
        url=webhook.url,
        trigger="package_events",
        kind=delivery.kind.value,
        state=delivery.state.value,
        event_id=str(delivery.event_id),
        event_type=delivery.type,
        sequence=delivery.sequence,
        attempts=delivery.attempts,
        created_at=delivery.created_at,
        last_attempt_at=delivery.last_attempt_at,
        next_attempt_at=delivery.not_before if is_waiting else None,
        request_headers=delivery.request_headers,
        response_status=delivery.response_status,
        response_headers=delivery.response_headers,
        response_body=delivery.response_body,
        execution_duration=delivery.duration_s,
        error=delivery.error,
    )


def _status(webhook: Webhook) -> Literal["executable", "temporarily_disabled", "disabled"]:
    if webhook.disabled_at is not None:
        return "disabled"
    return "temporarily_disabled" if webhook.not_before > datetime.now(UTC) else "executable"
