"""A bare program of aiohttp that sends recorded answers from memory: the fastest registry that one process can be."""

import asyncio
import base64
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from service import event_loop


@dataclass(frozen=True, slots=True)
class Recorded:
    """An answer; the body is in base64."""

    headers: Mapping[str, str]
    body: str


def create_app(answers: Mapping[str, Recorded]) -> web.Application:
    """Build the program; *answers* are by raw path."""
    ready = {path: (answer.headers, base64.b64decode(answer.body)) for path, answer in answers.items()}

    async def handler(request: web.Request) -> web.Response:
        found = ready.get(request.rel_url.raw_path)
        return web.Response(status=404) if found is None else web.Response(headers=found[0], body=found[1])

    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    return app


async def serve(port: int, answers: Mapping[str, Recorded]) -> None:
    """Serve until the process is ended."""
    runner = web.AppRunner(create_app(answers), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    plan = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    event_loop.run(serve(plan["port"], {path: Recorded(**answer) for path, answer in plan["answers"].items()}))
