"""Passwords of the database and of the broker that are changed under running processes."""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit
from uuid import uuid4

import aiohttp
import asyncpg
import pytest

from service.settings import Settings
from tests.support.catalogue import DIRECTORY
from tests.support.observer import Observer, observing
from tests.support.servers import Servers
from tests.support.yard import PROCESSES, Yard, eventually

_PROJECT: Final = 100


@dataclass(frozen=True, slots=True)
class _Account:
    """A user of a server, and the file that says how to log in."""

    name: str
    url: str
    """With places for user and password left out."""
    file: Path

    def write(self, password: str) -> None:
        """Put the address with this password in place of the file, in one step, as a cluster does it."""
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        draft = self.file.with_name(f"{self.file.name}.new")
        draft.write_text(parts._replace(netloc=f"{self.name}:{password}@{host}").geturl() + "\n", encoding="utf-8")
        draft.replace(self.file)


@asynccontextmanager
async def _role(servers: Servers, database_url: str, file: Path) -> AsyncGenerator[tuple[_Account, asyncpg.Connection]]:
    """Give a role of this test's own, which may do what the owner may, and the administrator's session."""
    admin = await asyncpg.connect(servers.database_url)
    account = _Account(f"app_{uuid4().hex}", database_url, file)
    try:
        await admin.execute(f'CREATE ROLE "{account.name}" LOGIN IN ROLE "{urlsplit(database_url).username}"')
        yield account, admin
    finally:
        with suppress(asyncpg.DependentObjectsStillExistError):
            await admin.execute(f'DROP ROLE "{account.name}"')
        await admin.close()


@asynccontextmanager
async def _user(
    servers: Servers, broker_url: str, file: Path
) -> AsyncGenerator[tuple[_Account, aiohttp.ClientSession]]:
    """Give a user of the broker, which may do all in the virtual host of this test, and the administrator's session."""
    account = _Account(f"app-{uuid4().hex}", broker_url, file)
    vhost = quote(urlsplit(broker_url).path[1:], safe="")
    async with aiohttp.ClientSession(servers.management_url, raise_for_status=True) as admin:
        await _set_broker_password(admin, account, secrets.token_hex(8))
        rights = {"configure": ".*", "write": ".*", "read": ".*"}
        await admin.put(f"/api/permissions/{vhost}/{account.name}", json=rights)
        yield account, admin
        await admin.delete(f"/api/users/{account.name}")


async def _set_broker_password(admin: aiohttp.ClientSession, account: _Account, password: str) -> None:
    await admin.put(f"/api/users/{account.name}", json={"password": password, "tags": ""})


async def _close_broker_connections(admin: aiohttp.ClientSession, account: _Account) -> None:
    """Close what the account has open, as soon as the broker's statistics know of it."""

    async def are_closed() -> bool:
        async with admin.get("/api/connections") as answer:
            names = [one["name"] for one in await answer.json() if one.get("user") == account.name]
        for name in names:
            await admin.delete(f"/api/connections/{quote(name, safe='')}")
        return bool(names)

    await eventually(are_closed, within=20)


@pytest.fixture
async def rotated(
    yard: Yard, servers: Servers, settings: Settings, tmp_path: Path
) -> AsyncGenerator[tuple[tuple[_Account, asyncpg.Connection], tuple[_Account, aiohttp.ClientSession]]]:
    """A running yard that logs in with accounts of its own, as files say."""
    database_url, broker_url = settings.database_url.get_secret_value(), settings.broker_url.get_secret_value()
    database_file, broker_file = tmp_path / "database-url", tmp_path / "broker-url"
    async with (
        _role(servers, database_url, database_file) as (role, database_admin),
        _user(servers, broker_url, broker_file) as (user, broker_admin),
    ):
        await database_admin.execute(f"ALTER ROLE \"{role.name}\" PASSWORD 'first'")
        role.write("first")
        await _set_broker_password(broker_admin, user, "first")
        user.write("first")
        kept = {
            name: value for name, value in yard.environment.items() if not name.endswith(("BASE_URL", "BROKER_URL"))
        }
        files = {"PACKYARD_DATABASE_URL_FILE": str(database_file), "PACKYARD_BROKER_URL_FILE": str(broker_file)}
        yard.environment = {**kept, **files}
        await yard.run("directory", "apply", str(DIRECTORY))
        await yard.start()
        yield (role, database_admin), (user, broker_admin)
        await yard.terminate(*PROCESSES)


async def test_a_rotated_password_of_the_database_and_of_the_broker_needs_no_restart(
    yard: Yard,
    rotated: tuple[tuple[_Account, asyncpg.Connection], tuple[_Account, aiohttp.ClientSession]],
    settings: Settings,
    tmp_path: Path,
) -> None:
    (role, database_admin), (user, broker_admin) = rotated
    before = {name: yard.pid(name) for name in PROCESSES}
    async with observing(
        base_url=yard.base_url,
        broker_url=settings.broker_url.get_secret_value(),
        storage=tmp_path / "objects",
        token="maintainer-token",
    ) as observer:
        await observer.see_one_destroyed(_PROJECT, "1")

        await database_admin.execute(f"ALTER ROLE \"{role.name}\" PASSWORD 'second'")
        await database_admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", role.name
        )
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(role.file.read_text(encoding="utf-8").strip())
        # The file is not there yet: nobody can log in, and nobody takes harm from it.
        await asyncio.sleep(1)
        for question, expected in (("/-/ready", 200), (f"/api/v4/projects/{_PROJECT}/packages", 503), ("/-/live", 200)):
            async with observer.http.get(question) as answer:
                assert answer.status == expected, question
        role.write("second")
        await eventually(lambda: _answers(observer), within=10)
        await observer.see_one_destroyed(_PROJECT, "2")

        await _set_broker_password(broker_admin, user, "second")
        await _close_broker_connections(broker_admin, user)
        await asyncio.sleep(1)
        user.write("second")
        await observer.see_one_destroyed(_PROJECT, "3")

    assert {name: yard.pid(name) for name in PROCESSES if yard.running(name)} == before


async def _answers(observer: Observer) -> bool:
    async with observer.http.get(f"/api/v4/projects/{_PROJECT}/packages") as answer:
        return answer.status == 200
