"""Acts by forms: what they do, what they do when they come twice or too late, and who may send them."""

import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from service.context import Context
from service.observing.liveness import Vitals
from tests.support.browsing import Browser, Page, browsing
from tests.support.catalogue import delete, protect, publish, query, status_of

_REASON = 'too old, "quoted" & <b>marked</b>'


def _package(package_id: int) -> str:
    return f"/acme/open/-/packages/{package_id}"


async def _acts(context: Context, deletion_id: UUID) -> list[str]:
    rows = await query(context, "SELECT action FROM deletion_act WHERE deletion_id = $1 ORDER BY id", deletion_id)
    return [row["action"] for row in rows]


async def test_the_form_says_what_goes_and_a_deletion_follows(filled: Context, maintainer: Browser) -> None:
    package_id = await publish(filled, name="old-tool", files=("a.bin", "b.bin"), content=b"x" * 1_500)
    await query(filled, "UPDATE project SET grace_period = '47 minutes' WHERE id = 100")
    path = _package(package_id)
    asked = await maintainer.get(f"{path}/delete")
    answer = await maintainer.submit(path, f"{path}/delete", reason=_REASON)
    page = await maintainer.get(answer.headers["Location"])
    (row,) = await query(filled, "SELECT * FROM deletion WHERE package_id = $1", package_id)

    for words in ("old-tool 1.0", "2 files, 3.0 kB", "can be undone until", "47 minutes"):
        assert words in asked.words
    assert (answer.status, answer.headers["Location"]) == (303, f"/acme/open/-/deletions/{row['id']}#now")
    assert (row["requested_by"], row["credential"], row["cause"]) == (3, "personal_access_token", "user")
    assert row["reason"] == _REASON
    for words in ("Deletion of old-tool 1.0", "Queued", "Mary Maintainer asked for it", _REASON, "Undo"):
        assert words in page.words


async def test_a_form_that_is_sent_twice_does_one_thing(filled: Context, maintainer: Browser) -> None:
    package_id = await publish(filled, files=("a.bin", "b.bin"))
    path = _package(package_id)
    page = await maintainer.get(path)
    file = next(part for part in page.text.split('"') if "/package_files/" in part and part.endswith("/delete"))
    asked = await maintainer.get(file)
    of_file = [await maintainer.post(file, {"form_token": page.form_token}) for _ in range(2)]
    of_package = [await maintainer.post(f"{path}/delete", {"form_token": page.form_token}) for _ in range(2)]
    location = of_package[0].headers["Location"].removesuffix("#now")
    undone = [await maintainer.post(f"{location}/restore", {"form_token": page.form_token}) for _ in range(2)]

    assert asked.status == 200
    assert "Delete the file a.bin? What goes 1 file" in asked.words
    assert {answer.status for answer in of_file + of_package} == {303}
    assert of_file[0].headers["Location"] == of_file[1].headers["Location"] != of_package[0].headers["Location"]
    assert of_package[1].headers["Location"] == f"{location}#now"
    assert [answer.status for answer in undone] == [303, 409]
    assert "restored and cannot be restored any more" in undone[1].words
    assert await _acts(filled, UUID(location.rpartition("/")[2])) == ["restore"]
    assert await status_of(filled, package_id) == "default"


async def test_an_undo_that_comes_too_late_says_so_on_the_page_of_the_deletion(
    filled: Context, maintainer: Browser
) -> None:
    deletion = await delete(filled, await publish(filled, name="late"))
    await query(filled, "UPDATE deletion SET removal_began_at = now() WHERE id = $1", deletion.id)
    answer = await maintainer.submit("/acme/open", f"/acme/open/-/deletions/{deletion.id}/restore")

    assert answer.status == 409
    assert "cannot be restored any more: bytes may be gone" in answer.words
    assert "Deletion of late" in answer.words


async def test_a_failed_deletion_is_explained_to_maintainers_and_tried_again(
    filled: Context, maintainer: Browser, stranger: Browser
) -> None:
    package_id = await publish(filled, name="stuck")
    deletion = await delete(filled, package_id)
    await query(
        filled,
        "UPDATE deletion SET state = 'failed', finished_at = now(), attempts = 6, last_error = $2 WHERE id = $1",
        deletion.id,
        "StorageRefusedError: bucket crates, key 7f3a",
    )
    await query(filled, "UPDATE package SET status = 'error' WHERE id = $1", package_id)
    path = f"/acme/open/-/deletions/{deletion.id}"
    for_maintainers, for_others = await maintainer.get(path), await stranger.get(path)
    home = await stranger.get("/")
    answer = await maintainer.submit(path, f"{path}/retry")
    await query(filled, "UPDATE deletion SET state = 'failed', finished_at = now(), attempts = 1, files_done = 1")
    again = await maintainer.get(path)

    assert "Given up after 6 attempts. No file is gone; the package is in status error." in for_others.words
    assert "Given up again: 1 attempt since it was last tried anew. What is left of the package" in again.words
    assert "StorageRefusedError: bucket crates, key 7f3a" in for_maintainers.words
    assert "StorageRefusedError" in for_others.words
    assert "crates" not in for_others.words
    assert "Try again" not in for_others.words
    assert "stuck 1.0 failed" in home.words
    assert answer.status == 303
    assert await _acts(filled, deletion.id) == ["retry"]


@pytest.mark.parametrize(
    ("token", "allowed"),
    [("developer-token", set()), ("maintainer-token", {"restore"}), ("owner-token", {"destroy_now", "restore"})],
)
async def test_buttons_and_forms_are_there_for_those_who_may(filled: Context, token: str, allowed: set[str]) -> None:
    deletion = await delete(filled, await publish(filled))
    await query(
        filled,
        "UPDATE deletion SET state = 'grace', not_before = now() + interval '1 hour' WHERE id = $1",
        deletion.id,
    )
    path = f"/acme/open/-/deletions/{deletion.id}"
    async with browsing(filled, external_url=None) as browser:
        await browser.sign_in(token)
        page = await browser.get(path)
        answers = {
            act: (await browser.submit("/", f"{path}/{act}")).status for act in ("destroy_now", "restore", "retry")
        }

    assert {act for act in answers if f"{path}/{act}" in page.text.partition('id="live"')[2]} == allowed
    assert {act for act, status in answers.items() if status == 303} == allowed
    assert "left to undo it" in page.words
    assert ("Delete" in page.words) is False


async def test_what_would_refuse_a_deletion_is_said_before_and_after(filled: Context, maintainer: Browser) -> None:
    package_id = await publish(filled, name="app")
    path = _package(package_id)
    await protect(filled)
    page = await maintainer.get(path)
    answer = await maintainer.submit("/", f"{path}/delete")

    assert "refused now: Package is deletion protected. Only an owner may delete it." in page.words
    assert f"{path}/delete" not in page.text
    assert 'href="/acme/open/-/directory">Show the rules' in page.text
    assert (answer.status, "Package is deletion protected." in answer.words) == (403, True)
    assert await status_of(filled, package_id) == "default"


async def test_a_hold_is_shown_where_it_holds_and_its_reason_only_to_maintainers(
    filled: Context, maintainer: Browser, stranger: Browser
) -> None:
    await query(filled, "UPDATE directory_group SET deletion_hold = 'case 4711' WHERE path = 'acme'")
    for path in ("/acme/open", "/groups/acme"):
        for_maintainers, for_others = await maintainer.get(path), await stranger.get(path)
        assert "On hold Nothing here is deleted" in for_maintainers.words
        assert "The reason: case 4711" in for_maintainers.words
        assert "Delete many" not in for_maintainers.words
        assert ("On hold" in for_others.words, "4711" in for_others.text) == (True, False)

    await query(filled, "UPDATE directory_group SET deletion_hold = NULL WHERE path = 'acme'")
    free = await maintainer.get("/acme/open")
    assert ("On hold" in free.words, "Delete many" in free.words) == (False, True)


async def test_history_names_the_credential_of_each_act(filled: Context, maintainer: Browser) -> None:
    deletion = await delete(filled, await publish(filled, name="by-operator"))
    await query(
        filled, "UPDATE deletion SET requested_by = NULL, credential = 'command_line' WHERE id = $1", deletion.id
    )
    path = f"/acme/open/-/deletions/{deletion.id}"
    await maintainer.submit(path, f"{path}/restore")
    page, listed = await maintainer.get(path), await maintainer.get("/acme/open/-/deletions")

    assert re.search(r"It was asked for on [^.]*, from the command line\.", page.words)
    assert re.search(r"Mary Maintainer undid it on [^.]*, with a personal access token\.", page.words)
    assert "It was over" not in page.words
    assert "command line" in listed.words


async def test_a_visitor_is_led_to_sign_in_before_a_deletion(filled: Context, stranger: Browser) -> None:
    page = await stranger.get(_package(await publish(filled)))

    assert "Sign in to delete it" in page.words


async def test_the_list_of_deletions_counts_states_and_leads_to_each(filled: Context, maintainer: Browser) -> None:
    await query(filled, "DELETE FROM deletion")
    for name in ("one", "two"):
        await delete(filled, await publish(filled, name=name, project_id=200), project_id=200)
    (first,) = await query(filled, "SELECT id FROM deletion WHERE package_name = 'one'")
    for place in ("/secret/vault", "/groups/secret"):
        empty = await maintainer.get(place)
        assert f'href="{place}/-/deletions?state=queued">2 deletions can be undone' in empty.text
    await maintainer.submit("/", f"/secret/vault/-/deletions/{first['id']}/restore")

    for path in ("/-/deletions", "/groups/secret/-/deletions", "/secret/vault/-/deletions"):
        page = await maintainer.get(path)
        assert "queued 1 " in page.words
        assert "restored 1 " in page.words
        assert "one 1.0" in page.words
        restored = await maintainer.get(f"{path}?state=restored")
        assert "one 1.0" in restored.words
        assert "two 1.0" not in restored.words
    async with browsing(filled, external_url=None) as stranger:
        assert "one 1.0" not in (await stranger.get("/-/deletions")).words


async def _stream(browser: Browser, path: str) -> str:
    """Return all that a stream sends until the server ends it."""
    page: Page = await browser.get(path, Accept="text/event-stream")
    assert page.headers["Content-Type"] == "text/event-stream"
    assert page.headers["X-Accel-Buffering"] == "no"
    return page.text


async def test_a_page_follows_a_deletion_until_it_is_over(filled: Context, maintainer: Browser) -> None:
    deletion = await delete(filled, await publish(filled, name="followed"))
    path = f"/acme/open/-/deletions/{deletion.id}"
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        head = await maintainer.head(f"{path}/live")
        assert (head.status, head.headers["Content-Type"], head.text) == (200, "text/event-stream", "")
        stream = group.create_task(_stream(maintainer, f"{path}/live"))
        await asyncio.sleep(timedelta(seconds=1.5).total_seconds())
        assert (await maintainer.submit(path, f"{path}/restore")).status == 303
    parts = stream.result().split("event: ")[1:]

    assert parts[0].startswith("part")
    assert "Queued" in parts[0]
    assert parts[-1].startswith("over")
    assert "The package is back as it was" in parts[-1]
    assert "Undo" not in parts[-1].partition("<button")[2]


@pytest.mark.usefixtures("database_of_its_own")
async def test_a_stream_ends_soon_after_its_session(filled: Context, maintainer: Browser) -> None:
    deletion = await delete(filled, await publish(filled, project_id=200), project_id=200)
    path = f"/secret/vault/-/deletions/{deletion.id}/live"
    async with asyncio.timeout(25), asyncio.TaskGroup() as group:
        stream = group.create_task(_stream(maintainer, path))
        await asyncio.sleep(timedelta(seconds=1.5).total_seconds())
        await query(filled, "UPDATE access_token SET revoked_at = now() WHERE user_id = 3")
    parts = stream.result().split("event: ")[1:]

    assert "Queued" in parts[0]
    assert parts[-1].split() == ["over", "data:"]
    assert (await maintainer.get(path)).status == 404


async def test_streams_end_when_the_process_stops(filled: Context) -> None:
    stop = asyncio.Event()
    deletion = await delete(filled, await publish(filled))
    path = f"/acme/open/-/deletions/{deletion.id}/live"
    async with (
        browsing(replace(filled, vitals=Vitals(stop)), external_url=None) as browser,
        asyncio.timeout(5),
        asyncio.TaskGroup() as group,
    ):
        stream = group.create_task(_stream(browser, path))
        await asyncio.sleep(0.5)
        stop.set()

    assert "over" not in stream.result()
