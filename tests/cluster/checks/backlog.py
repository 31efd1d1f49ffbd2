"""A backlog from beside the cluster: packages are imported, deleted in bulk, and counted until none is left.

`python -m tests.cluster.checks.backlog ADDRESS FOLDER NAME COUNT` prints a number a line: the deletions of packages of
that name that are not over. With `--project` they are of another project.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import asyncpg

from tests.cluster.plan import BESIDE_ADDRESS
from tests.cluster.servers import Addresses
from tests.support.seaweed import BUCKET
from workers.stack.state import LOOPBACK

_LEFT: Final = "SELECT count(*) FROM deletion WHERE package_name = $1 AND finished_at IS NULL"
_AT_MOST: Final = 10_000
"""Packages of one call of bulk_delete."""


def _import(options: argparse.Namespace, found: Addresses) -> None:
    file = options.folder / f"{options.name}.ndjson"
    with file.open("w", encoding="utf-8") as lines:
        for number in range(options.count):
            content = [{"file_name": "app.bin", "content": f"{options.name} {number}"}]
            package = {
                "project": options.project,
                "package_type": "generic",
                "name": options.name,
                "version": str(number),
            }
            lines.write(json.dumps({**package, "files": content}) + "\n")
    settings = {
        "PACKYARD_DATABASE_URL": _database(options, found),
        "PACKYARD_BROKER_URL": _local(found.broker),
        "PACKYARD_STORAGE_URL": f"s3://{BUCKET}/{options.prefix}",
        "PACKYARD_STORAGE_ENDPOINT": _local(found.s3),
        "AWS_ACCESS_KEY_ID": found.s3_key,
        "AWS_SECRET_ACCESS_KEY": found.s3_secret,
    }
    program = Path(sys.executable).with_name("packyard")
    environment = {**os.environ, **settings}  # noqa: TID251 - for the program that is tried
    subprocess.run([program, "import", file], env=environment, stdout=sys.stderr, check=True)


async def _run(options: argparse.Namespace) -> None:
    found = Addresses.read(options.folder)
    await asyncio.to_thread(_import, options, found)
    database = await asyncpg.connect(_database(options, found))
    rows = await database.fetch("SELECT id, project_id FROM package WHERE name = $1 ORDER BY id", options.name)
    path = f"/api/v4/projects/{rows[0]['project_id']}/packages/bulk_delete"
    async with aiohttp.ClientSession(options.address, headers={"PRIVATE-TOKEN": "maintainer-token"}) as session:
        for start in range(0, options.count, _AT_MOST):
            ids = [row["id"] for row in rows[start : start + _AT_MOST]]
            async with session.post(path, json={"ids": ids, "reason": "a backlog"}) as answer:
                answer.raise_for_status()
    while left := await database.fetchval(_LEFT, options.name):
        sys.stdout.write(f"{left}\n")
        sys.stdout.flush()
        await asyncio.sleep(1)
    await database.close()


def _database(options: argparse.Namespace, found: Addresses) -> str:
    return urlsplit(_local(found.database))._replace(path=f"/{options.database}").geturl()


def _local(address: str) -> str:
    return address.replace(BESIDE_ADDRESS, LOOPBACK)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run until no deletion is left."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.checks.backlog")
    parser.add_argument("address", help="where the API is, such as http://198.18.0.2:30080")
    parser.add_argument("folder", type=Path, help="the folder of the servers")
    parser.add_argument("name", help="the name of the packages")
    parser.add_argument("count", type=int, help="how many")
    parser.add_argument("--database", required=True)
    parser.add_argument("--prefix", required=True, help="where in the bucket the objects are")
    parser.add_argument("--project", default="acme/open")
    asyncio.run(_run(parser.parse_args(arguments)))


if __name__ == "__main__":
    main()
