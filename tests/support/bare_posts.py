"""The bare reference of webhooks: post the same bodies to the same receiver, one after the other.

`python -m tests.support.bare_posts URL FILE` posts each line of FILE, and prints the seconds that it took.
"""

import asyncio
import sys
import time
from pathlib import Path

import aiohttp

from service import event_loop


async def _post_all(url: str, bodies: list[bytes]) -> float:
    headers = {"Content-Type": "application/cloudevents+json; charset=utf-8"}
    async with aiohttp.ClientSession() as session:
        began = time.perf_counter()
        for body in bodies:
            async with session.post(url, data=body, headers=headers) as answer:
                await answer.read()
        return time.perf_counter() - began


async def _main() -> None:
    bodies = (await asyncio.to_thread(Path(sys.argv[2]).read_bytes)).splitlines()
    print(await _post_all(sys.argv[1], bodies))  # noqa: T201 - the parent reads it


if __name__ == "__main__":
    event_loop.run(_main())
