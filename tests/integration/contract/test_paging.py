"""Section 3.6: pages, their headers and their links."""

import pytest
from aiohttp import ClientResponse
from yarl import URL

from service.context import Context
from tests.integration.conftest import Client
from tests.integration.contract.conftest import ClientWith
from tests.support.catalogue import publish, query
from tests.support.packages import (
    API,
    EXTERNAL,
    GROUP,
    MAINTAINER,
    PUBLIC,
    bring_in,
    bring_in_many,
    bring_in_pipelines,
    json_of,
    listed,
    next_page,
    told,
)

_BOTH = pytest.mark.parametrize("listing", [PUBLIC, GROUP])
_NUMBERS = ("X-Page", "X-Per-Page", "X-Next-Page", "X-Prev-Page", "X-Total", "X-Total-Pages")


def _numbers(answer: ClientResponse) -> list[str | None]:
    return [answer.headers.get(name) for name in _NUMBERS]


def _relations(answer: ClientResponse) -> list[str]:
    return [part.partition('; rel="')[2].rstrip('"') for part in answer.headers["Link"].split(", ")]


@_BOTH
async def test_a_page_holds_at_most_100_and_says_so(filled: Context, client: Client, listing: str) -> None:
    await bring_in_many(filled, 101)

    for asked in ("100", "101", "5000"):
        answer = await client.get(f"{listing}?per_page={asked}")
        assert len(await json_of(answer)) == 100
        assert _numbers(answer) == ["1", "100", "2", "", "101", "2"]


@_BOTH
@pytest.mark.parametrize("page", ["0", "-1", "-7"])
async def test_page_0_and_below_is_page_1(filled: Context, client: Client, listing: str, page: str) -> None:
    await bring_in_many(filled, 3)

    answer = await client.get(f"{listing}?page={page}&per_page=2")

    assert await listed(answer) == ["p-1", "p-2"]
    assert _numbers(answer) == ["1", "2", "2", "", "3", "2"]


@_BOTH
async def test_a_negative_per_page_is_20(filled: Context, client: Client, listing: str) -> None:
    await bring_in_many(filled, 21)

    answer = await client.get(f"{listing}?per_page=-3")

    assert len(await json_of(answer)) == 20
    assert answer.headers["X-Per-Page"] == "20"


@_BOTH
async def test_per_page_0_is_refused(client: Client, listing: str) -> None:
    assert await told(await client.get(f"{listing}?per_page=0")) == (
        400,
        {"error": "per_page has a value not allowed"},
    )


@_BOTH
async def test_a_page_beyond_the_end_is_empty_and_without_neighbours(
    filled: Context, client: Client, listing: str
) -> None:
    await bring_in_many(filled, 3)

    answer = await client.get(f"{listing}?page=9&per_page=2")

    assert await told(answer) == (200, [])
    assert _numbers(answer) == ["9", "2", "", "", "3", "2"]
    assert _relations(answer) == ["first", "last"]


@_BOTH
@pytest.mark.parametrize("page", ["2000000000", "2147483649", "9223372036854775808", "9" * 200])
async def test_a_page_far_beyond_the_end_is_just_as_empty(
    filled: Context, client: Client, listing: str, page: str
) -> None:
    await bring_in(filled)

    answer = await client.get(f"{listing}?page={page}&per_page=100")

    assert await told(answer) == (200, [])
    assert _numbers(answer) == [page, "100", "", "", "1", "1"]
    assert _relations(answer) == ["first", "last"]


@_BOTH
async def test_no_per_page_is_too_large_or_too_small_to_be_one(filled: Context, client: Client, listing: str) -> None:
    await bring_in(filled)

    for number in ("2147483649", "9223372036854775808", "9" * 200):
        huge = await client.get(f"{listing}?per_page={number}")
        tiny = await client.get(f"{listing}?per_page=-{number}&page=-{number}")
        assert (await listed(huge), _numbers(huge)) == (["app"], ["1", "100", "", "", "1", "1"])
        assert (await listed(tiny), _numbers(tiny)) == (["app"], ["1", "20", "", "", "1", "1"])


@_BOTH
async def test_an_empty_result_has_one_page_of_nothing(client: Client, listing: str) -> None:
    answer = await client.get(listing)

    assert await told(answer) == (200, [])
    assert _numbers(answer) == ["1", "20", "", "", "0", "1"]
    assert _relations(answer) == ["first", "last"]


@_BOTH
async def test_the_first_page_has_no_previous_and_the_last_no_next(
    filled: Context, client: Client, listing: str
) -> None:
    await bring_in_many(filled, 5)

    first = await client.get(f"{listing}?per_page=2")
    middle = await client.get(f"{listing}?per_page=2&page=2")
    last = await client.get(f"{listing}?per_page=2&page=3")

    assert _numbers(first) == ["1", "2", "2", "", "5", "3"]
    assert _relations(first) == ["next", "first", "last"]
    assert _numbers(middle) == ["2", "2", "3", "1", "5", "3"]
    assert _relations(middle) == ["prev", "next", "first", "last"]
    assert _numbers(last) == ["3", "2", "", "2", "5", "3"]
    assert _relations(last) == ["prev", "first", "last"]


@_BOTH
async def test_the_headers_are_written_in_gitlabs_case(client: Client, listing: str) -> None:
    answer = await client.get(listing)

    names = [name.decode() for name, _ in answer.raw_headers]
    assert {*_NUMBERS, "Link"} <= set(names)


async def test_a_link_has_all_effective_parameters_sorted_by_name(filled: Context, client: Client) -> None:
    await bring_in_many(filled, 5)

    of_project = await client.get(f"{PUBLIC}?per_page=2&page=2&package_name=p")
    of_group = await client.get(f"{GROUP}?per_page=2&page=2&package_name=p")

    for answer, listing, identifier, rest in (
        (of_project, PUBLIC, "100", ""),
        (of_group, GROUP, "acme", "exclude_subgroups=false&"),
    ):
        assert answer.headers["Link"] == ", ".join(
            f"<{EXTERNAL}{listing}?{rest}id={identifier}&order_by=created_at&package_name=p"
            f'&page={page}&per_page=2&sort=asc>; rel="{relation}"'
            for relation, page in (("prev", 1), ("next", 3), ("first", 1), ("last", 3))
        )


@_BOTH
async def test_a_link_keeps_the_filters_and_leads_on(filled: Context, client: Client, listing: str) -> None:
    await bring_in_many(filled, 12)
    await bring_in(filled, name="q x", package_type="pypi")
    parameters = {"package_name": "p -", "package_type": "npm", "sort": "desc", "per_page": "5", "status": "default"}

    seen: list[str] = []
    answer = await client.get(listing, params=parameters)
    while place := next_page(answer):
        seen += await listed(answer)
        answer = await client.get(place.relative())
    seen += await listed(answer)

    assert seen == [f"p-{number}" for number in range(12, 0, -1)]


async def test_a_link_keeps_the_path_that_was_asked_for(filled: Context, client: Client) -> None:
    await bring_in_many(filled, 2)

    answer = await client.get(URL(f"{API}/projects/acme%2Fopen/packages?per_page=1", encoded=True))

    (place, _, _) = answer.headers["Link"].partition(">")
    assert place.startswith(f"<{EXTERNAL}{API}/projects/acme%2Fopen/packages?id=acme%2Fopen&")


async def test_links_begin_as_the_request_did_when_no_address_is_set(filled: Context, client_with: ClientWith) -> None:
    await bring_in_many(filled, 2)
    async with client_with(external_url=None) as client:
        answer = await client.get(f"{PUBLIC}?per_page=1")

        assert answer.headers["Link"].startswith(f"<{client.make_url(PUBLIC)}?")


@_BOTH
async def test_exactly_ten_thousand_still_have_totals(filled: Context, client: Client, listing: str) -> None:
    await bring_in_many(filled, 10_000)

    answer = await client.get(listing)

    assert _numbers(answer) == ["1", "20", "2", "", "10000", "500"]
    assert _relations(answer) == ["next", "first", "last"]


@_BOTH
async def test_above_ten_thousand_the_totals_are_left_out_and_nothing_else(
    filled: Context, client: Client, listing: str
) -> None:
    await bring_in_many(filled, 10_001)

    first = await client.get(listing)
    last = await client.get(f"{listing}?per_page=100&page=101")

    assert _numbers(first) == ["1", "20", "2", "", None, None]
    assert _relations(first) == ["next", "first"]
    assert await listed(last) == ["p-10001"]
    assert _numbers(last) == ["101", "100", "", "100", None, None]
    assert _relations(last) == ["prev", "first"]


@_BOTH
async def test_the_last_full_page_above_ten_thousand_has_no_next(filled: Context, client: Client, listing: str) -> None:
    await bring_in_many(filled, 10_100)

    answer = await client.get(f"{listing}?per_page=100&page=101")

    assert len(await json_of(answer)) == 100
    assert _numbers(answer) == ["101", "100", "", "100", None, None]


@pytest.mark.usefixtures("database_of_its_own")
async def test_any_offset_can_be_asked_for(filled: Context, client: Client) -> None:
    await bring_in_many(filled, 50_200)

    answer = await client.get(f"{PUBLIC}?per_page=100&page=502")

    assert (await listed(answer))[0] == "p-50101"


@_BOTH
async def test_keyset_is_ignored_but_for_where_next_leads(filled: Context, client: Client, listing: str) -> None:
    await bring_in_many(filled, 3)

    for query_string in ("per_page=2", "per_page=2&page=1", "per_page=2&page=2", "page=9", "per_page=100"):
        plain = await client.get(f"{listing}?{query_string}")
        keyset = await client.get(f"{listing}?{query_string}&pagination=keyset")
        assert await told(keyset) == await told(plain)
        assert _numbers(keyset) == _numbers(plain)
        assert _relations(keyset) == _relations(plain)


@_BOTH
async def test_keyset_walks_through_all_with_next_links_alone(filled: Context, client: Client, listing: str) -> None:
    await bring_in_many(filled, 45)
    seen: list[str] = []
    answer = await client.get(f"{listing}?pagination=keyset&per_page=20")
    assert _relations(answer) == ["next", "first", "last"]
    assert all("cursor" not in URL(answer.links[end]["url"]).query for end in ("first", "last"))
    for _ in range(2):
        seen += await listed(answer)
        place = next_page(answer)
        assert place is not None
        assert str(place).startswith(f"{EXTERNAL}{listing}?")
        assert "cursor" in place.query
        assert "page" not in place.query
        answer = await client.get(place.relative())
        assert not {name for name in answer.headers if name.startswith(("X-Total", "X-Page", "X-Next", "X-Prev"))}
    seen += await listed(answer)

    assert seen == [f"p-{number}" for number in range(1, 46)]
    assert "Link" not in answer.headers


@_BOTH
@pytest.mark.parametrize("sort", ["asc", "desc"])
@pytest.mark.parametrize("order_by", ["created_at", "name", "version", "type", "semver"])
async def test_keyset_gives_what_pages_give_in_every_order(
    filled: Context, client: Client, listing: str, order_by: str, sort: str
) -> None:
    await query(
        filled,
        "INSERT INTO package (project_id, package_type, name, version, created_at, status) SELECT 100,"
        " (ARRAY['npm', 'pypi', 'maven'])[1 + n % 3], 'n' || n % 4, nullif('1.' || n % 5, '1.0'),"
        " timestamptz '2020-01-01Z' + make_interval(secs => n % 6), 'error' FROM generate_series(1, 30) n",
    )
    path = f"{listing}?order_by={order_by}&sort={sort}&include_versionless=true"

    answer = await client.get(f"{path}&pagination=keyset&per_page=7")
    seen = await listed(answer, "id")
    while place := next_page(answer):
        answer = await client.get(place.relative())
        seen += await listed(answer, "id")

    assert seen == await listed(await client.get(f"{path}&per_page=100"), "id")


async def test_keyset_by_project_path_gives_what_pages_give(filled: Context, client: Client) -> None:
    for project_id in (100, 101, 102):
        await bring_in_many(filled, 5, project_id=project_id)
    path = f"{GROUP}?order_by=project_path&sort=desc"

    answer = await client.get(f"{path}&pagination=keyset&per_page=4", headers=MAINTAINER)
    seen = await listed(answer, "id")
    while place := next_page(answer):
        answer = await client.get(place.relative(), headers=MAINTAINER)
        seen += await listed(answer, "id")

    assert seen == await listed(await client.get(f"{path}&per_page=100", headers=MAINTAINER), "id")
    assert len(seen) == 15


@_BOTH
@pytest.mark.parametrize("cursor", ["nonsense", "e30", "%00", "bnVsbA", "W10", "eyJpZCI6IngifQ"])
async def test_keyset_refuses_a_broken_cursor(client: Client, listing: str, cursor: str) -> None:
    answer = await client.get(f"{listing}?pagination=keyset&cursor={cursor}")

    assert await told(answer) == (400, {"error": "cursor is invalid"})


async def test_pipelines_are_paged_by_cursor_newest_first_without_totals(filled: Context, client: Client) -> None:
    package_id = await bring_in(filled)
    newest_first = (await bring_in_pipelines(filled, package_id, 7))[::-1]

    seen: list[int] = []
    place: URL | None = URL(f"{PUBLIC}/{package_id}/pipelines?per_page=3")
    while place:
        answer = await client.get(place.relative() if place.is_absolute() else place)
        seen += await listed(answer, "id")
        assert not {"X-Total", "X-Total-Pages"} & set(answer.headers)
        place = next_page(answer)

    assert seen == newest_first


async def test_files_have_the_same_pages(filled: Context, client: Client) -> None:
    package_id = await publish(filled, files=["a", "b", "c"])
    path = f"{PUBLIC}/{package_id}/package_files"

    answer = await client.get(f"{path}?per_page=2")
    beyond = await client.get(f"{path}?page=3&per_page=2")
    far_beyond = await client.get(f"{path}?page={'9' * 20}&per_page=2")
    ignored = await client.get(f"{path}?pagination=keyset")

    assert _numbers(answer) == ["1", "2", "2", "", "3", "2"]
    assert _relations(answer) == ["next", "first", "last"]
    assert answer.headers["Link"].startswith(f"<{EXTERNAL}{path}?")
    assert (await told(beyond), _numbers(beyond)) == ((200, []), ["3", "2", "", "", "3", "2"])
    assert (await told(far_beyond), _numbers(far_beyond)) == ((200, []), ["9" * 20, "2", "", "", "3", "2"])
    assert ignored.headers["X-Total"] == "3"
