"""kill -9 of each process, and of broker and database, in the middle of deletions of 300 files."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from service.settings import load_settings
from tests.support.catalogue import DIRECTORY
from tests.support.observer import Observer, rows
from tests.support.servers import private_servers
from tests.support.yard import Yard

_PROJECT: Final = 100
_FILES: Final = 300
_FIRST: Final = 8000
_LEASE: Final = {"PACKYARD_LEASE": "2s", "PACKYARD_RESEND": "2s"}
_LATEST_S: Final = 0.12
"""When a deletion of 300 files is over on a slow machine, so that kills fall before, within and after it."""


def _victims(count: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        yield {
            "id": _FIRST + number,
            "project": "acme/open",
            "package_type": "generic",
            "name": "victim",
            "version": str(number),
            "files": [{"file_name": f"{place}.txt", "content": "four"} for place in range(_FILES)],
        }


@asynccontextmanager
async def _watched(yard: Yard, folder: Path, *, packages: int) -> AsyncGenerator[Observer]:
    await yard.run("directory", "apply", str(DIRECTORY))
    await yard.import_packages(folder, _victims(packages))
    await yard.start(settings=_LEASE)
    async with yard.observing() as observer:
        yield observer


def _has_lost_any(observer: Observer, whole: set[Path]) -> bool:
    return len(observer.objects()) < len(whole)


async def _assert_whole(observer: Observer, database_url: str, packages: int) -> None:
    """Wait for all events, then hold the end against what was promised."""
    ids = range(_FIRST, _FIRST + packages)
    for package_id in ids:
        await observer.until_told(package_id, "package.destroyed")
    assert observer.objects() == set()
    assert await rows(database_url, "SELECT id FROM package") == []
    assert await rows(database_url, "SELECT id FROM package_file") == []
    states = await rows(database_url, "SELECT state, files_done, bytes_done FROM deletion")
    assert [tuple(row) for row in states] == [("succeeded", _FILES, 4 * _FILES)] * packages
    told: dict[str, dict[str, Any]] = {event["id"]: event for event in observer.events}
    for package_id in ids:
        events = [event for event in told.values() if event["subject"].endswith(f"/{package_id}")]
        kinds = Counter(event["type"].removeprefix("io.packyard.").removesuffix(".v1") for event in events)
        destroyed = [
            file_id
            for event in events
            if "destroyed" in event["type"]
            for file_id in event["data"]["package_file_ids"] or ()
        ]
        assert kinds["package.deletion_requested"] == 1
        assert kinds["package.marked_for_destruction"] == 0
        assert kinds["package.destroyed"] == 1
        assert len(destroyed) == len(set(destroyed)) == _FILES
    sequences = sorted({int(event["sequence"]) for event in told.values()})
    assert sequences == list(range(1, len(sequences) + 1))
    assert len(sequences) == len(told)


@pytest.mark.parametrize("process", ["serve", "relay", "work", "schedule"])
async def test_a_process_killed_in_the_middle_leaves_no_trace(
    yard: Yard, tmp_path: Path, database_url: str, process: str
) -> None:
    rounds = 5
    async with _watched(yard, tmp_path, packages=rounds) as observer:
        for number in range(rounds):
            whole = observer.objects()
            await observer.delete(_PROJECT, _FIRST + number)
            if number % 2:
                await asyncio.sleep(random.uniform(0, _LATEST_S))  # noqa: S311 - where in a deletion the kill falls
            else:
                # For certain in the middle: bytes are gone, and the rest is still to be done or to be noted.
                await observer.until(partial(_has_lost_any, observer, whole), "an object gone")
            await yard.kill(process)
            gone = len(whole - observer.objects())
            print(f"round {number}: kill -9 of {process}, {gone} objects were gone")  # noqa: T201 - what was hit
            await yard.start(process, settings=_LEASE)

        await _assert_whole(observer, database_url, rounds)
        (again,) = await rows(database_url, "SELECT count(*) FROM deletion WHERE attempts > 1")
        print(f"{again['count']} of {rounds} deletions were taken over")  # noqa: T201 - what was hit


async def test_all_processes_killed_at_once_go_on_where_they_were(
    yard: Yard, tmp_path: Path, database_url: str
) -> None:
    async with _watched(yard, tmp_path, packages=3) as observer:
        for number in range(3):
            await observer.delete(_PROJECT, _FIRST + number)
        await yard.kill("serve", "relay", "work", "schedule")
        await yard.start(settings=_LEASE)

        await _assert_whole(observer, database_url, 3)


async def _is_gone(observer: Observer, package_id: int) -> bool:
    return await observer.status(_PROJECT, package_id) is None


async def test_a_broker_and_a_database_that_die_delay_the_work_and_lose_nothing(tmp_path: Path) -> None:
    async with private_servers() as servers:
        settings = load_settings(
            environment={
                "PACKYARD_DATABASE_URL": servers.postgres.url(),
                "PACKYARD_BROKER_URL": servers.rabbitmq.url(),
                "PACKYARD_STORAGE_URL": (tmp_path / "objects").as_uri(),
            }
        )
        yard = Yard(settings, tmp_path / "yard")
        yard.folder.mkdir()
        database_url = settings.database_url.get_secret_value()
        async with aclosing(yard), _watched(yard, tmp_path, packages=3) as observer:
            # RabbitMQ 3 loses a queue for good when it dies in the second in which the queue was made.
            await asyncio.sleep(2)
            await observer.delete(_PROJECT, _FIRST)
            await servers.rabbitmq.kill()
            await observer.delete(_PROJECT, _FIRST + 1)
            # The worker hears of it from the database.
            await observer.until(partial(_is_gone, observer, _FIRST + 1), "a deletion without the broker")
            await servers.rabbitmq.start()
            await observer.until_told(_FIRST + 1, "package.destroyed")

            await observer.delete(_PROJECT, _FIRST + 2)
            await asyncio.sleep(random.uniform(0, _LATEST_S))  # noqa: S311 - where in a deletion the kill falls
            await servers.postgres.kill()
            await servers.postgres.start()

            await _assert_whole(observer, database_url, 3)
