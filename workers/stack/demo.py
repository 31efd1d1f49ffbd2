"""The demo: a small directory and packages for an empty instance, and commands to try on them."""

import shlex
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import aiohttp

from schemas.base import Json
from schemas.names import AccessLevel, Cause, Credential, Lane
from service.context import Context, open_context
from service.deletions import accept
from service.deletions.deletion import Origin
from service.directory_file.applying import apply_directory, exchange_tokens, read_directory
from service.directory_file.changes import Change
from service.errors import PackyardError, StartError
from service.importing.imports import import_packages
from service.importing.local_files import Folder
from service.infra.postgres.database import Database, Within
from service.infra.postgres.pool import open_database
from workers.stack.demo_packages import (
    APPLES,
    ARCHIVE,
    CIDER,
    JUICE,
    SmallPackage,
    as_lines,
    downloaded_packages,
    made_packages,
)
from workers.stack.demo_tokens import DemoTokens
from workers.stack.plan import StackPlan
from workers.stack.reporter import Reporter

_PROTECTION: Final = Path(__file__).with_name("demo-protection.yaml")
_TOUR_PROJECT: Final = 100
_GRACE_PROJECT: Final = 101
_PROTECTED: Final = ("@orchard/worm", "1.0.0")
"""The package whose deletion fails, since it is protected after the deletion was accepted."""
_MAINTAINER: Final = 3
_CALLER: Final = "demo-maintainer-token"
_OTHERS: Final = ("root", "owner", "developer", "reporter", "guest")
"""Roles of the other users, as their tokens name them."""


class Demo:
    """Fills the instance of *plan* once, and explains what can be done with it."""

    def __init__(self, plan: StackPlan, reporter: Reporter, environment_file: Path) -> None:
        self._plan = plan
        self._reporter = reporter
        self._environment_file = environment_file
        self._filled = plan.folder / "demo-filled"
        self._tokens = DemoTokens(plan.state, is_exposed=plan.is_exposed)

    async def set_tokens(self) -> None:
        """Let the tokens of an earlier run's demo be those of this run, before anybody can show them."""
        if exchanged := self._tokens.exchanged:
            async with open_database(self._plan.settings.database_url, size=1) as database:
                await exchange_tokens(database, exchanged)

    async def fill(self, files: Path) -> None:
        """Bring in directory and packages, unless that was done before or the instance is somebody's own."""
        try:
            async with open_context(self._plan.settings, connections=4) as context:
                if await self._is_ours(context.database):
                    await self._fill(context, files)
        except (PackyardError, OSError) as error:
            self._reporter.say(f"the demo is not complete: {error}")

    async def explain(self) -> None:
        """Write what can be done now, for copy and paste."""
        commands, drawn, is_filled = await self._commands(), await self._drawn_tokens(), await self._is_filled()
        with self._reporter.together():
            self._reporter.heading(f"Packyard is ready: {self._plan.base_url}")
            with_token = f"; sign in with {self._tokens[_CALLER]}" if is_filled else ""
            self._reporter.say(f"open it in a browser{with_token}")
            if is_filled and not drawn:
                self._reporter.say(f"other users: {', '.join(f'demo-{role}-token' for role in _OTHERS)}")
            if drawn:
                self._reporter.heading("Other machines can reach this instance, so the demo has random tokens:")
                for owner, token in drawn:
                    self._reporter.say(f"  {owner:<8} {token}")
            self._reporter.commands(commands)

    async def _fill(self, context: Context, files: Path) -> None:
        made, downloaded = self._filled, self._plan.folder / "demo-published"
        count = 0
        if not made.exists():
            await apply_directory(context.database, self._tokens.directory(), review=_take_nothing)
            count += await _bring_in(context, made_packages())
            await _protect(context)
            made.touch()
        found = [] if downloaded.exists() else downloaded_packages(files)
        if found:
            count += await _bring_in(context, found, folder=Folder(files))
            downloaded.touch()
        elif not downloaded.exists():
            self._reporter.say(
                f"there are no packages for the demo in {files}: the instance has only those made for it"
            )
        if count:
            self._reporter.say(f"  {'Demo':<11} {count} packages published")

    async def _is_filled(self) -> bool:
        if not self._filled.exists():
            return False
        async with open_database(self._plan.settings.database_url, size=1) as database:
            return await self._is_ours(database)

    async def _is_ours(self, database: Database) -> bool:
        async with database.connection() as connection:
            query = "SELECT NOT EXISTS (SELECT FROM project WHERE path <> ALL ($1))"
            return bool(await connection.fetchval(query, [APPLES, JUICE, CIDER, ARCHIVE]))

    async def _drawn_tokens(self) -> list[tuple[str, str]]:
        async with open_database(self._plan.settings.database_url, size=1) as database:
            return await self._tokens.drawn(database)

    def _session(self, token: str) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(f"{self._plan.base_url}/api/v4/", headers={"PRIVATE-TOKEN": token})

    async def _commands(self) -> list[tuple[str, str]]:
        program = f"{shlex.quote(_short(_packyard()))} --env-file {shlex.quote(_short(self._environment_file))}"
        watch = ("watch the events as they come (in a second terminal)", f"{program} events tail")
        stop = ("stop", "Ctrl-C")
        token = self._tokens[_CALLER]
        try:
            async with self._session(token) as session:
                *read, delete, see, undo = _tour(self._plan.base_url, token, *await _sample(session))
        except (aiohttp.ClientError, LookupError):  # somebody's own instance, or one that is empty by now
            return [("is it well?", f"curl {self._plan.base_url}/-/ready"), watch, stop]
        failed = ("what failed, and can be retried", f"{program} deletions list --state failed")
        holds = ("what is on hold, so that nothing of it is deleted", f"{program} deletions holds")
        return [*read, watch, delete, see, undo, failed, holds, stop]


async def _bring_in(context: Context, packages: Iterable[SmallPackage], *, folder: Folder | None = None) -> int:
    lines = as_lines(packages)  # what an earlier run brought in is refused, and counts for nothing
    return sum(
        [
            report.packages
            async for report in import_packages(
                context.database, context.store, lines=lines, folder=folder, announces=True
            )
        ]
    )


async def _protect(context: Context) -> None:
    """Have a deletion accepted and its package protected in one transaction, so that no worker comes between."""
    origin = Origin(
        requested_by=_MAINTAINER,
        requested_level=AccessLevel.MAINTAINER,
        credential=Credential.PERSONAL_ACCESS_TOKEN,
        cause=Cause.USER,
        lane=Lane.INTERACTIVE,
        reason="worms",
    )
    query = "SELECT id FROM package WHERE project_id = $1 AND (name, version) = ($2, $3) AND status = 'default'"
    async with context.database.transaction() as connection:
        package_id = await connection.fetchval(query, _TOUR_PROJECT, *_PROTECTED)
        if package_id is not None:
            await accept.delete_package(
                context.deletions.within(Within(connection)),
                origin,
                project_id=_TOUR_PROJECT,
                package_id=package_id,
                unmodified_since=None,
            )
        await apply_directory(Within(connection), read_directory(_PROTECTION), review=_take_nothing)


def _take_nothing(changes: Sequence[Change]) -> None:
    """Refuse to rename, remove or revoke: an instance without projects may have somebody's users."""
    for change in changes:
        if change.is_asked:
            raise StartError(f"the users here are not the demo's: it would {change}")


async def _sample(session: aiohttp.ClientSession) -> tuple[Json, list[Json], int]:
    """Return the package of the tour, its files, and the id of a package with a grace.

    A real package with several versions is preferred.
    """
    listing = f"projects/{_TOUR_PROJECT}/packages"
    packages = await _list(session, f"{listing}?order_by=version&per_page=100")
    real = [package for package in packages if package["package_type"] == "generic"] or packages
    names = [package["name"] for package in real]
    package = max(real, key=lambda one: names.count(one["name"]), default=None)
    restored = next(iter(await _list(session, f"projects/{_GRACE_PROJECT}/packages?per_page=1")), None)
    if package is None or restored is None:
        raise LookupError
    return package, await _list(session, f"{listing}/{package['id']}/package_files"), restored["id"]


async def _list(session: aiohttp.ClientSession, address: str) -> list[Json]:
    async with session.get(address) as answer:
        answer.raise_for_status()
        listed: list[Json] = await answer.json()
        return listed


def _tour(base_url: str, token: str, package: Json, files: Sequence[Json], restored: int) -> list[tuple[str, str]]:
    curl = f"curl -s -H 'PRIVATE-TOKEN: {token}'"
    packages = f"{base_url}/api/v4/projects/{_TOUR_PROJECT}/packages"
    juice = f"{base_url}/api/v4/projects/{_GRACE_PROJECT}"
    address = f"{packages}/{package['id']}"
    first = files[0]
    target = f"/tmp/{first['file_name']}"  # noqa: S108 - the caller's own choice to copy
    content = f"{address}/package_files/{first['id']}/download"
    asked = f"D=$({curl} -X DELETE -H 'Prefer: respond-async' {juice}/packages/{restored} | cut -d'\"' -f4)"
    return [
        ("list the packages of a project", f"{curl} '{packages}?package_name={package['name']}&order_by=version'"),
        (f"show {package['name']} {package['version']}", f"{curl} {address}"),
        ("list its files", f"{curl} {address}/package_files"),
        (
            "download one and compare its checksum",
            f"{curl} -o {target} {content} && echo '{first['file_sha256']}  {target}' | sha256sum -c",
        ),
        ("delete the package", f"{curl} -i -X DELETE {address}"),
        (
            "list what is being destroyed (soon over: this project has no grace)",
            f"{curl} '{packages}?status=pending_destruction'",
        ),
        (
            "delete where there is a grace of two minutes, and undo it",
            f"{asked}; {curl} -X POST {juice}/deletions/$D/restore",
        ),
    ]


def _packyard() -> Path:
    beside = Path(sys.executable).with_name("packyard")
    return beside if beside.exists() else Path(shutil.which("packyard") or "packyard")


def _short(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
