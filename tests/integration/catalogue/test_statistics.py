"""The figures of projects: what they count, and that nothing anybody does at the same time makes them wrong."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from schemas.statuses import DISPLAYABLE, DISPLAYABLE_FILES, FileStatus, PackageStatus
from service.catalogue import statistics
from service.catalogue.rows.statistics import Miscount
from service.context import Context
from service.infra.postgres.database import interferences
from service.refusals import ConflictError, NotFoundError
from tests.integration.conftest import Client
from tests.support.catalogue import delete, delete_file, publish, query, restore
from tests.support.packages import (
    API,
    FORBIDDEN,
    MAINTAINER,
    NO_GROUP,
    NO_PROJECT,
    bring_in,
    file_ids,
    json_of,
    put_file_status,
    put_status,
    token,
    told,
)
from tests.support.recount import kept, recounted
from tests.support.stepwise import Worker

_PROJECT: Final = f"{API}/projects/100/package_statistics"
_GROUP: Final = f"{API}/groups/acme/package_statistics"


async def _figures(client: Client, address: str = _PROJECT, **headers: str) -> tuple[int, ...]:
    answer = await json_of(await client.get(address, headers=headers))
    return tuple(answer[name] for name in ("packages", "files", "logical_bytes", "physical_bytes"))


async def _wrong(context: Context, *, mend: bool = False) -> list[Miscount]:
    return [wrong async for piece in statistics.miscounts(context.database, mend=mend) for wrong in piece]


async def test_figures_are_told_for_all_packages_and_for_each_type(client: Client, filled: Context) -> None:
    await publish(filled, files=["a", "b"], content=b"12345")
    await bring_in(filled, package_type="npm", files=[{"file_name": "n.tgz", "content": "123"}])
    await bring_in(filled, package_type="npm", name="empty")

    answer = await json_of(await client.get(_PROJECT))

    assert answer == {
        "packages": 3,
        "files": 3,
        "logical_bytes": 13,
        "physical_bytes": 13,
        "package_types": [
            {"package_type": "generic", "packages": 1, "files": 2, "logical_bytes": 10, "physical_bytes": 10},
            {"package_type": "npm", "packages": 2, "files": 1, "logical_bytes": 3, "physical_bytes": 3},
        ],
    }


async def test_an_empty_project_has_figures_of_nothing(client: Client) -> None:
    assert await json_of(await client.get(_PROJECT)) == {
        "packages": 0,
        "files": 0,
        "logical_bytes": 0,
        "physical_bytes": 0,
        "package_types": [],
    }


async def test_a_group_has_the_figures_of_the_projects_that_the_caller_may_read(
    client: Client, filled: Context
) -> None:
    await publish(filled, content=b"1")
    await publish(filled, content=b"22", project_id=102)
    await publish(filled, content=b"333", project_id=200)
    # Packages of this one are switched off: its own figures are 403.
    await publish(filled, content=b"4444", project_id=103)

    assert await _figures(client, _GROUP) == (1, 1, 1, 1)
    assert await _figures(client, _GROUP, **MAINTAINER) == (2, 2, 3, 3)
    assert await _figures(client, f"{API}/groups/secret/package_statistics", **MAINTAINER) == (1, 1, 3, 3)


async def test_figures_are_for_those_who_may_read_the_packages(client: Client) -> None:
    private = f"{API}/projects/102/package_statistics"

    assert await told(await client.get(private)) == NO_PROJECT
    assert await told(await client.get(private, headers=token("guest-token"))) == FORBIDDEN
    assert await told(await client.get(f"{API}/groups/secret/package_statistics")) == NO_GROUP


async def test_logical_bytes_go_with_the_204_and_physical_ones_with_the_object(client: Client, filled: Context) -> None:
    package_id = await publish(filled, files=["a", "b"], content=b"12345")
    deletion = await delete(filled, package_id)
    assert await _figures(client) == (0, 0, 0, 10)

    worker = Worker()
    await worker.claim(filled, deletion.id)
    assert await _figures(client) == (0, 0, 0, 10)
    await worker.prepare_chunk(filled, limit=1)
    await worker.record(filled)
    assert await _figures(client) == (0, 0, 0, 5)
    await worker.prepare_chunk(filled)
    await worker.record(filled)

    assert await _figures(client) == (0, 0, 0, 0)
    assert await _wrong(filled) == []


async def test_what_is_restored_or_failed_counts_again(client: Client, filled: Context) -> None:
    restored = await publish(filled, name="restored", content=b"12345")
    failed = await publish(filled, name="failed", files=["a", "b"], content=b"123")
    await restore(filled, (await delete(filled, restored)).id)
    deletion = await delete(filled, failed)
    assert await _figures(client) == (1, 1, 5, 11)

    worker = Worker()
    await worker.claim(filled, deletion.id)
    await worker.prepare_chunk(filled, limit=1)
    await worker.record(filled)
    await worker.fail(filled, is_last_attempt=True)

    assert await _figures(client) == (2, 2, 8, 8)
    assert await _wrong(filled) == []


async def test_a_file_deleted_by_itself_counts_until_its_object_is_gone(client: Client, filled: Context) -> None:
    package_id = await publish(filled, files=["a", "b"], content=b"12345")
    first, second = await file_ids(filled, package_id)

    deletion = await delete_file(filled, package_id, first)
    assert await _figures(client) == (1, 1, 5, 10)
    worker = Worker()
    await worker.claim(filled, deletion.id)
    await worker.prepare_chunk(filled)
    await worker.record(filled)
    assert await _figures(client) == (1, 1, 5, 5)

    # One that fails is shown again.
    deletion = await delete_file(filled, package_id, second)
    worker = Worker()
    await worker.claim(filled, deletion.id)
    await worker.fail(filled, is_last_attempt=True)
    assert await _figures(client) == (1, 1, 5, 5)
    assert await _wrong(filled) == []


@pytest.mark.parametrize("status", PackageStatus)
async def test_figures_know_the_statuses_that_are_displayed(
    client: Client, filled: Context, status: PackageStatus
) -> None:
    await put_status(filled, await publish(filled, content=b"1"), status)

    expected = (1, 1, 1, 1) if status in DISPLAYABLE else (0, 0, 0, 1)
    assert await _figures(client) == expected


@pytest.mark.parametrize("status", FileStatus)
async def test_figures_know_the_statuses_of_files_that_are_displayed(
    client: Client, filled: Context, status: FileStatus
) -> None:
    (file_id,) = await file_ids(filled, await publish(filled, content=b"1"))
    await put_file_status(filled, file_id, status)

    assert await _figures(client) == ((1, 1, 1, 1) if status in DISPLAYABLE_FILES else (1, 0, 0, 1))


async def test_folding_changes_no_figure_and_leaves_no_change(client: Client, filled: Context) -> None:
    for number in range(5):
        await publish(filled, name=f"app-{number}", content=b"12345")
    before = await _figures(client)

    assert await statistics.fold(filled.database, limit=3) == 3
    assert await _figures(client) == before
    assert await statistics.fold(filled.database, limit=1_000) > 0
    assert await statistics.fold(filled.database, limit=1_000) == 0

    assert await _figures(client) == before == (5, 5, 25, 25)
    assert await query(filled, "SELECT * FROM package_statistic_change") == []
    assert len(await query(filled, "SELECT * FROM package_statistic")) == 1


async def test_figures_that_are_wrong_are_found_and_mended(client: Client, filled: Context) -> None:
    await publish(filled, files=["a", "b"], content=b"12345")
    await publish(filled, project_id=102)
    await statistics.fold(filled.database, limit=1_000)
    await query(filled, "UPDATE package_statistic SET files = 7, physical_bytes = 3 WHERE project_id = 100")
    await query(filled, "INSERT INTO package_statistic VALUES (101, 'npm', 1, 1, 1, 1)")

    wrong = await _wrong(filled)
    assert [(one.project_id, one.package_type, one.kept["files"], one.expected["files"]) for one in wrong] == [
        (100, "generic", 7, 2),
        (101, "npm", 1, 0),
    ]
    assert await _wrong(filled) == wrong

    assert await _wrong(filled, mend=True) == wrong
    assert await _wrong(filled) == []
    assert await _figures(client) == (1, 2, 10, 10)


async def test_what_a_package_shows_is_mended_with_the_figures_of_its_project(client: Client, filled: Context) -> None:
    package_id = await publish(filled, files=["a", "b"], content=b"12345")
    await query(filled, "UPDATE package SET shown_files = 9, shown_bytes = 1 WHERE id = $1", package_id)
    assert await _figures(client) == (1, 9, 1, 10)

    package, project = await _wrong(filled)
    assert (package.package_id, package.kept, package.expected) == (
        package_id,
        {"files": 9, "bytes": 1},
        {"files": 2, "bytes": 10},
    )
    assert project.package_id is None

    await _wrong(filled, mend=True)
    assert await _wrong(filled) == []
    assert await _figures(client) == (1, 2, 10, 10)


async def test_uploads_to_a_project_do_not_wait_for_each_others_figures(client: Client, filled: Context) -> None:
    async with filled.database.transaction() as connection:
        await connection.execute(
            "WITH made AS (INSERT INTO package (project_id, package_type, name, version)"
            " VALUES (100, 'generic', 'open', '1') RETURNING id)"
            " INSERT INTO package_file (package_id, file_name, size, sha256, storage_key)"
            " SELECT id, 'a', 7, sha256('a'), 'projects/100/aa/open' FROM made"
        )
        async with asyncio.timeout(5):
            await publish(filled, content=b"12345")
            # Nor do readers, nor who adds the figures up.
            await statistics.fold(filled.database, limit=1_000)
            assert await _figures(client) == (1, 1, 5, 5)
    assert await _figures(client) == (2, 2, 12, 12)
    assert await _wrong(filled) == []


class _Traffic:
    """People who publish, delete, restore and fail the same few packages, all at the same time."""

    def __init__(self, context: Context, seed: int) -> None:
        self._context = context
        self._random = random.Random(seed)  # noqa: S311 - only an order of events
        self._deletions: list[UUID] = []
        self.failures: list[Exception] = []
        self.done = 0

    async def run(self, turns: int) -> None:
        acts: list[Callable[[], Awaitable[Any]]] = [
            self._publish,
            self._publish,
            self._delete,
            self._delete_file,
            self._carry_out,
            self._carry_out,
            self._fail,
            self._restore,
            self._fold,
        ]
        for _ in range(turns):
            try:
                await self._random.choice(acts)()
                self.done += 1
            except (ConflictError, NotFoundError, IndexError):
                pass
            except interferences() as error:
                self.failures.append(error)

    async def _publish(self) -> None:
        name = f"app-{self._random.randrange(4)}"
        size = self._random.randrange(1, 100)
        await publish(self._context, name=name, files=["a", "b"], content=b"x" * size)

    async def _delete(self) -> None:
        rows = await query(self._context, "SELECT id FROM package WHERE status IN ('default', 'error')")
        self._deletions.append((await delete(self._context, self._random.choice(rows)["id"])).id)

    async def _delete_file(self) -> None:
        rows = await query(
            self._context,
            "SELECT f.id, f.package_id FROM package_file f JOIN package p ON p.id = f.package_id"
            " WHERE f.status IN ('default', 'error') AND p.status IN ('default', 'error')",
        )
        row = self._random.choice(rows)
        self._deletions.append((await delete_file(self._context, row["package_id"], row["id"])).id)

    async def _carry_out(self) -> None:
        worker = Worker()
        if await worker.claim(self._context, self._random.choice(self._deletions)):
            await worker.prepare_chunk(self._context, limit=3)
            await worker.record(self._context)
            await worker.release(self._context)

    async def _fail(self) -> None:
        worker = Worker()
        if await worker.claim(self._context, self._random.choice(self._deletions)):
            await worker.fail(self._context, is_last_attempt=True)

    async def _restore(self) -> None:
        await restore(self._context, self._random.choice(self._deletions))

    async def _fold(self) -> None:
        await statistics.fold(self._context.database, limit=5)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_figures_stay_exact_whatever_happens_at_the_same_time(filled: Context, seed: int) -> None:
    traffics = [_Traffic(filled, seed * 100 + number) for number in range(8)]
    ended = asyncio.Event()
    wrong: list[Miscount] = []

    async def watch() -> None:
        # In any moment, and not only in the end.
        while not ended.is_set():
            wrong.extend(await _wrong(filled))
            with suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    await ended.wait()

    with capture_logs() as lines:
        watching = asyncio.create_task(watch())
        async with asyncio.TaskGroup() as group:
            for traffic in traffics:
                group.create_task(traffic.run(40))
        ended.set()
        await watching

    assert wrong == []
    assert await _wrong(filled) == []
    assert await kept(filled) == await recounted(filled)
    assert [failure for traffic in traffics for failure in traffic.failures] == []
    # Locks are taken in one order, so no transaction is lost to another.
    assert [line for line in lines if line["event"] == "transaction_repeated"] == []
    assert sum(traffic.done for traffic in traffics) > 100


async def test_a_day_has_the_sum_of_its_changes_and_what_was_freed_until_it_is_old(
    database_of_its_own: None, filled: Context
) -> None:
    await publish(filled, files=["a", "b"], content=b"12345")
    await statistics.fold(filled.database, limit=100)
    await query(filled, "DELETE FROM package_file WHERE file_name = 'a'")
    await statistics.fold(filled.database, limit=100)
    today = await query(filled, "SELECT * FROM package_statistic_day")
    old = "UPDATE package_statistic_day SET day = day - 401"
    await query(filled, old)
    async with filled.database.connection() as connection:
        pruned = await statistics.prune_days(connection, limit=10)

    assert [tuple(row.values())[1:] for row in today] == [(100, 1, 5, 5, 5)]
    assert (pruned, await query(filled, "SELECT * FROM package_statistic_day")) == (1, [])
