"""Signing in: what a session may do, and what ends it."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from pydantic import HttpUrl

from service.context import Context
from service.web import live
from service.web.routes import live as routes_live
from service.web.sessions.rows import IDLE, LONGEST
from tests.support.browsing import Browser, browsing
from tests.support.catalogue import delete, publish, query
from workers.scheduler import schedule_once

VAULT = "/secret/vault"


async def test_a_token_opens_what_it_may_read_until_the_session_is_closed(stranger: Browser) -> None:
    before = (await stranger.get(VAULT)).status
    signed_in = await stranger.submit("/-/sign_in", "/-/sign_in", token="maintainer-token", return_to=VAULT)
    within = await stranger.get(VAULT)
    signed_out = await stranger.submit(VAULT, "/-/sign_out")

    assert (before, signed_in.status, signed_in.headers["Location"]) == (404, 303, VAULT)
    assert (within.status, "Vault" in within.words) == (200, True)
    assert (signed_out.status, (await stranger.get(VAULT)).status) == (303, 404)


@pytest.mark.parametrize(
    "token",
    [
        "nonsense",
        "",
        "maintainer-expired-token",
        "blocked-token",
        "open-maintainer-job",
        "open-read-deploy",
    ],
)
async def test_no_other_credential_opens_a_session(stranger: Browser, token: str) -> None:
    answer = await stranger.sign_in(token)

    assert (answer.status, "not good" in answer.words, stranger.cookies.get("packyard")) == (422, True, None)


async def test_the_cookie_is_a_secret_of_the_browser_and_only_its_digest_is_kept(
    filled: Context, stranger: Browser
) -> None:
    answer = await stranger.sign_in("maintainer-token")
    rows = await query(filled, "SELECT encode(digest, 'escape') AS digest FROM web_session")

    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/" in cookie
    assert all(stranger.cookies["packyard"] not in row["digest"] for row in rows)


async def test_over_https_the_cookie_is_bound_to_the_host(filled: Context) -> None:
    async with browsing(filled, external_url=HttpUrl("https://yard.example/packages/")) as browser:
        cookie = (await browser.get("/-/sign_in")).headers["Set-Cookie"]

    assert cookie.startswith("__Host-packyard-form=")
    assert "Secure" in cookie
    assert "Path=/;" in f"{cookie};"


@pytest.mark.parametrize(
    ("external_url", "host"),
    [
        (HttpUrl("http://yard.example"), "yard.example"),
        (None, "yard.example"),
        (HttpUrl("http://127.0.0.1"), "10.0.0.7"),
    ],
)
async def test_plain_http_beyond_this_machine_takes_no_token_and_says_why(
    filled: Context, external_url: HttpUrl | None, host: str
) -> None:
    async with browsing(filled, external_url=external_url) as browser:
        page = await browser.get("/-/sign_in", Host=host)
        answer = await browser.post(
            "/-/sign_in", {"token": "maintainer-token"}, **{"Host": host, "Sec-Fetch-Site": "same-origin"}
        )

    assert "PACKYARD_EXTERNAL_URL" in page.words
    assert 'name="token"' not in page.text
    assert answer.status == 422
    assert "PACKYARD_EXTERNAL_URL" in answer.words


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE access_token SET revoked_at = now() WHERE user_id = 3",
        "UPDATE access_token SET expires_at = current_date - 1 WHERE user_id = 3",
        "UPDATE directory_user SET state = 'blocked' WHERE id = 3",
        "DELETE FROM web_session WHERE user_id = 3",
    ],
)
async def test_what_ends_a_token_or_user_ends_the_session_with_the_next_request(
    database_of_its_own: None, filled: Context, maintainer: Browser, change: str
) -> None:
    before = (await maintainer.get(VAULT)).status
    await query(filled, change)

    assert (before, (await maintainer.get(VAULT)).status) == (200, 404)


@pytest.mark.parametrize(("column", "age"), [("last_used_at", IDLE), ("created_at", LONGEST)])
async def test_a_session_ends_by_itself_and_the_scheduler_removes_it(
    database_of_its_own: None, filled: Context, maintainer: Browser, column: str, age: timedelta
) -> None:
    await query(filled, f"UPDATE web_session SET {column} = now() - $1::interval", age - timedelta(minutes=1))  # noqa: S608 - a name of ours
    just_before = (await maintainer.get(VAULT)).status
    await query(filled, f"UPDATE web_session SET {column} = now() - $1::interval", age + timedelta(minutes=1))  # noqa: S608 - the same
    after = (await maintainer.get(VAULT)).status
    await maintainer.sign_in("owner-token")
    await schedule_once(filled)

    assert (just_before, after) == (200, 404)
    assert [row["user_id"] for row in await query(filled, "SELECT user_id FROM web_session")] == [2]


async def test_each_sign_in_has_a_session_of_its_own_and_all_can_be_closed_together(
    database_of_its_own: None, filled: Context, maintainer: Browser
) -> None:
    first = maintainer.cookies["packyard"]
    async with browsing(filled, external_url=None) as elsewhere:
        await elsewhere.sign_in("maintainer-token")
        second = elsewhere.cookies["packyard"]
        await maintainer.submit("/", "/-/sign_out", everywhere="1")

        assert first != second
        assert (await elsewhere.get(VAULT)).status == 404


async def test_a_token_that_may_only_read_opens_a_session_that_only_reads(filled: Context, stranger: Browser) -> None:
    package_id = await publish(filled, project_id=200)
    await stranger.sign_in("maintainer-reading-token")
    path = f"{VAULT}/-/packages/{package_id}"
    page = await stranger.get(path)
    answer = await stranger.post(f"{path}/delete", {"form_token": page.form_token})

    assert page.status == 200
    assert "/delete" not in page.text
    assert (answer.status, "scope api" in answer.words) == (403, True)


SAME = {"Sec-Fetch-Site": "same-origin"}
MISSING: Mapping[str, str] = {"Sec-Fetch-Site": "", "Origin": ""}


@pytest.mark.parametrize(
    "headers",
    [
        MISSING,
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "", "Origin": "null"},
    ],
)
async def test_a_form_of_another_site_changes_nothing(
    filled: Context, maintainer: Browser, headers: Mapping[str, str]
) -> None:
    package_id = await publish(filled)
    path = f"/acme/open/-/packages/{package_id}"
    token = (await maintainer.get(path)).form_token
    answer = await maintainer.post(f"{path}/delete", {"form_token": token}, **headers)

    assert answer.status == 403
    assert (await maintainer.get(path)).status == 200


@pytest.mark.parametrize("token", ["", "nonsense", "é"])
async def test_a_form_without_the_token_of_the_session_changes_nothing(
    filled: Context, maintainer: Browser, token: str
) -> None:
    package_id = await publish(filled)
    path = f"/acme/open/-/packages/{package_id}"
    answer = await maintainer.post(f"{path}/delete", {"form_token": token})

    assert answer.status == 403
    assert (await maintainer.get(path)).status == 200


async def test_a_form_of_somebody_who_is_signed_out_leads_to_the_sign_in(filled: Context, maintainer: Browser) -> None:
    package_id = await publish(filled)
    path = f"/acme/open/-/packages/{package_id}"
    token = (await maintainer.get(path)).form_token
    await maintainer.submit(path, "/-/sign_out")
    answer = await maintainer.post(f"{path}/delete", {"form_token": token})

    assert (answer.status, answer.headers["Location"]) == (303, "/-/sign_in?ended=1")
    assert (await maintainer.get(path)).status == 200


async def test_the_cookie_is_no_credential_of_the_api(maintainer: Browser) -> None:
    answer = await maintainer.get("/api/v4/projects/200/packages", Accept="application/json")

    assert (answer.status, answer.text) == (404, '{"message":"404 Project Not Found"}')


async def test_too_many_wrong_tokens_are_put_off(stranger: Browser) -> None:
    answers = [await stranger.sign_in("nonsense") for _ in range(10)]
    right = await stranger.sign_in("maintainer-token")

    assert {answer.status for answer in answers} == {422}
    assert (right.status, "Wait a minute" in right.words) == (429, True)


@pytest.mark.parametrize(
    ("return_to", "leads_to"),
    [
        ("/acme/open?status=error", "/acme/open?status=error"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("/-/sign_out", "/"),
        ("/a\r\nSet-Cookie: x=y", "/"),
    ],
)
async def test_a_sign_in_leads_to_pages_of_ours_only(stranger: Browser, return_to: str, leads_to: str) -> None:
    answer = await stranger.submit("/-/sign_in", "/-/sign_in", token="maintainer-token", return_to=return_to)

    assert answer.headers["Location"] == leads_to


_PROXY = {"sign_in_header": "X-Forwarded-User", "trusted_proxies": (ip_network("127.0.0.0/8"),), "external_url": None}


async def test_a_trusted_proxy_signs_its_user_in_by_a_session_that_acts_as_the_proxy(
    database_of_its_own: None, filled: Context
) -> None:
    package_id = await publish(filled)
    path = f"/acme/open/-/packages/{package_id}"
    named = {"X-Forwarded-User": "Mary"}
    async with browsing(filled, **_PROXY) as browser:
        page = await browser.get(path, **named)
        again = await browser.get(VAULT, **named)
        deleted = await browser.post(f"{path}/delete", {"form_token": page.form_token}, **named)
        without = await browser.get(VAULT)
        other = await browser.get(VAULT, **{"X-Forwarded-User": "nora"})
        blocked = await browser.get(VAULT, **{"X-Forwarded-User": "bert"})
        api = await browser.get("/api/v4/user", Accept="application/json", **named)
    rows = await query(filled, "SELECT user_id, token_id FROM web_session ORDER BY created_at")
    deletions = await query(filled, "SELECT requested_by, credential FROM deletion")

    assert (again.status, deleted.status) == (200, 303)
    assert [tuple(row.values()) for row in deletions] == [(3, "proxy")]
    assert (without.status, other.status, blocked.status, api.status) == (404, 404, 404, 401)
    # One for Mary, one for Nora, and none for a user who is blocked.
    assert [tuple(row.values()) for row in rows] == [(3, None), (7, None)]


async def test_a_stream_hands_out_its_session_and_opens_no_other_when_that_has_ended(
    database_of_its_own: None, filled: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes_live, "_RECHECK_S", 0.1)
    monkeypatch.setattr(live, "_GRANTED_FOR_S", 0.1)
    deletion = await delete(filled, await publish(filled, project_id=200), project_id=200)
    path = f"{VAULT}/-/deletions/{deletion.id}/live"
    named = {"X-Forwarded-User": "mary"}
    async with browsing(filled, **_PROXY) as browser, asyncio.timeout(10), browser.stream(path, **named) as stream:
        await stream.content.readuntil(b"\n\n")
        assert "packyard" in browser.cookies
        await query(filled, "DELETE FROM web_session")
        assert (await stream.text()).split() == ["event:", "over", "data:"]

    assert await query(filled, "SELECT FROM web_session") == []


@pytest.mark.parametrize(
    "given",
    [
        {"sign_in_header": None, "trusted_proxies": _PROXY["trusted_proxies"]},
        {"sign_in_header": "X-Forwarded-User", "trusted_proxies": (ip_network("10.0.0.0/8"),)},
    ],
)
async def test_nobody_else_names_a_user(filled: Context, given: Mapping[str, Any]) -> None:
    async with browsing(filled, external_url=None, **given) as browser:
        page = await browser.get(VAULT, **{"X-Forwarded-User": "mary"})

        assert (page.status, browser.cookies) == (404, {})


async def test_two_names_are_none_and_a_form_opens_no_session(filled: Context) -> None:
    async with browsing(filled, **_PROXY) as browser:
        assert (await browser.get(VAULT, **{"X-Forwarded-User": "mary, root"})).status == 404
        sent = await browser.post("/acme/open/-/deletions/retry", {"form_token": "x"}, **{"X-Forwarded-User": "mary"})

        assert (sent.status, sent.headers["Location"]) == (303, "/-/sign_in?ended=1")
