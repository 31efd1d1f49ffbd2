"""Servers that fall silent one after the other: the answers to clients at that time, and how soon all is gone after."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import asyncpg
from rich.table import Table

from service.settings import load_settings
from tests.support.catalogue import DIRECTORY
from tests.support.seaweed import BUCKET, own_seaweed
from tests.support.servers import private_servers
from tests.support.yard import Yard
from tests.system.faults.fleet import NAMES
from tests.system.faults.network import silent
from tests.system.faults.witness import AWAY

_PROJECT: Final = "/api/v4/projects/100/packages"
_HEADERS: Final = {"PRIVATE-TOKEN": "maintainer-token"}
_BEFORE: Final = 10
"""Deletions that are asked for right before the silence."""
_PERIOD_S: Final = 0.25
_GET_EVERY: Final = 10
_PATIENCE_S: Final = 300
_GLANCE_S: Final = 0.2
_LONGEST_TO_GONE_S: Final = 60
_LONGEST_ANSWER_S: Final = 13
"""Twelve seconds, and what a busy machine adds."""
_LEFT: Final = """
    SELECT (SELECT count(*) FROM deletion WHERE finished_at IS NULL) AS deletions,
           (SELECT count(*) FROM outbox WHERE published_at IS NULL)
         + (SELECT count(*) FROM event_log WHERE sequence > (SELECT published FROM event_cursor))
         + (SELECT count(*) FROM event_refused) AS messages
"""
_ENDED: Final = "SELECT count(*) FROM deletion WHERE state = 'succeeded'"
_MOST_ATTEMPTS: Final = "SELECT max(attempts) FROM deletion WHERE package_id = ANY($1)"


@dataclass(slots=True)
class Outcome:
    """The effects of one silence."""

    server: str
    seconds: float
    answers: Counter[str] = field(default_factory=Counter)
    longest_answer: float = 0
    accepted: int = 0
    to_last_deletion: float | None = None
    """Seconds from the end of the silence; None if that was not seen."""

    to_last_event: float | None = None
    attempts: int = 0
    """Those of the deletion that took most; only an outage of the store leaves them as they are."""

    @property
    def breaches(self) -> list[str]:
        """The faults that it found."""
        found = []
        for what, seconds in {"deletion": self.to_last_deletion, "event": self.to_last_event}.items():
            if seconds is None or seconds > _LONGEST_TO_GONE_S:
                found.append(f"silent {self.server}: the last {what} came {seconds} s after its end")
        if self.longest_answer > _LONGEST_ANSWER_S:
            found.append(f"silent {self.server}: an answer took {self.longest_answer:.1f} s")
        if self.server == "store" and self.attempts > 1:
            found.append(f"silent {self.server}: a deletion took {self.attempts} attempts")
        return found


class _Silences:
    """A yard on a disk and on S3, and clients of it."""

    def __init__(self, yard: Yard, session: aiohttp.ClientSession, ports: Mapping[str, int], database_url: str) -> None:
        self._yard = yard
        self._session = session
        self._ports = ports
        self._database_url = database_url
        self._accepted = 0

    async def silence(self, server: str, seconds: float) -> Outcome:
        """Let *server* fall silent while clients ask for deletions and downloads."""
        outcome = Outcome(server, seconds)
        packages = [await self._put(f"{server}-{number}") for number in range(int(seconds / _PERIOD_S) + _BEFORE + 1)]
        kept = f"{server}-{len(packages) - 1}"
        for package_id in packages[:_BEFORE]:
            await self._ask(outcome, "DELETE", f"{_PROJECT}/{package_id}")
        async with asyncio.TaskGroup() as group:
            async with silent(self._ports[server]):
                for number, package_id in enumerate(packages[_BEFORE:-1]):
                    group.create_task(self._ask(outcome, "DELETE", f"{_PROJECT}/{package_id}"))
                    if number % _GET_EVERY == 0:
                        group.create_task(self._ask(outcome, "GET", f"{_PROJECT}/generic/{kept}/1.0/app.bin"))
                    await asyncio.sleep(_PERIOD_S)
            group.create_task(self._wait_for_end(outcome))
        self._accepted += outcome.accepted
        assert await self._value(_ENDED) >= self._accepted, "an accepted deletion is lost"
        outcome.attempts = await self._value(_MOST_ATTEMPTS, packages)
        return outcome

    async def _put(self, name: str) -> int:
        path = f"{_PROJECT}/generic/{name}/1.0/app.bin?select=package_file"
        async with self._session.put(path, data=b"bytes") as answer:
            assert answer.ok, await answer.text()
            package_id: int = (await answer.json())["package_id"]
            return package_id

    async def _ask(self, outcome: Outcome, method: str, path: str) -> None:
        began = time.monotonic()
        try:
            async with self._session.request(method, path) as answer:
                await answer.read()
                status = str(answer.status)
                outcome.accepted += "Deletion-Id" in answer.headers
        except (aiohttp.ClientError, TimeoutError) as error:
            status = type(error).__name__
        outcome.answers[f"{method} {status}"] += 1
        outcome.longest_answer = max(outcome.longest_answer, time.monotonic() - began)

    async def _wait_for_end(self, outcome: Outcome) -> None:
        healed = time.monotonic()
        while time.monotonic() - healed < _PATIENCE_S:
            with suppress(*AWAY):
                left = await self._row(_LEFT)
                now = time.monotonic() - healed
                outcome.to_last_deletion = None if left["deletions"] else outcome.to_last_deletion or now
                outcome.to_last_event = None if left["messages"] else outcome.to_last_event or now
            if outcome.to_last_deletion and outcome.to_last_event:
                return
            await asyncio.sleep(_GLANCE_S)

    async def _value(self, sql: str, *values: object) -> Any:
        return (await self._row(sql, *values))[0]

    async def _row(self, sql: str, *values: object) -> Any:
        connection = await asyncpg.connect(self._database_url, timeout=2, command_timeout=5)
        try:
            return await connection.fetchrow(sql, *values)
        finally:
            connection.terminate()


async def run_silences(seconds: float) -> list[Outcome]:
    """Let database, broker and store fall silent, each for that time."""
    async with _opened() as silences:
        return [await silences.silence(server, seconds) for server in ("database", "broker", "store")]


def tabulate_silences(outcomes: list[Outcome]) -> Table:
    """Return what each silence did."""
    table = Table("silent", "for", "last deletion after", "last event after", "longest answer", "answers")
    for outcome in outcomes:
        table.add_row(
            outcome.server,
            f"{outcome.seconds:.0f} s",
            _seconds(outcome.to_last_deletion),
            _seconds(outcome.to_last_event),
            f"{outcome.longest_answer:.1f} s",
            ", ".join(f"{what}: {times}" for what, times in sorted(outcome.answers.items())),
        )
    return table


@asynccontextmanager
async def _opened() -> AsyncGenerator[_Silences]:
    with TemporaryDirectory(prefix="packyard-silence-") as name:
        folder = Path(name)
        async with own_seaweed(folder) as seaweed, private_servers() as servers:
            environment = {
                "PACKYARD_DATABASE_URL": servers.postgres.url(),
                "PACKYARD_BROKER_URL": servers.rabbitmq.url(),
                "PACKYARD_STORAGE_URL": f"s3://{BUCKET}/silence",
                "PACKYARD_STORAGE_ENDPOINT": seaweed.endpoint,
            }
            (folder / "yard").mkdir()
            yard = Yard(load_settings(environment=environment), folder / "yard")
            await yard.run("directory", "apply", str(DIRECTORY))
            ports = {
                "database": urlsplit(servers.postgres.url()).port or 0,
                "broker": urlsplit(servers.rabbitmq.url()).port or 0,
                "store": seaweed.port,
            }
            try:
                await yard.start(*NAMES)
                timeout = aiohttp.ClientTimeout(total=120)
                async with aiohttp.ClientSession(yard.base_url, headers=_HEADERS, timeout=timeout) as session:
                    yield _Silences(yard, session, ports, servers.postgres.url())
            finally:
                await yard.kill(*(name for name in NAMES if yard.running(name)))


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f} s"
