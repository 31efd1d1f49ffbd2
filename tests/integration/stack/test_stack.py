import asyncio
import socket
import stat
import sys
import time
from datetime import timedelta
from pathlib import Path

import aio_pika
import aiohttp
import asyncpg
import pytest

from schemas.messages.topology import POLICIES
from service.context import Context
from service.errors import StartError
from tests.support.servers import private_servers
from workers.stack.files import own_folder, write_private
from workers.stack.processes import Child, Program, end_leftovers, find_marked
from workers.stack.rabbitmq import find_server
from workers.stack.state import StackState, free_port


@pytest.mark.parametrize("_time", [1, 2])
async def test_each_test_has_a_database_and_a_virtual_host_of_its_own(
    context: Context, virtual_host: str, _time: int
) -> None:
    async with context.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM directory_user") == 0
        await connection.execute("INSERT INTO directory_user (username, name) VALUES ('ann', 'Ann')")
    async with (
        await aio_pika.connect(virtual_host) as broker,
        broker.channel() as channel,
    ):
        queue = await channel.declare_queue("mine", durable=True, arguments={"x-queue-type": "quorum"})
        assert queue.declaration_result.message_count == 0
        await channel.default_exchange.publish(aio_pika.Message(b"for this test"), "mine")


async def test_servers_that_were_killed_come_back_on_the_same_ports_with_their_data() -> None:
    async with private_servers() as servers:
        database_url, broker_url = servers.postgres.url(), servers.rabbitmq.url()
        connection = await asyncpg.connect(database_url)
        await connection.execute("INSERT INTO directory_user (username, name) VALUES ('ann', 'Ann')")
        async with await aio_pika.connect(broker_url) as broker, broker.channel() as channel:
            await channel.declare_queue("kept", durable=True, arguments={"x-queue-type": "quorum"})

        await servers.postgres.kill()
        await servers.rabbitmq.kill()
        cookie = servers.folder / "rabbitmq" / ".erlang.cookie"
        kept = cookie.read_text(encoding="utf-8")
        # As Erlang has drawn it for a folder of an earlier release.
        cookie.write_text("ABCDEFGHIJKLMNOPQRST", encoding="utf-8")
        cookie.chmod(0o400)
        with pytest.raises(OSError, match=r"refused|Connect"):
            await asyncpg.connect(database_url)
        async with asyncio.TaskGroup() as group:
            group.create_task(servers.postgres.start())
            group.create_task(servers.rabbitmq.start())

        connection = await asyncpg.connect(database_url)
        assert await connection.fetchval("SELECT name FROM directory_user") == "Ann"
        await connection.close()
        async with await aio_pika.connect(broker_url) as broker, broker.channel() as channel:
            await channel.get_queue("kept")
        async with aiohttp.ClientSession(servers.rabbitmq.management_url) as session:
            policies = await (await session.get("/api/policies")).json()
        assert {policy["name"] for policy in policies} == set(POLICIES)
        assert (len(bytes.fromhex(kept)), cookie.read_text(encoding="utf-8")) == (32, kept)
        assert stat.S_IMODE(cookie.stat().st_mode) == 0o600
    assert not find_marked(servers.folder)


async def test_what_ignores_sigterm_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    stubborn = "import signal, subprocess; signal.signal(15, signal.SIG_IGN); print(1, flush=True)"
    command = [sys.executable, "-c", f"{stubborn}; subprocess.run(['sleep', '60'])"]
    child = Child(Program(name="stubborn", arguments=command, folder=tmp_path, patience=timedelta(seconds=0.2)))
    child.start()
    await asyncio.to_thread(_until_written, child.program.log)

    await child.stop()

    assert await child.wait() == -9
    assert not find_marked(tmp_path)


async def test_what_is_started_only_after_sigterm_is_killed_as_well(tmp_path: Path) -> None:
    start_one = "signal.signal(15, lambda *_: subprocess.Popen(['sleep', '60']))"
    wait = "print(1, flush=True)\nwhile True: time.sleep(1)"
    command = [sys.executable, "-c", f"import signal, subprocess, time; {start_one}; {wait}"]
    child = Child(Program(name="stubborn", arguments=command, folder=tmp_path, patience=timedelta(seconds=1)))
    child.start()
    await asyncio.to_thread(_until_written, child.program.log)

    await child.stop()

    assert await child.wait() == -9
    assert not find_marked(tmp_path)


async def _until_marked(folder: Path) -> None:
    # The kernel shows the environment of a new program a moment after it has begun.
    async with asyncio.timeout(10):
        while not find_marked(folder):
            await asyncio.sleep(0.01)


async def test_leftovers_are_found_by_their_mark_and_ended(tmp_path: Path) -> None:
    ours = Child(Program(name="ours", arguments=["sleep", "60"], folder=tmp_path / "ours"))
    other = Child(Program(name="other", arguments=["sleep", "60"], folder=tmp_path / "other"))
    for child in (ours, other):
        child.program.folder.mkdir()
        child.start()
        await _until_marked(child.program.folder)

    assert await end_leftovers(tmp_path / "ours") == 1

    assert not ours.running
    assert other.running
    await other.kill()


def test_ports_and_passwords_are_kept_where_only_their_owner_can_read_them(tmp_path: Path) -> None:
    first = StackState(tmp_path / "stack.json")
    port, password = first.port("amqp"), first.secret("broker")

    again = StackState(tmp_path / "stack.json")

    assert (again.port("amqp"), again.secret("broker")) == (port, password)
    assert stat.S_IMODE((tmp_path / "stack.json").stat().st_mode) == 0o600


def test_a_port_that_was_taken_meanwhile_is_chosen_anew(tmp_path: Path) -> None:
    taken = free_port()
    write_private(tmp_path / "stack.json", f'{{"ports": {{"amqp": {taken}}}, "secrets": {{}}}}')
    state = StackState(tmp_path / "stack.json")
    with socket.create_server(("127.0.0.1", taken)):
        assert state.port("amqp") != taken


@pytest.mark.parametrize("content", [b"\xff\x00", b"[]", b'{"ports": "many"}'])
def test_a_damaged_file_of_ports_is_named_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "stack.json"
    path.write_bytes(content)

    with pytest.raises(StartError, match=r"^\S+/stack\.json: should be JSON with the ports") as refused:
        StackState(path)

    assert "\n" not in str(refused.value)


def test_a_folder_serves_one_stack_at_a_time(tmp_path: Path) -> None:
    with own_folder(tmp_path / "data"), pytest.raises(StartError, match="in use by another `packyard up`"):
        own_folder(tmp_path / "data").__enter__()
    with own_folder(tmp_path / "data"):
        pass


def test_a_machine_without_rabbitmq_is_told_what_to_install() -> None:
    with pytest.raises(StartError, match="rabbitmq-server is missing: `apt-get install rabbitmq-server`"):
        find_server(places=(), path="")


def _until_written(path: Path) -> None:
    while not path.read_bytes():
        time.sleep(0.02)
