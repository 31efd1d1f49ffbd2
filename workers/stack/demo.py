"""The demo: a small directory and real packages for an empty yard, and commands to try on them."""

import asyncio
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import aiohttp

from service.errors import StartError
from service.infra.database import open_database
from workers.stack.plan import Plan
from workers.stack.processes import Child, Program
from workers.stack.reporter import Reporter

_DIRECTORY: Final = Path(__file__).with_name("demo.yaml")
_PROJECTS: Final = ("orchard/apples", "orchard/press/juice", "cellar/cider")
_SHOWN_PROJECT: Final = 100
_ELSEWHERE: Final = {"humanize": 101, "soupsieve": 101, "cowsay": 101, "tomli": 102, "attrs": 102}
_UPLOADER: Final = "demo-developer-token"
_CALLER: Final = "demo-maintainer-token"
_ENDINGS: Final = (".whl", ".tar.gz")


class Demo:
    """Fills the yard of *plan* once, and explains what can be done with it."""

    def __init__(self, plan: Plan, reporter: Reporter, environment_file: Path) -> None:
        self._plan = plan
        self._reporter = reporter
        self._environment_file = environment_file
        self._filled = plan.folder / "demo-filled"

    async def fill(self, files: Path) -> None:
        """Apply the directory and publish *files*, unless the yard was filled before or is somebody's own."""
        if self._filled.exists() or not await self._is_empty():
            return
        found = _distributions(files)
        try:
            await self._apply_directory()
            async with self._session(_UPLOADER) as session:
                for path in found:
                    await _publish(session, path)
        except (StartError, aiohttp.ClientError, OSError) as error:
            self._reporter.say(f"the demo is not complete: {error}")
            return
        if not found:
            self._reporter.say(f"there are no packages for the demo in {files}: the yard has users and projects only")
            return
        self._filled.touch()
        self._reporter.say(f"  {'Demo':<11} {len(found)} files published")

    async def explain(self) -> None:
        """Write what can be done now, for copy and paste."""
        commands = await self._commands()
        self._reporter.heading(f"Packyard is ready: {self._plan.base_url}")
        self._reporter.commands(commands)

    async def _is_empty(self) -> bool:
        url = self._plan.settings.database_url
        async with open_database(url, size=1) as database, database.connection() as connection:
            query = "SELECT NOT EXISTS (SELECT FROM project WHERE path <> ALL ($1))"
            return bool(await connection.fetchval(query, list(_PROJECTS)))

    async def _apply_directory(self) -> None:
        child = Child(
            Program(
                name="directory",
                arguments=[sys.executable, "-m", "workers.cli", "directory", "apply", _DIRECTORY],
                folder=self._plan.folder,
                environment=self._plan.environment,
            )
        )
        child.start()
        try:
            status = await child.wait()
        finally:
            await child.stop()
        if status:
            raise StartError(f"`packyard directory apply` failed, see {child.program.log}")

    def _session(self, token: str) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(f"{self._plan.base_url}/api/v4/", headers={"PRIVATE-TOKEN": token})

    async def _commands(self) -> list[tuple[str, str]]:
        program = shlex.quote(_short(_packyard()))
        environment_file = shlex.quote(_short(self._environment_file))
        watch = (
            "watch the events as they come (in a second terminal)",
            f"{program} --env-file {environment_file} events tail",
        )
        stop = ("stop", "Ctrl-C")
        try:
            async with self._session(_CALLER) as session:
                *look, delete, see = _tour(self._plan.base_url, *await _sample(session))
        except (aiohttp.ClientError, LookupError):  # somebody's own yard, or one that is empty by now
            return [("is it well?", f"curl {self._plan.base_url}/-/ready"), watch, stop]
        return [*look, watch, delete, see, stop]


def _distributions(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.name.endswith(_ENDINGS))


async def _publish(session: aiohttp.ClientSession, path: Path) -> None:
    name, version = _name_and_version(path.name)
    project = _ELSEWHERE.get(name, _SHOWN_PROJECT)
    address = f"projects/{project}/packages/generic/{quote(name)}/{quote(version)}/{quote(path.name)}"
    async with session.get(address) as answer:
        if answer.ok:
            return  # an earlier run got this far
    content = await asyncio.to_thread(path.read_bytes)
    async with session.put(address, data=content) as answer:
        if not answer.ok:
            raise StartError(f"publishing {path.name} was answered with {answer.status}: {await answer.text()}")


async def _sample(session: aiohttp.ClientSession) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the package of the tour, preferably one that has other versions, and its files."""
    listing = f"projects/{_SHOWN_PROJECT}/packages"
    async with session.get(listing, params={"order_by": "version", "per_page": "100"}) as answer:
        answer.raise_for_status()
        packages: list[dict[str, Any]] = await answer.json()
    names = [package["name"] for package in packages]
    package = max(packages, key=lambda one: names.count(one["name"]), default=None)
    if package is None:
        raise LookupError
    async with session.get(f"{listing}/{package['id']}/package_files") as answer:
        answer.raise_for_status()
        return package, await answer.json()


def _tour(base_url: str, package: dict[str, Any], files: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    curl = f"curl -s -H 'PRIVATE-TOKEN: {_CALLER}'"
    packages = f"{base_url}/api/v4/projects/{_SHOWN_PROJECT}/packages"
    shown = f"{packages}/{package['id']}"
    first = files[0]
    target = f"/tmp/{first['file_name']}"  # noqa: S108 - the caller's own choice to copy
    content = f"{packages}/generic/{package['name']}/{package['version']}/{first['file_name']}"
    return [
        ("list the packages of a project", f"{curl} '{packages}?order_by=version&per_page=5'"),
        (f"show {package['name']} {package['version']}", f"{curl} {shown}"),
        ("list its files", f"{curl} {shown}/package_files"),
        (
            "download one and compare its checksum",
            f"{curl} -o {target} {content} && echo '{first['file_sha256']}  {target}' | sha256sum -c",
        ),
        ("delete the package", f"{curl} -i -X DELETE {shown}"),
        (
            "list what is being destroyed (soon over; PACKYARD_GRACE_PERIOD=1m at the start makes it last)",
            f"{curl} '{packages}?status=pending_destruction'",
        ),
    ]


def _name_and_version(file_name: str) -> tuple[str, str]:
    if file_name.endswith(".whl"):
        name, version, _ = file_name.split("-", 2)
        return name, version
    name, _, version = file_name.removesuffix(".tar.gz").rpartition("-")
    return name, version


def _packyard() -> Path:
    beside = Path(sys.executable).with_name("packyard")
    return beside if beside.exists() else Path(shutil.which("packyard") or "packyard")


def _short(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
