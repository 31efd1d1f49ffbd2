"""The faults of PostgreSQL and RabbitMQ."""

import asyncio
import os
import random
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import asyncpg

from tests.support.servers import PrivateServers
from tests.system.faults.network import silent, why_not
from workers.stack.rabbitmq import find_server

Fault = Callable[[], Awaitable[None]]

_QUEUES: Final = frozenset(
    {"packyard.delete.interactive", "packyard.delete.bulk", "packyard.dead", "packyard.events.log"}
)
_SETTLED_S: Final = 2.5
"""RabbitMQ 3 loses a queue for good when it dies in the second in which the queue was made."""

_PATIENCE_S: Final = 40
_SILENCE_S: Final = (20, 80)
_RECOVERY_S: Final = 30
"""How long it takes at most until everybody has noticed the end of a silence."""
_NO_MEMORY: Final = "0.000001"
_ENOUGH_MEMORY: Final = "0.4"


class ServerFaults:
    """Restarts, losses and pressure; each method returns when the server serves again."""

    def __init__(self, servers: PrivateServers, chance: random.Random) -> None:
        self._postgres = servers.postgres
        self._rabbitmq = servers.rabbitmq
        self._data = servers.folder / "rabbitmq" / "data"
        self._chance = chance

    @property
    def faults(self) -> Mapping[str, Fault]:
        """Every fault of a server, by its name."""
        return {
            "broker restarted": self.restart_broker,
            "broker killed": self.kill_broker,
            "broker wiped": self.wipe_broker,
            "connections closed": self.close_connections,
            "memory alarm": self.alarm_broker,
            "database restarted, fast": self.restart_database,
            "database restarted, immediate": self.crash_database,
            "database read-only": self.refuse_writes,
        }

    @property
    def silences(self) -> Mapping[str, Fault | None]:
        """Servers that are reached by no packet; None where none can be dropped."""
        ports = {"broker silent": self._rabbitmq.url(), "database silent": self._postgres.url()}
        is_possible = not why_not()
        return {kind: partial(self._fall_silent, url) if is_possible else None for kind, url in ports.items()}

    async def _fall_silent(self, url: str) -> None:
        async with silent(urlsplit(url).port or 0):
            await asyncio.sleep(self._chance.uniform(*_SILENCE_S))
        await asyncio.sleep(_RECOVERY_S)

    async def restart_broker(self) -> None:
        """Stop it cleanly and start it again."""
        await self._rabbitmq.stop()
        await asyncio.sleep(self._chance.uniform(0, 1))
        await self._rabbitmq.start()

    async def kill_broker(self) -> None:
        """Kill it; what it had confirmed is on its disk."""
        await self._rabbitmq.kill()
        await asyncio.sleep(self._chance.uniform(0, 1))
        await self._rabbitmq.start()

    async def wipe_broker(self) -> None:
        """Kill it and give it an empty disk: every queue, binding and message is gone."""
        await self._rabbitmq.kill()
        await asyncio.to_thread(shutil.rmtree, self._data)
        await self._rabbitmq.start()
        await self._queues_made()

    async def close_connections(self) -> None:
        """Let the broker close every connection."""
        await self._control("close_all_connections", "a test")

    async def alarm_broker(self) -> None:
        """Let the broker take no more messages for want of memory, for a while."""
        await self._control("set_vm_memory_high_watermark", _NO_MEMORY)
        try:
            await asyncio.sleep(self._chance.uniform(1, 4))
        finally:
            await self._control("set_vm_memory_high_watermark", _ENOUGH_MEMORY)

    async def restart_database(self) -> None:
        """Stop it with SIGINT, which breaks off every transaction, and start it again."""
        await self._postgres.stop()
        await asyncio.sleep(self._chance.uniform(0, 1))
        await self._postgres.start()

    async def crash_database(self) -> None:
        """Stop it with SIGQUIT, so that it has to recover."""
        pid = self._postgres.child.pid
        assert pid is not None
        os.kill(pid, signal.SIGQUIT)
        await self._postgres.child.wait()
        await self._postgres.start()

    async def refuse_writes(self) -> None:
        """Let the database take no writes for a while, in sessions that are open as well."""
        connection = await asyncpg.connect(self._postgres.url("postgres"))
        try:
            await connection.execute("SET default_transaction_read_only = off")
            await connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
            await connection.execute("SELECT pg_reload_conf()")
            await asyncio.sleep(self._chance.uniform(1, 4))
        finally:
            await connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
            await connection.execute("SELECT pg_reload_conf()")
            await connection.close()

    async def _control(self, *command: str) -> None:
        program = find_server().with_name("rabbitmqctl")
        environment = {
            **self._rabbitmq.child.program.environment,
            "PATH": f"{program.parent}:/usr/sbin:/usr/bin:/sbin:/bin",
        }
        process = await asyncio.create_subprocess_exec(
            program, "--quiet", *command, env=environment, stdout=asyncio.subprocess.DEVNULL, stderr=sys.stderr
        )
        assert await process.wait() == 0, command

    async def _queues_made(self) -> None:
        # The first connection resets it; a broken process would get none.
        async with asyncio.timeout(_PATIENCE_S):
            while not await self._queues() >= _QUEUES:
                await asyncio.sleep(0.2)
            await asyncio.sleep(_SETTLED_S)

    async def _queues(self) -> set[str]:
        async with aiohttp.ClientSession(self._rabbitmq.management_url) as session:
            with suppress(aiohttp.ClientError):
                async with session.get("/api/queues") as answer:
                    return {queue["name"] for queue in await answer.json()}
        return set()
