"""Other registries of Python packages, each in an environment of its own: pypiserver and devpi-server."""

import asyncio
import base64
import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

import aiohttp

from tests.system.benchmarks.bench import listening
from tests.system.benchmarks.processes import Group
from workers.stack.processes import Child, Program
from workers.stack.state import LOOPBACK, free_port

_PYPISERVER: Final = ("pypiserver[cache]==2.4.2", "waitress==3.0.2")
_DEVPI: Final = ("devpi-server==6.20.3",)
_PATIENCE: Final = timedelta(seconds=5)
_STARTED_WITHIN_S: Final = 120
_CHEAP_SECRET: Final = ("--argon2-time-cost", "1", "--argon2-memory-cost", "64", "--argon2-parallelism", "1")
"""devpi derives a key from its secret when it starts, by default for half a minute; no request depends on it later."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel to be published."""

    name: str
    version: str
    file_name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry of Python packages that takes uploads."""

    name: str
    upload_url: str
    index_url: str
    """The address below which each package has its index; it ends without a slash."""
    groups: Sequence[Group]
    headers: Mapping[str, str] = field(default_factory=dict)
    """Header fields of an upload."""
    writers: int = 8
    """Uploads that it takes at a time."""


@asynccontextmanager
async def open_pypiserver(kept: Path, folder: Path) -> AsyncGenerator[Registry]:
    """Run pypiserver with its cache; *kept* is for environments, *folder* for packages."""
    bin_folder = await _environment(kept / "pypiserver", _PYPISERVER)
    packages, port = folder / "pypiserver", free_port()
    packages.mkdir()
    command = [str(bin_folder / "pypi-server"), "run", "-i", LOOPBACK, "-p", str(port), "-P", ".", "-a", "."]
    command += ["--disable-fallback", "--server", "auto", "--backend", "cached-dir", str(packages)]
    async with _process("pypiserver", command, folder, port) as group:
        url = f"http://{LOOPBACK}:{port}"
        yield Registry("pypiserver", f"{url}/", f"{url}/simple", [group])


@asynccontextmanager
async def open_devpi(kept: Path, folder: Path, wheels: Sequence[Wheel]) -> AsyncGenerator[Registry]:
    """Run devpi-server with one index, which has no base, and has the wheels already; *kept* has its first data, too.

    It writes one upload at a time and refuses others, and each takes the longer, the more versions a name has.
    """
    bin_folder = await _environment(kept / "devpi", _DEVPI)
    data, port = folder / "devpi", free_port()
    await asyncio.to_thread(shutil.copytree, await _devpi_data(kept, bin_folder, wheels), data)
    command = [str(bin_folder / "devpi-server"), "--serverdir", str(data), "--host", LOOPBACK, "--port", str(port)]
    async with _process("devpi", [*command, *_CHEAP_SECRET], folder, port) as group:
        url = f"http://{LOOPBACK}:{port}"
        headers = await _login(url)
        yield Registry("devpi", f"{url}/root/bench/", f"{url}/root/bench/+simple", [group], headers, writers=1)


async def _devpi_data(kept: Path, bin_folder: Path, wheels: Sequence[Wheel]) -> Path:
    """Return the data of a server that has the wheels, which are imported at the first need: that takes minutes."""
    digest = hashlib.sha256(b"".join(sorted(hashlib.sha256(wheel.content).digest() for wheel in wheels))).hexdigest()
    data = kept / f"devpi-data-{digest[:16]}"
    if not data.exists():
        with tempfile.TemporaryDirectory(dir=kept, prefix="devpi-import-") as name:
            dump, made = _devpi_dump(Path(name, "dump"), wheels), Path(name, "data")
            options = ("--serverdir", str(made), "--no-root-pypi", "--no-events", str(dump))
            await _run(str(bin_folder / "devpi-import"), *options)
            made.rename(data)
    return data


def _devpi_dump(folder: Path, wheels: Sequence[Wheel]) -> Path:
    """Write an index with the wheels as devpi-export does; return the folder."""
    (folder / "files").mkdir(parents=True)
    projects: dict[str, dict[str, dict[str, str]]] = {}
    files = []
    for wheel in wheels:
        path = Path("files") / wheel.file_name
        (folder / path).write_bytes(wheel.content)
        projects.setdefault(wheel.name, {})[wheel.version] = {"name": wheel.name, "version": wheel.version}
        described = {"type": "releasefile", "projectname": wheel.name, "version": wheel.version, "relpath": str(path)}
        files.append({**described, "entrymapping": {"last_modified": "Mon, 30 Nov 2026 00:00:00 GMT"}})
    config = {"type": "stage", "bases": [], "volatile": True}
    index = {"indexconfig": config, "projects": projects, "files": files}
    dumped = {"dumpversion": "2", "users": {}, "indexes": {"root/bench": index}}
    (folder / "dataindex.json").write_text(json.dumps(dumped), encoding="utf-8")
    return folder


async def _login(url: str) -> Mapping[str, str]:
    async with (
        aiohttp.ClientSession(raise_for_status=True) as session,
        session.post(f"{url}/+login", json={"user": "root", "password": ""}) as answer,
    ):
        token = (await answer.json())["result"]["password"]
    return {"X-Devpi-Auth": base64.b64encode(f"root:{token}".encode()).decode()}


@asynccontextmanager
async def _process(name: str, command: Sequence[str], folder: Path, port: int) -> AsyncGenerator[Group]:
    process = Child(Program(name=name, arguments=command, folder=folder, patience=_PATIENCE))
    process.start()
    assert process.pid is not None
    try:
        await listening(port, within_s=_STARTED_WITHIN_S)
        yield Group(name, process.pid)
    finally:
        await process.stop()


async def _environment(folder: Path, requirements: Sequence[str]) -> Path:
    """Return the folder of commands of an environment, which is made at the first need and kept."""
    done = folder / "-".join(requirements).replace("/", "_")
    if not done.exists():
        uv = str(Path(sys.executable).with_name("uv"))
        await _run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
        await _run(uv, "pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), *requirements)
        done.touch()
    return folder / "bin"


async def _run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {output.decode()[-2_000:]}")
