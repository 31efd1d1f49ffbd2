"""Limits and doors that settings open or close: how often a caller may ask, and which web origins may."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from ipaddress import ip_network

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestClient, TestServer

from service.app import create_app
from service.context import Context
from service.sockets import bind_sockets
from tests.integration.conftest import Client
from tests.support.stepwise import with_settings

_PATH = "/api/v4/projects/100/packages"
_MARY = {"PRIVATE-TOKEN": "maintainer-token"}
_RITA = {"PRIVATE-TOKEN": "reporter-token"}
_APP = "https://app.example.com"


@asynccontextmanager
async def _client(filled: Context, **changed: object) -> AsyncGenerator[Client]:
    async with TestClient(TestServer(create_app(with_settings(filled, **changed)))) as client:
        yield client


async def test_whoever_asks_too_often_is_told_when_to_come_again(filled: Context) -> None:
    async with _client(filled, rate_limit=3, rate_limit_period=timedelta(hours=1)) as client:
        answers = [await client.get(_PATH, headers=_MARY) for _ in range(4)]
        other = await client.get(_PATH, headers=_RITA)
        live = await client.get("/-/live", headers=_MARY)

        last = answers[-1]
        assert [answer.status for answer in answers] == [200, 200, 200, 429]
        assert [answer.headers["RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
        assert await last.text() == "Retry later"
        assert last.content_type == "text/plain"
        assert 0 < int(last.headers["Retry-After"]) <= 3600
        assert (last.headers["RateLimit-Limit"], last.headers["RateLimit-Observed"]) == ("3", "4")
        assert int(last.headers["RateLimit-Reset"]) > 0
        assert last.headers["RateLimit-ResetTime"].endswith("GMT")
        assert last.headers["RateLimit-Name"] == "throttle_api"
        assert (other.status, live.status) == (200, 200)


async def test_whoever_guesses_tokens_is_stopped_and_no_user_of_the_same_address(filled: Context) -> None:
    async with _client(filled, rate_limit=3, rate_limit_period=timedelta(hours=1)) as client:
        known = await client.get(_PATH, headers=_MARY)
        guesses = [await client.get(_PATH, headers={"PRIVATE-TOKEN": f"guess-{number}"}) for number in range(6)]
        user = await client.get(_PATH, headers=_MARY)

        assert known.status == 200
        assert [answer.status for answer in guesses] == [401, 401, 401, 429, 429, 429]
        assert user.status == 200


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [
        (_PATH, "Deploy-Token", "made-up-{}"),
        (_PATH, "Authorization", "Basic made-up-{}"),
        ("/api/v4/groups/acme/packages", "JOB-TOKEN", "made-up-{}"),
        (_PATH, "PRIVATE-TOKEN", "made-up-{}"),
    ],
)
async def test_made_up_credentials_are_no_way_around(filled: Context, path: str, field: str, value: str) -> None:
    async with _client(filled, rate_limit=3, rate_limit_period=timedelta(hours=1)) as client:
        answers = [await client.get(path, headers={field: value.format(number)}) for number in range(8)]

        assert [answer.status for answer in answers[3:]] == [429] * 5


async def test_what_is_made_up_beside_a_good_credential_is_no_way_around(filled: Context) -> None:
    async with _client(filled, rate_limit=3, rate_limit_period=timedelta(hours=1)) as client:
        answers = [await client.get(_PATH, headers={**_MARY, "Deploy-Token": str(number)}) for number in range(12)]

        assert [answer.status for answer in answers].count(200) <= 6
        assert answers[-1].status == 429


async def test_a_trusted_proxy_tells_for_whom_it_asks(filled: Context) -> None:
    proxies = (ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8"))
    period = timedelta(hours=1)
    async with _client(filled, rate_limit=1, rate_limit_period=period, trusted_proxies=proxies) as client:
        told = ["192.0.2.1, 10.0.0.5", "192.0.2.2", "203.0.113.9, 192.0.2.1", "nonsense"]
        answers = [await client.get(_PATH, headers={"X-Forwarded-For": address}) for address in told]

        assert [answer.status for answer in answers] == [200, 200, 429, 200]


@pytest.mark.parametrize(
    "hops",
    [
        ["203.0.113.8:4000", "203.0.113.8:4001", "::ffff:203.0.113.8", "[::ffff:203.0.113.8]:9"],
        ["203.0.113.8, 10.0.0.5:1234", "203.0.113.8, ::ffff:10.0.0.5", "203.0.113.8, [::ffff:10.0.0.5]:80"],
        ["2001:db8::1", "[2001:0DB8::1]:4000", '"[2001:db8::1]"', "2001:db8::ffff", "2001:db8::1%eth0"],
        ["unknown", "_hidden1", "_hidden2", ""],
        [f"192.0.2.{number}" + ", 10.0.0.5" * 30 for number in range(3)],
    ],
)
async def test_one_client_is_one_caller_however_its_address_is_written(filled: Context, hops: list[str]) -> None:
    proxies = (ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8"))
    period = timedelta(hours=1)
    async with _client(filled, rate_limit=1, rate_limit_period=period, trusted_proxies=proxies) as client:
        answers = [await client.get(_PATH, headers={"X-Forwarded-For": hop}) for hop in hops]

        assert [answer.status for answer in answers] == [200, *[429] * (len(hops) - 1)]


async def test_a_proxy_is_trusted_by_its_address_on_a_socket_of_both_families(filled: Context) -> None:
    proxies, period = (ip_network("127.0.0.0/8"),), timedelta(hours=1)
    app = create_app(with_settings(filled, rate_limit=1, rate_limit_period=period, trusted_proxies=proxies))
    (bound,) = bind_sockets(["::"], 0)
    async with TestServer(app, socket_factory=lambda *_: bound) as server, ClientSession() as session:
        url = f"http://127.0.0.1:{server.port}{_PATH}"
        answers = [await session.get(url, headers={"X-Forwarded-For": f"192.0.2.{number}"}) for number in range(2)]

        assert [answer.status for answer in answers] == [200, 200]


async def test_nobody_else_is_believed(filled: Context) -> None:
    async with _client(filled, rate_limit=1, rate_limit_period=timedelta(hours=1)) as client:
        answers = [await client.get(_PATH, headers={"X-Forwarded-For": f"192.0.2.{number}"}) for number in range(2)]

        assert [answer.status for answer in answers] == [200, 429]


async def test_a_new_period_begins_from_nothing(filled: Context) -> None:
    async with _client(filled, rate_limit=1, rate_limit_period=timedelta(milliseconds=1)) as client:
        assert [(await client.get(_PATH)).status for _ in range(3)] == [200, 200, 200]


async def test_there_is_no_limit_unless_one_is_set(client: Client) -> None:
    answer = await client.get(_PATH)

    assert not [name for name in answer.headers if name.startswith("RateLimit")]


async def test_other_origins_stay_outside_unless_they_are_let_in(client: Client) -> None:
    answer = await client.get(_PATH, headers={"Origin": _APP})
    question = await client.options(_PATH, headers={"Origin": _APP, "Access-Control-Request-Method": "GET"})

    assert not [name for name in answer.headers if name.startswith("Access-Control")]
    assert question.status == 405


async def test_an_origin_that_is_let_in_may_ask_and_read(filled: Context) -> None:
    asking = {
        "Access-Control-Request-Method": "DELETE",
        "Access-Control-Request-Headers": "private-token",
    }
    async with _client(filled, cors_origins=(_APP,)) as client:
        question = await client.options(_PATH, headers={"Origin": _APP, **asking})
        answer = await client.get(_PATH, headers={"Origin": _APP})
        missing = await client.get("/api/v4/nothing", headers={"Origin": _APP})
        stranger = await client.options(_PATH, headers={"Origin": "https://evil.example.com", **asking})

        assert question.status == 204
        assert question.headers["Access-Control-Allow-Origin"] == _APP
        assert {"DELETE", "POST"} <= set(question.headers["Access-Control-Allow-Methods"].split(", "))
        assert question.headers["Access-Control-Allow-Headers"] == "private-token"
        assert answer.headers["Access-Control-Allow-Origin"] == _APP
        assert "X-Total" in answer.headers["Access-Control-Expose-Headers"]
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert missing.headers["Access-Control-Allow-Origin"] == _APP
        assert "Access-Control-Allow-Origin" not in stranger.headers
        assert answer.headers["Vary"] == "Origin"


async def test_every_origin_can_be_let_in(filled: Context) -> None:
    async with _client(filled, cors_origins=("*",)) as client:
        answer = await client.get(_PATH, headers={"Origin": _APP})

        assert answer.headers["Access-Control-Allow-Origin"] == _APP


async def test_links_begin_as_the_request_did_when_no_address_is_set(filled: Context) -> None:
    async with _client(filled, external_url=None) as client:
        own = await client.get(_PATH)
        other = await client.get(_PATH, headers={"Host": "yard.example.com:8443"})
        forged = await client.get(_PATH, headers={"Host": 'yard>; rel="next", <http://evil'})

        assert own.headers["Link"].startswith(f"<{client.make_url(_PATH).with_query(None)}?")
        assert other.headers["Link"].startswith(f"<http://yard.example.com:8443{_PATH}?")
        assert "evil" not in forged.headers["Link"]
