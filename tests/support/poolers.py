"""PgBouncer, as it is installed, before the database of a test."""

import asyncio
import os
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from workers.stack.processes import Child, Program
from workers.stack.state import StackState

_SETTINGS: Final = """
[databases]
* = host={host} port={port} user={user} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own_port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = 10
max_client_conn = 50
"""
_PATIENCE_S: Final = 10
_GLANCE_S: Final = 0.02


@asynccontextmanager
async def pooler_before(database_url: str, folder: Path, *, mode: str) -> AsyncGenerator[str]:
    """Give the address of the database by way of a PgBouncer in that *mode*, whose files are in *folder*."""
    parts = urlsplit(database_url)
    own_port = StackState(folder / "stack.json").port("pgbouncer")
    file = folder / "pgbouncer.ini"
    file.write_text(
        _SETTINGS.format(
            host=parts.hostname,
            port=parts.port,
            user=parts.username,
            password=parts.password,
            own_port=own_port,
            mode=mode,
        ),
        encoding="utf-8",
    )
    # It does not run as root, but reads its settings before it becomes another user.
    account = ["-u", "nobody"] if os.geteuid() == 0 else []
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    child = Child(Program(name="pgbouncer", arguments=[program, *account, file], folder=folder))
    child.start()
    try:
        await _wait_for(own_port)
        yield parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{own_port}").geturl()
    finally:
        await child.kill()


async def _wait_for(port: int) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(_GLANCE_S)
            else:
                writer.close()
                return
