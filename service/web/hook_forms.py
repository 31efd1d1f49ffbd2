"""The form that changes a webhook: its fields, and what they change."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from multidict import MultiMapping

from schemas.webhooks import ContentMode, WebhookChange
from service.webhooks.rows import Webhook


@dataclass(frozen=True, slots=True)
class HookForm:
    """The fields of the form as they are shown. Secrets are no part of it: they are typed anew, or stay."""

    url: str
    name: str
    description: str
    package_events: bool
    types: Sequence[str]
    """None of them chosen means all."""
    content_mode: str
    is_ordered: bool
    verifies_tls: bool

    @classmethod
    def of(cls, webhook: Webhook) -> Self:
        """Return the fields of a webhook as it is."""
        return cls(
            url=webhook.url,
            name=webhook.name or "",
            description=webhook.description or "",
            package_events=webhook.package_events,
            types=webhook.types or (),
            content_mode=webhook.content_mode,
            is_ordered=webhook.is_ordered,
            verifies_tls=webhook.verifies_tls,
        )

    @classmethod
    def typed(cls, fields: MultiMapping[str]) -> Self:
        """Return the fields as somebody sent them."""
        return cls(
            url=fields.get("url", "").strip(),
            name=fields.get("name", "").strip(),
            description=fields.get("description", "").strip(),
            package_events="package_events" in fields,
            types=fields.getall("event_types", []),
            content_mode=fields.get("content_mode", ContentMode.STRUCTURED),
            is_ordered="ordered" in fields,
            verifies_tls="enable_ssl_verification" in fields,
        )


def read_change(fields: MultiMapping[str]) -> WebhookChange:
    """Return the change of a webhook that the fields ask for.

    Raises:
        pydantic.ValidationError: one of them cannot be read.
    """
    form = HookForm.typed(fields)
    values: dict[str, object] = {
        "url": form.url,
        "name": form.name or None,
        "description": form.description or None,
        "package_events": form.package_events,
        "event_types": tuple(form.types) or None,
        "content_mode": form.content_mode,
        "ordered": form.is_ordered,
        "enable_ssl_verification": form.verifies_tls,
    }
    return WebhookChange.model_validate(values | _secrets(fields))


def _secrets(fields: MultiMapping[str]) -> dict[str, object]:
    """Return the secrets that were typed, or are to be taken away; what is not among them stays."""
    found: dict[str, object] = {}
    if "forget_token" in fields:
        found["token"] = ""
    elif token := fields.get("token", ""):
        found["token"] = token
    lines = [line for line in fields.get("custom_headers", "").splitlines() if line.strip()]
    if "forget_headers" in fields:
        found["custom_headers"] = ()
    elif lines:
        parts = [line.partition(":") for line in lines]
        found["custom_headers"] = [{"key": name.strip(), "value": value.strip()} for name, _, value in parts]
    return found
