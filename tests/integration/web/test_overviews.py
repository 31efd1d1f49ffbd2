"""Storage, operations and the directory as pages: their figures, and their readers."""

import re
from collections.abc import AsyncGenerator
from datetime import timedelta

import pytest

from service.backlog import queues
from service.catalogue import statistics
from service.context import Context
from service.infra.rabbitmq.broker import QueueDepth
from service.storage_check import schedule
from tests.support.browsing import Browser, browsing
from tests.support.catalogue import delete, publish, query
from tests.support.checks import put
from tests.support.stepwise import with_settings


@pytest.fixture
async def root(filled: Context) -> AsyncGenerator[Browser]:
    """A browser in which the administrator is signed in."""
    async with browsing(filled, external_url=None) as browser:
        assert (await browser.sign_in("root-token")).status == 303
        yield browser


async def test_storage_has_what_is_there_what_waits_and_how_it_grew(
    database_of_its_own: None, filled: Context, stranger: Browser, maintainer: Browser
) -> None:
    doomed = await publish(filled, files=["a", "b"], content=b"12345")
    await publish(filled, content=b"123", version="2.0")
    await publish(filled, project_id=200, content=b"1234567")
    await statistics.fold(filled.database, limit=100)
    await query(filled, "UPDATE package_statistic_day SET day = day - 2")
    await delete(filled, doomed)
    await query(filled, "DELETE FROM package_file WHERE file_name = 'a'")
    public, own = await stranger.get("/-/storage"), await maintainer.get("/-/storage")
    project = await stranger.get("/acme/open/-/storage")

    assert "In storage 8 B Shown in lists 3 B Hidden, or waits to be freed 5 B Freed in 3 days 5 B" in public.words
    assert "secret" not in public.text
    assert "In storage 15 B" in own.words
    assert "queued 10 B 1 deletion" in project.words
    # Before the two later changes, all of it was there for two days.
    assert project.text.count('title="13 bytes"') == 4


async def test_only_an_administrator_sees_what_the_last_check_found(
    database_of_its_own: None, filled: Context, root: Browser, maintainer: Browser
) -> None:
    before = await root.get("/-/storage")
    key = await put(filled)
    checking = with_settings(filled, orphan_age=timedelta(0))
    await schedule.run_scheduled_check(checking.database, checking.store, checking.settings)
    after = await root.get("/-/storage")

    assert "There is no report of a check yet" in before.words
    assert "Checks are switched off" in before.words
    assert f"Object without a file {key}" in after.words
    assert "last check" not in (await maintainer.get("/-/storage")).words


async def test_operations_show_the_queues_as_the_relay_saw_them_and_say_when_it_is_silent(
    database_of_its_own: None, filled: Context, root: Browser
) -> None:
    await delete(filled, await publish(filled))
    silent = await root.get("/-/operations")
    async with filled.database.connection() as connection:
        await queues.note_report(connection, {"packyard.delete.bulk": QueueDepth(ready=1_234, consumers=0)})
    fresh = await root.get("/-/operations")
    await query(filled, "UPDATE queue_report SET reported_at = now() - interval '1 minute'")
    stale = await root.get("/-/operations")

    assert "There has been no report yet" in silent.words
    assert "none is active" in silent.words
    assert "queued interactive 1 0 1" in silent.words
    assert "packyard.delete.bulk No worker takes from it. 1,234 0" in fresh.words
    assert "No relay reports" not in fresh.words
    assert "No relay reports. The last report came 1 minute ago" in stale.words


@pytest.mark.parametrize("path", ["/-/operations", "/-/directory"])
async def test_pages_of_administrators_do_not_exist_for_others(
    stranger: Browser, maintainer: Browser, path: str
) -> None:
    assert ((await stranger.get(path)).status, (await maintainer.get(path)).status) == (404, 404)
    assert "Operations" not in (await maintainer.get("/")).text


async def test_a_maintainer_reads_who_may_do_what_and_where_it_comes_from(
    database_of_its_own: None, filled: Context, maintainer: Browser
) -> None:
    await query(filled, "UPDATE directory_group SET grace_period = '3 hours', deletion_hold = 'an audit' WHERE id = 10")
    await query(filled, """UPDATE project SET grace_periods = '{"npm": "120 s"}' WHERE id = 102""")
    await query(filled, "INSERT INTO retention_rule (group_id, name, definition) VALUES (10, 'old ones', '{}')")
    page = await maintainer.get("/acme/labs/anvil/-/directory")
    group = await maintainer.get("/groups/acme/-/directory")

    assert "Olga Owner olga owner acme" in page.words
    assert "Paul Project paul reporter here" in page.words
    assert "puller as puller read_package_registry · does not expire" in page.words
    assert "an audit inherited from acme" in page.words
    assert "All types 3 hours inherited from acme npm 2 minutes set here" in page.words
    assert "old ones runs when asked inherited from acme" in page.words
    assert "an audit set here" in group.words
    assert "puller" not in group.text


async def test_a_maintainer_reads_quotas_and_what_becomes_of_names_with_their_places(
    filled: Context, maintainer: Browser
) -> None:
    none = await maintainer.get("/acme/labs/anvil/-/directory")
    await query(
        filled,
        "INSERT INTO storage_quota (project_id, group_id, bytes, enforce)"
        " VALUES (102, NULL, 1000, true), (NULL, 10, 2000, false)",
    )
    await query(
        filled,
        "INSERT INTO name_rule (project_id, group_id, package_type, mode) VALUES (102, NULL, 'npm', 'never'),"
        " (NULL, 10, 'npm', 'free'), (NULL, 10, 'any', 'when_gone')",
    )
    page, group = await maintainer.get("/acme/labs/anvil/-/directory"), await maintainer.get("/groups/acme/-/directory")

    assert "Quotas There is none: uploads may take any room." in none.words
    assert "Names of deleted packages All types free immediately" in none.words
    own = "0 B of 1.0 kB 0 % uploads are refused when it is full · set here"
    assert f"{own} 0 B of 2.0 kB 0 % only announced · inherited from acme" in page.words
    assert "npm never free again" in page.words
    assert "Other types free when the bytes are gone" in page.words
    assert "npm free immediately" in group.words
    assert own not in group.words


async def test_a_line_says_how_much_of_a_quota_is_used_to_those_who_may_publish(
    filled: Context, stranger: Browser, maintainer: Browser
) -> None:
    await publish(filled, content=b"x" * 600)
    await query(filled, "INSERT INTO storage_quota (project_id, bytes, enforce) VALUES (100, 500, true)")
    await query(filled, "INSERT INTO storage_quota (group_id, bytes) VALUES (10, 2000)")
    of_group = "Quota of acme: 600 B of 2.0 kB in storage (30 %), 600 B in lists."

    project, group = await maintainer.get("/acme/open"), await maintainer.get("/groups/acme")

    own = "Quota of acme/open: 600 B of 500 B in storage (120 %), 600 B in lists. No upload is taken."
    assert f"{own} {of_group}" in project.words
    assert of_group in group.words
    assert own not in group.words
    assert "Quota" not in (await stranger.get("/acme/open")).words


async def test_protection_rules_name_the_role_that_they_take(maintainer: Browser) -> None:
    page = await maintainer.get("/acme/guarded/-/directory")

    assert "Protection rules Type Names Least role to publish Least role to delete" in page.words
    assert "owner" in page.words.partition("Least role to delete")[2]


@pytest.mark.parametrize("place", ["/acme/open", "/groups/acme"])
async def test_the_pages_of_a_place_lead_to_each_other_as_far_as_their_reader_may(
    filled: Context, stranger: Browser, root: Browser, place: str
) -> None:
    package_id = await publish(filled, name="placed")
    for_all = ["", "/-/deletions", "/-/events", "/-/storage"]
    all_rooms = [*for_all, "/-/hooks", "/-/retention", "/-/directory"]
    for browser, rooms in ((stranger, for_all), (root, all_rooms)):
        for room in rooms:
            links = _links((await browser.get(place + room)).text)
            assert list(links) == [place + each for each in rooms]
            assert {address: current for address, current in links.items() if current} == {place + room: "page"}
    inner = _links((await root.get(f"/acme/open/-/packages/{package_id}")).text)
    assert {address: current for address, current in inner.items() if current} == {"/acme/open": "true"}
    assert _links((await root.get("/-/deletions")).text) == {}


def _links(text: str) -> dict[str, str]:
    """Return the addresses of the row of a place, each with its `aria-current`."""
    row = text.partition('<nav class="places"')[2].partition("</nav>")[0]
    return dict(re.findall(r'<a href="([^"]+)"(?: aria-current="(\w+)")?>', row))


async def test_administrators_read_all_users_and_their_tokens_by_name(root: Browser) -> None:
    page, found = await root.get("/-/directory"), await root.get("/-/directory?search=BLOCK")

    assert "Mary Maintainer mary 2 all api · does not expire old api · ended 1 Jan 2020 reading read_api" in page.words
    assert "Bert Blocked bert · blocked" in found.words
    assert "mary" not in found.words
    assert "maintainer-token" not in page.text


@pytest.mark.parametrize("path", ["/acme/open/-/directory", "/groups/acme/-/directory"])
async def test_the_directory_of_a_place_does_not_exist_below_a_maintainer(filled: Context, path: str) -> None:
    async with browsing(filled, external_url=None) as browser:
        await browser.sign_in("developer-token")

        assert (await browser.get(path)).status == 404
        assert "/-/directory" not in (await browser.get(path.removesuffix("/-/directory"))).text


async def test_a_user_has_a_page_of_what_its_reader_may_see(
    filled: Context, stranger: Browser, maintainer: Browser
) -> None:
    await query(filled, "UPDATE package SET creator_id = 3 WHERE id = $1", await publish(filled, name="theirs"))
    secret = await publish(filled, project_id=200, name="hidden")
    await query(filled, "UPDATE package SET creator_id = 3 WHERE id = $1", secret)
    deletion = await delete(filled, await publish(filled, name="doomed", version="3.0"))
    public = await stranger.get("/Mary")
    unknown = (await stranger.get("/nora")).status
    await stranger.sign_in("external-token")
    external = (await stranger.get("/nora")).status
    own = await maintainer.get("/mary")

    assert (public.status, "Mary Maintainer" in public.words, "theirs" in public.words) == (200, True, True)
    assert "hidden" not in public.text
    assert f"/acme/open/-/deletions/{deletion.id}" in public.text
    assert ("hidden" in own.words, "The token of this session Name all" in own.words) == (True, True)
    # She has no role in a project that others may read: only those who are signed in and no externals know of her.
    assert (unknown, external, (await maintainer.get("/nora")).status) == (404, 404, 200)
