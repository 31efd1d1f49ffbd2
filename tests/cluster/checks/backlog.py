"""A backlog from beside the cluster: packages are imported, deleted in bulk, and counted until none is left.

`python -m tests.cluster.checks.backlog ADDRESS FOLDER COUNT` prints a number a line: the deletions that are not over.
"""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final
from uuid import uuid4

import aiohttp
import asyncpg

from tests.cluster.plan import BESIDE_ADDRESS, RELEASE
from tests.cluster.servers import Addresses
from tests.support.seaweed import BUCKET
from workers.stack.state import LOOPBACK

_AT_MOST: Final = 10_000
"""Packages of one call of bulk_delete."""


def _import(folder: Path, found: Addresses, name: str, count: int) -> None:
    file = folder / "backlog.ndjson"
    with file.open("w", encoding="utf-8") as lines:
        for number in range(count):
            content = [{"file_name": "app.bin", "content": f"{name} {number}"}]
            package = {"project": "acme/open", "package_type": "generic", "name": name, "version": str(number)}
            lines.write(json.dumps({**package, "files": content}) + "\n")
    settings = {
        "PACKYARD_DATABASE_URL": _local(found.database),
        "PACKYARD_BROKER_URL": _local(found.broker),
        "PACKYARD_STORAGE_URL": f"s3://{BUCKET}/{RELEASE}",
        "PACKYARD_STORAGE_ENDPOINT": _local(found.s3),
        "AWS_ACCESS_KEY_ID": found.s3_key,
        "AWS_SECRET_ACCESS_KEY": found.s3_secret,
    }
    program = Path(sys.executable).with_name("packyard")
    environment = {**os.environ, **settings}  # noqa: TID251 - for the program that is tried
    subprocess.run([program, "import", file], env=environment, stdout=sys.stderr, check=True)


async def _run(address: str, folder: Path, count: int) -> None:
    found = Addresses.read(folder)
    name = f"backlog-{uuid4().hex}"
    await asyncio.to_thread(_import, folder, found, name, count)
    database = await asyncpg.connect(_local(found.database))
    ids = [row["id"] for row in await database.fetch("SELECT id FROM package WHERE name = $1 ORDER BY id", name)]
    async with aiohttp.ClientSession(address, headers={"PRIVATE-TOKEN": "maintainer-token"}) as session:
        for start in range(0, count, _AT_MOST):
            body = {"ids": ids[start : start + _AT_MOST], "reason": "a backlog"}
            async with session.post("/api/v4/projects/100/packages/bulk_delete", json=body) as answer:
                answer.raise_for_status()
    while left := await database.fetchval("SELECT count(*) FROM deletion WHERE finished_at IS NULL"):
        sys.stdout.write(f"{left}\n")
        sys.stdout.flush()
        await asyncio.sleep(1)
    await database.close()


def _local(address: str) -> str:
    return address.replace(BESIDE_ADDRESS, LOOPBACK)


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
