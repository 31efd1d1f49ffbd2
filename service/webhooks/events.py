"""Events about webhooks themselves. They are in the feed, and no webhook carries them."""

from uuid import UUID

from schemas.messages.webhook_events import WebhookDisabled, WebhookEvent, WebhookEventSkipped, WebhookTested
from service.webhooks.deliveries import WebhookDelivery
from service.webhooks.rows import DisabledReason, Webhook

__all__ = ["WebhookEvent", "disabled", "skipped", "tested"]


def disabled(webhook: Webhook, reason: DisabledReason, *, last_event_id: UUID) -> WebhookDisabled:
    """Return the event that nothing is sent to the webhook any more."""
    return WebhookDisabled(
        webhook_id=webhook.id,
        project_id=webhook.project_id,
        group_id=webhook.group_id,
        reason=reason.value,
        last_event_id=last_event_id,
    )


def skipped(webhook: Webhook, delivery: WebhookDelivery) -> WebhookEventSkipped:
    """Return the event that the webhook did not take another one, which is not sent again."""
    return WebhookEventSkipped(
        webhook_id=webhook.id,
        project_id=webhook.project_id,
        group_id=webhook.group_id,
        event_id=delivery.event_id,
        event_sequence=delivery.sequence or 0,
        attempts=delivery.attempts,
    )


def tested(webhook: Webhook, test_id: UUID) -> WebhookTested:
    """Return the event that a test of the webhook sends to it alone."""
    return WebhookTested(
        webhook_id=webhook.id, project_id=webhook.project_id, group_id=webhook.group_id, test_id=test_id
    )
