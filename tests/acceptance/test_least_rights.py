"""The processes, each with its own database role and broker user: what they may do is enough for what they do."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import aiohttp
import asyncpg
import pytest

from service.infra.postgres.roles import DatabaseRole
from service.settings import Settings
from tests.support.catalogue import DIRECTORY
from tests.support.servers import Servers
from tests.support.yard import Yard

_PACKAGES: Final = "/api/v4/projects/100/packages"
_DELETIONS: Final = "/api/v4/projects/100/deletions"
_PROCESSES: Final = {"serve": "api", "relay": "relay", "work": "worker", "schedule": "scheduler"}
_PATIENCE_S: Final = 20


@pytest.fixture
async def prefix(yard: Yard, servers: Servers, settings: Settings, tmp_path: Path) -> AsyncGenerator[str]:
    """The prefix of the roles and users that the commands have made for this test."""
    made = f"p{uuid4().hex[:8]}"
    passwords = tmp_path / "passwords"
    passwords.mkdir()
    (passwords / "..data").mkdir()
    for who in DatabaseRole:
        (passwords / who).write_text(f"{who}Secret\n", encoding="utf-8")
    vhost = urlsplit(settings.broker_url.get_secret_value()).path
    yard.environment = {**yard.environment, "PACKYARD_MANAGEMENT_URL": f"{servers.management_url}{vhost}"}
    for what in ("database", "broker"):
        said = await yard.run("roles", what, "--prefix", made, "--passwords", str(passwords))
        assert said.count("made") == (len(DatabaseRole) if what == "database" else 3)
    yield made
    await yard.terminate(*(name for name in _PROCESSES if yard.running(name)))
    owner = await asyncpg.connect(settings.database_url.get_secret_value())
    for who in DatabaseRole:
        await owner.execute(f"DROP OWNED BY {made}_{who}; DROP ROLE {made}_{who}")
    await owner.close()
    async with aiohttp.ClientSession(servers.management_url, raise_for_status=True) as session:
        for user in ("relay", "worker", "scaler"):
            await session.delete(f"/api/users/{made}-{user}")


def _addresses(settings: Settings, prefix: str, who: str) -> dict[str, str]:
    database, broker = (
        urlsplit(settings.database_url.get_secret_value()),
        urlsplit(settings.broker_url.get_secret_value()),
    )
    place = broker.netloc.rpartition("@")[2]
    has_broker = who in {"relay", "worker"}
    return {
        "PACKYARD_DATABASE_URL": database._replace(
            netloc=f"{prefix}_{who}:{who}Secret@{database.netloc.rpartition('@')[2]}"
        ).geturl(),
        "PACKYARD_BROKER_URL": broker._replace(netloc=f"{prefix}-{who}:{who}Secret@{place}").geturl()
        if has_broker
        else "amqp://unused.invalid",
    }


async def test_everything_works_with_least_rights(yard: Yard, settings: Settings, prefix: str, tmp_path: Path) -> None:
    operator = _addresses(settings, prefix, DatabaseRole.OPERATOR)
    everyday = yard.environment
    yard.environment = {**everyday, **operator}
    await yard.run("directory", "apply", str(DIRECTORY))
    await _import(yard, tmp_path, *(f"part-{number}" for number in range(4)))
    orphan = await _disagreement(settings)
    yard.environment = everyday
    for name, who in _PROCESSES.items():
        await yard.start(
            name,
            settings={
                **_addresses(settings, prefix, who),
                "PACKYARD_GRACE_PERIOD": "1h",
                "PACKYARD_OUTBOX_RETENTION": "1s",
                "PACKYARD_DELETION_RETENTION": "1s",
                "PACKYARD_IDEMPOTENCY_RETENTION": "1s",
                "PACKYARD_CHECK_REPAIR": "true",
                "PACKYARD_CHECK_TIMES": "03:00",
            },
        )
    token = {"PRIVATE-TOKEN": "owner-token"}
    async with aiohttp.ClientSession(yard.base_url, headers=token, raise_for_status=True) as http:
        await http.put(f"{_PACKAGES}/generic/tool/1.0/tool.bin", data=b"what the tool is")
        await http.get(f"{_PACKAGES}/generic/tool/1.0/tool.bin")
        packages = {entry["name"]: entry["id"] for entry in await _json(http, _PACKAGES)}
        assert set(packages) == {"tool", *(f"part-{number}" for number in range(4))}

        # A click with its grace, undone; another whose grace is ended; many in one call, undone and asked for again.
        one = (await http.delete(f"{_PACKAGES}/{packages['tool']}")).headers["Deletion-Id"]
        await _until(http, one, "grace")
        await http.post(f"{_DELETIONS}/{one}/restore")
        other = (await http.delete(f"{_PACKAGES}/{packages['part-0']}")).headers["Deletion-Id"]
        await _until(http, other, "grace")
        await _hold_and_fail(yard, settings, http, other, operator)
        await http.post(f"{_DELETIONS}/{other}/retry", headers={"Idempotency-Key": "again"})
        body: dict[str, Any] = {"ids": [packages["part-1"], packages["part-2"]]}
        many = await http.post(f"{_PACKAGES}/bulk_delete", json=body, headers={"Idempotency-Key": "both"})
        batch = (await many.json())["batch_id"]
        await http.post(f"{_DELETIONS}/bulk_restore", json={"batch_id": batch})
        (file,) = await _json(http, f"{_PACKAGES}/{packages['part-3']}/package_files")
        await http.delete(f"{_PACKAGES}/{packages['part-3']}/package_files/{file['id']}")

        # Old records are pruned: deletions, kept answers, the outbox.
        async with asyncio.timeout(_PATIENCE_S):
            while (await http.get(f"{_DELETIONS}/{other}", raise_for_status=False)).status != 404:
                await asyncio.sleep(0.1)
        left = {entry["name"] for entry in await _json(http, _PACKAGES)}
        # The check that was due has put right what could be.
        async with asyncio.timeout(_PATIENCE_S):
            while orphan.exists() or (await _figures(http))["files"] != len(left - {"part-3"}):
                await asyncio.sleep(0.1)
    yard.environment = {**everyday, **operator}
    await yard.run("deletions", "list", "--json")

    assert left == {"tool", "part-1", "part-2", "part-3"}
    for name in _PROCESSES:
        assert "permission denied" not in yard.log(name)
        assert "access_refused" not in yard.log(name).lower()


async def _hold_and_fail(
    yard: Yard, settings: Settings, http: aiohttp.ClientSession, deletion: str, operator: dict[str, str]
) -> None:
    """Let a hold come and go over a deletion in its grace; then let the worker find its package protected."""
    await yard.run("deletions", "hold", "acme/open", "--reason", "an audit", settings=operator)
    async with http.post(f"{_DELETIONS}/{deletion}/destroy_now", raise_for_status=False) as answer:
        assert (answer.status, "an audit" in await answer.text()) == (403, True)
    await yard.run("deletions", "lift", "acme/open", settings=operator)
    owner = await asyncpg.connect(settings.database_url.get_secret_value())
    await owner.execute(
        "INSERT INTO protection_rule (project_id, package_type, package_name_pattern, minimum_access_level_for_delete)"
        " VALUES (100, 'generic', 'part-0', 60)"
    )
    await http.post(f"{_DELETIONS}/{deletion}/destroy_now", headers={"Idempotency-Key": "now"})
    await _until(http, deletion, "failed")
    await owner.execute("DELETE FROM protection_rule WHERE package_name_pattern = 'part-0'")
    await owner.close()


async def _import(yard: Yard, folder: Path, *names: str) -> None:
    parts = [
        {"project": "acme/open", "package_type": "generic", "name": name, "version": "1.0", "tags": ["stable"],
         "files": [{"file_name": f"{name}.txt", "content": "a part"}]}
        for name in names
    ]  # fmt: skip
    await yard.import_packages(folder, parts)


async def _disagreement(settings: Settings) -> Path:
    """Let storage and figures be at odds with the rows, and a check be due; return an object without a file."""
    orphan = Path(urlsplit(settings.storage_url).path) / "projects" / "100" / "ab" / f"ab{uuid4().hex[2:]}"
    orphan.parent.mkdir(parents=True, exist_ok=True)
    orphan.write_bytes(b"nobody's")
    two_days_ago = time.time() - 2 * 24 * 3_600
    os.utime(orphan, (two_days_ago, two_days_ago))
    owner = await asyncpg.connect(settings.database_url.get_secret_value())
    await owner.execute("UPDATE package SET shown_files = shown_files + 1 WHERE name = 'part-1'")
    await owner.execute("UPDATE storage_check SET checked_at = checked_at - interval '1 day'")
    await owner.close()
    return orphan


async def _figures(http: aiohttp.ClientSession) -> dict[str, Any]:
    async with http.get("/api/v4/projects/100/package_statistics") as answer:
        found: dict[str, Any] = await answer.json()
        return found


async def _json(http: aiohttp.ClientSession, path: str) -> list[dict[str, Any]]:
    async with http.get(path) as answer:
        found: list[dict[str, Any]] = await answer.json()
        return found


async def _until(http: aiohttp.ClientSession, deletion: str, state: str) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        while (await (await http.get(f"{_DELETIONS}/{deletion}")).json())["state"] != state:
            await asyncio.sleep(0.05)
