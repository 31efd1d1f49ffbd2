"""kill -9 in the middle of uploads and of removals: a repair finds all that is left, and touches nothing else."""

import asyncio
import hashlib
import json
import random
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from service.settings import Settings
from tests.support.buckets import keys_seen
from tests.support.observer import rows
from tests.support.servers import Servers
from tests.support.yard import Yard

_UPLOADS: Final = 200
_ROUNDS: Final = 3
_PACKAGES: Final = 9
"""A slow machine removes up to three before a worker is killed."""
_FILES: Final = 300
_HEADERS: Final = {"PRIVATE-TOKEN": "maintainer-token"}


def _path(name: str) -> str:
    return f"/api/v4/projects/100/packages/generic/{name}/1.0/app.bin"


def _content(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest() * 1_000


async def _upload_until_killed(http: aiohttp.ClientSession, uploader: str, published: list[str]) -> None:
    with suppress(aiohttp.ClientError):
        for number in range(1_000):
            name = f"{uploader}-{number}"
            async with http.put(_path(name), data=_content(name)) as answer:
                assert answer.status == 201
            published.append(name)


async def _figures(yard: Yard, *arguments: str) -> Mapping[str, Any]:
    """Check, and return the figures; the status has to be that of a clean yard."""
    output = await yard.run("check", "--json", *arguments)
    figures: dict[str, Any] = json.loads(output.splitlines()[-1])["figures"]
    return figures


@pytest.mark.timeout(300)
async def test_a_repair_finds_all_that_is_left_of_uploads_and_touches_nothing_else(
    yard_of_each_store: Yard, settings_of_each_store: Settings
) -> None:
    yard = yard_of_each_store
    yard.environment = {**yard.environment, "PACKYARD_ORPHAN_AGE": "1ms", "PACKYARD_QUARANTINE_RETENTION": "1ms"}
    published: list[str] = []
    quarantined = 0
    for number in range(_ROUNDS):
        await yard.start("serve")
        limitless = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(yard.base_url, headers=_HEADERS, connector=limitless) as http:
            uploads = [
                asyncio.create_task(_upload_until_killed(http, f"{number}-{uploader}", published))
                for uploader in range(_UPLOADS)
            ]
            while len(published) < 20 * (number + 1):
                await asyncio.sleep(0.01)
            await asyncio.sleep(random.uniform(0, 0.2))  # noqa: S311 - where in the uploads the kill falls
            await yard.kill("serve")
            await asyncio.wait(uploads)
            for upload in uploads:
                upload.result()
        figures = await _figures(yard, "--repair")
        quarantined += figures["quarantined"]
        print(f"round {number}: {len(published)} published, {figures}")  # noqa: T201 - what was hit

    # Something was hit; and it is gone for good, with the next repair.
    assert quarantined > 0
    figures = await _figures(yard, "--repair", "--verify")
    (files,) = await rows(
        settings_of_each_store.database_url.get_secret_value(), "SELECT count(*), sum(size) FROM package_file"
    )
    assert (figures["in_quarantine"], figures["orphaned"], figures["missing"], figures["damaged"]) == (0, 0, 0, 0)
    assert (figures["objects"], figures["bytes"], figures["verified"]) == (files[0], files[1], files[0])

    # All that was answered well is there, whole.
    await yard.start("serve")
    async with aiohttp.ClientSession(yard.base_url, headers=_HEADERS) as http:
        for name in published:
            async with http.get(_path(name)) as answer:
                assert await answer.read() == _content(name)
        async with http.get("/api/v4/projects/100/package_statistics") as answer:
            told = await answer.json()
    assert (told["files"], told["physical_bytes"]) == (files[0], files[1])


@pytest.mark.faults
@pytest.mark.timeout(300)
async def test_a_worker_killed_in_the_middle_of_removals_leaves_nothing_to_repair(
    yard_of_each_store: Yard, settings_of_each_store: Settings, servers: Servers, tmp_path: Path
) -> None:
    yard = yard_of_each_store
    # One package a second, so that the kills fall between its chunks, or into one.
    pace = {"PACKYARD_LEASE": "2s", "PACKYARD_STORAGE_DELETE_RATE": str(_FILES)}
    yard.environment = {**yard.environment, "PACKYARD_ORPHAN_AGE": "1ms", **pace}
    files = [{"file_name": str(place), "content": str(place)} for place in range(_FILES)]
    lines = [
        json.dumps({"project": "acme/open", "package_type": "npm", "name": name, "version": "1", "files": files})
        for name in ("kept", *(f"app-{number}" for number in range(_PACKAGES)))
    ]
    (tmp_path / "packages.ndjson").write_text("\n".join(lines), encoding="utf-8")
    await yard.run("import", str(tmp_path / "packages.ndjson"))
    await yard.start("serve", "relay", "schedule")
    async with aiohttp.ClientSession(yard.base_url, headers=_HEADERS) as http:
        body = {"filter": {"package_name": "app-"}, "expected_count": _PACKAGES}
        async with http.post("/api/v4/projects/100/packages/bulk_delete", json=body) as answer:
            assert answer.status == 202

    async def objects() -> set[str]:
        return await keys_seen(settings_of_each_store, servers.s3_filer_url)

    for number in range(3):
        before = len(await objects())
        await yard.start("work")
        async with asyncio.timeout(60):
            while len(await objects()) == before:
                await asyncio.sleep(0.002)
        await asyncio.sleep(random.uniform(0, 0.02))  # noqa: S311 - where in the removals the kill falls
        await yard.kill("work")
        figures = await _figures(yard, "--repair", "--verify")
        told = {name: figures[name] for name in ("objects", "files", "going")}
        print(f"kill {number}: {before - figures['objects']} objects were gone, {told}")  # noqa: T201 - what was hit
        assert (figures["quarantined"], figures["put_back"], figures["mended"]) == (0, 0, 0)
        assert figures["objects"] == len(await objects()) > _FILES

    await yard.start("work")
    figures = await _figures(yard)
    async with asyncio.timeout(120):
        while figures["files"] > _FILES:
            figures = await _figures(yard)
    # A check counts objects before their rows, so it may have seen one that went away in between.
    figures = await _figures(yard)
    assert (figures["objects"], figures["going"]) == (_FILES, 0)
    assert len(await objects()) == _FILES
