"""The least that aiohttp and asyncpg need for the answers of the API: one statement an answer, no rule and no check.

`python -m tests.system.benchmarks.bare_reads FILE`, where FILE has a `Plan` as JSON. It runs on the event loop of the
API, and sends the same bodies and as many header fields.
"""

import asyncio
import hashlib
import json
import re
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg
from aiohttp import web

from service import event_loop

_QUERY: Final = r"^-- name: (\w+)\n(.*?)(?=^-- name|\Z)"
_QUERIES: Final = dict(
    re.findall(_QUERY, Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
)
_CONNECTIONS: Final = 10
"""As many as the API has."""
_POOL: Final = web.AppKey("pool", asyncpg.Pool)


@dataclass(frozen=True, slots=True)
class Plan:
    """The data of the program: addresses of itself, the database and the API, and the header fields to send."""

    port: int
    database_url: str
    api_url: str
    headers: Mapping[str, Mapping[str, str]]
    """Header fields of the API's answers, by the name of the route here; without those that a server adds."""
    bodies: Mapping[str, str]
    """Fields that follow from no row."""


def create_app(plan: Plan) -> web.Application:
    """Build the program."""

    async def connected(app: web.Application) -> AsyncGenerator[None]:
        async with asyncpg.create_pool(plan.database_url, min_size=_CONNECTIONS, max_size=_CONNECTIONS) as pool:
            app[_POOL] = pool
            yield

    def answering(name: str, query: str, **options: bool) -> Callable[[web.Request], Awaitable[web.Response]]:
        sql, fields = _QUERIES[query], plan.headers.get(name, {})

        async def handler(request: web.Request) -> web.Response:
            given = (int(request.match_info["id"]),) if "id" in request.match_info else options.values()
            row = await request.app[_POOL].fetchrow(sql, plan.api_url, *given)
            assert row is not None
            headers = {**fields, "X-Total": str(row["total"])} if row["total"] is not None else fields
            return web.Response(body=row["body"].encode(), headers=headers)

        return handler

    async def version(request: web.Request) -> web.Response:
        token = hashlib.sha256(request.headers["PRIVATE-TOKEN"].encode()).digest()
        assert await request.app[_POOL].fetchval(_QUERIES["token"], token)
        return web.Response(body=plan.bodies["version"].encode(), headers=plan.headers["version"])

    app = web.Application()
    app.cleanup_ctx.append(connected)
    app.router.add_get("/list", answering("list", "list", deletable=True, counted=True))
    app.router.add_get("/list-public", answering("list-public", "list", deletable=False, counted=True))
    app.router.add_get("/keyset", answering("keyset", "list", deletable=True, counted=False))
    app.router.add_get("/package/{id}", answering("package", "package"))
    app.router.add_get("/files/{id}", answering("files", "files"))
    app.router.add_get("/version", version)
    return app


async def serve(plan: Plan) -> None:
    """Serve until the process is ended."""
    runner = web.AppRunner(create_app(plan), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", plan.port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    plan = Plan(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    event_loop.run(serve(plan))
