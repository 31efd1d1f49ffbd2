"""An HTTP proxy before an S3 server, which answers removals itself where a test says so, and passes on all else."""

import re
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import aiohttp
from aiohttp import web
from yarl import URL

_KEY: Final = re.compile(r"<Key>(.*?)</Key>")
_OF_THE_CONNECTION: Final = frozenset({"connection", "transfer-encoding", "content-length", "keep-alive"})

Answering: TypeAlias = Callable[[list[str]], web.Response]
"""Answers the bulk delete of these keys, in the place of the server."""


@dataclass(slots=True)
class RemovalFaults:
    """The faults that the proxy makes of removals; none by default."""

    bulk: Answering | None = None
    stuck: Collection[str] = ()
    """Objects whose removal by themselves is answered with 500; a part of the key is enough."""

    lives_for: int | None = None
    """After how many single removals every request is answered with 503; None is never."""

    bulks: int = 0
    """How many bulk deletes were asked for."""

    singles: list[str] = field(default_factory=list)
    """Paths of single removals that were asked for."""


class RemovalProxy:
    """One proxy; `faults` may be changed at any time."""

    def __init__(self, target: str) -> None:
        self.faults = RemovalFaults()
        self.endpoint = ""
        self._target = target

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        faults = self.faults
        body = await request.read()
        if faults.lives_for is not None and len(faults.singles) >= faults.lives_for:
            return failure(503, "ServiceUnavailable")
        if request.method == "POST" and "delete" in request.query:
            faults.bulks += 1
            if faults.bulk:
                return faults.bulk(_KEY.findall(body.decode()))
        elif request.method == "DELETE":
            faults.singles.append(request.path)
            if any(key in request.path for key in faults.stuck):
                return failure(500, "InternalError")
        return await self._passed_on(request, body)

    async def _passed_on(self, request: web.Request, body: bytes) -> web.Response:
        url = URL(f"{self._target}{request.raw_path}", encoded=True)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _OF_THE_CONNECTION}
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(request.method, url, data=body, headers=headers) as answer,
        ):
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _OF_THE_CONNECTION}
            if request.method == "HEAD":
                kept["Content-Length"] = answer.headers.get("Content-Length", "0")
            return web.Response(status=answer.status, headers=kept, body=await answer.read())


def failure(status: int, code: str) -> web.Response:
    """Return an error as S3 has it."""
    return _document(f"<Error><Code>{code}</Code><Message>a test</Message></Error>", status)


def result(*, removed: Collection[str] = (), failed: Collection[str] = (), code: str = "InternalError") -> web.Response:
    """Return the answer to a bulk delete that removed and did not remove these."""
    deleted = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in removed)
    errors = "".join(f"<Error><Key>{key}</Key><Code>{code}</Code></Error>" for key in failed)
    return _document(f"<DeleteResult>{deleted}{errors}</DeleteResult>", 200)


@asynccontextmanager
async def removal_proxy_before(target: str) -> AsyncGenerator[RemovalProxy]:
    """Open a proxy before the S3 server at *target*."""
    proxy = RemovalProxy(target)
    application = web.Application(client_max_size=64 * 1024 * 1024)
    application.router.add_route("*", "/{path:.*}", proxy.serve)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        proxy.endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield proxy
    finally:
        await runner.cleanup()


def _document(text: str, status: int) -> web.Response:
    return web.Response(status=status, text=text, content_type="application/xml")
