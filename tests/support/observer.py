"""Observing a yard from outside: HTTP, a directory walk, plain SQL and an AMQP consumer of its own.

Shares no code with the service, so that it cannot share its mistakes.
"""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aio_pika
import aiohttp
import asyncpg

_PATIENCE_S: Final = 30
_GLANCE_S: Final = 0.01


class Observer:
    """Sees what a client, a subscriber and an administrator of the machine can see."""

    def __init__(self, session: aiohttp.ClientSession, events: list[dict[str, Any]], storage: Path) -> None:
        self.http = session
        self.events = events
        self.storage = storage

    def objects(self) -> set[Path]:
        """Return every file in the storage folder."""
        return {Path(folder) / name for folder, _, names in os.walk(self.storage) for name in names}

    async def status(self, project: int, package_id: int) -> str | None:
        """Return the status under which the package is listed; None when it is listed under none."""
        for status in ("default", "hidden", "processing", "pending_destruction", "error", "deprecated"):
            parameters = {"status": status, "per_page": "100"}
            async with self.http.get(f"/api/v4/projects/{project}/packages", params=parameters) as answer:
                if any(package["id"] == package_id for package in await answer.json()):
                    return status
        return None

    async def delete(self, project: int, package_id: int) -> str:
        """Delete the package, which the API has to accept; return the id of the deletion."""
        async with self.http.delete(f"/api/v4/projects/{project}/packages/{package_id}") as answer:
            assert answer.status == 204
            return answer.headers["Deletion-Id"]

    def topics(self, package_id: int) -> list[str]:
        """Return the types of the events about the package, without prefix and version, as they came."""
        return [
            event["type"].removeprefix("io.packyard.").removesuffix(".v1")
            for event in self.events
            if event["subject"].endswith(f"/packages/{package_id}")
        ]

    async def until(
        self, seen: Callable[[], bool | Awaitable[bool]], what: str, *, within: float = _PATIENCE_S
    ) -> None:
        """Wait for something to be seen.

        Raises:
            AssertionError: it was not seen in time.
        """
        try:
            async with asyncio.timeout(within):
                while True:
                    result = seen()
                    if result if isinstance(result, bool) else await result:
                        return
                    await asyncio.sleep(_GLANCE_S)
        except TimeoutError:
            raise AssertionError(f"not seen within {within} s: {what}") from None

    async def until_status(self, project: int, package_id: int, status: str | None) -> None:
        """Wait until the package is listed under *status*."""

        async def has_it() -> bool:
            return await self.status(project, package_id) == status

        await self.until(has_it, f"package {package_id} as {status}")

    async def until_told(self, package_id: int, topic: str) -> None:
        """Wait until the subscriber got such an event of the package."""
        await self.until(lambda: topic in self.topics(package_id), f"{topic} of package {package_id}")

    async def see_one_destroyed(self, project: int, version: str) -> None:
        """Publish a package as this version of `thing`, delete it, and wait until the subscriber hears of its end."""
        packages = f"/api/v4/projects/{project}/packages"
        published = f"{packages}/generic/thing/{version}/f?select=package_file"
        async with self.http.put(published, data=b"x") as answer:
            package_id = (await answer.json())["package_id"]
        async with self.http.delete(f"{packages}/{package_id}") as answer:
            assert answer.status == 204
        await self.until_told(package_id, "package.destroyed")


@asynccontextmanager
async def observing(*, base_url: str, broker_url: str, storage: Path, token: str) -> AsyncGenerator[Observer]:
    """Subscribe to all events with a queue of our own, and read through the API as the owner of *token*."""
    events: list[dict[str, Any]] = []

    async def keep(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        events.append(json.loads(message.body))
        await message.ack()

    async with (
        await aio_pika.connect_robust(broker_url) as connection,
        aiohttp.ClientSession(base_url, headers={"PRIVATE-TOKEN": token}) as session,
    ):
        channel = await connection.channel()
        exchange = await channel.declare_exchange("packyard.events", "topic", durable=True)
        queue = await channel.declare_queue("sub.observer.v1", durable=True, arguments={"x-queue-type": "quorum"})
        await queue.bind(exchange, "#")
        await queue.consume(keep)
        yield Observer(session, events, storage)


async def rows(database_url: str, sql: str, *values: object) -> list[Any]:
    """Ask the database with plain SQL."""
    connection = await asyncpg.connect(database_url)
    try:
        found: list[Any] = await connection.fetch(sql, *values)
    finally:
        await connection.close()
    return found
