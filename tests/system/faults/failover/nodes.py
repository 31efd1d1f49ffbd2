"""Three nodes of RabbitMQ on loopback that are one cluster."""

import asyncio
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from schemas.messages.topology import QUEUES
from workers.stack.rabbitmq import RabbitMQ
from workers.stack.state import StackState

_COUNT: Final = 3
_PATIENCE_S: Final = 120
_GLANCE_S: Final = 0.5
_ANSWER_S: Final = aiohttp.ClientTimeout(total=10)


class Nodes:
    """The nodes; each is killed and started by itself."""

    def __init__(self, folder: Path, *, pauses_minority: bool) -> None:
        """Keep all below *folder*; without *pauses_minority* a node that sees no other one continues."""
        state, settings = StackState(folder / "nodes.json"), dict[str, str]()
        self.all: Final = [
            RabbitMQ(folder, state, name=f"rabbitmq-{number}", settings=settings) for number in range(1, _COUNT + 1)
        ]
        settings |= {
            "cluster_formation.peer_discovery_backend": "classic_config",
            **{
                f"cluster_formation.classic_config.nodes.{number}": node.node
                for number, node in enumerate(self.all, start=1)
            },
            "cluster_partition_handling": "pause_minority" if pauses_minority else "ignore",
        }
        for node in self.all[1:]:
            node.epmd = self.all[0].epmd
        parts = urlsplit(self.all[0].url())
        account = parts.netloc.rpartition("@")[0]
        hosts = ",".join(urlsplit(node.url()).netloc.rpartition("@")[2] for node in self.all)
        self.url: Final = parts._replace(netloc=f"{account}@{hosts}").geturl()
        """The address with all hosts."""

    async def start(self) -> None:
        """Start all; return when they are one cluster."""
        first, *others = self.all
        await first.start()
        async with asyncio.TaskGroup() as group:
            for node in others:
                group.create_task(node.start())
        async with asyncio.timeout(_PATIENCE_S):
            while len([node for node in await self._get("/api/nodes") if node["running"]]) < _COUNT:
                await asyncio.sleep(_GLANCE_S)

    async def kill_node(self, node: RabbitMQ) -> None:
        """Kill one with -9; the port mapper of all lives on."""
        await node.child.kill()

    async def until_whole(self) -> None:
        """Wait until each of our queues has a member on every node."""
        async with asyncio.timeout(_PATIENCE_S):
            while not await self._is_whole():
                await asyncio.sleep(_GLANCE_S)

    async def leader_of(self, queue: str) -> RabbitMQ:
        """Return the node that leads *queue*."""
        found = {each["name"]: each for each in await self._get("/api/queues")}
        return self._named(found[queue].get("leader") or found[queue]["node"])

    async def connected(self) -> RabbitMQ:
        """Return the node to which most of our processes are connected."""
        found = await self._get("/api/connections")
        count = Counter(
            each["node"]
            for each in found
            if each["client_properties"].get("connection_name", "").startswith("packyard")
        )
        return self._named(count.most_common(1)[0][0])

    async def kill(self) -> None:
        """Kill all."""
        for node in self.all:
            await node.kill()

    def _named(self, name: str) -> RabbitMQ:
        (found,) = (node for node in self.all if node.node == name)
        return found

    async def _is_whole(self) -> bool:
        queues = {queue["name"]: queue for queue in await self._get("/api/queues")}
        return all(queue.name in queues and len(queues[queue.name].get("online", ())) == _COUNT for queue in QUEUES)

    async def _get(self, path: str) -> list[dict[str, Any]]:
        for node in self.all:
            if not node.child.running:
                continue
            with suppress(aiohttp.ClientError, TimeoutError):
                async with (
                    aiohttp.ClientSession(node.management_url, timeout=_ANSWER_S, raise_for_status=True) as session,
                    session.get(path) as answer,
                ):
                    found: list[dict[str, Any]] = await answer.json()
                    return found
        return []
