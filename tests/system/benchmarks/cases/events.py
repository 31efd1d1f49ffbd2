"""Events: through the relay and through webhooks beside bare programs, and from commit to each kind of consumer."""

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp

from schemas.messages.events import PackageDestroyed
from schemas.messages.examples import example_fact
from schemas.messages.outgoing import Outgoing
from service.events import outbox
from service.infra.postgres.pool import open_database
from tests.support.receivers import SECRET_KEY
from tests.system.benchmarks.bare_relay import RelayPlan
from tests.system.benchmarks.bench import Bench, Running, child, listening, running, timed_program
from tests.system.benchmarks.cases.event_consumers import Arrivals, consuming
from tests.system.benchmarks.figures import Result, Round, Side, Spread, in_turn, load, percentile, ratios
from tests.system.benchmarks.places import DELETABLE
from tests.system.benchmarks.processes import cpu_by_group, cpu_spent
from tests.system.benchmarks.servers import copied
from workers.stack.state import LOOPBACK, free_port

EVENTS: Final = ("relay", "webhooks", "event-latency")

_RELAYED: Final = 10_000
_POSTED: Final = 2_000
_TIMED: Final = 100
_ROUNDS: Final = 5
_BETWEEN_S: Final = 0.02
_ROOT_GROUP: Final = 10
_REACH: Final = 0.6
_SETTINGS: Final = {"PACKYARD_SECRET_KEYS": SECRET_KEY, "PACKYARD_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8"}
_UNPUBLISHED: Final = """
SELECT (SELECT count(*) FROM outbox WHERE published_at IS NULL)
     + (SELECT i.sequence - c.published FROM instance i, event_cursor c) AS left
"""
_GLANCE_S: Final = 0.05
_PATIENCE_S: Final = 300


async def measure_events(bench: Bench, names: set[str]) -> AsyncGenerator[Result]:
    """Measure those of the cases that are named."""
    async with copied(bench.servers, bench.database) as database:
        if "relay" in names:
            async with running(bench, "relay", database=database, with_broker=True) as run:
                yield await _measure_relay(bench, run)
        if names & {"webhooks", "event-latency"}:
            async with _with_webhook(bench, database) as (run, receiver):
                if "webhooks" in names:
                    yield await _measure_webhooks(bench, run, receiver)
                if "event-latency" in names:
                    for result in await _measure_latency(bench, run, receiver):
                        yield result


async def _measure_relay(bench: Bench, run: Running) -> Result:
    before = load()

    async def product(_number: int) -> Round:
        groups = run.groups()
        cpu = cpu_by_group(groups)
        began = await _happen(run.database_url, _RELAYED)
        while (await run.query(_UNPUBLISHED))[0]["left"]:
            await asyncio.sleep(_GLANCE_S)
        return Round(_RELAYED / (time.time() - began), cpu_ms=cpu_spent(groups, cpu, _RELAYED))

    ours, theirs = await in_turn(product, lambda _: _relay_bare(bench, run))
    return Result(
        case="relay",
        size=bench.size,
        packages=bench.packages,
        unit="events/s",
        product=Side.of(f"{_RELAYED:,} events of one commit, numbered, logged and confirmed", ours),
        reference=Side.of("bare asyncpg and aio-pika: confirmed and marked", theirs),
        ratio=ratios(ours, theirs, "events/s"),
        reach=_REACH,
        load=(before, load()),
    )


async def _relay_bare(bench: Bench, run: Running) -> Round:
    message = _messages(1)[0]
    url = (await bench.servers.broker()).url()
    plan = RelayPlan(run.database_url, url, message.routing_key, message.body.model_dump_json(), _RELAYED)
    return await timed_program(bench, run, "bare_relay", plan, count=_RELAYED)


@asynccontextmanager
async def _with_webhook(bench: Bench, database: str) -> AsyncGenerator[tuple[Running, str]]:
    """Run all that events pass through, with a webhook of one receiver; give the receiver's address."""
    port = free_port()
    async with (
        running(bench, database=database, with_broker=True) as run,
        child(run.yard.folder, "receiver", "tests.system.benchmarks.receiver", str(port)),
    ):
        await listening(port)
        await run.start("serve", "relay", "deliver", settings=_SETTINGS)
        url = f"http://{LOOPBACK}:{port}"
        async with run.client() as client:
            await client.post(f"/api/v4/projects/{DELETABLE}/hooks", json={"url": f"{url}/hook"})
        yield run, url


async def _measure_webhooks(bench: Bench, run: Running, receiver: str) -> Result:
    before = load()
    file = run.yard.folder / "bodies"

    async def product(_number: int) -> Round:
        groups = run.groups()
        cpu = cpu_by_group(groups)
        await _happen(run.database_url, _POSTED)
        came = [at for _, at in await _received(receiver, _POSTED)]
        cpu_ms = cpu_spent(groups, cpu, _POSTED)
        rows = await run.query("SELECT body FROM event_log ORDER BY sequence DESC LIMIT $1", _POSTED)
        file.write_text("\n".join(row["body"] for row in rows), encoding="utf-8")
        return Round((_POSTED - 1) / (max(came) - min(came)), cpu_ms=cpu_ms)

    async def reference(_number: int) -> Round:
        rate = _POSTED / await _post_bare(f"{receiver}/hook", file)
        await _received(receiver, _POSTED)
        return Round(rate)

    ours, theirs = await in_turn(product, reference)
    return Result(
        case="webhooks",
        size=bench.size,
        packages=bench.packages,
        unit="deliveries/s",
        product=Side.of(f"{_POSTED:,} events to one ordered webhook, signed", ours),
        reference=Side.of("bare aiohttp: the same bodies to the same receiver, unsigned", theirs),
        ratio=ratios(ours, theirs, "deliveries/s"),
        reach=_REACH,
        load=(before, load()),
    )


async def _post_bare(url: str, file: Path) -> float:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.bare_posts", url, str(file)), stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(_PATIENCE_S):
        printed, _ = await process.communicate()
    return float(printed)


async def _measure_latency(bench: Bench, run: Running, receiver: str) -> Sequence[Result]:
    """Measure from a commit to a consumer of each kind, all of them at the same time."""
    before = load()
    found: dict[str, list[float]] = {"amqp": [], "feed": [], "webhook": []}
    async with consuming((await bench.servers.broker()).url(), run.url, DELETABLE) as arrivals:
        for _ in range(_ROUNDS):
            for way, delays in (await _time_round(run, receiver, arrivals)).items():
                found[way] += delays
    return [
        Result(
            case=f"event-latency {way}",
            size=bench.size,
            packages=bench.packages,
            unit="ms",
            product=Side(
                "from commit to consumer",
                Spread(percentile(delays, 0.5), min(delays), max(delays)),
                percentile(delays, 0.5),
                percentile(delays, 0.99),
                {},
            ),
            details={"p95, ms": percentile(delays, 0.95)},
            load=(before, load()),
        )
        for way, delays in found.items()
    ]


async def _time_round(run: Running, receiver: str, arrivals: Arrivals) -> dict[str, list[float]]:
    """Commit events one after the other; return the milliseconds to each consumer."""
    committed: dict[str, float] = {}
    async with open_database(run.database_url, size=1) as database:
        for message in _messages(_TIMED):
            async with database.transaction() as connection:
                await outbox.append(connection, [message])
            committed[str(message.id)] = time.time()
            await asyncio.sleep(_BETWEEN_S)
    webhook = dict(await _received(receiver, _TIMED))
    came = {**await arrivals.of(committed), "webhook": webhook}
    return {way: [(at[each] - committed[each]) * 1_000 for each in committed] for way, at in came.items()}


async def _happen(url: str, count: int) -> float:
    """Write events in one transaction; return when it was committed."""
    async with open_database(url, size=1) as database:
        async with database.transaction() as connection:
            await outbox.append(connection, _messages(count))
        return time.time()


def _messages(count: int) -> list[Outgoing]:
    about = {"project_id": DELETABLE, "root_group_id": _ROOT_GROUP}
    fact = example_fact(PackageDestroyed).model_copy(update=about)
    return [outbox.event(fact) for _ in range(count)]


async def _received(receiver: str, count: int) -> list[tuple[str, float]]:
    """Wait until that much came; return the id and the time of each, and forget them."""
    async with aiohttp.ClientSession(raise_for_status=True) as session, asyncio.timeout(_PATIENCE_S):
        while True:
            async with session.get(receiver) as answer:
                came: list[Any] = await answer.json()
            if len(came) >= count:
                await session.delete(receiver)
                return [(event_id, at) for event_id, at in came]
            await asyncio.sleep(_GLANCE_S)
