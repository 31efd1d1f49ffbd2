"""The pages of events: the same as the feed shows, filters, the way back, and the stream."""

import asyncio
import re
from datetime import timedelta
from typing import Final

import pytest
from aiohttp import ClientResponse

from schemas.messages.events import PackageDestructionFailed, PackageRestored, StorageChecked
from schemas.messages.examples import example_fact
from schemas.messages.publications import PackagePublished
from schemas.messages.retention_events import RetentionRunPlanned
from schemas.messages.webhook_events import WebhookDisabled
from service.context import Context
from service.http import event_streams
from tests.support.browsing import Browser, Page, browsing
from tests.support.catalogue import query
from tests.support.feed import fact, happen

_OPEN: Final = "/acme/open/-/events"
_NUMBER: Final = re.compile(r'<span title="Number in the feed">(\d+)</span>')
_PATIENCE_S: Final = 20


def _numbers(page: Page) -> list[int]:
    assert page.status == 200, page.words
    return [int(number) for number in _NUMBER.findall(page.text)]


async def test_a_page_has_the_events_that_the_feed_has_for_the_same_reader(filled: Context) -> None:
    await happen(filled, fact(100), fact(101), fact(102), fact(103), fact(200), example_fact(StorageChecked))

    seen: dict[str, list[int]] = {}
    for token in ("", "root-token", "maintainer-token", "guest-token", "external-token"):
        async with browsing(filled, external_url=None) as browser:
            if token:
                await browser.sign_in(token)
            seen[token] = _numbers(await browser.get("/-/events"))
            group = await browser.get("/groups/acme/-/events")
            assert group.status == 404 or set(_numbers(group)) <= set(seen[token])

    assert seen == {
        "": [1],
        "root-token": [6, 5, 4, 3, 2, 1],
        "maintainer-token": [5, 3, 2, 1],
        "guest-token": [2, 1],
        "external-token": [1],
    }


async def test_each_kind_of_event_leads_to_the_page_that_has_more(filled: Context, maintainer: Browser) -> None:
    about = {"project_id": 100}
    published = example_fact(PackagePublished).model_copy(update=about)
    run = example_fact(RetentionRunPlanned).model_copy(update=about)
    hook = example_fact(WebhookDisabled).model_copy(update={"project_id": 100, "group_id": None})
    await happen(filled, published, fact(100, reason="<i>old</i>"), run, hook)

    page = await maintainer.get(_OPEN)

    assert _numbers(page) == [4, 3, 2, 1]
    for address in (
        f"/acme/open/-/packages/{published.model_dump()['package_id']}",
        "/acme/open/-/deletions/",
        "/acme/open",
    ):
        assert f'class="name" href="{address}' in page.text
    assert "<i>old</i>" in page.words
    assert "<i>" not in page.text


async def test_filters_choose_and_the_list_leads_back_to_the_first_event(
    filled: Context, maintainer: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.feed.log.MOST_READ", 3)
    monkeypatch.setattr("service.web.routes.overviews.events._SHOWN", 2)
    await happen(filled, fact(100, PackageRestored), *[fact(100)] * 4, fact(102), fact(101))

    newest = await maintainer.get("/groups/acme/-/events")
    older = await maintainer.get("/groups/acme/-/events?before=6")
    oldest = await maintainer.get("/groups/acme/-/events?before=2")
    assert [_numbers(page) for page in (newest, older, oldest)] == [[7, 6], [5, 4], [1]]
    assert "?before=6" in newest.text
    assert "Next page" not in oldest.words
    # A page reads so many events at most, so an empty one leads further back.
    rare = await maintainer.get(f"{_OPEN}?types=package.restored")
    assert _numbers(rare) == []
    assert "Further back" in rare.words
    assert "?types=package.restored&amp;before=5" in rare.text
    assert _numbers(await maintainer.get(f"{_OPEN}?types=package.restored&before=4")) == [1]
    by_project = [await maintainer.get(f"/-/events?project={name}") for name in ("acme/open", "102", "no/such")]
    assert [_numbers(page) for page in by_project] == [[5], [6], []]
    assert _numbers(await maintainer.get("/groups/acme/-/events?project=secret/vault")) == []
    await query(filled, "UPDATE event_log SET recorded_at = now() - interval '2 hours' WHERE sequence < 5")
    late = await maintainer.get("/groups/acme/-/events?since=1h&before=6")
    assert _numbers(late) == [5]
    assert "Next page" not in late.words


async def _rows(answer: ClientResponse) -> str:
    """Return the next message of a stream that has data."""
    lines: list[str] = []
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            line = (await answer.content.readline()).decode()
            assert line, "the stream has ended"
            if line == "\n" and any(each.startswith("data") for each in lines):
                return "".join(lines)
            lines = [] if line == "\n" else [*lines, line]


async def test_rows_come_as_events_happen_with_the_rights_of_now(
    filled: Context, maintainer: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_streams, "_RIGHTS_FOR_S", 0.3)
    await happen(filled, fact(200))
    address = re.search(r'data-stream="([^"]+)"', (await maintainer.get("/-/events")).text)
    assert address is not None
    async with (
        browsing(filled, external_url=None) as developer,
        maintainer.stream(address[1]) as all_events,
        maintainer.stream("/secret/vault/-/events/live?after=0") as vault,
    ):
        await developer.sign_in("developer-token")
        assert "event: rows" in await _rows(vault)
        async with developer.stream(f"{_OPEN}/live?types=package.destruction_failed") as failures:
            await happen(filled, fact(100), fact(100, PackageDestructionFailed))
            assert "store refuses" not in await _rows(failures)
        rows = await _rows(all_events)
        assert rows.count("<tr>") == 2 or "<tr>" in await _rows(all_events)
        assert filled.database.usage()["used"] == 0
        await query(filled, "UPDATE access_token SET revoked_at = now() WHERE user_id = 3")
        for stream in (all_events, vault):
            async with asyncio.timeout(timedelta(seconds=10).total_seconds()):
                assert b"data" not in await stream.content.read()


async def test_streams_are_for_those_who_are_signed_in_and_not_too_many(
    filled: Context, maintainer: Browser, stranger: Browser
) -> None:
    await happen(filled, fact(100))
    async with stranger.stream(f"{_OPEN}/live") as refused:
        assert refused.status == 401
    assert "Sign in to see new ones appear" in (await stranger.get(_OPEN)).words
    async with maintainer.stream(f"{_OPEN}/live?after=99") as gone:
        assert gone.status == 410
    opened = [maintainer.stream(f"{_OPEN}/live") for _ in range(21)]
    statuses = [(await each.__aenter__()).status for each in opened]
    for each in opened:
        await each.__aexit__(None, None, None)
    assert statuses == [200] * 20 + [429]
