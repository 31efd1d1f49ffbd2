"""Apply each event once: an inbox in PostgreSQL, in the transaction of the effect (aio-pika, asyncpg).

The effect here is a count of packages and bytes for each project. Put your own in its place.
"""

import asyncio
import json
import os

import aio_pika
import asyncpg
from aio_pika.abc import AbstractIncomingMessage

_TABLES = """
CREATE TABLE IF NOT EXISTS inbox (
    source text, id uuid, received_at timestamptz DEFAULT now(), PRIMARY KEY (source, id)
);
CREATE TABLE IF NOT EXISTS destroyed (project_id bigint PRIMARY KEY, packages bigint NOT NULL, bytes bigint NOT NULL)
"""


async def main() -> None:
    """Consume until COUNT events were received, or for ever."""
    pool = await asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=1, max_size=2)
    await pool.execute(_TABLES)
    left = int(os.environ.get("COUNT", "0")) or None
    connection = await aio_pika.connect_robust(os.environ["EVENTS_ADDRESS"])
    async with connection, pool:
        channel = await connection.channel()
        # No more than these wait here without an acknowledgement. A stream insists on a prefetch.
        await channel.set_qos(prefetch_count=100)
        queue = await channel.get_queue(os.environ["EVENTS_QUEUE"], ensure=False)
        async with queue.iterator(arguments=_beginning()) as messages:
            async for message in messages:
                await _receive(pool, message)
                if left is not None and (left := left - 1) <= 0:
                    return


async def _receive(pool: asyncpg.Pool, message: AbstractIncomingMessage) -> None:
    event = json.loads(message.body)
    async with pool.acquire() as connection, connection.transaction():
        is_new = await connection.fetchval(
            "INSERT INTO inbox (source, id) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING true",
            event["source"],
            event["id"],
        )
        if is_new:
            await _apply(connection, event)
    # After the commit: if this process dies before, the event comes again and finds its row in the inbox.
    await message.ack()
    print(f"{event['id']} {event['type']} {'applied' if is_new else 'known'}", flush=True)


async def _apply(connection: asyncpg.Connection, event: dict) -> None:
    if event["type"] != "io.packyard.package.destroyed.v1":
        return  # later versions send types that we do not know
    data = event["data"]
    await connection.execute(
        "INSERT INTO destroyed VALUES ($1, 1, $2) ON CONFLICT (project_id) DO UPDATE"
        " SET packages = destroyed.packages + 1, bytes = destroyed.bytes + excluded.bytes",
        data["project_id"],
        data["bytes"],
    )


def _beginning() -> dict[str, str | int]:
    """Return where to begin in a stream: first, next, or an offset."""
    offset = os.environ.get("EVENTS_OFFSET", "")
    return {"x-stream-offset": int(offset) if offset.isdigit() else offset} if offset else {}


asyncio.run(main())
