"""The pages of webhooks: add, show, test, send again, delete, and who may."""

from collections.abc import AsyncGenerator

import pytest

from service.context import Context
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
    for url in ("https://169.254.169.254/", "http://1.1.1.1/", "ftp://example.com/"):
        answer = await mary.submit(_HOOKS, _HOOKS, url=url)
        assert answer.status == 422, url
        assert url in answer.text

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
