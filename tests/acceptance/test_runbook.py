"""The runbook: a section for every alert, a line for every fault, and every command run as it is written."""

import asyncio
import os
import random
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

import aio_pika
import aiohttp
import asyncpg

from service.settings import Settings
from tests.support.observer import rows
from tests.support.paths import ROOT
from tests.support.servers import Servers
from tests.support.watching import alert_rules
from tests.support.yard import PROCESSES, Yard, eventually
from tests.system.faults.server_faults import ServerFaults
from tests.system.faults.volume import Volume

_RUNBOOK: Final = (ROOT / "docs" / "operations" / "runbook.md").read_text(encoding="utf-8")
_BLOCK: Final = re.compile(r"^```(sh|sql)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FOR_CLUSTERS: Final = "kubectl "
_PACKAGES: Final = "/api/v4/projects/100/packages"
_PATIENCE_S: Final = 60


def test_every_alert_leads_to_a_section_that_says_what_is_seen_and_what_to_do() -> None:
    for rule in alert_rules():
        section = _RUNBOOK.partition(f"\n## {rule['alert']}\n")[2].partition("\n## ")[0]
        assert rule["annotations"]["runbook"] == f"#{rule['alert'].lower()}"
        assert "**Symptom.**" in section, rule["alert"]
        assert re.search(r"\*\*Where to search(\.|, what to do\.)\*\*", section), rule["alert"]
        assert re.search(r"\*\*(W|Where to search, w)hat to do\.\*\*", section), rule["alert"]


def test_every_fault_that_the_tests_inject_is_in_the_table(tmp_path: Path) -> None:
    servers: Any = type("Servers", (), {"postgres": None, "rabbitmq": None, "folder": tmp_path})
    server_faults = ServerFaults(servers, random.Random()).faults  # noqa: S311 - chance of a test
    table = _RUNBOOK.partition("\n## Faults\n")[2].partition("\n## ")[0]
    names = [*server_faults, *Volume(tmp_path, random.Random()).faults, "clock", *PROCESSES]  # noqa: S311 - same

    assert [name for name in names if f"`{name}`" not in table] == []


async def test_every_command_works_as_it_is_written(
    directory: Yard, settings: Settings, servers: Servers, database_url: str
) -> None:
    yard = directory
    vhost = quote(unquote(urlsplit(settings.broker_url.get_secret_value()).path[1:]), safe="")
    deletion = await _yard_in_trouble(yard, settings, database_url)
    await eventually(lambda: _figures_are_there(yard, servers, vhost), within=_PATIENCE_S)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PACKYARD_")},  # noqa: TID251
        **yard.environment,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",  # noqa: TID251 - where packyard is
        "ADDRESS": yard.base_url,
        "TOKEN": "root-token",
        **{
            place: yard.health_url(name)
            for place, name in (("API", "serve"), ("WORKER", "work"), ("RELAY", "relay"), ("SCHEDULER", "schedule"))
        },
        "MANAGEMENT": servers.management_url,
        "VHOST": vhost,
        "DELETION": deletion,
    }
    tried: set[str] = set()
    for kind, text in _BLOCK.findall(_RUNBOOK):
        commands = text.splitlines() if kind == "sh" else text.strip().removesuffix(";").split(";\n")
        for command in commands:
            if command in tried or command.startswith(_FOR_CLUSTERS):
                continue
            tried.add(command)
            await (rows(database_url, command) if kind == "sql" else _run(command, environment))

    assert len(tried) > 35
    (row,) = await rows(database_url, "SELECT state FROM deletion WHERE id = $1", deletion)
    assert row["state"] == "succeeded"
    async with await aio_pika.connect(settings.broker_url.get_secret_value()) as connection:
        channel = await connection.channel()
        dead = await channel.declare_queue("packyard.dead", passive=True)
        assert dead.declaration_result.message_count == 0


async def _yard_in_trouble(yard: Yard, settings: Settings, database_url: str) -> str:
    """Start a yard in which a deletion has failed and nonsense is among the dead letters; return the deletion."""
    await yard.start("serve", "relay", "schedule")
    async with aiohttp.ClientSession(yard.base_url, headers={"PRIVATE-TOKEN": "maintainer-token"}) as session:
        async with session.put(f"{_PACKAGES}/generic/thing/1.0/f?select=package_file", data=b"x") as answer:
            package_id = (await answer.json())["package_id"]
        async with session.delete(f"{_PACKAGES}/{package_id}") as answer:
            deletion = answer.headers["Deletion-Id"]
    connection = await asyncpg.connect(database_url)
    # Protected after it was accepted, and before a worker takes it.
    await connection.execute(
        "INSERT INTO protection_rule (project_id, package_type, package_name_pattern, minimum_access_level_for_delete)"
        " VALUES (100, 'generic', 'thing', 50)"
    )
    async with await aio_pika.connect(settings.broker_url.get_secret_value()) as broker:
        channel = await broker.channel(on_return_raises=True)

        async def is_taken() -> bool:
            # Not before the relay has made the queue, which it may do after it is ready.
            with suppress(aio_pika.exceptions.DeliveryError):
                await channel.default_exchange.publish(aio_pika.Message(b"nonsense"), "packyard.delete.bulk")
                return True
            return False

        await eventually(is_taken, within=_PATIENCE_S)
    await yard.start("work")

    async def is_in_trouble() -> bool:
        (row,) = await rows(database_url, "SELECT state FROM deletion")
        if row["state"] != "failed" or not all(yard.is_listening(name) for name in PROCESSES):
            return False
        return (await yard.metrics("relay")).get('packyard_queue_messages_ready{queue="packyard.dead"}') == 1

    await eventually(is_in_trouble, within=_PATIENCE_S)
    await connection.execute("DELETE FROM protection_rule WHERE package_name_pattern = 'thing'")
    await connection.close()
    return deletion


async def _figures_are_there(yard: Yard, servers: Servers, vhost: str) -> bool:
    """Return whether scheduler and broker have read what they are asked for: each does so every few seconds."""
    async with (
        aiohttp.ClientSession(servers.management_url, raise_for_status=True) as session,
        session.get(f"/api/queues/{vhost}/packyard.delete.bulk") as answer,
    ):
        is_known = "consumers" in await answer.json()
    return is_known and "packyard_deletions_held" in await yard.metrics("schedule")


async def _run(command: str, environment: dict[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        "bash",
        *("-o", "pipefail", "-c", command),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(_PATIENCE_S):
        output, _ = await process.communicate()
    assert process.returncode == 0, f"{command}\n{output.decode()}"
