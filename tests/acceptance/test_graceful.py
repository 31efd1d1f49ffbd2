"""SIGTERM to each process while it works: nothing fails, nothing is lost, nothing is done twice."""

import asyncio
import io
import itertools
import json
import socket
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.support.observer import Observer, rows
from tests.support.yard import Yard, eventually
from workers.stack.state import LOOPBACK, free_port

_PROJECT: Final = 100
_PACKAGES: Final = f"/api/v4/projects/{_PROJECT}/packages"
_TOKEN: Final = {"PRIVATE-TOKEN": "maintainer-token"}
_DRAIN: Final = {"PACKYARD_DRAIN": "0.6s"}
_LOOK_S: Final = 0.1
"""How often the balancer asks whether an API is ready; well within the drain."""


class _Balancer:
    """Knows which APIs are ready, as the endpoints of a service do, and sends requests to these alone."""

    def __init__(self, session: aiohttp.ClientSession, addresses: list[str]) -> None:
        # A client that tries again by itself would hide the fault that this test searches for.
        session._retry_connection = False
        self.answers: Counter[str] = Counter()
        self.failures: list[str] = []
        self._session = session
        self._addresses = addresses
        self._ready: list[str] = []
        self._turns = itertools.count()

    async def watch(self) -> None:
        """Read again and again, until cancelled."""
        while True:
            self._ready = [address for address in self._addresses if await self._is_ready(address)]
            await asyncio.sleep(_LOOK_S)

    async def load(self, number: int, stop: asyncio.Event) -> None:
        """Publish, list, show and delete until *stop*."""
        for turn in itertools.takewhile(lambda _turn: not stop.is_set(), itertools.count()):
            if not self._ready:
                await asyncio.sleep(_LOOK_S)
                continue
            name = f"load-{number}"
            await self.ask("PUT", f"{_PACKAGES}/generic/{name}/{turn}/file.bin", data=b"x" * 5_000)
            body = await self.ask("GET", f"{_PACKAGES}?package_name={name}&per_page=1")
            for package in json.loads(body or "[]"):
                await self.ask("GET", f"{_PACKAGES}/{package['id']}")
                await self.ask("DELETE", f"{_PACKAGES}/{package['id']}")

    async def ask(self, method: str, path: str, *, data: bytes | None = None) -> str:
        """Send a request to whichever is ready; note how it went."""
        return await self.ask_at(self._ready[next(self._turns) % len(self._ready)], method, path, data=data)

    async def ask_at(self, address: str, method: str, path: str, *, data: bytes | AsyncIterator[bytes] | None) -> str:
        """Send a request; note how it went."""
        try:
            async with self._session.request(method, f"{address}{path}", data=data) as answer:
                body = await answer.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            self.failures.append(f"{method} {address}{path}: {error!r}")
            return ""
        self.answers[address] += 1
        if not answer.ok:
            self.failures.append(f"{method} {address}{path}: {answer.status} {body}")
        return body

    async def _is_ready(self, address: str) -> bool:
        with suppress(aiohttp.ClientError):
            async with self._session.get(f"{address}/-/ready") as answer:
                return answer.status == 200
        return False


async def _slowly(seconds: float) -> AsyncGenerator[bytes]:
    for _ in range(10):
        yield b"y" * 1_000
        await asyncio.sleep(seconds / 10)


async def test_no_request_fails_while_the_apis_are_replaced_one_after_the_other(
    directory: Yard, database_url: str
) -> None:
    second = free_port()
    await directory.start("serve", "relay", "work", settings=_DRAIN)
    await directory.start("serve-2", settings={**_DRAIN, "PACKYARD_PORT": str(second)})
    addresses = [directory.base_url, f"http://{LOOPBACK}:{second}"]
    stop = asyncio.Event()
    async with aiohttp.ClientSession(headers=_TOKEN) as session:
        balancer = _Balancer(session, addresses)
        watching = asyncio.create_task(balancer.watch())
        async with asyncio.TaskGroup() as group:
            for number in range(4):
                group.create_task(balancer.load(number, stop))
            for name, address, port in (("serve", addresses[0], ""), ("serve-2", addresses[1], str(second))):
                await eventually(lambda: _all_serve(balancer), within=20)
                # Begun before, and over only after the drain.
                slow = group.create_task(
                    balancer.ask_at(address, "PUT", f"{_PACKAGES}/generic/slow/{name}/f", data=_slowly(1.2))
                )
                await asyncio.sleep(0.1)
                await directory.terminate(name)
                assert slow.done()
                balancer.answers[address] = 0
                await directory.start(name, settings={**_DRAIN, **({"PACKYARD_PORT": port} if port else {})})
            await eventually(lambda: _all_serve(balancer), within=20)
            stop.set()
        watching.cancel()

    print(f"{sum(balancer.answers.values())} answers since the last start")  # noqa: T201 - what was tried
    assert balancer.failures == []

    async def all_is_gone() -> bool:
        (left,) = await rows(database_url, "SELECT count(*) FROM deletion WHERE finished_at IS NULL")
        return bool(left["count"] == 0)

    await eventually(all_is_gone, within=30)
    (names,) = await rows(database_url, "SELECT array_agg(DISTINCT name) FROM package")
    assert names["array_agg"] == ["slow"]


async def _all_serve(balancer: _Balancer) -> bool:
    return len(balancer._ready) == 2 and all(balancer.answers[address] > 10 for address in balancer._addresses)


_FILES: Final = 1_000
_CHUNK: Final = 250
_SLOW: Final = {"PACKYARD_STORAGE_DELETE_RATE": str(_CHUNK)}
"""Chunks of 250 objects, one a second."""


async def test_another_worker_goes_on_where_one_was_told_to_stop(
    directory: Yard, tmp_path: Path, database_url: str
) -> None:
    await _import_large(directory, tmp_path)
    await directory.start("serve", "relay", "schedule")
    workers = {"work", "work-2"}
    await directory.start(*workers, settings=_SLOW)
    await eventually(lambda: _all_consume(directory, workers), within=30)
    async with directory.observing() as observer:
        async with observer.http.delete(f"{_PACKAGES}/1") as answer:
            assert answer.status == 204
        await observer.until(lambda: _chunks(observer) >= 1, "a chunk gone")
        (at_work,) = (name for name in workers if "destruction_begun" in directory.log(name))
        # In the middle of a chunk: the next one is under way, or waits for its second.
        await directory.terminate(at_work)
        objects, (left,) = observer.objects(), await rows(database_url, "SELECT count(*) FROM package_file")
        (deletion,) = await rows(database_url, "SELECT state, attempts, claim FROM deletion")

        assert 0 < left["count"] == len(objects) < _FILES
        assert (deletion["state"] in {"retrying", "destroying"}, deletion["attempts"]) in {(True, 0), (True, 1)}
        stopped = time.monotonic()
        done = _chunks(observer)
        await observer.until(lambda: _chunks(observer) > done, "the other goes on", within=10)
        print(f"the other worker's first chunk came after {time.monotonic() - stopped:.1f} s")  # noqa: T201
        await observer.until_told(1, "package.destroyed")

        ids = [id_ for event in _destroyed(observer) for id_ in event]
        assert (len(ids), len(set(ids)), _chunks(observer)) == (_FILES, _FILES, _FILES / _CHUNK)
        assert observer.objects() == set()
        (other,) = workers - {at_work}
        second = await directory.metrics(other)
        assert second["packyard_leases_expired_total"] == 0
        removals = second['packyard_storage_delete_duration_seconds_count{outcome="ok"}']
        assert removals == left["count"] / _CHUNK


async def _all_consume(yard: Yard, workers: set[str]) -> bool:
    return all("worker_consuming" in yard.log(name) for name in workers)


def _destroyed(observer: Observer) -> Iterator[list[int]]:
    told = {event["id"]: event for event in observer.events if "package_file.destroyed" in event["type"]}
    return (event["data"]["package_file_ids"] for event in told.values())


def _chunks(observer: Observer) -> int:
    return len(list(_destroyed(observer)))


async def _import_large(yard: Yard, folder: Path) -> None:
    files = [{"file_name": f"{number}.txt", "content": "four"} for number in range(_FILES)]
    package = {"id": 1, "project": "acme/open", "package_type": "generic", "name": "large", "files": files}
    file = folder / "large.ndjson"
    file.write_text(json.dumps(package) + "\n", encoding="utf-8")
    await yard.run("import", str(file))


_STAND_BYS: Final = {"relay": "relay-2", "relay-2": "relay", "schedule": "schedule-2", "schedule-2": "schedule"}
_TAKEOVER_S: Final = 3.0


async def test_a_stand_by_takes_over_from_the_relay_and_the_scheduler(directory: Yard) -> None:
    await directory.start("serve", "work", *_STAND_BYS)
    async with directory.observing() as observer:
        for number, (command, how) in enumerate(
            itertools.product(("relay", "schedule"), (directory.terminate, directory.kill))
        ):
            active = await _active(directory, command)
            await how(active)
            stopped = time.monotonic()
            await eventually(lambda other=_STAND_BYS[active]: _is_active(directory, other), within=20)  # type: ignore[misc]  # a default binds the name
            took = time.monotonic() - stopped
            print(f"{how.__name__} {active}: {_STAND_BYS[active]} took over in {took:.2f} s")  # noqa: T201
            assert took < _TAKEOVER_S
            await observer.see_one_destroyed(_PROJECT, str(number))
            await directory.start(active)


async def _active(yard: Yard, command: str) -> str:
    """Return which of the two is the active one, once the other is on standby."""
    names = [name for name in _STAND_BYS if name.startswith(command)]

    async def is_certain() -> bool:
        is_active = [await _is_active(yard, name) for name in names]
        return is_active.count(True) == 1 and all(yard.is_listening(name) for name in names)

    await eventually(is_certain, within=20)
    (active,) = [name for name in names if await _is_active(yard, name)]
    return active


async def _is_active(yard: Yard, name: str) -> bool:
    process = {"relay": "relay", "schedule": "scheduler"}[name.partition("-")[0]]
    if not yard.is_listening(name):
        return False
    return (await yard.metrics(name)).get(f'packyard_active{{process="{process}"}}') == 1


_LARGE: Final = 64 * 1024**2
"""More than sockets buffer, so that a client that does not read keeps its request under way."""


async def test_a_transfer_that_is_not_over_in_time_is_reset(directory: Yard) -> None:
    await directory.start("serve", settings={"PACKYARD_FINISH_WITHIN": "1.5s"})
    async with aiohttp.ClientSession(directory.base_url, headers=_TOKEN) as session:
        path = f"{_PACKAGES}/generic/large/1/f"
        async with session.put(path, data=io.BytesIO(b"x" * _LARGE)) as answer:
            assert answer.ok
    download = await _begin(directory, f"GET {path}", "")
    upload = await _begin(directory, f"PUT {_PACKAGES}/generic/late/1/f", f"Content-Length: {_LARGE}\r\n")
    await asyncio.sleep(0.3)
    began = time.monotonic()
    await directory.terminate("serve")
    took = time.monotonic() - began

    assert 1.5 <= took < 4
    for reader, writer in (download, upload):
        # An end that is no reset could be lost with the pod's network, and the client would wait for minutes.
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
    assert "api_requests_cut" in directory.log("serve")


_SMALL: Final = 40 * 1024
"""Fits in the buffers of the process and of its socket, so that the request is over for the process."""


@pytest.mark.parametrize("fields", ["", "Connection: close\r\n"], ids=["kept", "closed"])
async def test_the_process_stays_until_the_client_has_got_what_was_written(directory: Yard, fields: str) -> None:
    await directory.start("serve")
    async with aiohttp.ClientSession(directory.base_url, headers=_TOKEN) as session:
        path = f"{_PACKAGES}/generic/small/1/f"
        async with session.put(path, data=b"x" * _SMALL) as answer:
            assert answer.ok
    reader, writer = await _begin(directory, f"GET {path}", fields, unread=2_048)
    await asyncio.sleep(0.5)
    ending = asyncio.create_task(directory.terminate("serve"))
    await asyncio.sleep(2)
    # The network of a pod goes away with its last process, and all that its client has not got by then.
    assert not ending.done()
    received = b""
    while not received.endswith(b"x" * _SMALL):
        received += await reader.readexactly(1 if received else _SMALL)
    async with asyncio.timeout(5):
        await ending
    writer.close()
    assert "api_requests_cut" not in directory.log("serve")


async def _begin(
    yard: Yard, line: str, fields: str, *, unread: int = 65_536
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send the head of a request, and a part of its body if it has one; read nothing of the answer.

    The client's machine takes about *unread* bytes of it.
    """
    parts = urlsplit(yard.base_url)
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, unread)
    await asyncio.to_thread(bound.connect, (parts.hostname, parts.port))
    reader, writer = await asyncio.open_connection(sock=bound, limit=1)
    token = "".join(f"{name}: {value}\r\n" for name, value in _TOKEN.items())
    writer.write(
        f"{line} HTTP/1.1\r\nHost: yard\r\n{token}{fields}\r\n{'y' * 1_000 if 'Length' in fields else ''}".encode()
    )
    await writer.drain()
    return reader, writer
