"""The pages of retention: rules, previews, runs with approval and report, and why a package stays."""

import csv
import io
import json
import re
from datetime import timedelta
from typing import Any, Final

import pytest

from service.context import Context
from service.retention.runs import RunState
from tests.support.browsing import Browser, Page, browsing
from tests.support.catalogue import query, status_of
from tests.support.packages import MAINTAINER
from tests.support.retention import ask, fill, found, keep_rule, run, settle

_PAGE: Final = "/acme/open/-/retention"
_API: Final = "/api/v4/projects/100"
_OLD: Final = {
    "name": "old <b>ones</b>",
    "kind": "delete",
    "package_types": "npm",
    "name_patterns": "app\n lib* \n",
    "younger_than": "30d",
    "keep_latest": "5",
    "time_zone": "UTC",
    "approve_above": "20",
    "enabled": "on",
}
_SENTENCE: Final = "deletes npm packages named app or lib* older than 30 days, but the last 5 of each name"


async def _save(browser: Browser, **fields: str) -> str:
    """Save a rule by the form, and return the address of its page."""
    saved = await browser.submit(f"{_PAGE}/new", f"{_PAGE}/new", **{**_OLD, "act": "save", **fields})
    assert saved.status == 303, saved.words
    return saved.headers["Location"]


async def _follow(browser: Browser, answer: Page) -> Page:
    assert answer.status == 303, answer.words
    return await browser.get(answer.headers["Location"])


async def test_a_rule_is_written_shown_before_it_is_saved_changed_paused_and_deleted(
    filled: Context, maintainer: Browser
) -> None:
    await fill(filled, 7)
    unsaved = await maintainer.submit(f"{_PAGE}/new", f"{_PAGE}/new", **_OLD, act="preview")
    shown = await _follow(maintainer, unsaved)
    for words in (
        "2 packages would go",
        "2 files; 20 B would be free",
        _SENTENCE,
        "old <b>ones</b>",
        "not saved",
        "would be deleted",
    ):
        assert words in shown.words, words
    assert "5 stay by an exception" in shown.words
    assert await query(filled, "SELECT FROM retention_rule") == []

    field = re.search(r'name="rule" value="([^"]+)"', shown.text)
    assert field is not None
    whole = field[1].replace("&#34;", '"').replace("&lt;", "<").replace("&gt;", ">")
    saved = await maintainer.submit(unsaved.headers["Location"], f"{_PAGE}/new", rule=whole)
    twice = await maintainer.submit(unsaved.headers["Location"], f"{_PAGE}/new", rule=whole)
    (row,) = await query(filled, "SELECT id FROM retention_rule")
    page = f"{_PAGE}/rules/{row['id']}"
    assert saved.headers["Location"] == twice.headers["Location"] == f"{_PAGE}/preview?rule_id={row['id']}"
    assert "first only reports" in (await maintainer.get(page)).words
    counted = await _follow(maintainer, saved)
    for words in ("The rule is saved", "its next run may delete", "2 packages would go", "Run it now"):
        assert words in counted.words, words
    assert "it only reports" not in counted.words
    assert "Nobody has seen yet" not in (await maintainer.get(page)).words

    changed = await maintainer.submit(page, page, **{**_OLD, "keep_latest": "6", "act": "save"})
    first = await _follow(maintainer, changed)
    for words in ("the last 6 of each name", "Nobody has seen yet", "Preview this version", "now; it only reports"):
        assert words in first.words, words
    for act, words in (("pause", "Mary"), ("pause", "paused"), ("resume", "first only reports")):
        assert (
            words.lower() in (await _follow(maintainer, await maintainer.submit(page, f"{page}/{act}"))).words.lower()
        )
    listed = await maintainer.get(_PAGE)
    assert "the last 6 of each name" in listed.words
    gone = [await maintainer.submit(_PAGE + "/new", f"{page}/delete") for _ in range(2)]
    assert [each.headers["Location"] for each in gone] == [_PAGE] * 2
    assert await query(filled, "SELECT FROM retention_rule") == []


async def test_a_wrong_rule_is_shown_again_as_it_was_typed(filled: Context, maintainer: Browser) -> None:
    for field, value, words in (
        ("younger_than", "a month", "Younger than: should be"),
        ("schedule", "every night", "five words of cron"),
        ("keep_latest", "many", "Among the latest of each name: should be"),
    ):
        answer = await maintainer.submit(f"{_PAGE}/new", f"{_PAGE}/new", **{**_OLD, field: value, "act": "save"})
        assert (answer.status, words in answer.words, value in answer.text) == (422, True, True), field
    await _save(maintainer)
    taken = await maintainer.submit(f"{_PAGE}/new", f"{_PAGE}/new", **{**_OLD, "keep_latest": "9", "act": "save"})
    assert (taken.status, "has a rule of that name" in taken.words) == (409, True)


async def test_a_preview_says_of_each_package_which_rule_decides_page_by_page(
    filled: Context, maintainer: Browser
) -> None:
    await fill(filled, 120)
    page = await _save(maintainer, name_patterns="app", keep_latest="2")
    await keep_rule(filled, name="tenth", kind="keep", younger_than=None, version_patterns=["1.10.0"])
    address = f"{_PAGE}/preview?rule_id={page.rpartition('/')[2]}"

    first = await maintainer.get(address)
    kept = await maintainer.get(f"{address}&fate=kept")
    after = re.search(r'href="([^"]*after=[^"]+)"', first.text)
    assert after is not None
    second = await maintainer.get(f"{_PAGE}/preview{after[1].replace('&amp;', '&')}")

    assert "117 packages would go" in first.words
    assert "3 stay by an exception" in first.words
    assert [len(set(re.findall(r"/acme/open/-/packages/\d+", each.text))) for each in (first, second, kept)] == [
        50,
        50,
        3,
    ]
    assert "1.10.0 stays a rule keeps it tenth" in kept.words
    assert "it is among the latest of its name" in kept.words


async def test_only_a_preview_that_the_reader_asked_for_counts_as_a_dry_run(
    filled: Context, maintainer: Browser
) -> None:
    page = await _save(maintainer)
    address = f"{_PAGE}/preview?rule_id={page.rpartition('/')[2]}"

    await maintainer.get(address, **{"Sec-Fetch-Site": "cross-site"})
    async with browsing(filled, external_url=None) as reader:
        await reader.sign_in("maintainer-reading-token")
        assert (await reader.get(address)).status == 200
    assert "first only reports" in (await maintainer.get(page)).words

    assert "its next run may delete" in (await maintainer.get(address)).words
    assert "first only reports" not in (await maintainer.get(page)).words


async def test_a_run_is_asked_for_reported_and_undone_and_the_next_leaves_all_alone(
    filled: Context, maintainer: Browser
) -> None:
    ids = await fill(filled, 7)
    page = await _save(maintainer)
    await maintainer.get(f"{_PAGE}/preview?rule_id={page.rpartition('/')[2]}")
    asked, again = [await maintainer.submit(page, f"{page}/run") for _ in range(2)]
    address = asked.headers["Location"]
    assert again.headers["Location"] == address
    await settle(filled)

    report = await maintainer.get(address)
    for words in (
        "finished",
        "2 packages, 20 B",
        "Really freed 0 B",
        "2 queued",
        "Undo the run",
        "in 1 week",
        "by Mary Maintainer",
    ):
        assert words in report.words, words
    lines = list(csv.DictReader(io.StringIO((await maintainer.get(f"{address}/packages.csv")).text)))
    assert [(int(line["id"]), line["outcome"], line["reason"]) for line in lines] == [
        *((each, "deleted", "") for each in ids[:2]),
        *((each, "kept", "keep_latest") for each in ids[2:]),
    ]
    whole = await maintainer.get(f"{address}/packages.json")
    assert (len(json.loads(whole.text)["list"]), whole.headers["Content-Type"]) == (7, "application/json")
    assert "attachment" in whole.headers["Content-Disposition"]

    undone = await _follow(maintainer, await maintainer.submit(address, f"{address}/undo"))
    assert "2 deletions were undone" in undone.words
    for words in ("The rule is paused, because this run was undone", "finished, undone", "1.1.0 restored old"):
        assert words in undone.words, words
    assert "All of it can be undone until" not in undone.words
    for path in (page, _PAGE, f"{_PAGE}/runs"):
        assert "finished, undone" in (await maintainer.get(path)).words, path
    assert "because one of its runs was undone" in (paused := await maintainer.get(page)).words
    assert f'href="{address}"' in paused.text
    assert (await maintainer.submit(page, f"{page}/run")).status == 409
    await maintainer.submit(page, f"{page}/resume")
    await maintainer.submit(page, f"{page}/run")
    await settle(filled)
    assert [await status_of(filled, each) for each in ids] == ["default"] * 7
    fate = f"/acme/open/-/packages/{ids[0]}/retention"
    assert "it was restored from this rule" in (await maintainer.get(fate)).words
    released = await _follow(maintainer, await maintainer.submit(fate, f"{fate}/release"))
    assert "It goes" in released.words


@pytest.mark.parametrize(
    ("act", "state", "gone"), [("approve", RunState.FINISHED, 150), ("refuse", RunState.REFUSED, 0)]
)
async def test_a_frozen_list_is_approved_as_it_was_seen_or_refused(
    filled: Context, maintainer: Browser, act: str, state: RunState, gone: int
) -> None:
    await fill(filled, 150)
    waiting = await run(filled, await keep_rule(filled))
    address = f"{_PAGE}/runs/{waiting.id}"
    page = await maintainer.get(address)
    for words in (
        "150 packages wait for approval",
        "Maintainers of the project",
        "it lapses in 1 week",
        "awaits approval",
    ):
        assert words in page.words, words

    other = await maintainer.submit(address, f"{address}/approve", packages="149", bytes="1490")
    assert (other.status, "150 packages with 1500 bytes" in other.words) == (409, True)
    for _ in range(2):
        answer = await maintainer.submit(address, f"{address}/{act}", packages="150", bytes="1500")
        assert (answer.status, answer.headers["Location"]) == (303, address)
    await settle(filled)

    assert (await found(filled, waiting.id)).state is state
    assert len(await query(filled, "SELECT FROM deletion")) == gone
    assert ("Mary" in (await maintainer.get(address)).words) is True


async def test_a_rule_from_above_says_what_it_means_here(filled: Context, maintainer: Browser) -> None:
    async with browsing(filled, external_url=None) as owner:
        await owner.sign_in("owner-token")
        group = "/groups/acme/-/retention"
        keep = {"name": "releases", "kind": "keep", "release": "release", "enabled": "on", "time_zone": "UTC"}
        saved = await owner.submit(f"{group}/new", f"{group}/new", **keep, act="save")
        assert saved.status == 303, saved.words
        assert "Rules from above" in (await owner.get(group)).words
    page = await maintainer.get(_PAGE)

    assert "keeps releases No rule written here deletes what it keeps" in page.words
    assert "/groups/acme" in page.text


@pytest.mark.parametrize(
    ("place", "refused", "allowed"),
    [
        ("/acme/open", "developer-token", "maintainer-token"),
        ("/groups/acme", "maintainer-token", "owner-token"),
        ("", "owner-token", "root-token"),
    ],
)
async def test_rules_are_for_those_who_may_write_them_over_the_api(
    filled: Context, place: str, refused: str, allowed: str
) -> None:
    paths = [f"{place}/-/retention{path}" for path in ("", "/new", "/preview", "/runs")]
    async with browsing(filled, external_url=None) as browser:
        assert [(await browser.get(path)).status for path in paths] == [404] * 4
        await browser.sign_in(refused)
        assert [(await browser.get(path)).status for path in paths] == [404] * 4
        if place:
            assert paths[0] not in (await browser.get(place)).text
    async with browsing(filled, external_url=None) as browser:
        await browser.sign_in(allowed)
        assert [(await browser.get(path)).status for path in paths] == [200] * 4
        if place:
            assert paths[0] in (await browser.get(place)).text


async def test_each_form_is_refused_without_its_token_from_elsewhere_and_from_a_session_that_reads(
    filled: Context, maintainer: Browser
) -> None:
    await fill(filled, 150)
    rule = await keep_rule(filled)
    waiting = await run(filled, rule)
    page, address = f"{_PAGE}/rules/{rule.id}", f"{_PAGE}/runs/{waiting.id}"
    forms = [
        f"{_PAGE}/new",
        page,
        *(f"{page}/{act}" for act in ("pause", "resume", "run", "delete")),
        *(f"{address}/{act}" for act in ("approve", "refuse", "undo")),
    ]
    fields: dict[str, Any] = {**_OLD, "packages": "150", "bytes": "1500"}
    async with browsing(filled, external_url=None) as reader:
        await reader.sign_in("maintainer-reading-token")
        token = (await reader.get(_PAGE)).form_token
        read_only = [(await reader.post(path, {"form_token": token, **fields})).status for path in forms]
    token = (await maintainer.get(f"{_PAGE}/new")).form_token
    missing = [(await maintainer.post(path, fields)).status for path in forms]
    foreign = [
        (await maintainer.post(path, {"form_token": token, **fields}, **{"Sec-Fetch-Site": "cross-site"})).status
        for path in forms
    ]

    assert read_only == missing == foreign == [403] * len(forms)
    assert (await found(filled, waiting.id)).state is RunState.AWAITING_APPROVAL
    assert len(await query(filled, "SELECT FROM retention_rule")) == 1


async def test_the_page_of_a_package_leads_to_its_fate_which_the_api_says_too(
    filled: Context, maintainer: Browser, stranger: Browser
) -> None:
    old, new = await fill(filled, 2)
    await keep_rule(filled, keep_latest=1, schedule="0 3 * * *")
    fates = [await stranger.get(f"/acme/open/-/packages/{each}/retention") for each in (old, new)]
    api = await maintainer.get(f"{_API}/packages/{old}/retention", Accept="*/*", **MAINTAINER)

    assert f"/acme/open/-/packages/{old}/retention" in (await stranger.get(f"/acme/open/-/packages/{old}")).text
    assert "It goes" in fates[0].words
    assert "with the next run of the rule" in fates[0].words
    assert json.loads(api.text)["sentence"] in fates[0].words
    assert "it is among the latest of its name" in fates[1].words


async def test_a_run_that_is_planned_reads_itself_again(filled: Context, maintainer: Browser) -> None:
    await fill(filled, 2)
    asked = await ask(filled, await keep_rule(filled))
    address = f"{_PAGE}/runs/{asked.id}"

    assert f'data-again="{address}"' in (await maintainer.get(address)).text
    await settle(filled)
    assert "data-again" not in (await maintainer.get(address)).text


async def test_the_page_of_a_run_reads_no_longer_than_other_pages(filled: Context, maintainer: Browser) -> None:
    done = await run(filled, await keep_rule(filled))
    async with browsing(filled, read_timeout=timedelta(seconds=0.2), external_url=None) as hasty:
        await hasty.sign_in("maintainer-token")
        async with filled.database.transaction() as connection:
            await connection.execute("LOCK TABLE retention_item")
            assert (await hasty.get(f"{_PAGE}/runs/{done.id}")).status == 503
        assert (await hasty.get(f"{_PAGE}/runs/{done.id}")).status == 200
