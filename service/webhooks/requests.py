"""An event as a request to a webhook: CloudEvents over HTTP, signed as Standard Webhooks say."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from cloudevents.core.bindings.http import to_binary
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from standardwebhooks import Webhook as Signer

from schemas.messages.cloud_events import CONTENT_TYPE
from schemas.webhooks import ContentMode
from service.webhooks.secrets import PlainSecrets

_FORMAT: Final = JSONFormat()


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """The headers and the body of one request."""

    headers: Mapping[str, str]
    body: bytes


def request_of(event: str, *, event_id: str, mode: ContentMode, secrets: PlainSecrets, now: datetime) -> WebhookRequest:
    """Return the request that carries the CloudEvent *event*, written as JSON."""
    headers, body = _binary(event) if mode is ContentMode.BINARY else ({"Content-Type": CONTENT_TYPE}, event)
    signatures = [_signer(token).sign(event_id, now, body) for token in secrets.signing_tokens]
    standard = {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
    token = {} if secrets.token is None else {"X-Gitlab-Token": secrets.token}
    return WebhookRequest({**secrets.custom_headers, **headers, **token, **standard}, body.encode())


def shown_headers(request: WebhookRequest, secrets: PlainSecrets) -> dict[str, str]:
    """Return the headers without what only the receiver may know."""
    hidden = {"X-Gitlab-Token", *secrets.custom_headers}
    return {name: "[REDACTED]" if name in hidden else value for name, value in request.headers.items()}


@lru_cache(maxsize=1_000)
def _signer(token: str) -> Signer:
    return Signer(token)


def _binary(event: str) -> tuple[dict[str, str], str]:
    attributes = json.loads(event)
    data = attributes.pop("data")
    # The library takes this one as a moment only.
    moment = {"time": datetime.fromisoformat(attributes["time"])}
    message = to_binary(CloudEvent({**attributes, **moment}, data), _FORMAT)
    return dict(message.headers), message.body.decode()
