"""The least that asyncpg and aio-pika need to relay events with confirms and marks; the floor for the relay.

- Events wait in a table with their bodies, as transactions have written them.
- They are numbered in the order of writing and sent with publisher confirms, as CloudEvents with the same headers.
- The rows of a batch are marked after its last confirm.

`python -m tests.system.benchmarks.bare_relay FILE`, where FILE has a `RelayPlan` as JSON, prepares a table of its own.
It prints `ready`, waits for a line, sends all, and prints the seconds.
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aio_pika
import asyncpg

from service import event_loop
from tests.system.benchmarks.bare_deletion import bare_message

_IN_FLIGHT: Final = 500
_EXCHANGE: Final = "bare.events"
_SOURCE: Final = "/instances/0190f3a1-0000-7000-8000-000000000000/packages-api"

_TABLE: Final = """
DROP SCHEMA IF EXISTS bare_relay CASCADE;
CREATE SCHEMA bare_relay;
CREATE TABLE bare_relay.outbox (position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, routing_key text NOT NULL,
    body json NOT NULL, published_at timestamptz);
CREATE INDEX outbox_unpublished ON bare_relay.outbox (position) WHERE published_at IS NULL;
"""


@dataclass(frozen=True, slots=True)
class RelayPlan:
    """The events to relay, and the servers."""

    database_url: str
    broker_url: str
    routing_key: str
    body: str
    count: int


async def relay_all(plan: RelayPlan) -> float:
    """Prepare, wait for a line on standard input, relay; return the seconds until all events are marked."""
    database = await asyncpg.connect(plan.database_url)
    await database.execute(_TABLE)
    insert = "INSERT INTO bare_relay.outbox (routing_key, body) SELECT $1, $2::json FROM generate_series(1, $3)"
    await database.execute(insert, plan.routing_key, plan.body, plan.count)
    await database.execute("ANALYZE bare_relay.outbox")
    connection = await aio_pika.connect(plan.broker_url)
    try:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=False)
        exchange = await channel.declare_exchange(_EXCHANGE, "topic", durable=True)
        log = await channel.declare_queue("bare.log", durable=True, arguments={"x-queue-type": "stream"})
        await log.bind(exchange, "#")
        print("ready", flush=True)  # noqa: T201 - read by the bench
        await asyncio.to_thread(sys.stdin.readline)
        began = time.perf_counter()
        await _relay(database, exchange)
        return time.perf_counter() - began
    finally:
        await connection.close()
        await database.close()


async def _relay(database: "asyncpg.Connection[asyncpg.Record]", exchange: aio_pika.abc.AbstractExchange) -> None:
    read = "SELECT * FROM bare_relay.outbox WHERE published_at IS NULL ORDER BY position LIMIT $1"
    sequence = 0
    while rows := await database.fetch(read, _IN_FLIGHT):
        async with asyncio.TaskGroup() as group:
            for number, row in enumerate(rows, start=sequence + 1):
                group.create_task(
                    exchange.publish(
                        bare_message({**json.loads(row["body"]), "source": _SOURCE}, number),
                        row["routing_key"],
                        mandatory=False,
                    )
                )
        sequence += len(rows)
        mark = "UPDATE bare_relay.outbox SET published_at = now() WHERE position = ANY($1::bigint[])"
        await database.execute(mark, [row["position"] for row in rows])


async def _main(plan: RelayPlan) -> None:
    print(json.dumps({"seconds": await relay_all(plan)}), flush=True)  # noqa: T201 - read by the bench


if __name__ == "__main__":
    given = RelayPlan(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    event_loop.run(_main(given))
