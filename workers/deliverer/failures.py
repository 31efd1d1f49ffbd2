"""The consequences of a failed attempt: a pause, an event that is skipped, or a webhook that is disabled."""

from datetime import UTC, datetime
from typing import Final

import structlog

from service.infra.postgres.database import Connection
from service.observing import metrics
from service.webhooks import deliveries, events, queue
from service.webhooks.deliveries import DeliveryState, WebhookDelivery
from service.webhooks.rows import DisabledReason, Webhook
from workers.deliverer.progress import ClaimLostError
from workers.deliverer.retries import is_over, pause_before_retry

_GONE: Final = 410
_MOST_IN_A_ROW: Final = 10
"""So many failures in a row also hold an unordered webhook back, or each event of an outage would be a row."""

log = structlog.get_logger()


async def settle_failure(connection: Connection, webhook: Webhook, failed: WebhookDelivery) -> bool:
    """Decide what follows from a failed attempt, which is written down; return whether the webhook goes on.

    Call it in a transaction. An ordered webhook goes on only where the event is skipped.

    Raises:
        ClaimLostError: another process has the webhook, or it was deleted.
    """
    now = datetime.now(UTC)
    is_old = failed.sequence is not None and failed.sequence <= webhook.position
    pause = pause_before_retry(failed.attempts)
    holds_back = webhook.is_ordered and not is_old
    noted = await queue.note_failure(connection, webhook, pause=pause if holds_back else None)
    if noted is None:
        raise ClaimLostError
    is_gone = failed.response_status == _GONE
    if not is_gone and is_over(failed.first_attempt_at, now):
        await _skip(connection, webhook, failed)
        return True
    await deliveries.put_off_delivery(connection, failed.id, pause)
    if is_gone or is_over(noted.failing_since, now):
        reason = DisabledReason.GONE if is_gone else DisabledReason.FAILURES
        await _disable(connection, webhook, reason, failed)
        return False
    if not webhook.is_ordered and noted.failures >= _MOST_IN_A_ROW:
        await queue.put_off(connection, webhook, pause_before_retry(noted.failures - _MOST_IN_A_ROW + 1))
        return False
    return not holds_back


async def _skip(connection: Connection, webhook: Webhook, failed: WebhookDelivery) -> None:
    await deliveries.end_delivery(connection, failed.id, DeliveryState.SKIPPED, error=None)
    await queue.report(connection, events.skipped(webhook, failed))
    metrics.WEBHOOK_EVENTS_SKIPPED.inc()
    log.warning("webhook_event_skipped", webhook_id=webhook.id, event_id=str(failed.event_id), reason=failed.error)


async def _disable(connection: Connection, webhook: Webhook, reason: DisabledReason, failed: WebhookDelivery) -> None:
    await queue.disable(connection, webhook, reason)
    await queue.report(connection, events.disabled(webhook, reason, last_event_id=failed.event_id))
    metrics.WEBHOOKS_DISABLED.labels(reason).inc()
    log.warning("webhook_disabled", webhook_id=webhook.id, reason=reason.value)
