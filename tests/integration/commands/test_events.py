"""`packyard events tail`, against a real broker; and output that nobody reads any more."""

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel

from schemas.messages.outgoing import Kind
from schemas.messages.topology import EVENTS_EXCHANGE
from service.context import Context
from service.settings import Settings
from tests.support.catalogue import delete, publish
from tests.support.checks import put
from tests.support.commands import Commands
from tests.support.relaying import Publisher, relay_once
from tests.support.yard import environment_of
from workers.runtime.output import READER_GONE

_TAIL = ("events", "tail")


@pytest.fixture
def broker_url(virtual_host: str) -> str:
    """The broker of this test's yard."""
    return virtual_host


@pytest.fixture
async def names(filled: Context, publisher: Publisher, channel: AbstractChannel) -> list[str]:
    """The names of packages whose deletions were published: one two hours ago, as the log has it, and two now."""
    old = aio_pika.Message(b"{}", timestamp=datetime.now(UTC) - timedelta(hours=2))
    exchange = await channel.get_exchange(EVENTS_EXCHANGE)
    await exchange.publish(old, "package.destroyed.generic.10.100", mandatory=False)
    names = ["anvil", "hammer"]
    for name in names:
        await delete(filled, await publish(filled, name=name))
    assert await relay_once(filled, publisher, Kind.EVENT) == len(names)
    return names


async def test_events_of_the_past_come_from_the_log(packyard: Commands, names: list[str]) -> None:
    ended = await packyard.run(*_TAIL, "--since", "1h", "--count", 2)
    older = await packyard.run(*_TAIL, "--since", "1d", "--pattern", "*.destroyed.#", "--count", 1)

    assert [line["data"]["package_name"] for line in ended.lines] == names
    assert (ended.status, ended.err, older.out) == (0, "waiting for events\n", "{}\n")


async def test_a_terminal_shows_a_line_for_each(packyard: Commands, names: list[str]) -> None:
    terminal = await packyard.at_terminal(*_TAIL, "--since", "1h", "--count", 2)

    assert await terminal.end() == 0
    for name in names:
        assert f" package.deletion_requested {name} 1.0 (generic, project 100): 1 file, 5 bytes; dele" in terminal.shown


@pytest.mark.usefixtures("names")
async def test_a_reader_that_goes_away_ends_it_without_a_word(settings: Settings) -> None:
    tail = f"{sys.executable} -m workers.cli events tail --since 1h --count 3"
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", f"{tail} | head -1; exit ${{PIPESTATUS[0]}}"),
        env={**environment_of(settings), "PYTHONPATH": str(Path.cwd()), "PATH": "/usr/bin:/bin"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(20):
        out, err = await process.communicate()

    assert json.loads(out)["data"]["package_name"] == "anvil"
    assert (process.returncode, err) == (READER_GONE, b"waiting for events\n")


async def test_a_reader_that_goes_away_is_blamed_on_nobody(context: Context) -> None:
    await put(context)
    packyard = Commands(context.settings.model_copy(update={"orphan_age": timedelta(milliseconds=1)}))

    checked = await packyard.unread("check", "--json")
    documented = await packyard.unread("events", "document")

    assert [(ended.status, ended.err) for ended in (checked, documented)] == [(READER_GONE, "")] * 2


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["--pattern", "packages.#"],
            "Error: --pattern packages.# matches no event: 'packages' is no entity (package,",
        ),
        (["--pattern", "#", "--pattern", "*"], "Error: --pattern * matches no event: a routing key is <entity>.<actio"),
        (["--since", "soon"], "Error: --since should be a number of seconds, or a number with ms, s, m, h or d, "),
        (["--since", "0"], "Error: Invalid value for '--since': should be more than 0"),
    ],
)
async def test_what_is_wrong_is_named(context: Context, arguments: list[str], line: str) -> None:
    await Commands(context.settings).refused(*_TAIL, *arguments, status=2, line=line)
