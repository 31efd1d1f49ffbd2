"""`packyard set-up`: what the chart runs at each install and upgrade, with what it needs and no more."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

import aiohttp
import asyncpg
import pytest

from service.infra.postgres.roles import DatabaseRole
from service.settings import Settings
from tests.support.commands import Commands
from tests.support.servers import Servers
from workers.stack.state import free_port

_ADMIN: Final = """
users:
  - {username: root, id: 1, admin: true, tokens: [{name: first, token: not-a-secret, scopes: [api]}]}
"""
_NO_OTHERS: Final = {"PACKYARD_BROKER_URL": "", "PACKYARD_STORAGE_URL": ""}


@pytest.fixture
async def prefix(settings: Settings, servers: Servers) -> AsyncGenerator[str]:
    """A prefix for roles and users, which go with the test."""
    made = f"s{uuid4().hex[:8]}"
    yield made
    owner = await asyncpg.connect(settings.database_url.get_secret_value())
    for role in DatabaseRole:
        await owner.execute(f"DROP OWNED BY {made}_{role}; DROP ROLE {made}_{role}")
    await owner.close()
    async with aiohttp.ClientSession(servers.management_url, raise_for_status=True) as session:
        for user in ("relay", "worker", "scaler"):
            await session.delete(f"/api/users/{made}-{user}")


async def test_it_prepares_all_and_changes_nothing_the_second_time(
    packyard: Commands, settings: Settings, servers: Servers, prefix: str, tmp_path: Path
) -> None:
    passwords, directory = tmp_path / "passwords", tmp_path / "directory.yaml"
    passwords.mkdir()
    for who in DatabaseRole:
        (passwords / who).write_text("Secret", encoding="utf-8")
    directory.write_text(_ADMIN, encoding="utf-8")
    vhost = urlsplit(settings.broker_url.get_secret_value()).path
    what = ("--roles", "--database-passwords", passwords, "--broker", "--broker-passwords", passwords)
    needed = {**_NO_OTHERS, "PACKYARD_MANAGEMENT_URL": f"{servers.management_url}{vhost}"}
    first, second = [
        await packyard.run("set-up", *what, "--directory", directory, "--prefix", prefix, changed=needed)
        for _ in range(2)
    ]

    assert (first.status, second.status) == (0, 0), first.err + second.err
    steps = [line.partition(": ")[2] for line in first.out.splitlines() if line.startswith("step ")]
    assert steps == [
        "wait for the database",
        "migrate",
        "roles of the database",
        "wait for the broker",
        "queues and users of the broker",
        "directory",
    ]
    assert first.out.count("made, has the password given") == len(DatabaseRole)
    assert second.out.count("found, has its rights") == len(DatabaseRole) + 3
    assert "password" not in second.out, "one that was rotated would be undone"

    await _applies_as_operator(packyard, settings, prefix, directory)


async def _applies_as_operator(packyard: Commands, settings: Settings, prefix: str, directory: Path) -> None:
    """The line of the guide: the role of operators may apply the directory, and nothing but the database is needed."""
    owner = urlsplit(settings.database_url.get_secret_value())

    def address(role: DatabaseRole) -> dict[str, str]:
        place = owner.netloc.rpartition("@")[2]
        url = owner._replace(netloc=f"{prefix}_{role}:Secret@{place}").geturl()
        return {**_NO_OTHERS, "PACKYARD_DATABASE_URL": url}

    operator, api = [
        await packyard.run("directory", "apply", "--yes", directory, changed=address(role))
        for role in (DatabaseRole.OPERATOR, DatabaseRole.API)
    ]

    assert operator.status == 0, operator.err
    assert "users: 0 created, 0 updated, 1 unchanged" in operator.out
    assert (api.status, api.err.count("\n")) == (1, 1)
    assert f"role {prefix}_api: permission denied" in api.err


@pytest.mark.parametrize(
    ("account", "reason"),
    [("packyard:wrong", "password authentication failed"), ("nobody:wrong", "password authentication failed")],
    ids=["password", "role"],
)
async def test_it_ends_immediately_for_what_does_not_mend_itself(
    packyard: Commands, settings: Settings, account: str, reason: str
) -> None:
    parts = urlsplit(settings.database_url.get_secret_value())
    url = parts._replace(netloc=f"{account}@{parts.netloc.rpartition('@')[2]}").geturl()
    done = await packyard.run("set-up", "--for", "10m", changed={**_NO_OTHERS, "PACKYARD_DATABASE_URL": url})

    assert done.status == 1
    last = done.err.splitlines()[-1]
    place = f"PACKYARD_DATABASE_URL: cannot use the database at {parts.netloc.rpartition('@')[2]}: "
    assert last.startswith(f"packyard: step 1 of 2 (wait for the database): {place}")
    assert reason in last


async def test_it_waits_for_servers_that_are_away_and_says_so(packyard: Commands) -> None:
    url = f"postgresql://packyard:secret@127.0.0.1:{free_port()}/packyard"
    done = await packyard.run("set-up", "--for", "2s", changed={**_NO_OTHERS, "PACKYARD_DATABASE_URL": url})

    assert done.status == 1
    assert done.err.count("waiting_for_database") == 1, "each reason once"
    assert done.err.splitlines()[-1].startswith("packyard: step 1 of 2 (wait for the database): PACKYARD_DATABASE_URL")
