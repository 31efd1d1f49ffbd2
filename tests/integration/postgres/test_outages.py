"""Whatever the database refuses for now: requests are answered with 503, processes wait, and all goes on by itself."""

import asyncio
from typing import Final
from urllib.parse import urlsplit

import asyncpg
import pytest
from structlog.testing import capture_logs

from service.context import Context
from service.errors import DatabaseAwayError
from service.infra.postgres.database import fetch
from service.infra.postgres.pool import open_database
from service.infra.postgres.sessions.connecting import connect
from service.infra.postgres.sessions.purposes import Purpose
from service.observing.metrics import REGISTRY
from tests.integration.conftest import Client
from tests.support.catalogue import publish, query, status_of
from tests.support.packages import MAINTAINER, PUBLIC, file_ids, told
from tests.support.servers import Servers
from tests.support.silent_hosts import silent_host
from workers.scheduler import run_scheduler

_UNAVAILABLE: Final = (503, {"message": "503 Service Unavailable"})

_REFUSE_SOME: Final = """
CREATE SEQUENCE refusals;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('refusals') <= {times} THEN
        RAISE EXCEPTION 'not now' USING ERRCODE = '{state}';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE OR DELETE ON {table} EXECUTE FUNCTION refuse();
"""


async def _let_refuse(context: Context, table: str, state: str, *, times: int = 1_000_000) -> None:
    """Let the server refuse so many changes of the table, as it does for reasons of its own."""
    async with context.database.connection() as connection:
        await connection.execute(_REFUSE_SOME.format(table=table, state=state, times=times))


async def _accept_all(context: Context, table: str) -> None:
    await query(context, f"DROP TRIGGER refuse ON {table}")


@pytest.mark.usefixtures("database_of_its_own")
@pytest.mark.parametrize("state", ["53100", "55P03", "ZZ999"])
async def test_a_request_that_the_database_refuses_for_now_is_503_and_good_later(
    filled: Context, client: Client, state: str
) -> None:
    package_id = await publish(filled)
    await _let_refuse(filled, "outbox", state)

    answer = await client.delete(f"{PUBLIC}/{package_id}", headers=MAINTAINER)

    assert await told(answer) == _UNAVAILABLE
    assert int(answer.headers["Retry-After"]) > 0
    # Another connection may lead to a process that can answer.
    assert answer.headers["Connection"] == "close"
    assert await status_of(filled, package_id) == "default"
    await _accept_all(filled, "outbox")
    assert (await client.delete(f"{PUBLIC}/{package_id}", headers=MAINTAINER)).status == 204


@pytest.mark.usefixtures("database_of_its_own")
async def test_a_transaction_that_was_lost_to_another_is_repeated(filled: Context, client: Client) -> None:
    package_id = await publish(filled)
    await _let_refuse(filled, "deletion", "40001", times=2)

    assert (await client.delete(f"{PUBLIC}/{package_id}", headers=MAINTAINER)).status == 204
    assert len(await query(filled, "SELECT FROM outbox WHERE kind = 'command'")) == 1


async def _stay_read_only(context: Context) -> None:
    """Leave the one session of the pool on a server that takes no writes any more, as it seems to the session."""
    await query(context, "SET default_transaction_read_only = on")


async def test_a_session_on_a_server_without_writes_is_given_up_for_one_elsewhere(
    filled: Context, client: Client
) -> None:
    package_id = await publish(filled)
    await _stay_read_only(filled)

    refused = await client.delete(f"{PUBLIC}/{package_id}", headers=MAINTAINER)

    assert (refused.status, "Retry-After" in refused.headers) == (503, True)
    assert (await client.delete(f"{PUBLIC}/{package_id}", headers=MAINTAINER)).status == 204


async def test_what_a_download_notes_does_not_fail_it(filled: Context, client: Client) -> None:
    package_id = await publish(filled, content=b"bytes")
    (file_id,) = await file_ids(filled, package_id)
    await _stay_read_only(filled)

    answer = await client.get(f"{PUBLIC}/{package_id}/package_files/{file_id}/download", headers=MAINTAINER)

    assert (answer.status, await answer.read()) == (200, b"bytes")


async def _set_default(servers: Servers, database_url: str, value: str) -> None:
    owner = await asyncpg.connect(servers.database_url)
    name = urlsplit(database_url).path.lstrip("/")
    await owner.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {value}")
    await owner.close()


@pytest.mark.usefixtures("database_of_its_own")
async def test_of_several_hosts_the_one_that_takes_writes_is_found(filled: Context, servers: Servers) -> None:
    database_url = filled.settings.database_url.get_secret_value()
    parts = urlsplit(database_url)
    account, _, host = parts.netloc.rpartition("@")
    async with silent_host() as silent:
        places = f"{account}@127.0.0.1:1,{silent},{host}"
        url = parts._replace(netloc=places, query="target_session_attrs=read-write").geturl()
        async with open_database(url, size=1) as database, database.connection() as connection:
            assert await fetch(connection, "ping")
        await _set_default(servers, database_url, "on")
        with pytest.raises(DatabaseAwayError, match="None of the hosts match"):
            await connect(url, Purpose.POOL)


@pytest.mark.usefixtures("database_of_its_own")
async def test_the_scheduler_waits_for_a_server_that_takes_writes(
    filled: Context, servers: Servers, stop: asyncio.Event
) -> None:
    database_url = filled.settings.database_url.get_secret_value()
    await _set_default(servers, database_url, "on")
    with capture_logs() as lines:
        scheduling = asyncio.create_task(run_scheduler(filled, stop))
        async with asyncio.timeout(10):
            while not [line for line in lines if "takes no writes" in str(line.get("reason"))]:
                await asyncio.sleep(0.05)
        assert REGISTRY.get_sample_value("packyard_active", {"process": "scheduler"}) == 0
        assert not scheduling.done()

        await _set_default(servers, database_url, "off")
        async with asyncio.timeout(10):
            while REGISTRY.get_sample_value("packyard_active", {"process": "scheduler"}) == 0:
                await asyncio.sleep(0.05)
        stop.set()
        await scheduling


@pytest.mark.usefixtures("database_of_its_own")
async def test_the_scheduler_goes_on_when_the_disk_has_room_again(filled: Context, stop: asyncio.Event) -> None:
    await publish(filled)
    await _let_refuse(filled, "package_statistic_change", "53100")
    scheduling = asyncio.create_task(run_scheduler(filled, stop))
    await asyncio.sleep(1.5)
    assert not scheduling.done()

    await _accept_all(filled, "package_statistic_change")
    async with asyncio.timeout(10):
        while await query(filled, "SELECT FROM package_statistic_change"):
            await asyncio.sleep(0.05)
    stop.set()
    await scheduling
