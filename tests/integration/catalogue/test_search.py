"""Searches by name: over names that survive their packages, exact in their totals, and never in the way of others."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import product
from typing import Any, Final

import asyncpg
import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from service.app import create_app
from service.context import Context
from service.infra.postgres.expensive_reads import MOST_EXPENSIVE
from service.infra.postgres.pages import COUNT_LIMIT
from service.refusals import SearchesBusyError
from service.settings import Settings
from tests.integration.conftest import Client
from tests.support.catalogue import publish, query

_PACKAGES: Final = "/api/v4/projects/100/packages"
_GROUP: Final = "/api/v4/groups/acme/packages"
_MAINTAINER: Final = {"PRIVATE-TOKEN": "maintainer-token"}
_SEARCHES: Final = 64

_FILL: Final = """
INSERT INTO package (project_id, package_type, name, version, created_at, status)
SELECT CASE WHEN n % 4 = 0 THEN 101 ELSE 100 END, CASE WHEN n % 2 = 0 THEN 'npm' ELSE 'pypi' END, 'lib-' || n % 700,
       '1.' || n, '2026-01-01'::timestamptz + (n * 7919 % 10007) * interval '1 second',
       CASE WHEN n % 50 = 0 THEN 'hidden' ELSE 'default' END
  FROM generate_series($1::integer, $2) n
"""
_FEW: Final = 1_500
_MORE_THAN_COUNTED: Final = 11_000

pytestmark = pytest.mark.usefixtures("database_of_its_own")


async def _answer(client: Client, address: str, **parameters: object) -> ClientResponse:
    shown = {name: str(value) for name, value in parameters.items()}
    return await client.get(address, params=shown, headers=_MAINTAINER)


async def _fill(context: Context, packages: int) -> None:
    for first in range(1, packages, _FEW):
        await query(context, _FILL, first, min(first + _FEW - 1, packages))
    await query(context, "ANALYZE package, package_name")


async def _found(client: Client, address: str, **parameters: object) -> tuple[list[int], str | None]:
    answer = await _answer(client, address, **parameters)
    assert answer.status == 200, await answer.text()
    rows: list[Any] = await answer.json()
    return [row["id"] for row in rows], answer.headers.get("X-Total")


@pytest.mark.parametrize("packages", [_FEW, _MORE_THAN_COUNTED])
async def test_a_search_finds_what_a_scan_finds_in_every_order(client: Client, filled: Context, packages: int) -> None:
    await _fill(filled, packages)
    orders = {"created_at": "created_at", "name": "name", "version": "version", "type": "type_number"}

    for (order, column), sort in product(orders.items(), ("asc", "desc")):
        rows = await query(
            filled,
            "SELECT id FROM package WHERE project_id IN (100, 101) AND name LIKE '%b%' AND status = 'default'"  # noqa: S608 - ours
            f" ORDER BY {column} {sort}, id {sort}",
        )
        expected = [row["id"] for row in rows]
        for page in (1, 7):
            ids, total = await _found(client, _GROUP, package_name="B", order_by=order, sort=sort, page=page)
            assert ids == expected[(page - 1) * 20 : page * 20], (order, sort, page)
            assert total == (str(len(expected)) if len(expected) <= COUNT_LIMIT else None)


@pytest.mark.parametrize("words", ["lib-69", "69 lib", '"lib-1"', "l", "9", "zz", "LIB-69", "lib_69", "-"])
async def test_words_of_any_length_are_found(client: Client, filled: Context, words: str) -> None:
    await _fill(filled, _FEW)
    terms = words.replace('"', "").lower().split()
    rows = await query(filled, "SELECT id, name FROM package WHERE project_id = 100 AND status = 'default' ORDER BY id")
    expected = [row["id"] for row in rows if all(term in row["name"] for term in terms)]

    ids, total = await _found(client, _PACKAGES, package_name=words, per_page=100)

    assert (sorted(ids) == expected[:100]) if len(expected) <= 100 else set(ids) <= set(expected)
    assert total == str(len(expected))


async def test_a_search_goes_together_with_the_other_words_of_a_list(client: Client, filled: Context) -> None:
    await _fill(filled, _FEW)
    wanted = {"package_name": "lib-1", "package_type": "npm", "per_page": 100}
    conditions = "project_id = 100 AND name LIKE '%lib-1%' AND package_type = 'npm'"

    for more, condition in (({}, "status = 'default'"), ({"status": "hidden"}, "status = 'hidden'")):
        text = f"SELECT id FROM package WHERE {conditions} AND {condition} ORDER BY created_at, id"  # noqa: S608 - ours
        rows = await query(filled, text)
        ids, total = await _found(client, _PACKAGES, **wanted, **more)
        assert (ids, total) == ([row["id"] for row in rows][:100], str(len(rows)))


async def test_a_search_is_paged_by_cursor(client: Client, filled: Context) -> None:
    await _fill(filled, _FEW)
    everything, _ = await _found(client, _PACKAGES, package_name="lib-1", per_page=100)
    answer = await _answer(client, _PACKAGES, package_name="lib-1", per_page=40, pagination="keyset")
    paged = [row["id"] for row in await answer.json()]
    for _ in range(2):
        answer = await client.get(URL(str(answer.links["next"]["url"])).relative(), headers=_MAINTAINER)
        paged += [row["id"] for row in await answer.json()]

    assert paged[:100] == everything


async def test_a_name_survives_its_packages(filled: Context) -> None:
    package_id = await publish(filled, name="Kept_Name")
    await query(filled, "UPDATE package SET name = 'renamed' WHERE id = $1", package_id)
    await query(filled, "DELETE FROM package_file WHERE package_id = $1", package_id)
    await query(filled, "DELETE FROM package WHERE id = $1", package_id)

    names = await query(filled, "SELECT package_type, name FROM package_name WHERE project_id = 100 ORDER BY name")
    assert sorted((row["package_type"], row["name"]) for row in names) == [
        ("generic", "Kept_Name"),
        ("generic", "renamed"),
    ]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Results are compared here, however busy the machine is."""
    return settings.model_copy(update={"read_timeout": timedelta(seconds=9)})


@asynccontextmanager
async def _slow_searches(database_url: str, table: str = "package_name") -> AsyncGenerator[None]:
    """Keep everything waiting that reads this table: as it is, every search, and nothing else."""
    holder = await asyncpg.connect(database_url)
    try:
        async with holder.transaction():
            await holder.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await holder.close()


async def test_searches_never_take_all_connections(client: Client, filled: Context, database_url: str) -> None:
    await publish(filled)
    async with _slow_searches(database_url):
        searches = [asyncio.create_task(_answer(client, _PACKAGES, package_name="app")) for _ in range(_SEARCHES)]
        await asyncio.sleep(0.2)

        others = [await _answer(client, address) for address in (_PACKAGES, "/api/v4/version", _GROUP)]
        used = filled.database.usage()["used"]

        # Few have their turn, and the database ends them.
        refused = [await search for search in searches]
    assert {other.status for other in others} == {200}
    assert used <= MOST_EXPENSIVE
    assert {(one.status, one.headers["Retry-After"]) for one in refused} == {(503, "5")}
    assert SearchesBusyError.text in {(await one.json())["message"] for one in refused}


async def test_searches_in_groups_find_their_projects_in_turn(
    client: Client, filled: Context, database_url: str
) -> None:
    async with _slow_searches(database_url, "directory_group"):
        searches = [asyncio.create_task(_answer(client, _GROUP, package_name="app")) for _ in range(_SEARCHES)]
        await asyncio.sleep(0.2)

        other = await _answer(client, "/api/v4/version")
        used = filled.database.usage()["used"]
    found = {(await search).status for search in searches}
    assert other.status == 200
    assert used == MOST_EXPENSIVE
    assert 200 in found


async def test_a_search_that_takes_too_long_is_ended(filled: Context, database_url: str) -> None:
    settings = filled.settings.model_copy(update={"read_timeout": timedelta(seconds=1)})
    app = create_app(Context(settings, filled.database, filled.store, filled.pace))
    async with TestClient(TestServer(app)) as client, _slow_searches(database_url):
        began = time.monotonic()
        answer = await _answer(client, _PACKAGES, package_name="app")

        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        assert 1 <= time.monotonic() - began < 5
        assert (await _answer(client, _PACKAGES)).status == 200
