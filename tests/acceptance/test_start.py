"""A process that cannot start says why in one line, and ends with a status that is not 0."""

import asyncio
import socket
import sys
from collections.abc import Mapping
from urllib.parse import urlsplit

import pytest

from service.infra.postgres.schema_version import newest_version
from service.settings import Settings
from tests.support.paths import ROOT
from tests.support.seaweed import ADMIN, BUCKET
from tests.support.servers import Servers
from tests.support.yard import environment_of

_NOBODY_THERE = "127.0.0.1:9"


async def _run(settings: Settings, *arguments: str, changed: Mapping[str, str]) -> tuple[int, list[str]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "workers.cli",
        *arguments,
        env={**environment_of(settings), **changed, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(30):
        output, _ = await process.communicate()
    assert process.returncode is not None
    # Log lines are JSON objects; what is left is for the person at the terminal.
    return process.returncode, [line for line in output.decode().splitlines() if not line.startswith("{")]


@pytest.mark.parametrize(
    ("command", "changed", "line"),
    [
        ("serve", {"PACKYARD_COLOUR": "red"}, "packyard: unknown setting: PACKYARD_COLOUR"),
        ("serve", {"PACKYARD_DATABASE_URL": ""}, "packyard: PACKYARD_DATABASE_URL is not set"),
        ("relay", {"PACKYARD_LEASE": "soon"}, "packyard: PACKYARD_LEASE is wrong: should be a number of seconds"),
        (
            "schedule",
            {"PACKYARD_DATABASE_URL": f"postgresql://yard:sesame@{_NOBODY_THERE}/yard"},
            "packyard: PACKYARD_DATABASE_URL: cannot connect to the database: ",
        ),
        (
            "migrate",
            {"PACKYARD_DATABASE_URL": f"postgresql://yard:sesame@{_NOBODY_THERE}/yard"},
            "packyard: PACKYARD_DATABASE_URL: cannot migrate: ",
        ),
        (
            "serve",
            {"PACKYARD_STORAGE_URL": "file:///dev/null/objects"},
            "packyard: PACKYARD_STORAGE_URL: cannot write to ",
        ),
        (
            "serve",
            {"PACKYARD_STORAGE_URL": "s3://yard", "PACKYARD_STORAGE_ENDPOINT": "s3.example.com"},
            "packyard: PACKYARD_STORAGE_ENDPOINT is wrong: ",
        ),
    ],
)
async def test_what_is_wrong_is_named_in_one_line(
    settings: Settings, command: str, changed: dict[str, str], line: str
) -> None:
    status, lines = await _run(settings, command, changed=changed)

    assert status == 1
    assert len(lines) == 1
    assert lines[0].startswith(line)
    assert "sesame" not in lines[0]


@pytest.mark.parametrize("command", ["work", "relay"])
async def test_a_broker_that_refuses_is_not_waited_for(settings: Settings, command: str) -> None:
    url = urlsplit(settings.broker_url.get_secret_value())
    changed = url._replace(netloc=f"yard:sesame@{url.netloc.rpartition('@')[2]}").geturl()

    status, lines = await _run(settings, command, changed={"PACKYARD_BROKER_URL": changed})

    assert status == 1
    assert len(lines) == 1
    assert lines[0].startswith(
        f"packyard: PACKYARD_BROKER_URL: cannot use the broker at {url.netloc.rpartition('@')[2]}: ACCESS_REFUSED - "
    )
    assert "sesame" not in lines[0]


async def test_what_the_database_says_in_many_lines_is_told_in_one(settings: Settings) -> None:
    # Refused with a hint that lists what is allowed.
    url = f"{settings.database_url.get_secret_value()}?client_min_messages=loud"

    status, lines = await _run(settings, "schedule", changed={"PACKYARD_DATABASE_URL": url})

    assert status == 1
    assert len(lines) == 1
    assert "client_min_messages" in lines[0]


@pytest.mark.parametrize(
    ("access_key", "bucket", "reason"),
    [
        (ADMIN, "nowhere", "the bucket is not there"),
        ("nobody", BUCKET, "not allowed to read objects, which takes the permission s3:GetObject and s3:ListBucket"),
    ],
)
async def test_a_bucket_that_cannot_be_used_is_named(
    settings: Settings, servers: Servers, access_key: str, bucket: str, reason: str
) -> None:
    changed = {
        "PACKYARD_STORAGE_URL": f"s3://{bucket}/new",
        "PACKYARD_STORAGE_ENDPOINT": servers.s3_endpoint,
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": servers.s3_secret,
    }

    status, lines = await _run(settings, "work", changed=changed)

    assert status == 1
    assert len(lines) == 1
    assert lines[0].startswith(f"packyard: PACKYARD_STORAGE_URL: the object store cannot be used: {reason}")


async def test_a_port_in_use_is_named(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        status, lines = await _run(settings, "serve", changed={"PACKYARD_PORT": port})

    assert status == 1
    assert lines == [
        f"packyard: PACKYARD_HOST, PACKYARD_PORT: cannot listen on 127.0.0.1:{port}: address already in use"
    ]


async def test_a_database_that_was_never_migrated_is_refused(settings: Settings, servers: object) -> None:
    empty = settings.database_url.get_secret_value().rpartition("/")[0] + "/postgres"

    status, lines = await _run(settings, "serve", changed={"PACKYARD_DATABASE_URL": empty})

    assert status == 1
    needed = f"the database is at schema version none, {newest_version()} is needed: run `packyard migrate`"
    assert lines == [f"packyard: {needed}"]


async def test_a_queue_that_does_not_exist_is_refused(settings: Settings) -> None:
    status, lines = await _run(settings, "work", "--queue", "interactive,slow", changed={})

    assert status == 2
    assert lines[-1] == "Error: Invalid value for --queue: there is no queue 'slow', only interactive and bulk"
