"""Three nodes of RabbitMQ on loopback that are one cluster."""

import asyncio
import json
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from schemas.messages.topology import QUEUES, Queue
from tests.system.faults.failover.left_out import LeftOut
from workers.stack.rabbitmq import RabbitMQ, find_server
from workers.stack.state import StackState

_COUNT: Final = 3
_PATIENCE_S: Final = 120
_GLANCE_S: Final = 0.5
_ANSWER_S: Final = aiohttp.ClientTimeout(total=10)
_CUT_OFF: Final = "net_kernel:allow([node()]), [erlang:disconnect_node(Node) || Node <- nodes()]."


class Nodes:
    """The nodes; each is killed and started by itself."""

    def __init__(self, folder: Path, left_out: frozenset[LeftOut] = frozenset()) -> None:
        """Keep all below *folder*."""
        self._copies = 1 if LeftOut.QUORUM_SIZE in left_out else _COUNT
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
            "cluster_partition_handling": "ignore" if LeftOut.PAUSE in left_out else "pause_minority",
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

    async def cut_off(self, node: RabbitMQ) -> None:
        """Let a node see no other one until it is killed; clients still reach it."""
        await _command(node, "rabbitmqctl", "eval", _CUT_OFF)

    async def drop_copies(self) -> None:
        """Leave each quorum queue the copies that it shall have: all, or one on the first node. A stream keeps all."""
        for node in self.all[1:] if self._copies == 1 else ():
            await _command(self.all[0], "rabbitmq-queues", "shrink", node.node)
        await self.until_whole()

    async def until_whole(self) -> None:
        """Wait until each of our queues has all the copies that it shall have."""
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
        # The management API has the copies of some time ago.
        running = next(node for node in self.all if node.child.running)
        listed = await _command(running, "rabbitmqctl", "list_queues", "name", "online", "--formatter", "json")
        online = {queue["name"]: queue["online"] for queue in json.loads(listed)}
        return all(len(online.get(queue.name) or ()) == self._copies_of(queue) for queue in QUEUES)

    def _copies_of(self, queue: Queue) -> int:
        return self._copies if queue.arguments["x-queue-type"] == "quorum" else _COUNT

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


async def _command(node: RabbitMQ, program: str, *arguments: str) -> str:
    file = find_server().with_name(program)
    environment = {**node.child.program.environment, "PATH": f"{file.parent}:/usr/sbin:/usr/bin:/sbin:/bin"}
    process = await asyncio.create_subprocess_exec(
        file,
        *("--quiet", *arguments),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert not process.returncode, f"{program} {arguments[0]}: {errors.decode(errors='replace').strip()}"
    return output.decode()
