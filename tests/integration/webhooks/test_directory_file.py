"""Webhooks in a directory file: matched by name, with their id and their place in the log."""

import base64

import pytest
from pydantic import SecretStr

from service.context import Context
from service.directory_file.applying import DirectoryFileError, apply_directory, parse_directory
from service.directory_file.changes import Change
from service.directory_file.webhooks import WebhookRules
from service.infra.egress.addresses import AllowedAddresses
from service.webhooks.secrets import SecretBox
from tests.integration.conftest import Client
from tests.integration.webhooks.conftest import HOOKS, add_hook
from tests.support.catalogue import query
from tests.support.packages import MAINTAINER
from tests.support.receivers import LOOPBACK, SECRET_KEY, Receiver

_KEYS = [f"whsec_{base64.b64encode(bytes([number]) * 32).decode()}" for number in range(2)]


async def _apply(context: Context, text: str, *, key: str = SECRET_KEY) -> list[str]:
    """Apply a file, and return the lines of its diff."""
    changes: list[Change] = []
    keys = (SecretStr(key),) if key else ()
    await apply_directory(
        context.database,
        parse_directory(text.encode(), name="a file"),
        review=changes.extend,
        webhooks=WebhookRules(SecretBox(keys), AllowedAddresses(LOOPBACK)),
    )
    return [str(change) for change in changes]


def _file(*hooks: str) -> str:
    return f"projects: [{{path: acme/open, webhooks: [{', '.join(hooks)}]}}]"


def _hook(url: str, *, key: int = 0, more: str = "") -> str:
    return f"{{name: mirror, url: '{url}', signing_token: '{_KEYS[key]}'{more}}}"


async def test_entries_are_matched_by_name_and_what_they_do_not_name_goes(
    hooked: Context, api: Client, receiver: Receiver
) -> None:
    by_hand = await add_hook(api, receiver.url, name="by hand")

    assert await _apply(hooked, "projects: [{path: acme/open}]") == []
    assert await _apply(hooked, _file(_hook(receiver.url))) == [
        "- webhook by hand of project acme/open",
        f"+ webhook mirror of project acme/open ({receiver.url})",
    ]
    (made,) = await query(hooked, "SELECT id, position FROM webhook")
    assert made["id"] != by_hand["id"]
    assert await _apply(hooked, _file(_hook(receiver.url))) == []
    for change in (_hook(receiver.url, key=1), _hook(receiver.url, key=1, more=", event_types: [package.destroyed]")):
        assert await _apply(hooked, _file(change)) == [f"~ webhook mirror of project acme/open ({receiver.url})"]
        assert await _apply(hooked, _file(change)) == []
    async with api.get(HOOKS, headers=MAINTAINER) as answer:
        (shown,) = await answer.json()
    assert (shown["id"], shown["event_types"]) == (made["id"], ["package.destroyed"])
    assert await _apply(hooked, "projects: [{path: acme/open, webhooks: []}]") == [
        "- webhook mirror of project acme/open"
    ]


@pytest.mark.parametrize(
    ("hook", "key", "problem"),
    [
        (
            _hook("https://10.0.0.1/"),
            SECRET_KEY,
            "line 1: projects[0].webhooks[0].url: leads outside the public internet",
        ),
        (_hook("http://127.0.0.1:9/"), "", "line 1: projects[0].webhooks[0]: needs PACKYARD_SECRET_KEYS"),
    ],
)
async def test_a_webhook_that_may_not_be_is_refused_by_its_line(
    hooked: Context, hook: str, key: str, problem: str
) -> None:
    with pytest.raises(DirectoryFileError) as refused:
        await _apply(hooked, _file(hook), key=key)

    assert problem in str(refused.value)
