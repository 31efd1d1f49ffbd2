"""Clients that upload and delete until their input ends; they print their counts as JSON.

One half of them stays connected. The others connect anew for each request. At the end they wait for the events and the
store to show what became of the deletions. This also runs in a pod of Packyard's image, so it imports nothing that is
for tests alone.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Final
from uuid import uuid4

import aiohttp

from tests.cluster.checks.report import Counts

BEGUN: Final = "begun"
"""The line that a program prints once it is under way: here, once the first deletion was accepted."""

_PROJECT: Final = "/api/v4/projects/100"
_HEADERS: Final = {"PRIVATE-TOKEN": "maintainer-token"}
_PATIENCE: Final = aiohttp.ClientTimeout(total=30)
_SHORT: Final = aiohttp.ClientTimeout(total=2)
_SETTLING_S: Final = 180
_MOST_FAILURES: Final = 5


class Load:
    """Clients at one address; what they asked and got."""

    def __init__(self, address: str, keys: Callable[[], Awaitable[set[str]]], *, pause: float = 0.05) -> None:
        self._address = address
        self._keys = keys
        self._pause = pause
        self._accepted: set[int] = set()
        self._requests = self._failed = 0
        self._failures: list[str] = []
        self._last_good = time.monotonic()
        self._longest_gap = self._longest_event_gap = 0.0
        self.stop = asyncio.Event()

    async def run(self, clients: int) -> Counts:
        """Ask until stopped, wait for the effects, and return the counts."""
        before = await self._keys()
        after = await self._last_event()
        self._last_good = time.monotonic()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_events(after))
            for number in range(clients):
                group.create_task(self._play(keeps_connection=number % 2 == 0))
        told, left = await self._settle(after, before)
        return Counts(
            requests=self._requests,
            failed=self._failed,
            accepted=len(self._accepted),
            told=len(told & self._accepted),
            gone=len(self._accepted) - left,
            longest_gap_s=round(self._longest_gap, 2),
            longest_event_gap_s=round(self._longest_event_gap, 2),
            failures=self._failures,
        )

    async def _play(self, *, keeps_connection: bool) -> None:
        connector = aiohttp.TCPConnector(force_close=not keeps_connection)
        async with aiohttp.ClientSession(
            self._address, headers=_HEADERS, timeout=_PATIENCE, connector=connector
        ) as session:
            while not self.stop.is_set():
                await self._upload_and_delete(session)
                await asyncio.sleep(self._pause)

    async def _watch_events(self, after: int) -> None:
        """Measure the longest time in which the feed has nothing new; a request that fails counts as nothing new."""
        last = time.monotonic()
        while not self.stop.is_set():
            with suppress(aiohttp.ClientError, TimeoutError, OSError, KeyError):
                async with aiohttp.ClientSession(self._address, headers=_HEADERS, timeout=_SHORT) as session:
                    path = f"{_PROJECT}/package_events?types=package.destroyed&limit=1000&after={after}"
                    async with session.get(path) as answer:
                        found = await answer.json(content_type=None) if answer.status == 200 else []
                        after = int(answer.headers["X-Next-After"])
                if found:
                    last = time.monotonic()
            self._longest_event_gap = max(self._longest_event_gap, time.monotonic() - last)
            await asyncio.sleep(0.5)

    async def _upload_and_delete(self, session: aiohttp.ClientSession) -> None:
        path = f"{_PROJECT}/packages/generic/load/{uuid4().hex}/file.bin?select=package_file"
        uploaded = await self._ask(session, "PUT", path, {200, 201}, data=uuid4().bytes * 64)
        if uploaded is None:
            return
        package_id = json.loads(uploaded)["package_id"]
        if await self._ask(session, "DELETE", f"{_PROJECT}/packages/{package_id}", {204}) is not None:
            self._accepted.add(package_id)
            if len(self._accepted) == 1:
                sys.stdout.write(f"{BEGUN}\n")
                sys.stdout.flush()

    async def _ask(
        self, session: aiohttp.ClientSession, method: str, path: str, good: set[int], data: bytes | None = None
    ) -> bytes | None:
        self._requests += 1
        try:
            async with session.request(method, path, data=data) as answer:
                body = await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._note(f"{method}: {type(error).__name__} {error}")
            return None
        if answer.status not in good:
            self._note(f"{method}: {answer.status} {body[:100].decode(errors='replace')}")
            return None
        now = time.monotonic()
        self._longest_gap = max(self._longest_gap, now - self._last_good)
        self._last_good = now
        return body

    def _note(self, failure: str) -> None:
        self._failed += 1
        if len(self._failures) < _MOST_FAILURES:
            self._failures.append(failure)

    async def _last_event(self) -> int:
        async with aiohttp.ClientSession(self._address, headers=_HEADERS, timeout=_PATIENCE) as session:
            after = 0
            while True:
                async with session.get(f"{_PROJECT}/package_events?limit=1000&after={after}") as answer:
                    answer.raise_for_status()
                    found = await answer.json(content_type=None)
                    after = int(answer.headers["X-Next-After"])
                if not found:
                    return after

    async def _settle(self, after: int, before: set[str]) -> tuple[set[int], int]:
        """Wait until each deletion has its event and no object; return the packages of events, and objects left.

        A request that was cut may leave one object: of an upload that was not committed, or that nobody could delete.
        """
        told: set[int] = set()
        left = len(self._accepted)
        deadline = time.monotonic() + _SETTLING_S
        async with aiohttp.ClientSession(self._address, headers=_HEADERS, timeout=_PATIENCE) as session:
            while time.monotonic() < deadline and not (self._accepted <= told and left == 0):
                path = f"{_PROJECT}/package_events?types=package.destroyed&limit=1000&after={after}"
                async with session.get(path) as answer:
                    answer.raise_for_status()
                    found = await answer.json(content_type=None)
                    after = int(answer.headers["X-Next-After"])
                told |= {int(event["subject"].rpartition("/")[2]) for event in found}
                if not found:
                    left = max(0, len(await self._keys() - before) - self._failed)
                    await asyncio.sleep(0.5)
        return told, left


async def _end_of_input(stop: asyncio.Event) -> None:
    await asyncio.to_thread(sys.stdin.read)
    stop.set()


async def _run(load: Load, clients: int) -> Counts:
    async with asyncio.TaskGroup() as group:
        group.create_task(_end_of_input(load.stop))
        counting = group.create_task(load.run(clients))
    return counting.result()


def play(load: Load, clients: int = 4) -> None:
    """Let clients ask until the input ends, and print the counts."""
    counts = asyncio.run(_run(load, clients))
    sys.stdout.write(json.dumps(asdict(counts)) + "\n")
