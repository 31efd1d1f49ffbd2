"""The work on one claimed webhook: what a person asked for, what is tried again, and the next events of the log."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

import structlog

from service.concurrency import bounded_map
from service.infra.postgres.database import Database
from service.webhooks import deliveries, queue
from service.webhooks.deliveries import Attempt, DeliveryKind, DeliveryState, WebhookDelivery
from service.webhooks.queue import QueuedEvent
from service.webhooks.rows import Webhook
from workers.deliverer.failures import settle_failure
from workers.deliverer.posting import Posting
from workers.deliverer.progress import Progress

BATCH: Final = 200
"""How many events of a webhook are read together."""
_SIDE_BY_SIDE: Final = 10
"""How many events an unordered webhook is sent at the same time."""

log = structlog.get_logger()


class WebhookWork:
    """Delivers what is due for one webhook that this process has claimed."""

    def __init__(
        self, database: Database, posting: Posting, webhook: Webhook, progress: Progress, is_over: Callable[[], bool]
    ) -> None:
        """Go on until nothing is due, or *is_over* says that it is time to end."""
        self._database = database
        self._posting = posting
        self._webhook = webhook
        self._progress = progress
        self._is_over = is_over
        self._has_failed = webhook.failing_since is not None
        """An event may have a row of a failed attempt."""

    async def deliver_rows(self) -> None:
        """Deliver what a person asked for, and try again what failed before."""
        async with self._database.connection() as connection:
            due = await deliveries.due_deliveries(connection, self._webhook.id, limit=BATCH)
        for delivery in due:
            if self._is_over():
                return
            await self._deliver_row(delivery)
            await self._progress.note()

    async def deliver_events(self) -> None:
        """Deliver the next events of the log."""
        is_put_off = self._webhook.not_before > datetime.now(UTC)
        if self._webhook.disabled_at is not None or is_put_off:
            return
        progress = self._progress
        deliver = self._deliver_in_order if self._webhook.is_ordered else self._deliver_side_by_side
        while progress.position < progress.wanted and not self._is_over():
            async with self._database.connection() as connection:
                found = await queue.next_events(
                    connection, self._webhook, progress.position, progress.wanted, limit=BATCH
                )
            if not await deliver(found.events):
                return
            progress.position = max(progress.position, found.read_up_to)
            await progress.note()

    async def _deliver_in_order(self, found: Sequence[QueuedEvent]) -> bool:
        """Return whether all of them are done with."""
        for event in found:
            if self._is_over() or not await self._deliver_event(event):
                return False
            self._progress.position = event.sequence
            await self._progress.note_now_and_then()
        return True

    async def _deliver_side_by_side(self, found: Sequence[QueuedEvent]) -> bool:
        """Return whether all of them are done with; each that failed has a row then."""
        for begin in range(0, len(found), _SIDE_BY_SIDE):
            if self._is_over():
                return False
            part = found[begin : begin + _SIDE_BY_SIDE]
            outcomes = await bounded_map(part, self._deliver_event, limit=_SIDE_BY_SIDE)
            self._progress.position = part[-1].sequence
            if not all(outcomes.values()):
                return False
            await self._progress.note_now_and_then()
        return True

    async def _deliver_event(self, event: QueuedEvent) -> bool:
        """Return whether the webhook goes on with the next event."""
        attempt = await self._posting.attempt(event.body, event.event_id)
        if attempt.answer.is_success:
            self._progress.deliver()
            if self._has_failed:
                async with self._database.connection() as connection:
                    await deliveries.note_event_delivered(connection, self._webhook.id, event.sequence, attempt.answer)
            return True
        self._has_failed = True
        async with self._database.transaction() as connection:
            failed = await deliveries.note_failed_event(
                connection,
                self._webhook.id,
                attempt,
                event_id=event.event_id,
                topic=event.type,
                sequence=event.sequence,
            )
            return await settle_failure(connection, self._webhook, failed)

    async def _deliver_row(self, delivery: WebhookDelivery) -> None:
        body = delivery.body
        async with self._database.connection() as connection:
            if body is None and delivery.sequence is not None:
                body = await deliveries.logged_body(connection, delivery.sequence)
            if body is None:
                reason = "the log has the event no more"
                await deliveries.end_delivery(connection, delivery.id, DeliveryState.FAILED, error=reason)
                return
        attempt = await self._posting.attempt(body, delivery.event_id)
        if delivery.kind is DeliveryKind.EVENT:
            await self._note_retry(delivery, attempt)
        else:
            await self._note_asked(delivery, attempt)

    async def _note_asked(self, delivery: WebhookDelivery, attempt: Attempt) -> None:
        """Write down what came of a delivery that a person asked for; a success enables the webhook again."""
        is_enabling = attempt.answer.is_success and self._webhook.disabled_at is not None
        state = DeliveryState.DELIVERED if attempt.answer.is_success else DeliveryState.FAILED
        async with self._database.transaction() as connection:
            await deliveries.note_attempt(connection, delivery.id, state, attempt)
            if is_enabling:
                await queue.enable(connection, self._webhook)
        if is_enabling:
            log.info("webhook_enabled", webhook_id=self._webhook.id)

    async def _note_retry(self, delivery: WebhookDelivery, attempt: Attempt) -> None:
        if attempt.answer.is_success:
            self._progress.deliver()
            async with self._database.connection() as connection:
                await deliveries.note_attempt(connection, delivery.id, DeliveryState.DELIVERED, attempt)
            return
        async with self._database.transaction() as connection:
            await deliveries.note_attempt(connection, delivery.id, DeliveryState.WAITING, attempt)
            failed = await deliveries.find_delivery(connection, self._webhook.id, delivery.id)
            if failed is not None:
                await settle_failure(connection, self._webhook, failed)
