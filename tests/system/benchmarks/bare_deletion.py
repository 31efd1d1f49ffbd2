"""The least that asyncpg and aio-pika need to keep the promises of a bulk deletion; the floor for the product.

- Packages are marked in a committed transaction before the first object is unlinked.
- Rows, progress and events of a chunk are one transaction, after its objects are gone.
- Two events for each package, as the product sends them, are numbered in the order of writing. They are sent with
  publisher confirms, and what was confirmed is noted after that.

`python -m tests.system.benchmarks.bare_deletion FILE`, where FILE has a `Plan` as JSON, prepares tables of its own
and objects. It prints `ready`, waits for a line, deletes all, and prints the seconds.
"""

import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aio_pika
import asyncpg

from service import event_loop
from tests.system.benchmarks.deletable import CONTENT, write_objects

_CHUNK: Final = 1_000
_IN_FLIGHT: Final = 500
_EXCHANGE: Final = "bare.events"
_PREFIX: Final = "cloudEvents_"
_NO_HEADERS: Final = {"data", "datacontenttype"}

_TABLES: Final = """
DROP SCHEMA IF EXISTS bare CASCADE;
CREATE SCHEMA bare;
CREATE TABLE bare.package (LIKE public.package INCLUDING ALL);
CREATE TABLE bare.package_file (LIKE public.package_file INCLUDING ALL);
CREATE TABLE bare.deletion (id uuid PRIMARY KEY, package_id bigint NOT NULL UNIQUE, state text NOT NULL,
    files_done bigint NOT NULL DEFAULT 0, bytes_done bigint NOT NULL DEFAULT 0, finished_at timestamptz);
CREATE TABLE bare.outbox (position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id uuid NOT NULL,
    routing_key text NOT NULL, body json NOT NULL);
CREATE TABLE bare.published (position bigint NOT NULL);
INSERT INTO bare.published VALUES (0);
"""
_EVENTS: Final = """
INSERT INTO bare.outbox (id, routing_key, body)
SELECT e.id, format('package.%1$s.generic.10.101', $2::text), json_build_object('specversion', '1.0', 'id', e.id,
           'type', format('io.packyard.package.%s.v1', $2::text),
           'subject', format('projects/101/packages/%s', d.package_id),
           'time', now(), 'recordedtime', now(), 'datacontenttype', 'application/json',
           'dataschema', format('urn:packyard:events:package.%s:v1', $2::text), 'partitionkey', '101',
           'correlationid', d.id, 'causationid', d.id, 'authtype', 'user', 'authid', '3',
           'source', '/instances/0190f3a1-0000-7000-8000-000000000000/packages-api',
           'data', json_build_object('deletion_id', d.id, 'project_id', 101, 'root_group_id', 10,
               'package_id', d.package_id, 'package_type', 'generic', 'package_name', p.name,
               'package_version', p.version, 'package_file_id', NULL, 'file_name', NULL, 'cause', 'bulk',
               'reason', NULL, 'actor_id', 3, 'files', 1, 'bytes', 5, 'package_file_ids', ARRAY[d.package_id]))
  FROM bare.deletion d JOIN bare.package p ON p.id = d.package_id
 -- d.id is named, so that each row has an id of its own.
 CROSS JOIN LATERAL (SELECT gen_random_uuid() AS id, d.id AS own) e
 WHERE d.package_id = ANY($1::bigint[])
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """The objects to delete, and their place."""

    database_url: str
    broker_url: str
    objects: str
    count: int


async def delete_all(plan: Plan) -> float:
    """Prepare, wait for a line on standard input, delete; return the seconds until all events are confirmed."""
    ids = await _prepare(plan)
    connection = await aio_pika.connect(plan.broker_url)
    try:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=False)
        exchange = await channel.declare_exchange(_EXCHANGE, "topic", durable=True)
        log = await channel.declare_queue("bare.log", durable=True, arguments={"x-queue-type": "stream"})
        await log.bind(exchange, "#")
        print("ready", flush=True)  # noqa: T201 - read by the bench
        await asyncio.to_thread(sys.stdin.readline)
        began = time.perf_counter()
        async with asyncpg.create_pool(plan.database_url, min_size=3, max_size=3) as pool, asyncio.TaskGroup() as group:
            group.create_task(_delete(pool, Path(plan.objects), ids))
            group.create_task(_relay(pool, exchange, len(ids) * 2))
        return time.perf_counter() - began
    finally:
        await connection.close()


async def _prepare(plan: Plan) -> list[int]:
    keys = write_objects(Path(plan.objects), plan.count)
    ids = list(range(1, plan.count + 1))
    connection = await asyncpg.connect(plan.database_url)
    try:
        await connection.execute(_TABLES)
        columns: tuple[str, ...] = ("id", "project_id", "package_type", "name", "version")
        rows: Any = ((number, 101, "generic", f"bulk-{number}", "1.0") for number in ids)
        await connection.copy_records_to_table("package", schema_name="bare", records=rows, columns=columns)
        columns = ("id", "package_id", "file_name", "size", "sha256", "storage_key")
        rows = ((number, number, "app.bin", len(CONTENT), bytes(32), keys[number - 1]) for number in ids)
        await connection.copy_records_to_table("package_file", schema_name="bare", records=rows, columns=columns)
        await connection.execute("ANALYZE bare.package, bare.package_file")
    finally:
        await connection.close()
    return ids


async def _delete(pool: "asyncpg.Pool[asyncpg.Record]", objects: Path, ids: Sequence[int]) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("UPDATE bare.package SET status = 'processing' WHERE id = ANY($1::bigint[])", ids)
        accept = "INSERT INTO bare.deletion SELECT gen_random_uuid(), id, 'queued' FROM unnest($1::bigint[]) id"
        await connection.execute(accept, ids)
        await connection.execute(_EVENTS, ids, "deletion_requested")
    for start in range(0, len(ids), _CHUNK):
        await _delete_chunk(pool, objects, ids[start : start + _CHUNK])


async def _delete_chunk(pool: "asyncpg.Pool[asyncpg.Record]", objects: Path, ids: Sequence[int]) -> None:
    marked = """
    WITH packages AS (UPDATE bare.package SET status = 'pending_destruction' WHERE id = ANY($1::bigint[])),
         deletions AS (UPDATE bare.deletion SET state = 'destroying' WHERE package_id = ANY($1::bigint[]))
    UPDATE bare.package_file SET status = 'pending_destruction' WHERE package_id = ANY($1::bigint[])
    RETURNING storage_key
    """
    async with pool.acquire() as connection:
        keys = [row["storage_key"] for row in await connection.fetch(marked, ids)]
        await asyncio.to_thread(_unlink, objects, keys)
        async with connection.transaction():
            await connection.execute(_EVENTS, ids, "destroyed")
            await connection.execute("DELETE FROM bare.package_file WHERE package_id = ANY($1::bigint[])", ids)
            await connection.execute("DELETE FROM bare.package WHERE id = ANY($1::bigint[])", ids)
            await connection.execute(
                "UPDATE bare.deletion SET state = 'succeeded', files_done = 1, bytes_done = 5, finished_at = now()"
                " WHERE package_id = ANY($1::bigint[])",
                ids,
            )


def _unlink(objects: Path, keys: Sequence[str]) -> None:
    for key in keys:
        (objects / key).unlink()


async def _relay(pool: "asyncpg.Pool[asyncpg.Record]", exchange: aio_pika.abc.AbstractExchange, expected: int) -> None:
    unpublished = "SELECT * FROM bare.outbox WHERE position > $1 ORDER BY position LIMIT $2"
    published = sequence = 0
    while sequence < expected:
        rows = await pool.fetch(unpublished, published, _IN_FLIGHT)
        if not rows:
            await asyncio.sleep(0.005)
            continue
        async with asyncio.TaskGroup() as group:
            for number, row in enumerate(rows, start=sequence + 1):
                group.create_task(
                    exchange.publish(bare_message(json.loads(row["body"]), number), row["routing_key"], mandatory=False)
                )
        sequence += len(rows)
        published = rows[-1]["position"]
        await pool.execute("UPDATE bare.published SET position = $1", published)


def bare_message(event: Mapping[str, Any], sequence: int) -> aio_pika.Message:
    """Return an event with its number as the product sends it."""
    body = {**event, "sequence": f"{sequence:020}", "aggversion": sequence}
    return aio_pika.Message(
        json.dumps(body).encode(),
        content_type="application/cloudevents+json; charset=utf-8",
        message_id=body["id"],
        type=body["type"],
        correlation_id=body["correlationid"],
        app_id="bare",
        headers={f"{_PREFIX}{name}": value for name, value in body.items() if name not in _NO_HEADERS},
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )


async def _main(plan: Plan) -> None:
    print(json.dumps({"seconds": await delete_all(plan)}), flush=True)  # noqa: T201 - read by the bench


if __name__ == "__main__":
    given = Plan(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    event_loop.run(_main(given))
