"""`--watch`: progress until all has ended, an exit status, and ends before that."""

import asyncio
import re
import signal
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import UUID

import pytest

from service.context import Context
from service.deletions.viewing import views
from service.infra.postgres.database import Connection, DatabaseUnavailableError
from service.infra.postgres.pool import open_database
from tests.support.catalogue import delete, publish, query, restore
from tests.support.commands import Commands
from tests.support.ways import Way
from workers.cli.deletions.snapshots import DeletionSnapshot, snapshot_of_deletion
from workers.cli.deletions.watching import Watching, follow
from workers.deleter.batch import carry_out

_UNKNOWN: Final = UUID(int=7)
_BATCH: Final = UUID(int=5)


@pytest.fixture
async def way(database_url: str) -> AsyncGenerator[Way]:
    """A way to the database of the test, open at first."""
    made = Way(database_url)
    await made.open()
    yield made
    await made.close()


async def _fail(context: Context, deletion_id: UUID) -> None:
    await query(context, "UPDATE deletion SET state = 'failed', finished_at = now() WHERE id = $1", deletion_id)


async def _batch(context: Context, count: int) -> list[UUID]:
    ids = [(await delete(context, await publish(context, version=f"{number}.0"))).id for number in range(count)]
    await query(context, "UPDATE deletion SET batch_id = $1", _BATCH)
    return ids


async def test_one_deletion_is_watched_until_it_is_done(
    filled: Context, packyard: Commands, stop: asyncio.Event
) -> None:
    deletion = await delete(filled, await publish(filled, files=["a", "b"]))
    watching = await packyard.start("deletions", "show", deletion.id, "--watch")
    assert await watching.until_told("queued") == "queued 1; 0/2 files, 0 bytes of 10 bytes\n"

    await carry_out(filled, [deletion.id], stop)
    ended = await watching.end()

    assert ended.status == 0
    assert ended.err.splitlines()[-1] == "succeeded 1; 2/2 files, 10 bytes of 10 bytes"
    assert "state          succeeded\n" in ended.out


async def test_what_has_ended_already_is_told_at_once(filled: Context, packyard: Commands) -> None:
    deletion = await delete(filled, await publish(filled))
    await restore(filled, deletion.id)

    ended = await packyard.run("deletions", "show", deletion.id, "--watch", "--json")

    assert (ended.status, ended.err) == (0, "restored 1; 0/1 files, 0 bytes of 5 bytes\n")
    assert [line["state"] for line in ended.lines] == ["restored"]


async def test_the_status_tells_of_a_failure(filled: Context, packyard: Commands) -> None:
    deletion = await delete(filled, await publish(filled))
    watching = await packyard.start("deletions", "show", deletion.id, "--watch", "--json")
    await watching.until_told("queued")

    await query(filled, "UPDATE deletion SET last_error = 'the disk is full'")
    await _fail(filled, deletion.id)
    ended = await watching.end()

    assert ended.status == 1
    assert ended.err.splitlines()[-1] == "failed 1; 0/1 files, 0 bytes of 5 bytes (the disk is full)"
    assert [line["state"] for line in ended.lines] == ["failed"]


@pytest.mark.parametrize(("has_failure", "status"), [(False, 0), (True, 1)])
async def test_a_batch_is_watched_until_all_have_ended(
    filled: Context, packyard: Commands, stop: asyncio.Event, *, has_failure: bool, status: int
) -> None:
    first, second, third = await _batch(filled, 3)
    await carry_out(filled, [first], stop)
    watching = await packyard.start("deletions", "show", "--batch", _BATCH, "--watch")
    assert await watching.until_told("queued") == "queued 2, succeeded 1; 1/3 files, 5 bytes of 15 bytes\n"

    await restore(filled, second)
    if has_failure:
        await _fail(filled, third)
    else:
        await carry_out(filled, [third], stop)
    ended = await watching.end()

    assert ended.status == status
    assert f"{'failed' if has_failure else 'restored'} 1" in ended.err.splitlines()[-1]
    assert "finished   -" not in ended.out


async def test_what_one_call_asked_for_is_watched(filled: Context, packyard: Commands, stop: asyncio.Event) -> None:
    ids = [await publish(filled, version=f"{number}.0") for number in range(2)]
    arguments = ("--project", "acme/open", *ids, "--yes", "--watch", "--json")
    watching = await packyard.start("deletions", "bulk-delete", *arguments)
    await watching.until_told("queued 2")

    rows = await query(filled, "SELECT id FROM deletion")
    await carry_out(filled, [row["id"] for row in rows], stop)
    ended = await watching.end()

    accepted, batch = ended.lines
    assert (ended.status, accepted["batch_id"], batch["states"]) == (0, batch["id"], {"succeeded": 2})


@pytest.mark.parametrize("command", ["retry", "destroy-now"])
async def test_what_is_asked_again_is_watched(
    filled: Context, packyard: Commands, stop: asyncio.Event, command: str
) -> None:
    package_id = await publish(filled)
    deletion = await delete(filled, package_id)
    if command == "retry":
        await _fail(filled, deletion.id)
        await query(filled, "UPDATE package SET status = 'error' WHERE id = $1", package_id)
    watching = await packyard.start("deletions", command, deletion.id, "--watch")
    await watching.until_told("files")

    await carry_out(filled, [deletion.id], stop)

    assert (await watching.end()).status == 0


async def test_it_tells_what_keeps_a_deletion(filled: Context, packyard: Commands, stop: asyncio.Event) -> None:
    deletion = await delete(filled, await publish(filled))
    patient = filled.settings.model_copy(update={"grace_period": timedelta(hours=1)})
    await carry_out(replace(filled, settings=patient), [deletion.id], stop)
    (row,) = await query(filled, "SELECT not_before FROM deletion")
    until = row["not_before"].isoformat(timespec="seconds")

    in_grace = await packyard.run("deletions", "show", deletion.id, "--watch", "--timeout", "1s")
    await query(filled, "UPDATE project SET deletion_hold = 'an audit' WHERE id = 100")
    held = await packyard.run("deletions", "show", deletion.id, "--watch", "--timeout", "1s")

    assert in_grace.err.splitlines() == [
        f"grace 1; 0/1 files, 0 bytes of 5 bytes (until {until})",
        "not ended after 0:00:01: the deletions go on",
    ]
    assert (in_grace.status, in_grace.out) == (3, "")
    assert "(on hold: an audit)" in held.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_the_watching_and_nothing_else(
    filled: Context, packyard: Commands, stop: asyncio.Event, number: signal.Signals
) -> None:
    (deletion_id,) = await _batch(filled, 1)
    for what in ([deletion_id], ["--batch", _BATCH]):
        watching = await packyard.start("deletions", "show", *what, "--watch")
        await watching.until_told("queued")

        began = time.monotonic()
        watching.process.send_signal(number)
        ended = await watching.end()

        assert time.monotonic() - began < 3
        assert (ended.status, ended.out) == (3, "")
        assert ended.err.splitlines()[-1] == "stopped before the end: the deletions go on"
    assert [row["state"] for row in await query(filled, "SELECT state FROM deletion")] == ["queued"]


async def test_a_database_that_is_away_for_a_moment_is_waited_for(
    filled: Context, packyard: Commands, way: Way, stop: asyncio.Event
) -> None:
    deletion = await delete(filled, await publish(filled))
    watching = await packyard.start(
        "deletions", "show", deletion.id, "--watch", changed={"PACKYARD_DATABASE_URL": way.url}
    )
    await watching.until_told("queued")

    await way.close()
    away = await watching.until_told("the database is away")
    await carry_out(filled, [deletion.id], stop)
    await way.open()
    ended = await watching.end()

    assert away.startswith("the database is away, trying again for 60 s: ")
    assert (ended.status, ended.err.splitlines()[-2:]) == (
        0,
        ["the database is back", "succeeded 1; 1/1 files, 5 bytes of 5 bytes"],
    )
    assert "Traceback" not in ended.err


async def test_a_database_that_stays_away_is_given_up(
    filled: Context, way: Way, capsys: pytest.CaptureFixture[str]
) -> None:
    deletion = await delete(filled, await publish(filled))

    async def look(connection: Connection) -> DeletionSnapshot:
        return snapshot_of_deletion(await views.show(connection, None, deletion.id))

    async with open_database(way.url, size=1) as database:
        await way.close()
        with pytest.raises(DatabaseUnavailableError):
            async with asyncio.timeout(20):
                await follow(database, Watching(), look, patience=timedelta(seconds=1))
        await way.open()

    assert capsys.readouterr().err.count("the database is away, trying again for 1 s: ") == 1


async def test_a_terminal_shows_a_bar(filled: Context, packyard: Commands, stop: asyncio.Event) -> None:
    ids = await _batch(filled, 2)
    terminal = await packyard.at_terminal("deletions", "show", "--batch", _BATCH, "--watch", columns=80)
    await terminal.until_shown("0/2 deletions")

    await carry_out(filled, ids[:1], stop)
    await terminal.until_shown("1/2 deletions")
    await carry_out(filled, ids[1:], stop)

    assert await terminal.end() == 0
    assert re.search("━{20,} 0/2 deletions .*\n *queued 2; 0/2 files, 0 bytes of 10 bytes", terminal.shown)
    assert "queued 1, succeeded 1; 1/2 files, 5 bytes of 10 bytes" in terminal.shown


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (["show", _UNKNOWN, "--watch"], 1, "packyard: there is no such deletion"),
        (["show", "--batch", _UNKNOWN, "--watch"], 1, "packyard: there is no deletion of such a batch"),
        (["show", _UNKNOWN, "--timeout", "5s"], 2, "Error: --timeout goes with --watch"),
        (["show", _UNKNOWN, "--timeout", "soon", "--watch"], 2, "Error: --timeout should be a number of seconds, or"),
        (["show", _UNKNOWN, "--watch", "--timeout", "0"], 2, "Error: Invalid value for '--timeout': should be more "),
        (["retry", _UNKNOWN, "--watch"], 1, "packyard: there is no such deletion"),
    ],
)
async def test_what_is_wrong_is_named(
    filled: Context, packyard: Commands, arguments: list[object], status: int, line: str
) -> None:
    await packyard.refused("deletions", *arguments, status=status, line=line)
