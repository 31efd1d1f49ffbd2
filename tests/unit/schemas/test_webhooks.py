"""Webhooks as somebody writes them down."""

import base64

import pytest
from pydantic import ValidationError

from schemas.problems import problems_of
from schemas.webhooks import WebhookChange, WebhookSettings

_KEY = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/", "https://", "https:///path", "https://user:word@example.com/", "https://example.com/#part",
        "https://exa mple.com/", "https://example.com/\r\nHost: other", "https://example.com:port/", "https://exämple.com/",
        "//example.com", "https://example.com:0/",
    ],
)  # fmt: skip
def test_a_url_that_is_none_or_carries_a_secret_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        WebhookSettings.model_validate({"url": url})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("Host", "x"), ("content-length", "1"), ("Transfer-Encoding", "chunked"), ("webhook-id", "1"),
        ("Webhook-Signature", "v1,x"), ("ce-type", "x"), ("X-Gitlab-Token", "x"), ("X-A b", "x"), ("X-A:", "x"),
        ("", "x"),        ("X-A", "one\r\nHost: other"), ("X-A", "one\nX-B: two"), ("X-A", "zero\0"), ("X-A", "é"),
    ],
)  # fmt: skip
def test_a_header_that_the_delivery_sets_or_that_breaks_the_line_is_refused(key: str, value: str) -> None:
    with pytest.raises(ValidationError):
        WebhookChange.model_validate({"custom_headers": [{"key": key, "value": value}]})


@pytest.mark.parametrize("token", ["whsec_", "whsec_c2hvcnQ=", _KEY, f"whsec_{_KEY}x", "whsec_" + "é" * 44])
def test_a_signing_token_is_a_key_of_32_bytes(token: str) -> None:
    with pytest.raises(ValidationError):
        WebhookChange.model_validate({"signing_token": token})


def test_the_flags_of_gitlab_are_accepted() -> None:
    given = WebhookSettings.model_validate(
        {"url": "https://example.com/", "push_events": True, "token": None, "signing_token": f"whsec_{_KEY}"}
    )

    assert "token" not in given.model_fields_set


@pytest.mark.parametrize(
    ("types", "place"),
    [([], "event_types: should not be empty"), (["package.eaten"], "event_types[0]: should be one of ")],
)
def test_a_list_of_wrong_elements_is_not_called_empty(types: list[str], place: str) -> None:
    with pytest.raises(ValidationError) as refused:
        WebhookChange.model_validate({"event_types": types})

    (problem,) = problems_of(refused.value)
    assert problem.sentence().startswith(place)
