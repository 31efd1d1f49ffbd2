"""The rounds of a run: each server fails over under load, and what was there before comes back."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from schemas.names import Lane
from tests.support.yard import Yard
from tests.system.faults.client import Client
from tests.system.faults.failover.left_out import BY_DATABASE, LeftOut
from tests.system.faults.failover.nodes import Nodes
from tests.system.faults.failover.pair import Pair
from tests.system.faults.fleet import NAMES, Fleet
from tests.system.faults.journal import Journal
from tests.system.faults.ledger import Ledger
from workers.stack.rabbitmq import RabbitMQ

_UNNOTICED_S: Final = 2
"""How long a cluster manager takes to notice that a primary is dead: here a fixed time."""

_LAG_S: Final = 1.5
"""How far the standby is behind when the primary is killed."""

_OBSERVED_S: Final = 32
"""How long load runs after each change before the next one: a little more than the longest stall that is allowed."""

_AROUND_S: Final = 5
_READ_EVERY_S: Final = 0.1
_PROJECT: Final = 100
_HEADERS: Final = {"PRIVATE-TOKEN": "maintainer-token"}


@dataclass(frozen=True, slots=True)
class Observed:
    """A time in which work has to continue."""

    what: str
    began: float
    """When the standby took writes, the node was killed, or the old primary was back."""

    ended: float


class Reads:
    """Listings and downloads, one after the other, all the time."""

    def __init__(self, yard: Yard, ledger: Ledger) -> None:
        """Read from the API of *yard*; the package that is read is noted in *ledger*."""
        self.answered_at: list[float] = []
        self.answers: Counter[str] = Counter()
        self._yard = yard
        self._ledger = ledger

    async def run(self, stop: asyncio.Event) -> None:
        """Read until *stop*."""
        async with aiohttp.ClientSession(self._yard.base_url, timeout=aiohttp.ClientTimeout(total=15)) as session:
            package = None
            while package is None:
                package = await Client(session, self._ledger).put(_PROJECT, "read", "1.0", {"app.bin": b"bytes"})
            files = f"/api/v4/projects/{_PROJECT}/packages"
            while not stop.is_set():
                for path in (f"{files}?per_page=20", f"{files}/generic/read/1.0/app.bin"):
                    await self._read(session, path)
                await asyncio.sleep(_READ_EVERY_S)

    async def _read(self, session: aiohttp.ClientSession, path: str) -> None:
        try:
            async with session.get(path, headers=_HEADERS) as answer:
                await answer.read()
                self.answers[str(answer.status)] += 1
                if answer.status == 200:
                    self.answered_at.append(time.time())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self.answers[type(error).__name__] += 1


class Rounds:
    """A failover of the database, the return of its old primary, and the loss of three nodes of the broker; again."""

    def __init__(
        self, pair: Pair, nodes: Nodes, fleet: Fleet, journal: Journal, reads: Reads, left_out: frozenset[LeftOut]
    ) -> None:
        """Begin with all servers well; only the changes come about that show the cost of what is left out."""
        self.rounds = 0
        self.observed: list[Observed] = []
        self.breaches: list[str] = []
        """The tables of an old primary that were written to."""

        self._pair = pair
        self._nodes = nodes
        self._fleet = fleet
        self._journal = journal
        self._reads = reads
        self._left_out = left_out
        self._ended = asyncio.Event()

    def deals(self) -> Sequence[Callable[[asyncio.Event], Coroutine[Any, Any, None]]]:
        """Return the rounds, and what reads beside them."""
        return (self._deal, self._read)

    async def _deal(self, stop: asyncio.Event) -> None:
        try:
            await asyncio.sleep(_AROUND_S)
            await self._nodes.drop_copies()
            while not stop.is_set():
                for change in self._changes():
                    await change()
                self.rounds += 1
        finally:
            self._ended.set()

    def _changes(self) -> Sequence[Callable[[], Coroutine[Any, Any, None]]]:
        without = self._left_out
        database = [self._fail_over] if not without or without & BY_DATABASE else []
        nodes = [self._lose_connected, self._lose_leader] if not without or LeftOut.QUORUM_SIZE in without else []
        partition = [self._cut_off] if not without or LeftOut.PAUSE in without else []
        return [*database, *nodes, *partition]

    async def _read(self, _stop: asyncio.Event) -> None:
        # The round that is under way is observed to its end.
        await self._reads.run(self._ended)

    async def _fail_over(self) -> None:
        self._count("primary killed")
        async with self._journal.window("no primary"):
            await self._pair.lag()
            await asyncio.sleep(_LAG_S)
            await self._pair.primary.kill()
            await asyncio.sleep(_UNNOTICED_S)
            await self._pair.promote()
            promoted = time.time()
            self._journal.say("standby promoted")
            await asyncio.sleep(_AROUND_S)
        await self._observe("standby promoted", promoted)
        await self._return_of_old_primary()
        await self._pair.follow()
        self._journal.say("the old primary follows as a standby")

    async def _return_of_old_primary(self) -> None:
        """Let the old primary come back, and every process start anew beside it; nothing may be written to it."""
        self._count("old primary back as it was")
        await self._pair.return_as_it_was()
        returned = time.time()
        before = await self._pair.contents_of_old()
        await asyncio.sleep(_AROUND_S)
        self._journal.count("kill -9 all")
        await self._fleet.kill(*NAMES)
        await self._observe("old primary back", returned)
        after = await self._pair.contents_of_old()
        self.breaches += [
            f"the old primary was written to: {table} had {before[table][0]} rows, and has {rows}"
            for table, (rows, total) in after.items()
            if (rows, total) != before[table]
        ]
        await self._pair.standby.kill()

    async def _lose_connected(self) -> None:
        await self._lose_node("node that we are connected to", await self._nodes.connected())

    async def _lose_leader(self) -> None:
        await self._lose_node("leader", await self._nodes.leader_of(Lane.INTERACTIVE.queue))

    async def _cut_off(self) -> None:
        """Let the node that we are connected to see no other one."""
        node = await self._nodes.connected()
        self._count("node cut off from the others")
        began = time.time()
        async with self._journal.window("node cut off"):
            await self._nodes.cut_off(node)
            await self._observe("node cut off", began)
            await self._nodes.kill_node(node)
            await node.start()
        await self._nodes.until_whole()
        self._journal.say(f"{node.name} is back, and all queues are whole")

    async def _lose_node(self, what: str, node: RabbitMQ) -> None:
        leads = [lane.queue for lane in Lane if await self._nodes.leader_of(lane.queue) is node]
        self._count(f"{what} killed")
        self._journal.say(f"{node.name}, which leads {leads}")
        killed = time.time()
        async with self._journal.window(f"{what} lost"):
            await self._nodes.kill_node(node)
            await asyncio.sleep(_AROUND_S)
        await self._observe(f"{what} killed", killed)
        await node.start()
        await self._nodes.until_whole()
        self._journal.say(f"{node.name} is back, and all queues are whole")

    async def _observe(self, what: str, began: float) -> None:
        await asyncio.sleep(max(0, began + _OBSERVED_S - time.time()))
        self.observed.append(Observed(what, began, time.time()))

    def _count(self, what: str) -> None:
        self._journal.count(what)
        self._journal.say(what)
