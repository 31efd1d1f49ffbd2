"""One run: a yard under load and faults, then peace, then judgement."""

import asyncio
import logging
import random
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import aiohttp
import asyncpg
from ruamel.yaml import YAML

from service.settings import load_settings
from tests.support.catalogue import DIRECTORY
from tests.support.servers import private_servers
from tests.support.yard import Yard
from tests.system.faults.client import Client
from tests.system.faults.evidence import Evidence
from tests.system.faults.fleet import NAMES, Fleet
from tests.system.faults.injector import Injector
from tests.system.faults.journal import Journal
from tests.system.faults.ledger import Ledger
from tests.system.faults.load import Load
from tests.system.faults.promises import PROMISES
from tests.system.faults.report import show, tabulate
from tests.system.faults.server_faults import ServerFaults
from tests.system.faults.stock import Stock
from tests.system.faults.subscriber import Subscriber
from tests.system.faults.volume import Volume, open_volume
from tests.system.faults.witness import AWAY, Witness

_LEASE_S: Final = 4.0
_GRACE_S: Final = 2.0
_SETTINGS: Final = {
    "PACKYARD_LEASE": f"{_LEASE_S}s",
    "PACKYARD_RESEND": "2s",
    "PACKYARD_BACKOFF": "200ms",
    "PACKYARD_MAX_ATTEMPTS": "4",
    "PACKYARD_STORAGE_TIMEOUT": "2s",
}
_UNDER_WAY: Final = """
    SELECT (SELECT count(*) FROM deletion WHERE finished_at IS NULL)
         + (SELECT count(*) FROM outbox WHERE published_at IS NULL)
         + (SELECT count(*) FROM event_log WHERE sequence > (SELECT published FROM event_cursor))
         + (SELECT count(*) FROM event_refused)
"""
_MOST_UNDER_WAY: Final = 3_000
_QUEUES_SETTLED_S: Final = 2
_SAY_EVERY_S: Final = 30
_TIMED: Final = 9
_LONGEST_TO_GONE_S: Final = 10
_PATIENCE_S: Final = 5
_PROJECT: Final = 100
_PROJECT_WITH_GRACE: Final = 102


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of what."""

    deletions: int
    seed: int
    rate: float = 45
    """How many deletions a second clients ask for, while they are answered."""

    is_short: bool = False
    """Whether one fault of each kind is enough, in place of a whole deck."""

    most_seconds: float = 3_600
    """When faults and load end at the latest."""

    settling_seconds: float = 180
    """How long it may take from then on until nothing is under way."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The results of a run."""

    accepted: int
    breaches: dict[int, list[str]]
    surprises: list[str]


class Faults(Protocol):
    """The faults of a run."""

    @property
    def rounds(self) -> int:
        """How often all of them have been on; one round has to be enough."""
        ...

    def deals(self) -> Sequence[Callable[[asyncio.Event], Coroutine[Any, Any, None]]]:
        """Return what brings them about, side by side, until the event is set; the fault that is on is mended first."""
        ...


@dataclass(frozen=True, slots=True)
class Places:
    """Where the servers of a run are."""

    database: Callable[[], str]
    """Returns the address of the one server that takes writes now."""

    brokers: Sequence[str]
    """An address for each node."""


class Run:
    """The parts of a run."""

    def __init__(
        self,
        plan: Plan,
        yard: Yard,
        places: Places,
        volume: Volume,
        journal: Journal,
        make_faults: Callable[[Fleet], Faults],
        ledger: Ledger | None = None,
    ) -> None:
        """Put the parts together; *make_faults* is given the processes."""
        self._plan = plan
        self._journal = journal
        self._database = places.database
        self._volume = volume
        self.ledger = ledger or Ledger()
        self.fleet = Fleet(yard, journal, {"work-2": {"PACKYARD_GRACE_PERIOD": f"{_GRACE_S}s"}})
        self._yard = yard
        self._stock = Stock(yard, self.ledger, chance(plan, "stock"), at_once=min(500, plan.deletions // 4))
        self._witness = Witness(places.database, volume)
        self.subscriber = Subscriber(places.brokers, on_destroyed=self._witness.destroyed)
        self._faults = make_faults(self.fleet)

    async def play(self) -> Evidence:
        """Load and faults, peace, and what is then to be seen."""
        await self._yard.run("directory", "apply", str(_directory(self._yard.folder)))
        await self._witness.install()
        evidence = Evidence(self.ledger, self.subscriber, self._witness, self._journal, _LEASE_S)
        async with _meanwhile(self._witness.watch(), self.subscriber.listen()):
            async with _meanwhile(self.fleet.keep_running()):
                await self._disturb()
                await self._settle()
            await self.fleet.stop("work-2")
            async with aiohttp.ClientSession(self._yard.base_url) as session:
                evidence.seconds_to_gone = await self._time_to_gone(Client(session, self.ledger))
            await self._settle()
        await self._yard.aclose()
        evidence.logged = await self.subscriber.read_log(await self._count("SELECT count(*) FROM witness.event"))
        await self._witness.finish()
        await evidence.gather(self._database(), self._volume.objects)
        return evidence

    async def judged(self) -> tuple[Verdict, Evidence]:
        """Play, judge the end, and print both; return what came of it, and why."""
        began = time.monotonic()
        # A subscriber whose broker is away is no news here.
        for name in ("aiormq", "aio_pika"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        evidence = await self.play()
        breaches = {number: list(promise(evidence)) for number, promise in PROMISES.items()}
        surprises = [*self.fleet.broken, *self.ledger.surprises]
        for surprise in surprises[:20]:
            self._journal.say(f"surprise: {surprise}")
        show(tabulate(evidence, breaches, seed=self._plan.seed, seconds=time.monotonic() - began), breaches)
        return Verdict(len(self.ledger.accepted), breaches, surprises), evidence

    async def _disturb(self) -> None:
        await self._stock.fill(self._plan.deletions // 4)
        # RabbitMQ 3 loses a queue for good when it dies in the second in which the queue was made.
        await asyncio.sleep(_QUEUES_SETTLED_S)
        stop, mended = asyncio.Event(), asyncio.Event()
        async with aiohttp.ClientSession(self._yard.base_url) as session:
            client = Client(session, self.ledger)
            by_chance = chance(self._plan, "load")
            load = Load(client, self._stock, self.ledger, by_chance, rate=self._plan.rate, grace=_GRACE_S)
            async with _meanwhile(self._stock.keep_filled(), self._hold_back(load)), asyncio.TaskGroup() as group:
                group.create_task(load.run(stop))
                dealing = [group.create_task(deal(mended)) for deal in self._faults.deals()]
                await self._until_enough()
                mended.set()
                await asyncio.wait(dealing)
                stop.set()
                load.may_ask.set()
        self._journal.say(f"all is mended; {len(self.ledger.accepted)} deletions were accepted")

    async def _until_enough(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._plan.most_seconds):
                while len(self.ledger.accepted) < self._plan.deletions or not self._faults.rounds:
                    await asyncio.sleep(0.5)

    async def _hold_back(self, load: Load) -> None:
        """Let no more be asked for as long as very much is under way."""
        said = time.monotonic()
        while True:
            with suppress(*AWAY):
                under_way = await self._count(_UNDER_WAY)
                (load.may_ask.clear if under_way > _MOST_UNDER_WAY else load.may_ask.set)()
                if time.monotonic() - said > _SAY_EVERY_S:
                    said = time.monotonic()
                    self._journal.say(f"{len(self.ledger.accepted)} deletions accepted, {under_way} rows under way")
            await asyncio.sleep(0.5)

    async def _settle(self) -> None:
        """Wait until nothing is under way; what still is then shows in the check."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._plan.settling_seconds):
                while await self._count(_UNDER_WAY):
                    await asyncio.sleep(0.2)
        received = -1
        while received != self.subscriber.deliveries:
            received = self.subscriber.deliveries
            await asyncio.sleep(0.5)
        self._journal.say("nothing is under way")

    async def _time_to_gone(self, client: Client) -> list[float]:
        found = []
        for number in range(_TIMED):
            package = await client.put(_PROJECT, "timed", str(number), {"app.bin": b"bytes"})
            assert package is not None
            key = await self._value("SELECT storage_key FROM package_file WHERE package_id = $1", package.id)
            assert await client.delete(package)
            answered = time.perf_counter()
            while (self._volume.objects / key).exists() and time.perf_counter() - answered < _LONGEST_TO_GONE_S:
                await asyncio.sleep(0.002)
            found.append(time.perf_counter() - answered)
        return found

    async def _count(self, sql: str) -> int:
        number: int = await self._value(sql)
        return number

    async def _value(self, sql: str, *values: object) -> Any:
        connection = await asyncpg.connect(self._database(), timeout=_PATIENCE_S, command_timeout=_PATIENCE_S)
        try:
            return await connection.fetchval(sql, *values)
        finally:
            connection.terminate()


async def run(plan: Plan) -> Verdict:
    """Carry out the plan; print what happens, and a table at the end."""
    journal = Journal()
    journal.say(f"seed {plan.seed}, {plan.deletions} deletions")
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="packyard-faults-")))
        volume = stack.enter_context(open_volume(folder, chance(plan, "volume")))
        servers = await stack.enter_async_context(private_servers())
        database_url, broker_url = servers.postgres.url(), servers.rabbitmq.url()
        yard = await stack.enter_async_context(opened_yard(folder, database_url, broker_url, volume))

        def injector(fleet: Fleet) -> Injector:
            return Injector(
                fleet=fleet,
                servers=ServerFaults(servers, chance(plan, "servers")),
                volume=volume,
                chance=chance(plan, "faults"),
                journal=journal,
                is_short=plan.is_short,
            )

        places = Places(lambda: database_url, [broker_url])
        return (await Run(plan, yard, places, volume, journal, injector).judged())[0]


@asynccontextmanager
async def opened_yard(folder: Path, database_url: str, broker_url: str, volume: Volume) -> AsyncGenerator[Yard]:
    """Give a yard on these servers, whose processes are not started yet; they end with the block."""
    settings = load_settings(
        environment={
            "PACKYARD_DATABASE_URL": database_url,
            "PACKYARD_BROKER_URL": broker_url,
            "PACKYARD_STORAGE_URL": volume.objects.as_uri(),
            **_SETTINGS,
        }
    )
    yard = Yard(settings, folder / "yard")
    yard.folder.mkdir()
    try:
        yield yard
    finally:
        await yard.kill(*(name for name in NAMES if yard.running(name)))


def chance(plan: Plan, what: str) -> random.Random:
    """Return the chance of one part, so that the faults of a seed do not hang on what clients happen to do."""
    return random.Random(f"{plan.seed} {what}")  # noqa: S311 - to be had again by its seed


def _directory(folder: Path) -> Path:
    """Write a directory in which one of the projects has a grace of its own."""
    yaml = YAML(typ="safe")
    directory = yaml.load(DIRECTORY)
    (project,) = (project for project in directory["projects"] if project["id"] == _PROJECT_WITH_GRACE)
    project["grace_period"] = f"{_GRACE_S}s"
    path = folder / "directory.yaml"
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(directory, file)
    return path


@asynccontextmanager
async def _meanwhile(*works: Coroutine[Any, Any, None]) -> AsyncGenerator[None]:
    """Let these go on as long as the block does; none of them ends by itself."""
    async with asyncio.TaskGroup() as group:
        going_on = [group.create_task(work) for work in works]
        yield
        for work in going_on:
            work.cancel()
