"""Secrets of webhooks: who may set them, how they rotate, and that they are encrypted and never shown."""

import base64
from typing import Final

import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from service.context import Context
from service.infra.egress.sending import HttpSender
from service.webhooks.secret_rows import read_secrets, renew_secrets
from service.webhooks.secrets import SecretBox, UnreadableSecretError
from tests.integration.conftest import Client
from tests.integration.webhooks.conftest import HOOKS, add_hook
from tests.support.catalogue import delete, publish, query
from tests.support.packages import MAINTAINER, token
from tests.support.receivers import SECRET_KEY, Received, Receiver, deliver_once

_TOKENS: Final = ["whsec_" + base64.b64encode(bytes([number]) * 32).decode() for number in range(2)]
_GROUP_HOOKS: Final = "/api/v4/groups/10/hooks"


def _is_signed(came: Received, signing_token: str) -> bool:
    try:
        Verifier(signing_token).verify(came.body, dict(came.headers))
    except WebhookVerificationError:
        return False
    return True


async def test_a_new_key_signs_beside_the_one_before_for_a_day(
    hooked: Context, api: Client, receiver: Receiver, sender: HttpSender
) -> None:
    hook = await add_hook(api, receiver.url, signing_token=_TOKENS[0])
    async with api.put(f"{HOOKS}/{hook['id']}", json={"signing_token": _TOKENS[1]}, headers=MAINTAINER) as answer:
        assert answer.status == 200
    for version in ("1", "2"):
        await delete(hooked, await publish(hooked, version=version))
        await deliver_once(hooked, sender)
        await query(hooked, "UPDATE webhook_secret SET previous_until = now()")

    first, second = receiver.received
    assert [_is_signed(first, each) for each in _TOKENS] == [True, True]
    assert [_is_signed(second, each) for each in _TOKENS] == [False, True]


async def test_a_new_address_gets_no_token_and_no_headers_of_the_old_one(
    hooked: Context, api: Client, receiver: Receiver, sender: HttpSender
) -> None:
    headers = [{"key": "X-Old", "value": "open sesame"}]
    hook = await add_hook(api, receiver.url, token="gitlab-word", custom_headers=headers)
    for change in ({"url": receiver.url}, {"url": receiver.url + "?new"}, {"url": receiver.url, "token": "another"}):
        async with api.put(f"{HOOKS}/{hook['id']}", json=change, headers=MAINTAINER) as answer:
            assert answer.status == 200
        await delete(hooked, await publish(hooked, version=str(len(receiver.received))))
        await deliver_once(hooked, sender)

    sent = [(came.headers.get("X-Gitlab-Token"), came.headers.get("X-Old")) for came in receiver.received]
    assert sent == [("gitlab-word", "open sesame"), (None, None), ("another", None)]


async def test_secrets_are_encrypted_renewed_with_the_first_key_and_never_shown(
    hooked: Context, api: Client, receiver: Receiver
) -> None:
    headers = [{"key": "Authorization", "value": "open sesame"}]
    hook = await add_hook(api, receiver.url, signing_token=_TOKENS[0], token="gitlab-word", custom_headers=headers)
    async with api.get(f"{HOOKS}/{hook['id']}", headers=MAINTAINER) as answer:
        shown = await answer.text()
    (row,) = await query(hooked, "SELECT to_jsonb(s)::text AS stored FROM webhook_secret s")
    other = SecretStr(base64.urlsafe_b64encode(b"another key, of thirty-two bytes").decode())
    await renew_secrets(hooked.database, SecretBox((other, SecretStr(SECRET_KEY))))

    for secret in (_TOKENS[0], "gitlab-word", "open sesame"):
        assert secret not in shown
        assert secret not in row["stored"]
    async with hooked.database.connection() as connection:
        found = await read_secrets(connection, hook["id"], SecretBox((other,)))
        with pytest.raises(UnreadableSecretError):
            await read_secrets(connection, hook["id"], SecretBox((SecretStr(SECRET_KEY),)))
    assert (found.signing_tokens, found.token) == ((_TOKENS[0],), "gitlab-word")
    assert found.custom_headers == {"Authorization": "open sesame"}


@pytest.mark.parametrize(
    ("path", "name", "status"),
    [
        (HOOKS, None, 401), (HOOKS, "guest", 403), (HOOKS, "developer", 403), (HOOKS, "maintainer", 200),
        ("/api/v4/projects/200/hooks", "guest", 404), (_GROUP_HOOKS, None, 401), (_GROUP_HOOKS, "maintainer", 403),
        (_GROUP_HOOKS, "owner", 200), ("/api/v4/groups/20/hooks", "owner", 404),
    ],
)  # fmt: skip
async def test_webhooks_are_for_maintainers_of_a_project_and_owners_of_a_group(
    api: Client, path: str, name: str | None, status: int
) -> None:
    headers = token(f"{name}-token") if name else {}
    body = {"url": "http://127.0.0.1:9/"}

    listed = await api.get(path, headers=headers)
    added = await api.post(path, json=body, headers=headers)

    assert (listed.status, added.status) == (status, 201 if status == 200 else status)
