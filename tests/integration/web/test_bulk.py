"""Many packages at a time: what is shown is what goes, once, and all of it can be taken back."""

import re
from uuid import uuid4

import pytest

from service.context import Context
from tests.support.browsing import Browser, Page, browsing
from tests.support.catalogue import delete, protect, publish, query

_HIDDEN = re.compile(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)">')
_BULK = "/acme/open/-/bulk_delete"
_FOCUS = "#progress-title"


def _fields(page: Page) -> dict[str, str]:
    """Return what the form on the page sends by itself."""
    return dict(_HIDDEN.findall(page.text))


def _batch(answer: Page) -> str:
    """Return the address of the page that a confirmation leads to, without the part that takes the focus."""
    return answer.headers["Location"].removesuffix(_FOCUS)


async def _publish(context: Context, *names: str) -> None:
    for name in names:
        await publish(context, name=name, files=("a.bin", "b.bin"))


async def test_what_was_shown_goes_and_can_be_undone_together(filled: Context, maintainer: Browser) -> None:
    await _publish(filled, "bulk-one", "bulk-two", "other")
    shown = await maintainer.get(f"{_BULK}?package_name=bulk-")
    before = await query(filled, "SELECT count(*) AS n FROM deletion WHERE package_name LIKE 'bulk-%'")
    answer = await maintainer.post(_BULK, {**_fields(shown), "reason": "spring"})
    address = _batch(answer)
    batch = await maintainer.get(address)
    listed = await maintainer.get("/acme/open/-/deletions")
    one = await maintainer.get(re.findall(r'class="name" href="([^"]+)"', batch.text)[0])
    await query(
        filled,
        "UPDATE deletion SET state = 'grace', not_before = now() + interval '2 hours' WHERE package_name LIKE 'bulk-%'",
    )
    waiting = await maintainer.get(address)
    led = await maintainer.submit(address, f"{address}/restore")
    undone = await maintainer.get(led.headers["Location"])
    rows = await query(filled, "SELECT state, cause, reason FROM deletion WHERE package_name LIKE 'bulk-%'")

    assert "2 packages would go 4 files, 20 B" in shown.words
    assert "other" not in shown.words
    assert before[0]["n"] == 0
    assert answer.status == 303
    assert "Deletion of 2 packages" in batch.words
    assert "queued 2" in batch.words
    assert re.search(r"requested \S.* by Mary Maintainer Waiting", batch.words)
    assert "2 hours left to undo all of it in grace 2 waiting, can be undone until" in waiting.words
    assert answer.headers["Location"] == f"{address}{_FOCUS}"
    assert 'role="status" tabindex="-1" autofocus' in undone.text
    assert f'<a href="{address}">one of a batch' in listed.text
    assert f'href="{address}">Undo all of the batch' in one.text
    assert "one of a batch" not in batch.words
    assert (led.status, undone.status, "2 deletions were undone." in undone.words) == (303, 200, True)
    forged = led.headers["Location"].replace("restore", "retry")
    assert "2 deletions" not in (await maintainer.get(forged)).words
    assert {tuple(row.values()) for row in rows} == {("restored", "bulk", "spring")}


async def test_a_confirmation_that_is_sent_twice_makes_one_batch(filled: Context, maintainer: Browser) -> None:
    await _publish(filled, "twice-one", "twice-two")
    fields = _fields(await maintainer.get(f"{_BULK}?package_name=twice-"))
    answers = [await maintainer.post(_BULK, fields) for _ in range(2)]
    rows = await query(filled, "SELECT DISTINCT batch_id FROM deletion WHERE package_name LIKE 'twice-%'")

    assert [answer.status for answer in answers] == [303, 303]
    assert answers[0].headers["Location"] == answers[1].headers["Location"]
    assert [str(row["batch_id"]) for row in rows] == [_batch(answers[0]).rpartition("/")[2]]


async def test_what_has_changed_since_it_was_shown_is_asked_for_again(filled: Context, maintainer: Browser) -> None:
    await _publish(filled, "moving-one")
    fields = _fields(await maintainer.get(f"{_BULK}?package_name=moving-"))
    await _publish(filled, "moving-two")
    answer = await maintainer.post(_BULK, fields)

    assert answer.status == 409
    assert "2 packages would be deleted, 1 were expected" in answer.words
    assert await query(filled, "SELECT FROM deletion WHERE package_name LIKE 'moving-%'") == []


async def test_what_would_be_refused_is_said_with_its_reason(filled: Context, maintainer: Browser) -> None:
    await _publish(filled, "app")
    await protect(filled)
    page = await maintainer.get(f"{_BULK}?package_name=app&package_version=1.0")

    assert "1 would be refused" in page.words
    assert "Package is deletion protected. A protection rule names the role that may delete it" in page.words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("keep_latest_per_name=many", "This cannot be read: keep latest per name."),
        ("created_before=yesterday", "This cannot be read: created before."),
        ("status=hidden&package_type=nonsense", "This cannot be read: package type, status."),
        ("package_name=%20", "Fill in at least one condition."),
        ("package_name=&status=", "Fill in at least one condition."),
        ("", "Say which. Before anything is deleted, you see what would go. Filter"),
    ],
)
async def test_a_condition_that_cannot_be_read_is_named(maintainer: Browser, text: str, words: str) -> None:
    page = await maintainer.get(f"{_BULK}?{text}")

    assert (page.status, words in page.words, "packages would go" in page.words) == (200, True, False)


async def test_nobody_adds_to_a_batch_of_others(filled: Context, maintainer: Browser) -> None:
    await _publish(filled, "joined")
    fields = _fields(await maintainer.get(f"{_BULK}?package_name=joined"))
    answer = await maintainer.post(_BULK, {**fields, "batch_id": str(uuid4())})

    assert answer.status == 403
    assert await query(filled, "SELECT FROM deletion WHERE package_name = 'joined'") == []


async def test_those_who_may_not_delete_see_no_bulk_page_and_no_buttons(filled: Context, maintainer: Browser) -> None:
    await _publish(filled, "seen")
    fields = _fields(await maintainer.get(f"{_BULK}?package_name=seen"))
    batch = _batch(await maintainer.post(_BULK, fields))
    async with browsing(filled, external_url=None) as browser:
        await browser.sign_in("developer-token")
        pages = [await browser.get(_BULK), await browser.get(batch)]
        answer = await browser.submit("/", f"{batch}/restore")

    assert [page.status for page in pages] == [404, 200]
    assert "Undo all" not in pages[1].words
    assert 'packyard deletions hold acme/open --reason "Why it stops"' in pages[1].words
    assert answer.status == 403
    assert (await maintainer.get("/secret/vault" + batch.removeprefix("/acme/open"))).status == 404


async def test_failed_ones_are_counted_by_their_error_and_tried_again_together(
    filled: Context, maintainer: Browser
) -> None:
    await _publish(filled, "fail-one", "fail-two")
    fields = _fields(await maintainer.get(f"{_BULK}?package_name=fail-"))
    batch = _batch(await maintainer.post(_BULK, fields))
    await query(
        filled,
        "UPDATE deletion SET state = 'failed', finished_at = now(), attempts = 6,"
        " last_error = 'StorageUnavailableError: key ' || id WHERE package_name LIKE 'fail-%'",
    )
    await query(filled, "UPDATE package SET status = 'error' WHERE name LIKE 'fail-%'")
    page = await maintainer.get(batch)
    led = await maintainer.submit(batch, f"{batch}/retry")
    answer = await maintainer.get(led.headers["Location"])

    assert "Why some failed StorageUnavailableError 2" in page.words
    assert "2 deletions are tried again." in answer.words
    assert "retrying 2" in answer.words


@pytest.mark.parametrize("place", ["/acme/open", "/groups/acme", ""])
async def test_failed_ones_of_no_batch_are_grouped_and_tried_again_by_their_error(
    database_of_its_own: None, filled: Context, maintainer: Browser, stranger: Browser, place: str
) -> None:
    for name, error in (("one", "Away: key 1"), ("two", "Away: key 2"), ("three", "Denied: key 3")):
        await delete(filled, await publish(filled, name=name))
        await query(
            filled,
            "UPDATE deletion SET state = 'failed', finished_at = now(), attempts = 6, last_error = $2"
            " WHERE package_name = $1",
            name,
            error,
        )
    await query(filled, "UPDATE package SET status = 'error'")
    path = f"{place}/-/deletions"
    page, public = await maintainer.get(f"{path}?state=failed"), await stranger.get(f"{path}?state=failed")
    led = await maintainer.submit(f"{path}?state=failed", f"{path}/retry", kind="Away")
    after = await maintainer.get(led.headers["Location"])

    assert "Away 2 deletions Try these again Away Denied 1 deletion Try these again" in page.words
    assert ("Away 2" in public.words, "Try these again" in public.words) == (True, False)
    assert "2 deletions are tried again." in after.words
    assert ("Away 2" in after.words, "Denied 1" in after.words) == (False, True)


async def test_a_group_deletes_in_all_projects_where_the_caller_may(filled: Context, maintainer: Browser) -> None:
    await publish(filled, name="wide", project_id=100)
    await publish(filled, name="wide", project_id=102)
    fields = _fields(await maintainer.get("/groups/acme/-/bulk_delete?package_name=wide"))
    answer = await maintainer.post("/groups/acme/-/bulk_delete", fields)

    batch = await maintainer.get(answer.headers["Location"])
    assert batch.words.count("wide 1.0") == 2
    assert "packyard deletions hold --group acme --reason" in batch.words


async def test_a_dry_run_says_whether_it_could_be_undone(
    database_of_its_own: None, filled: Context, maintainer: Browser
) -> None:
    await _publish(filled, "brief")
    without = await maintainer.get(f"{_BULK}?package_name=brief")
    await query(filled, "UPDATE project SET grace_period = '3 hours' WHERE id = 100")
    with_grace = await maintainer.get(f"{_BULK}?package_name=brief")
    await publish(filled, name="brief", project_id=102)
    some = await maintainer.get("/groups/acme/-/bulk_delete?package_name=brief")

    assert "They have no grace" in without.words
    assert "At least one has no grace" in some.words
    assert "Each could be undone for 3 hours or longer." in with_grace.words
