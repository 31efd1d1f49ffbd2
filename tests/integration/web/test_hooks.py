"""The pages of webhooks: add, show, test, send again, delete, and who may."""

from collections.abc import AsyncGenerator

import pytest

from service.context import Context
from service.webhooks.secret_rows import read_secrets
from service.webhooks.secrets import PlainSecrets, SecretBox
from tests.support.browsing import Browser, browsing
from tests.support.catalogue import delete, publish, query
from tests.support.receivers import deliver_once, delivering, receiving, with_webhooks

_HOOKS = "/acme/open/-/hooks"


@pytest.fixture
def hooked(filled: Context) -> Context:
    return with_webhooks(filled)


@pytest.fixture
async def mary(hooked: Context) -> AsyncGenerator[Browser]:
    """A browser of the maintainer of acme, where webhooks may go to this machine."""
    async with browsing(hooked, external_url=None) as browser:
        assert (await browser.sign_in("maintainer-token")).status == 303
        yield browser


async def test_a_webhook_is_added_fails_is_tested_and_deleted_by_forms(hooked: Context, mary: Browser) -> None:
    async with receiving() as receiver, delivering(hooked) as sender:
        added = await mary.submit(_HOOKS, _HOOKS, url=receiver.url, name="<b>mirror</b>")
        receiver.statuses = [500]
        await delete(hooked, await publish(hooked))
        await deliver_once(hooked, sender)
        (hook,) = await query(hooked, "SELECT id FROM webhook")
        page = f"{_HOOKS}/{hook['id']}"
        failed = await mary.get(page)
        (row,) = await query(hooked, "SELECT id FROM webhook_delivery")
        answers = [
            await mary.submit(page, f"{page}/test"),
            await mary.submit(page, f"{page}/deliveries/{row['id']}/resend"),
        ]
        await deliver_once(hooked, sender)
        after = await mary.get(page)
        listed = await mary.get(_HOOKS)
        gone = await mary.submit(page, f"{page}/delete")

    assert "whsec_" in added.words
    assert "whsec_" not in failed.text
    for words in ("<b>mirror</b>", "package.deletion_requested", "waiting", "500", "thanks", "failing"):
        assert words in failed.words
    assert [(answer.status, answer.headers["Location"]) for answer in answers] == [(303, page)] * 2
    assert "webhook.tested" in after.words
    assert after.words.count("delivered") == 2
    assert "<b>mirror</b>" in listed.words
    assert (gone.status, gone.headers["Location"]) == (303, _HOOKS)
    assert await query(hooked, "SELECT 1 FROM webhook") == []


async def test_a_wrong_address_is_refused_on_the_page(hooked: Context, mary: Browser) -> None:
    networks = "PACKYARD_WEBHOOK_ALLOWED_NETWORKS"
    wrong = {"https://169.254.169.254/": networks, "http://1.1.1.1/": networks, "ftp://example.com/": "http"}
    for url, rule in wrong.items():
        answer = await mary.submit(_HOOKS, _HOOKS, url=url)
        assert answer.status == 422, url
        assert url in answer.text
        assert rule in answer.words

    assert await query(hooked, "SELECT 1 FROM webhook") == []


@pytest.mark.parametrize("who", ["developer-token", "reporter-token", "stranger-token", ""])
async def test_only_maintainers_see_webhooks_of_a_project_and_owners_those_of_a_group(
    hooked: Context, mary: Browser, who: str
) -> None:
    async with browsing(hooked, external_url=None) as browser:
        if who:
            await browser.sign_in(who)
        assert (await browser.get(_HOOKS)).status == 404
        assert _HOOKS not in (await browser.get("/acme/open")).text

    assert _HOOKS in (await mary.get("/acme/open")).text
    assert (await mary.get("/groups/acme/-/hooks")).status == 404


async def _secrets_of(context: Context, hook_id: int) -> PlainSecrets:
    async with context.database.connection() as connection:
        return await read_secrets(connection, hook_id, SecretBox(context.settings.secret_keys))


async def test_a_form_changes_all_that_can_be_set_and_keeps_secrets_that_were_not_typed(
    hooked: Context, mary: Browser
) -> None:
    async with receiving() as receiver:
        added = await mary.submit(_HOOKS, _HOOKS, url=receiver.url, name="mirror")
        (hook,) = await query(hooked, "SELECT id FROM webhook")
        page, url = f"{_HOOKS}/{hook['id']}", f"{receiver.url}/new"
        fields = {"url": url, "content_mode": "binary", "event_types": "package.destroyed"}
        secrets = {"token": "pa55", "custom_headers": "Authorization: Bearer x\r\n\r\nX-Team: core"}
        answers = [
            await mary.submit(page, page, **fields, **secrets, package_events="on"),
            await mary.submit(page, page, **fields, description="for <b>DR</b>", ordered="on"),
        ]
        shown = await mary.get(f"{page}?saved=1")
        kept = await _secrets_of(hooked, hook["id"])
        bad = await mary.submit(page, page, url=url, custom_headers="Host: evil", token="typed")
        renewed = await mary.submit(page, f"{page}/signing_token")
        signed = await _secrets_of(hooked, hook["id"])
        await mary.submit(page, page, **fields, forget_token="on", forget_headers="on")
        cleared = await _secrets_of(hooked, hook["id"])

    assert [(answer.status, answer.headers["Location"]) for answer in answers] == [(303, f"{page}?saved=1")] * 2
    assert "Saved." in shown.words
    assert "There are now: Authorization , X-Team" in shown.words
    assert "pa55" not in shown.text
    assert (bad.status, "typed" in bad.text) == (422, False)
    assert "should not be Host" in bad.words
    assert (kept.token, kept.custom_headers) == ("pa55", {"Authorization": "Bearer x", "X-Team": "core"})
    assert [signed.signing_tokens[0] in renewed.text, signed.signing_tokens[1] in added.text] == [True, True]
    assert (cleared.token, cleared.custom_headers) == (None, {})
    (row,) = await query(hooked, "SELECT * FROM webhook")
    assert (row["url"], row["content_mode"], row["types"]) == (url, "binary", ["package.destroyed"])
    assert (row["name"], row["description"], row["is_ordered"]) == (None, None, False)
    assert (row["package_events"], row["verifies_tls"]) == (False, False)


async def test_a_change_is_refused_where_the_webhook_may_not_go_or_to_those_who_may_not(
    hooked: Context, mary: Browser
) -> None:
    async with receiving() as receiver, browsing(hooked, external_url=None) as browser:
        await mary.submit(_HOOKS, _HOOKS, url=receiver.url)
        (hook,) = await query(hooked, "SELECT id FROM webhook")
        page = f"{_HOOKS}/{hook['id']}"
        refused = await mary.submit(page, page, url="https://169.254.169.254/")
        await browser.sign_in("developer-token")
        others = [await browser.submit("/", path, url=receiver.url) for path in (page, f"{page}/signing_token")]

    assert refused.status == 422
    assert 'value="https://169.254.169.254/"' in refused.text
    assert [answer.status for answer in others] == [403, 403]
    assert [row["url"] for row in await query(hooked, "SELECT url FROM webhook")] == [receiver.url]
