"""Removing objects: one worker on a bulk_delete, beside a bare loop over the store's bulk delete, on disk and on S3.

`python -m tests.system.benchmarks.removal --objects 100000` measures this alone.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import aiohttp
import asyncpg
import obstore
import psutil
from rich.console import Console
from rich.table import Table

from service import event_loop
from service.infra.storage.bucket.store import BucketStore
from service.infra.storage.interface import DELETE_CHUNK, ObjectStore, new_key
from service.infra.storage.opening import open_store
from service.settings import Settings, load_settings
from tests.support.catalogue import DIRECTORY
from tests.support.seaweed import BUCKET, own_seaweed
from tests.support.servers import private_servers
from tests.support.yard import Yard

STORES: Final = ("disk", "s3")

_PROJECT: Final = 100
_FILES: Final = 1_000
"""Files of one package."""
_PUTS_AT_ONCE: Final = 32
_GLANCE_S: Final = 0.05
_PATIENCE_S: Final = 900
_MIB: Final = 1024 * 1024
_HEADERS: Final = {"PRIVATE-TOKEN": "maintainer-token"}
_INSERT: Final = """
WITH packages AS (
    INSERT INTO package (project_id, package_type, name, version, status)
    SELECT $1, 'generic', 'large-' || n, '1.0', 'default' FROM generate_series(1, $2) n
    RETURNING id
), numbered AS (SELECT id, row_number() OVER () - 1 AS place FROM packages)
INSERT INTO package_file (package_id, file_name, size, sha256, storage_key)
SELECT p.id, 'file-' || o.place, 5, decode(repeat('00', 32), 'hex'), o.key
  FROM unnest($3::text[]) WITH ORDINALITY AS o(key, place)
  JOIN numbered p ON p.place = (o.place - 1) / $4
"""


async def measure_removal(table: Table, folder: Path, count: int, *, stores: Sequence[str] = STORES) -> None:
    """Measure these kinds of stores, each with *count* objects for the worker and as many for the bare loop."""
    count -= count % _FILES
    if "disk" in stores:
        (folder / "on-disk").mkdir()
        await _measure(table, folder / "on-disk", count, what="disk", storage={"URL": (folder / "objects").as_uri()})
    if "s3" in stores:
        (folder / "on-s3").mkdir()
        async with own_seaweed(folder) as seaweed:
            storage = {"URL": f"s3://{BUCKET}/bench", "ENDPOINT": seaweed.endpoint}
            await _measure(table, folder / "on-s3", count, what="S3 (SeaweedFS)", storage=storage)


async def _measure(table: Table, folder: Path, count: int, *, what: str, storage: dict[str, str]) -> None:
    async with private_servers() as servers:
        settings = load_settings(
            environment={
                "PACKYARD_DATABASE_URL": servers.postgres.url(),
                "PACKYARD_BROKER_URL": servers.rabbitmq.url(),
                **{f"PACKYARD_STORAGE_{name}": value for name, value in storage.items()},
            }
        )
        store = open_store(settings)
        await store.adopt()
        bare = await _remove_bare(store, await _fill(store, settings, count))
        worked, first, last = await _remove_by_worker(settings, store, folder, count)
    table.add_row(
        f"bulk_delete of {count:,} objects on {what}, one worker, until all are gone",
        f"{count / worked:,.0f} objects/s",
        f"bare loop {count / bare:,.0f}/s",
        f"{bare / worked:.2f}",
    )
    table.add_row("its memory, early and at most", f"{first / _MIB:.0f} MiB, {last / _MIB:.0f} MiB", "wanted: flat", "")


async def _fill(store: ObjectStore, settings: Settings, count: int) -> Sequence[str]:
    """Put so many small objects in their places, past the product where that is quicker."""
    keys = [new_key(_PROJECT) for _ in range(count)]
    if isinstance(store, BucketStore):
        await _fill_bucket(store, keys)
    else:
        await asyncio.to_thread(_fill_folder, Path(settings.storage_url.removeprefix("file://")), keys)
    return keys


async def _fill_bucket(store: BucketStore, keys: Sequence[str]) -> None:
    waiting = iter(keys)

    async def put_next() -> None:
        for key in waiting:
            await obstore.put_async(store._backend, key, b"bytes", use_multipart=False)

    async with asyncio.TaskGroup() as group:
        for _ in range(_PUTS_AT_ONCE):
            group.create_task(put_next())


def _fill_folder(folder: Path, keys: Sequence[str]) -> None:
    for key in keys:
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"bytes")


async def _remove_bare(store: ObjectStore, keys: Sequence[str]) -> float:
    began = time.perf_counter()
    for start in range(0, len(keys), DELETE_CHUNK):
        assert not await store.delete(keys[start : start + DELETE_CHUNK])
    return time.perf_counter() - began


async def _remove_by_worker(settings: Settings, store: ObjectStore, folder: Path, count: int) -> tuple[float, int, int]:
    """Return the seconds that it took, and the worker's memory when a tenth was gone and at most, in bytes."""
    yard = Yard(settings, folder)
    await yard.run("directory", "apply", str(DIRECTORY))
    keys = await _fill(store, settings, count)
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    try:
        await connection.execute(_INSERT, _PROJECT, count // _FILES, list(keys), _FILES)
        await connection.execute("VACUUM ANALYZE package, package_file")
        await yard.start()
        began = time.perf_counter()
        await _bulk_delete(yard, count // _FILES)
        async with asyncio.timeout(_PATIENCE_S):
            early, most = await _watch(connection, psutil.Process(yard.pid("work")), count)
        worked = time.perf_counter() - began
        assert [piece async for piece in store.list("projects")] == []
        (failed,) = await connection.fetch("SELECT count(*) AS number FROM deletion WHERE state <> 'succeeded'")
        assert failed["number"] == 0
    finally:
        await connection.close()
        await yard.aclose()
    return worked, early, most


async def _bulk_delete(yard: Yard, packages: int) -> None:
    async with aiohttp.ClientSession(yard.base_url, headers=_HEADERS) as session:
        body = {"filter": {"package_name": "large-"}, "expected_count": packages}
        async with session.post(f"/api/v4/projects/{_PROJECT}/packages/bulk_delete", json=body) as answer:
            answer.raise_for_status()


async def _watch(
    connection: "asyncpg.Connection[asyncpg.Record]", worker: psutil.Process, count: int
) -> tuple[int, int]:
    """Return the worker's memory when a tenth was gone, and at most, when all deletions have ended."""
    progress = "SELECT count(*) FILTER (WHERE finished_at IS NULL) AS left, sum(files_done) AS done FROM deletion"
    early = most = 0
    while True:
        (row,) = await connection.fetch(progress)
        most = max(most, worker.memory_info().rss)
        if not early and row["done"] >= count // 10:
            early = most
        if not row["left"]:
            return early, most
        await asyncio.sleep(_GLANCE_S)


async def _main(count: int, stores: Sequence[str]) -> None:
    table = Table("what", "figure", "beside", "ratio")
    try:
        with tempfile.TemporaryDirectory() as name:
            await measure_removal(table, Path(name), count, stores=stores)
    finally:
        # Also figures that were measured before something went wrong.
        Console(width=150).print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="tests.system.benchmarks.removal")
    parser.add_argument("--objects", type=int, default=100_000, help="how many objects are removed, of each kind")
    parser.add_argument("--store", choices=STORES, help="only of this kind")
    given = parser.parse_args()
    event_loop.run(_main(given.objects, [given.store] if given.store else STORES))
