"""Webhooks as somebody writes them down, over HTTP or in a directory file."""

import base64
import binascii
import re
from enum import StrEnum
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, ConfigDict, Field, SecretStr, StrictBool, model_validator

from schemas.base import Contract
from schemas.fields import Text
from schemas.messages.events import EVENTS

SIGNING_PREFIX: Final = "whsec_"
"""Begins a signing token, as Standard Webhooks say."""
KEY_BYTES: Final = 32
MOST_HEADERS: Final = 20

_LONGEST_VALUE: Final = 2_048
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e]*")
_PRINTABLE: Final = re.compile(r"[\x21-\x7e]+")
_OURS: Final = frozenset(
    {
        *("host", "content-length", "content-type", "content-encoding", "transfer-encoding", "connection"),
        *("te", "trailer", "upgrade", "expect", "keep-alive", "proxy-connection", "user-agent", "accept-encoding"),
        *("x-gitlab-token",),
    }
)
_OUR_PREFIXES: Final = ("webhook-", "ce-")


class ContentMode(StrEnum):
    """How an event is put into a request (the HTTP binding of CloudEvents)."""

    STRUCTURED = "structured"
    """The body is the whole CloudEvent."""
    BINARY = "binary"
    """The body is the data; the attributes are headers."""


DELIVERABLE: Final = tuple(sorted(event.topic() for event in EVENTS if event.entity in {"package", "package_file"}))
"""The types of events that webhooks carry."""


def _check_url(url: str) -> str:
    if not _PRINTABLE.fullmatch(url):
        raise ValueError("should be a URL without blanks, in ASCII")
    try:
        parts = urlsplit(url)
        is_readable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_readable = False
    else:
        if "@" in parts.netloc or parts.fragment:
            raise ValueError("should have neither a user nor a fragment: put a password into custom_headers")
    if not is_readable:
        raise ValueError("should be a URL that begins with https://")
    return url


def _check_signing_token(token: SecretStr) -> SecretStr:
    text = token.get_secret_value()
    try:
        key = base64.b64decode(text.removeprefix(SIGNING_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not text.startswith(SIGNING_PREFIX) or len(key) != KEY_BYTES:
        raise ValueError(f"should be {SIGNING_PREFIX} and {KEY_BYTES} bytes in base64")
    return token


def _check_token(token: SecretStr) -> SecretStr:
    text = token.get_secret_value()
    if len(text) > _LONGEST_VALUE or not _HEADER_VALUE.fullmatch(text) or text != text.strip():
        raise ValueError(f"should be at most {_LONGEST_VALUE:,} printable ASCII characters")
    return token


def _check_header_name(name: str) -> str:
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError("should be the name of a header")
    if name.lower() in _OURS or name.lower().startswith(_OUR_PREFIXES):
        raise ValueError(f"should not be {name}, which the delivery sets itself")
    return name


def _check_type(name: str) -> str:
    if name not in DELIVERABLE:
        raise ValueError(f"should be one of {', '.join(DELIVERABLE)}")
    return name


def _check_once(headers: "tuple[CustomHeader, ...]") -> "tuple[CustomHeader, ...]":
    names = [header.key.lower() for header in headers]
    if len(set(names)) < len(names):
        raise ValueError("should have each name once")
    return headers


WebhookUrl = Annotated[str, Field(min_length=1, max_length=2_048), AfterValidator(_check_url)]
SigningToken = Annotated[SecretStr, AfterValidator(_check_signing_token)]
WebhookToken = Annotated[SecretStr, AfterValidator(_check_token)]
HeaderName = Annotated[str, AfterValidator(_check_header_name)]
EventTopic = Annotated[str, AfterValidator(_check_type)]


class CustomHeader(Contract):
    """A header of each request to a webhook. Its value is a secret."""

    key: HeaderName
    value: WebhookToken


CustomHeaders = Annotated[tuple[CustomHeader, ...], Field(max_length=MOST_HEADERS), AfterValidator(_check_once)]


class WebhookChange(Contract):
    """A change of a webhook: what is not given stays as it is. GitLab's other flags are accepted, and mean nothing."""

    model_config = ConfigDict(extra="ignore", use_attribute_docstrings=True)

    name: Text | None = None
    """A name for people, and for the directory file; no two webhooks of a place have the same."""
    description: Text | None = None
    """The purpose, for people."""
    url: WebhookUrl | None = None
    """Where events are posted to: https, or http inside the networks that the operator allows."""
    token: WebhookToken | None = None
    """Sent as `X-Gitlab-Token`; an empty one takes it away."""
    signing_token: SigningToken | None = None
    """The key of the signatures. The one before signs beside it for a day."""
    enable_ssl_verification: StrictBool | None = None
    """Whether the certificate of the receiver has to be valid."""
    custom_headers: CustomHeaders | None = None
    """Further headers of each request, all of them. Values are never shown again."""
    package_events: StrictBool | None = None
    """Whether events of packages and their files are sent."""
    event_types: Annotated[tuple[EventTopic, ...], Field(min_length=1, max_length=len(DELIVERABLE))] | None = None
    """The types that are sent, such as `package.destroyed`; null is all of them."""
    content_mode: ContentMode | None = None
    """`structured`: the body is the CloudEvent. `binary`: the body is its data, and the attributes are headers."""
    ordered: StrictBool | None = None
    """Whether an event that fails holds back those behind it."""


class WebhookEntry(Contract):
    """A webhook in a directory file: exactly what the entry says, where a key that is left out has its default."""

    name: Text
    url: WebhookUrl
    signing_token: SigningToken
    token: WebhookToken | None = None
    description: Text | None = None
    enable_ssl_verification: bool = True
    custom_headers: CustomHeaders = ()
    package_events: bool = True
    event_types: Annotated[tuple[EventTopic, ...], Field(min_length=1)] | None = None
    content_mode: ContentMode = ContentMode.STRUCTURED
    ordered: bool = True


class WebhookSettings(WebhookChange):
    """A new webhook."""

    url: WebhookUrl
    """Where events are posted to: https, or http inside the networks that the operator allows."""

    @property
    def has_token(self) -> bool:
        """Whether a token is given."""
        return self.token is not None and bool(self.token.get_secret_value())

    @model_validator(mode="before")
    @classmethod
    def _leave_out_nulls(cls, values: object) -> object:
        # GitLab's clients send null for what they do not set.
        if isinstance(values, dict):
            return {name: value for name, value in values.items() if value is not None}
        return values
