"""Clients beside the cluster with slow uploads and downloads, steady reads and a stream; they print a summary as JSON.

`python -m tests.cluster.checks.transfers ADDRESS --lanes 60,25 --holders 20 --readers 4 --stream` ends with its input,
once the transfers under way are done. Each lane uploads and downloads one package in turn, each in that many seconds.
Holders download alone, and readers list packages. The stream has to have each event of the feed once.
"""

import argparse
import asyncio
import hashlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from typing import Final
from uuid import uuid4

import aiohttp

from tests.cluster.checks.clients import PROJECT, Clients, Summary
from tests.cluster.checks.load import BEGUN
from tests.cluster.checks.streaming import Stream

_SIZE: Final = 50_000_000
_PIECES: Final = 200
_PIECE: Final = os.urandom(_SIZE // _PIECES)
_KEPT_FROM_S: Final = 30
"""Lanes with slower transfers keep their connections."""

_HELD_S: Final = 300.0
_READ_PAUSE_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class Package:
    """A package that was uploaded."""

    id: int
    path: str
    sha256: str


class Transfers(Clients):
    """Clients that upload, download and list."""

    async def run_lane(self, seconds: float) -> None:
        """Upload and download in turn, each within *seconds*, and delete what was uploaded."""
        async with self.session(keeps=seconds >= _KEPT_FROM_S) as session:
            while not self.stop.is_set():
                package = await self.counted("upload", lambda: self._upload(session, seconds))
                if package and not self.stop.is_set():
                    await self._download_counted(session, package, seconds)
                if package:
                    await self._delete_counted(session, package)

    async def hold(self, count: int) -> None:
        """Let *count* clients download slowly until they are asked to stop; then they hang up."""
        async with self.session() as session:
            package = await self._upload(session, 0)
            holding = [asyncio.create_task(self._hold_one(session, package)) for _ in range(count)]
            await self.stop.wait()
            for task in holding:
                task.cancel()
            await asyncio.wait(holding)
            await self._delete_counted(session, package)

    async def read(self) -> None:
        """List packages until asked to stop."""
        async with self.session() as session:
            while not self.stop.is_set():
                await self.counted("list", lambda: self._list(session))
                await asyncio.sleep(_READ_PAUSE_S)

    async def _hold_one(self, session: aiohttp.ClientSession, package: Package) -> None:
        while True:
            await self._download_counted(session, package, _HELD_S)

    async def _download_counted(self, session: aiohttp.ClientSession, package: Package, seconds: float) -> None:
        await self.counted("download", lambda: self._download(session, package, seconds))

    async def _delete_counted(self, session: aiohttp.ClientSession, package: Package) -> None:
        await self.counted("delete", lambda: self._delete(session, package))

    async def _upload(self, session: aiohttp.ClientSession, seconds: float) -> Package:
        began = time.monotonic()
        first = os.urandom(len(_PIECE))
        path = f"{PROJECT}/packages/generic/transfers/{uuid4().hex}/file.bin"
        headers = {"Content-Length": str(_SIZE)}
        body = _pieces(first, seconds)
        async with session.put(f"{path}?select=package_file", data=body, headers=headers) as answer:
            answer.raise_for_status()
            found = await answer.json()
        sha256 = await asyncio.to_thread(_sha256, first)
        if found["file_sha256"] != sha256:
            raise aiohttp.ClientPayloadError("another file was stored than was uploaded")
        self._note_transfer(began)
        return Package(found["package_id"], path, sha256)

    async def _download(self, session: aiohttp.ClientSession, package: Package, seconds: float) -> None:
        began = time.monotonic()
        digest = hashlib.sha256()
        async with session.get(package.path) as answer:
            answer.raise_for_status()
            for number in range(1, _PIECES + 1):
                digest.update(await answer.content.readexactly(len(_PIECE)))
                await _until(began + seconds * number / _PIECES)
        if digest.hexdigest() != package.sha256:
            raise aiohttp.ClientPayloadError("another file came than was uploaded")
        self._note_transfer(began)

    async def _delete(self, session: aiohttp.ClientSession, package: Package) -> None:
        async with session.delete(f"{PROJECT}/packages/{package.id}") as answer:
            answer.raise_for_status()

    async def _list(self, session: aiohttp.ClientSession) -> None:
        async with session.get(f"{PROJECT}/packages?per_page=20") as answer:
            answer.raise_for_status()
            await answer.read()

    def _note_transfer(self, began: float) -> None:
        self.summary.transfers += 1
        self.summary.longest_s = max(self.summary.longest_s, round(time.monotonic() - began, 1))


def _sha256(first: bytes) -> str:
    digest = hashlib.sha256(first)
    for _ in range(_PIECES - 1):
        digest.update(_PIECE)
    return digest.hexdigest()


async def _pieces(first: bytes, seconds: float) -> AsyncIterator[bytes]:
    """Yield a file that begins with *first*, spread over *seconds*."""
    began = time.monotonic()
    for number in range(1, _PIECES + 1):
        yield _PIECE if number > 1 else first
        await _until(began + seconds * number / _PIECES)


async def _until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - time.monotonic()))


async def _end_of_input(stop: asyncio.Event) -> None:
    await asyncio.to_thread(sys.stdin.read)
    stop.set()


async def _run(options: argparse.Namespace) -> Summary:
    clients = Transfers(options.address)
    stream = Stream(clients)
    await stream.begin()
    follower = asyncio.create_task(stream.follow()) if options.stream else None
    sys.stdout.write(f"{BEGUN}\n")
    sys.stdout.flush()
    async with asyncio.TaskGroup() as group:
        group.create_task(_end_of_input(clients.stop))
        for seconds in filter(None, options.lanes.split(",")):
            group.create_task(clients.run_lane(float(seconds)))
        for _ in range(options.readers):
            group.create_task(clients.read())
        if options.holders:
            group.create_task(clients.hold(options.holders))
    if follower:
        await stream.compare()
        follower.cancel()
    return clients.summary


def main(arguments: Sequence[str] | None = None) -> None:
    """Run until the input ends, and print the summary."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.checks.transfers")
    parser.add_argument("address", help="where the API is, such as http://198.18.0.2:30080")
    parser.add_argument("--lanes", default="", help="the seconds that each transfer of a lane takes, with commas")
    parser.add_argument("--holders", type=int, default=0, help="clients that download slowly")
    parser.add_argument("--readers", type=int, default=0, help="clients that list packages")
    parser.add_argument("--stream", action="store_true", help="whether one client follows the stream of events")
    options = parser.parse_args(arguments)
    sys.stdout.write(json.dumps(asdict(asyncio.run(_run(options)))) + "\n")


if __name__ == "__main__":
    main()
