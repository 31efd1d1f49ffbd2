"""A form in the place of a JSON body: names with brackets, flags, and bytes that are no form."""

import pytest

from schemas.base import Json
from schemas.webhooks import WebhookChange
from service.http.body.form_bodies import form_as_json

_URLENCODED = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"url=https%3A%2F%2Fa%2Fb&name=a+b", {"url": "https://a/b", "name": "a b"}),
        (b"name=a&name=b", {"name": "b"}),
        (b"name=true&ordered=true&package_events=0", {"name": "true", "ordered": True, "package_events": False}),
        (b"ordered=perhaps", {"ordered": "perhaps"}),
        (b"ordered[]=true", {"ordered": ["true"]}),
        (b"event_types[]=a&event_types%5B%5D=b", {"event_types": ["a", "b"]}),
        (
            b"custom_headers[][key]=A&custom_headers[][value]=1&custom_headers[][key]=B",
            {"custom_headers": [{"key": "A", "value": "1"}, {"key": "B"}]},
        ),
        (b"a=1&a[]=2&a[][b]=3&a[]=4", {"a": ["2", {"b": "3"}, "4"]}),
    ],
)
def test_a_form_stands_for_an_object(body: bytes, found: Json) -> None:
    assert form_as_json(body, f"{_URLENCODED}; charset=utf-8", WebhookChange) == found


def test_a_multipart_form_is_one_as_well() -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="url"\r\n\r\nhttps://a\r\n--b--\r\n'

    assert form_as_json(body, "multipart/form-data; boundary=b", WebhookChange) == {"url": "https://a"}


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"url=a", "application/json"),
        (b"url=a", ""),
        (b"{", _URLENCODED.upper() + "x"),
        (b"nonsense", "multipart/form-data"),
        (b"nonsense", "multipart/form-data; boundary=b"),
        (b"&&", _URLENCODED),
        (b' {"url": "https://a"', _URLENCODED),
    ],
)
def test_what_is_no_form_stands_for_nothing(body: bytes, content_type: str) -> None:
    assert form_as_json(body, content_type, WebhookChange) is None
