"""One attempt: an event becomes a request, and the request an answer."""

from datetime import UTC, datetime
from uuid import UUID

from service.infra.egress.sending import HttpAnswer, HttpSender
from service.observing import metrics
from service.webhooks.deliveries import Attempt
from service.webhooks.requests import request_of, shown_headers
from service.webhooks.rows import Webhook
from service.webhooks.secrets import PlainSecrets


class Posting:
    """Posts events to one webhook."""

    def __init__(self, sender: HttpSender, webhook: Webhook, secrets: PlainSecrets) -> None:
        """Sign with these secrets."""
        self._sender = sender
        self._webhook = webhook
        self._secrets = secrets

    async def post(self, body: str, event_id: UUID) -> HttpAnswer:
        """Post the CloudEvent once, and return what came of it."""
        return (await self.attempt(body, event_id)).answer

    async def attempt(self, body: str, event_id: UUID) -> Attempt:
        """Post the CloudEvent once, and return the headers that were sent along with what came of it."""
        webhook = self._webhook
        request = request_of(
            body, event_id=str(event_id), mode=webhook.content_mode, secrets=self._secrets, now=datetime.now(UTC)
        )
        answer = await self._sender.post(webhook.url, request.headers, request.body, verifies_tls=webhook.verifies_tls)
        metrics.WEBHOOK_REQUESTS.labels("delivered" if answer.is_success else "failed").inc()
        metrics.WEBHOOK_REQUEST_DURATION.observe(answer.duration_s)
        return Attempt({} if answer.is_success else shown_headers(request, self._secrets), answer)
