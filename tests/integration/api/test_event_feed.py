"""Events over HTTP: by number, by the caller's rights of now, waiting and streaming."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import uuid4

import pytest
from aiohttp import ClientResponse

from schemas.messages.events import PackageDestructionFailed, StorageChecked
from schemas.messages.examples import example_fact
from schemas.messages.quota_events import QuotaExceeded
from schemas.names import PackageType
from service.context import Context
from service.events import outbox
from service.http import event_streams
from service.http.event_streams import TAIL
from tests.integration.conftest import Client
from tests.support.catalogue import query
from tests.support.feed import fact, happen
from workers.relay.events import number_once

_ALL: Final = "/api/v4/package_events"
_PUBLIC: Final = "/api/v4/projects/100/package_events"
_PRIVATE: Final = "/api/v4/projects/102/package_events"
_GROUP: Final = "/api/v4/groups/10/package_events"
_STREAM: Final = {"Accept": "text/event-stream"}
_PATIENCE_S: Final = 20


def _by(name: str) -> dict[str, str]:
    return {"PRIVATE-TOKEN": f"{name}-token"}


async def _read(client: Client, path: str, by: str | None = None, **parameters: object) -> tuple[list[Any], int]:
    asked = {name: str(value) for name, value in parameters.items()}
    answer = await client.get(path, params=asked, headers=_by(by) if by else {})
    assert answer.status == 200, await answer.text()
    return await answer.json(content_type=None), int(answer.headers["X-Next-After"])


def _numbers(events: list[Any]) -> list[int]:
    return [int(event["sequence"]) for event in events]


async def test_a_feed_is_read_by_number_and_says_how_far_it_was_read(filled: Context, client: Client) -> None:
    npm, generic = fact(100), fact(100, package_type=PackageType.GENERIC)
    await happen(filled, *[npm, generic] * 3, fact(102), example_fact(StorageChecked))

    assert await _read(client, _PUBLIC, limit=4) == (await _logged(filled, 4), 4)
    events, read_up_to = await _read(client, _PUBLIC, after="00000000000000000004")
    assert (_numbers(events), read_up_to) == ([5, 6], 8)
    assert await _read(client, _PUBLIC, after=8) == ([], 8)
    assert _numbers((await _read(client, _PUBLIC, package_type="generic"))[0]) == [2, 4, 6]
    assert (await _read(client, _PUBLIC, types="package.restored,storage.checked")) == ([], 8)
    one = await client.get(_PUBLIC, params={"limit": "2"}, headers={"Accept": "application/x-ndjson"})
    assert one.content_type == "application/x-ndjson"
    assert [json.loads(line) for line in (await one.text()).splitlines()] == await _logged(filled, 2)
    plain = await client.get(_PUBLIC, headers={"Accept": "application/json"})
    assert plain.content_type == "application/cloudevents-batch+json"


async def _logged(context: Context, count: int) -> list[Any]:
    rows = await query(context, "SELECT body FROM event_log ORDER BY sequence LIMIT $1", count)
    return [json.loads(row["body"]) for row in rows]


async def test_an_answer_reads_no_more_events_than_its_limit(
    filled: Context, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.feed.log.MOST_READ", 3)
    await happen(filled, *[fact(102)] * 4, fact(100))

    assert await _read(client, _PUBLIC) == ([], 3)
    events, read_up_to = await _read(client, _PUBLIC, after=3)
    assert (_numbers(events), read_up_to) == ([5], 5)


@pytest.mark.parametrize("parameters", [{"types": "package.exploded"}, {"wait": "61"}, {"limit": "0"}, {"after": "-1"}])
async def test_parameters_outside_their_list_are_refused(client: Client, parameters: dict[str, str]) -> None:
    assert (await client.get(_ALL, params=parameters)).status == 400


async def test_an_event_is_shown_to_those_who_could_read_the_deletion_now(filled: Context, client: Client) -> None:
    await happen(filled, fact(100), fact(101), fact(102), fact(103), fact(200), example_fact(StorageChecked))

    seen = {
        by: _numbers((await _read(client, _ALL, by))[0]) for by in (None, "root", "maintainer", "guest", "external")
    }
    assert seen == {
        None: [1],
        "root": [1, 2, 3, 4, 5, 6],
        "maintainer": [1, 2, 3, 5],
        "guest": [1, 2],
        "external": [1],
    }
    assert _numbers((await _read(client, _GROUP, "reporter"))[0]) == [1, 2, 3]
    assert (await client.get(_PRIVATE)).status == 404
    # A project that moves takes its events along, whatever group they name.
    await query(filled, "UPDATE project SET group_id = 20 WHERE id = 102")
    assert _numbers((await _read(client, _GROUP, "reporter"))[0]) == [1, 2]


async def test_an_event_of_a_group_is_for_those_who_may_publish_there(filled: Context, client: Client) -> None:
    group = example_fact(QuotaExceeded).model_copy(update={"project_id": None, "group_id": 10, "root_group_id": 10})
    async with (
        _streaming(client, _GROUP, "developer") as live,
        _streaming(client, _ALL, "reporter") as refused,
    ):
        await happen(filled, group, group.model_copy(update={"group_id": 20}), fact(100))
        streamed = [message["id"] for message in await _messages(live, 2)]
        assert streamed == ["1".zfill(20), "3".zfill(20)]
        assert [message["id"] for message in await _messages(refused, 1)] == ["3".zfill(20)]

    seen = {by: _numbers((await _read(client, _ALL, by))[0]) for by in (None, "root", "developer", "reporter")}
    assert seen == {None: [3], "root": [1, 2, 3], "developer": [1, 3], "reporter": [3]}
    assert _numbers((await _read(client, _GROUP, "root"))[0]) == [1, 3]
    assert _numbers((await _read(client, _PUBLIC, "developer"))[0]) == [3]


async def test_the_text_of_an_error_is_for_maintainers(filled: Context, client: Client) -> None:
    await happen(filled, fact(100, PackageDestructionFailed))

    shown = {by: (await _read(client, _PUBLIC, by))[0][0]["data"] for by in (None, "developer", "maintainer")}
    whole = shown["maintainer"]
    assert whole["error"].startswith("the store refuses")
    assert shown[None] == shown["developer"] == {name: value for name, value in whole.items() if name != "error"}


async def test_a_number_that_the_feed_does_not_have_is_gone(filled: Context, client: Client) -> None:
    await happen(filled, *[fact(100)] * 3)
    await query(filled, "UPDATE event_cursor SET oldest = 3")

    for after in (1, 4, 2**63 - 1):
        answer = await client.get(_PUBLIC, params={"after": str(after)})
        assert (answer.status, await answer.json()) == (410, {"message": "410 Gone: the feed has the events 3 to 3"})
    assert _numbers((await _read(client, _PUBLIC))[0]) == _numbers((await _read(client, _PUBLIC, after=2))[0]) == [3]


async def test_a_wrong_parameter_is_refused_with_its_rule(filled: Context, client: Client) -> None:
    async def error(header: str = "", **parameters: str) -> str:
        headers = {**_STREAM, **_by("guest"), "Last-Event-ID": header} if header else {}
        answer = await client.get(_PUBLIC, params=parameters, headers=headers)
        assert answer.status == 400
        return str((await answer.json())["error"])

    assert await error(after="x") == "after is invalid: it should be a whole number"
    assert await error(after="-1") == "after is invalid: it should be greater than or equal to 0"
    assert await error(limit="5000") == "limit is invalid: it should be less than or equal to 1000"
    assert "package.destroyed, " in await error(types="package.exploded")
    assert "it should be 'maven', " in await error(package_type="cobol")
    assert await error("banana") == "Last-Event-ID is invalid: it should be a number of at most 20 digits"


async def test_only_a_known_caller_waits_and_a_waiting_one_holds_no_connection(filled: Context, client: Client) -> None:
    refused = await client.get(_PUBLIC, params={"wait": "1"})
    assert (refused.status, (await refused.json())["message"].endswith("takes a token")) == (401, True)
    assert (await client.get(_PUBLIC, headers=_STREAM)).status == 401
    assert await _read(client, _PUBLIC, "guest", wait=1) == ([], 0)

    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(_read(client, _PRIVATE, "maintainer", wait=30))
        await asyncio.sleep(1)
        assert filled.database.usage()["used"] == 0
        await happen(filled, fact(100), fact(102))
        async with asyncio.timeout(_PATIENCE_S):
            events, read_up_to = await waiting

    assert (_numbers(events), read_up_to) == ([2], 2)


@asynccontextmanager
async def _streaming(client: Client, path: str, by: str, **headers: str) -> AsyncGenerator[ClientResponse]:
    async with client.get(path, headers={**_by(by), **_STREAM, **headers}) as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")
        yield answer


async def _messages(answer: ClientResponse, count: int) -> list[dict[str, str]]:
    """Return the next *count* messages with data."""
    found: list[dict[str, str]] = []
    message: dict[str, str] = {}
    async with asyncio.timeout(_PATIENCE_S):
        while len(found) < count:
            line = (await answer.content.readline()).decode()
            assert line, "the stream has ended"
            name, _, value = line.rstrip("\n").partition(": ")
            if line == "\n":
                found += [message] if "data" in message else []
                message = {}
            else:
                message[name] = value
    return found


@pytest.mark.usefixtures("database_of_its_own")
async def test_a_failure_of_what_follows_the_log_leaves_nobody_waiting(filled: Context, client: Client) -> None:
    await happen(filled, fact(100))
    _, after = await _read(client, _PUBLIC)
    waiting = asyncio.create_task(_read(client, _PUBLIC, by="guest", after=after, wait=30))
    async with asyncio.timeout(_PATIENCE_S):
        while client.app[TAIL].recent(after) is None:
            await asyncio.sleep(0.02)

    await query(filled, "ALTER TABLE event_cursor RENAME TO moved_away")
    await happen(filled, fact(100))
    await asyncio.sleep(0.5)
    assert not waiting.done()
    await query(filled, "ALTER TABLE moved_away RENAME TO event_cursor")

    async with asyncio.timeout(_PATIENCE_S):
        events, _ = await waiting
    assert _numbers(events) == [after + 1]


async def test_a_stream_has_what_comes_or_what_came_after_the_last_id(filled: Context, client: Client) -> None:
    await happen(filled, *[fact(100)] * 2)
    async with (
        _streaming(client, _PUBLIC, "guest") as live,
        _streaming(client, _PUBLIC, "guest", **{"Last-Event-ID": "1".zfill(20)}) as again,
    ):
        await happen(filled, fact(102), fact(100))
        (new,) = await _messages(live, 1)
        older = await _messages(again, 2)

    assert new["id"] == "4".zfill(20)
    assert new["event"] == "io.packyard.package.destroyed.v1"
    assert json.loads(new["data"])["sequence"] == new["id"]
    assert [message["id"] for message in older] == ["2".zfill(20), "4".zfill(20)]


async def test_streams_have_no_gap_while_many_write(filled: Context, client: Client) -> None:
    count, done = 120, asyncio.Event()

    async def write() -> None:
        for _ in range(count // 4):
            async with filled.database.transaction() as connection:
                await outbox.append(connection, [outbox.event(fact(100))])
                await asyncio.sleep(0.002)

    async def give_numbers() -> None:
        while not done.is_set():
            await number_once(filled)

    async with (
        _streaming(client, _PUBLIC, "guest") as one,
        _streaming(client, _ALL, "root") as other,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(4):
            group.create_task(write())
        group.create_task(give_numbers())
        read = [await _messages(one, count), await _messages(other, count)]
        done.set()

    expected = [str(number).zfill(20) for number in range(1, count + 1)]
    assert [[message["id"] for message in messages] for messages in read] == [expected, expected]


async def test_rights_that_change_show_in_an_open_stream(
    filled: Context, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_streams, "_RIGHTS_FOR_S", 0.3)
    async with _streaming(client, _ALL, "reporter") as all_events, _streaming(client, _PRIVATE, "reporter") as private:
        await happen(filled, fact(102))
        assert len(await _messages(private, 1)) == len(await _messages(all_events, 1)) == 1
        await query(filled, "DELETE FROM membership WHERE user_id = 5")
        await asyncio.sleep(0.5)
        await happen(filled, fact(102), fact(100))

        (message,) = await _messages(all_events, 1)
        assert message["id"] == "3".zfill(20)
        async with asyncio.timeout(_PATIENCE_S):
            assert b"data" not in await private.content.read()


async def test_a_caller_has_at_most_twenty_streams_and_they_end_with_the_process(
    filled: Context, client: Client
) -> None:
    opened = [await client.get(_PUBLIC, headers={**_by("guest"), **_STREAM}) for _ in range(20)]
    refused = await client.get(_PUBLIC, headers={**_by("guest"), **_STREAM})
    other = await client.get(_PUBLIC, headers={**_by("developer"), **_STREAM})
    assert client.app is not None
    client.app[TAIL].end()

    assert [answer.status for answer in opened] == [200] * 20
    assert (refused.status, refused.headers["Retry-After"], other.status) == (429, "10", 200)
    async with asyncio.timeout(_PATIENCE_S):
        for answer in (*opened, other):
            await answer.read()


async def test_a_reader_that_does_not_read_costs_little_and_delays_nobody(
    filled: Context, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_streams, "_SENT_WITHIN_S", 3)
    large = fact(100, package_file_ids=tuple(range(10_000_000, 10_001_000)), reason=uuid4().hex)
    host, port = client.server.host, client.server.port
    reader, writer = await asyncio.open_connection(host, port, limit=1_024)
    writer.write(
        f"GET {_PUBLIC} HTTP/1.1\r\nHost: x\r\nPRIVATE-TOKEN: guest-token\r\nAccept: text/event-stream\r\n\r\n".encode()
    )
    await reader.readline()
    async with _streaming(client, _PUBLIC, "developer") as healthy:
        for _ in range(8):
            await happen(filled, *[large] * 100)
            await _messages(healthy, 100)
        assert client.app is not None
        held = sum(
            connection.transport.get_write_buffer_size()
            for connection in client.server.handler.connections
            if connection.transport is not None
        )
        assert held < 4_000_000
    writer.close()
