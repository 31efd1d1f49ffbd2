"""A receiver of webhooks as a process: it answers 200, and notes which event came when.

`python -m tests.system.benchmarks.receiver PORT` takes any POST. GET answers with what came, and DELETE forgets it.
"""

import asyncio
import sys
import time
from typing import Final

from aiohttp import web

from service import event_loop

_PATH: Final = "/{path:.*}"


class _Receiver:
    def __init__(self) -> None:
        self._came: list[tuple[str, float]] = []

    async def take(self, request: web.Request) -> web.Response:
        await request.read()
        self._came.append((request.headers.get("webhook-id", ""), time.time()))
        return web.Response()

    async def show(self, _request: web.Request) -> web.Response:
        return web.json_response(self._came)

    async def forget(self, _request: web.Request) -> web.Response:
        self._came.clear()
        return web.Response()


async def _serve(port: int) -> None:
    receiver = _Receiver()
    app = web.Application()
    app.router.add_post(_PATH, receiver.take)
    app.router.add_get(_PATH, receiver.show)
    app.router.add_delete(_PATH, receiver.forget)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    event_loop.run(_serve(int(sys.argv[1])))
