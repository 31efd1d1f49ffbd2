"""`packyard try`: one package through its whole life, over HTTP alone."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import click

from schemas.fields import Duration
from schemas.statuses import DeletionState
from service import event_loop
from service.errors import StartError
from service.ids import new_id
from workers.cli.options import validated

_NAME: Final = "packyard-try"
_CONTENT: Final = b"a package of packyard try\n"
_PAUSE_S: Final = 0.5
_ONE_REQUEST: Final = aiohttp.ClientTimeout(total=30)
_GONE: Final = "package.destroyed"
_DATA: Final = b"data:"


@click.command("try")
@click.argument("url")
@click.option("--project", default="", help="The project, by its number or full path.")
@click.option(
    "--token-file", type=click.Path(dir_okay=False, path_type=Path), help="A file with the token of a maintainer."
)
@click.option("--for", "patience", default="2m", show_default=True, help="How long all of it may take.")
def try_out(*, url: str, project: str, token_file: Path | None, patience: str) -> None:
    """Publish a package at URL, delete it, and see that it is gone.

    It sees the deletion succeed, the file answer 404, and the event in the feed. It leaves no package. The token needs
    the role that deletes packages; where the project has a grace period, the role that ends it.
    """
    if not project or token_file is None:
        raise StartError(
            "a project and a token are needed: --project and --token-file (test.project, test.tokenSecret)"
        )
    within = validated(Duration, patience, name="--for")
    event_loop.run(_try(url, project, _token(token_file), within.total_seconds()))


def _token(file: Path) -> str:
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"{file}: has no token that can be read") from error
    if not token:
        raise StartError(f"{file}: has no token")
    return token


async def _try(url: str, project: str, token: str, within_s: float) -> None:
    trial = _Trial(project)
    try:
        async with asyncio.timeout(within_s), _session(url, token) as session:
            await trial.run(session)
    except TimeoutError:
        raise StartError(f"{trial.step}: not done within {within_s:g} s") from None
    except aiohttp.ClientError as error:
        raise StartError(f"{trial.step}: {error}") from error


@asynccontextmanager
async def _session(url: str, token: str) -> AsyncGenerator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(url, headers={"PRIVATE-TOKEN": token}, timeout=_ONE_REQUEST) as session:
        yield session


class _Trial:
    """The life of one package; `step` is what it is at."""

    def __init__(self, project: str) -> None:
        self.step = "connect"
        self._place = f"/api/v4/projects/{quote(project, safe='')}"
        self._version = str(new_id())
        self._file = f"{self._place}/packages/generic/{_NAME}/{self._version}/file.txt"

    async def run(self, session: aiohttp.ClientSession) -> None:
        """Go through all steps, and print each that is done."""
        self.step = "follow the feed"
        async with self._following(session) as stream:
            await self._done("upload", lambda: self._ask(session, "PUT", self._file, data=_CONTENT))
            package = await self._done("find the package", lambda: self._find(session))
            deletion = await self._done("DELETE", lambda: self._delete(session, package))
            await self._done("see the deletion succeed", lambda: self._succeeded(session, deletion))
            await self._done("see the file gone", lambda: self._ask(session, "GET", self._file, HTTPStatus.NOT_FOUND))
            await self._done("see the event", lambda: self._told(stream, package))

    async def _done(self, step: str, act: Callable[[], Awaitable[Any]]) -> Any:
        self.step = step
        began = time.monotonic()
        found = await act()
        click.echo(f"{step}: {time.monotonic() - began:.2f} s")
        return found

    async def _ask(
        self,
        session: aiohttp.ClientSession,
        method: str,
        path: str,
        *statuses: HTTPStatus,
        data: bytes | None = None,
    ) -> aiohttp.ClientResponse:
        # The same key lets the end of a grace be asked for again.
        headers = {"Idempotency-Key": f"{_NAME}-{self._version}"} if method == "POST" else {}
        answer = await session.request(method, path, data=data, headers=headers)
        text = await answer.text()
        if answer.status not in statuses if statuses else not answer.ok:
            raise StartError(f"{self.step}: {method} {path} was answered {answer.status} {text[:200]}")
        return answer

    @asynccontextmanager
    async def _following(self, session: aiohttp.ClientSession) -> AsyncGenerator[aiohttp.ClientResponse]:
        """Open the stream of events, which begins with the next one that comes."""
        path = f"{self._place}/package_events"
        headers = {"Accept": "text/event-stream"}
        async with session.get(path, headers=headers, timeout=aiohttp.ClientTimeout(total=None)) as stream:
            if not stream.ok:
                raise StartError(f"{self.step}: GET {path} was answered {stream.status} {(await stream.text())[:200]}")
            yield stream

    async def _find(self, session: aiohttp.ClientSession) -> int:
        query = f"package_name={_NAME}&package_version={self._version}"
        answer = await self._ask(session, "GET", f"{self._place}/packages?{query}")
        found = await answer.json()
        if len(found) != 1:
            raise StartError(f"{self.step}: the list has {len(found)} packages of that version in place of one")
        return int(found[0]["id"])

    async def _delete(self, session: aiohttp.ClientSession, package: int) -> str:
        answer = await self._ask(session, "DELETE", f"{self._place}/packages/{package}", HTTPStatus.NO_CONTENT)
        return answer.headers["Deletion-Id"]

    async def _succeeded(self, session: aiohttp.ClientSession, deletion: str) -> None:
        place = f"{self._place}/deletions/{deletion}"
        while (state := (await (await self._ask(session, "GET", place)).json())["state"]) != DeletionState.SUCCEEDED:
            if state == DeletionState.GRACE:
                await self._ask(session, "POST", f"{place}/destroy_now")
            if state == DeletionState.FAILED:
                raise StartError(f"{self.step}: it has failed, see {place}")
            await asyncio.sleep(_PAUSE_S)

    async def _told(self, stream: aiohttp.ClientResponse, package: int) -> None:
        async for line in stream.content:
            if line.startswith(_DATA):
                event = json.loads(line.removeprefix(_DATA))
                if f".{_GONE}." in event["type"] and event["data"]["package_id"] == package:
                    return
        raise StartError(f"{self.step}: the stream ended without it")
