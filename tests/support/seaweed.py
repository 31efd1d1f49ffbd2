"""A private SeaweedFS: a real S3 server as our own child, from the wheel that is installed beside us."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp

from workers.stack.files import write_private
from workers.stack.processes import Child, Program
from workers.stack.state import LOOPBACK, StackState

BUCKET: Final = "yard"
"""The bucket that is there from the start."""

VERSIONED: Final = "versioned"
"""Another one, which keeps versions."""

ADMIN: Final = "yard"
"""The access key of who may do everything."""

READER: Final = "reader"
"""The access key of who may read and list, and nothing else."""

_PATIENCE_S: Final = 60
_GLANCE_S: Final = 0.05
_PARTS: Final = ("master", "volume", "filer", "s3", "admin")
_OFF: Final = ("webdav=false", "admin.ui=false", "s3.port.iceberg=0", "s3.port.lance=0", "master.telemetry=false")


class SeaweedFS:
    """One server with its data below *folder*; stopped and started again it has the same ports and objects."""

    name = "seaweedfs"

    def __init__(self, folder: Path, state: StackState) -> None:
        self._folder = folder / "seaweedfs"
        self._secrets = {name: state.secret(f"s3_{name}") for name in (ADMIN, READER)}
        self._ports = {
            name: state.port(f"seaweedfs_{name}") for part in _PARTS for name in (f"{part}.port", f"{part}.port.grpc")
        }
        ports = [f"-{name}={port}" for name, port in self._ports.items()]
        arguments: list[str | Path] = [
            _program(),
            "-logtostderr",
            "mini",
            f"-dir={self._folder}",
            f"-ip={LOOPBACK}",
            f"-ip.bind={LOOPBACK}",
            f"-s3.config={self._folder / 's3.json'}",
            "-s3.autoCreateBucket=false",
            f"-bucket={BUCKET},{VERSIONED}",
            "-filer.localSocket=",
            "-s3.localSocket=",
            *(f"-{option}" for option in _OFF),
            *ports,
        ]
        self.child = Child(Program(name=self.name, arguments=arguments, folder=folder, patience=timedelta(seconds=15)))

    @property
    def port(self) -> int:
        """The port of the S3 server."""
        return self._ports["s3.port"]

    @property
    def endpoint(self) -> str:
        """The address of the S3 server."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def filer_url(self) -> str:
        """The address under which what is stored can be seen without S3."""
        return f"http://{LOOPBACK}:{self._ports['filer.port']}"

    def secret(self, access_key: str) -> str:
        """Return the secret that goes with an access key."""
        return self._secrets[access_key]

    async def start(self) -> None:
        """Start it and return when it serves and has its bucket."""
        await asyncio.to_thread(self._prepare)
        self.child.start()
        async with asyncio.timeout(_PATIENCE_S), aiohttp.ClientSession() as session:
            while not await self._serves(session):
                assert self.child.running, f"SeaweedFS ended at its start, see {self.child.program.log}"
                await asyncio.sleep(_GLANCE_S)
        await asyncio.to_thread(self._keep_versions)

    async def stop(self) -> None:
        """Stop it."""
        await self.child.stop()
        self._remove_sockets()

    async def kill(self) -> None:
        """Kill it."""
        await self.child.kill()
        self._remove_sockets()

    def _prepare(self) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        rights = {ADMIN: ["Admin", "Read", "Write", "List", "Tagging"], READER: ["Read", "List"]}
        identities: list[dict[str, Any]] = [
            {
                "name": name,
                "credentials": [{"accessKey": name, "secretKey": self._secrets[name]}],
                "actions": actions,
            }
            for name, actions in rights.items()
        ]
        write_private(self._folder / "s3.json", json.dumps({"identities": identities}))

    def _remove_sockets(self) -> None:
        # They are there with any argument, and outlive it.
        for port in self._ports.values():
            for socket in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # noqa: S108 - where it puts them
                socket.unlink(missing_ok=True)

    def _keep_versions(self) -> None:
        master = f"{LOOPBACK}:{self._ports['master.port']}.{self._ports['master.port.grpc']}"
        command = f"s3.bucket.versioning -name={VERSIONED} -enable\n"
        subprocess.run(
            [_program(), "shell", f"-master={master}"],
            input=command,
            text=True,
            check=True,
            capture_output=True,
            timeout=_PATIENCE_S,
        )

    async def _serves(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with (
                session.get(self.endpoint),
                session.get(f"{self.filer_url}/buckets/{VERSIONED}/", headers={"Accept": "application/json"}) as bucket,
            ):
                return bucket.ok
        except aiohttp.ClientError:
            return False


@asynccontextmanager
async def own_seaweed(folder: Path) -> AsyncGenerator[SeaweedFS]:
    """Give a server with its data below *folder*; this process, and those that it starts, may do everything there."""
    seaweed = SeaweedFS(folder, StackState(folder / "seaweed.json"))
    try:
        await seaweed.start()
        # As a user would.
        os.environ |= {"AWS_ACCESS_KEY_ID": ADMIN, "AWS_SECRET_ACCESS_KEY": seaweed.secret(ADMIN)}  # noqa: TID251
        yield seaweed
    finally:
        await seaweed.kill()


def _program() -> Path:
    return Path(sys.executable).with_name("weed")
