"""Sessions of PostgreSQL: what each kind is set to, whatever the server and the role have for defaults."""

import socket
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from service.infra.postgres.queries import query_names
from service.infra.postgres.sessions import statement_limits
from service.infra.postgres.sessions.connecting import Session, connect, connect_blocking
from service.infra.postgres.sessions.purposes import Purpose

_OTHER_DEFAULTS = {
    "default_transaction_isolation": "serializable",
    "synchronous_commit": "off",
    "lock_timeout": "10ms",
    "statement_timeout": "20s",
    "transaction_timeout": "20s",
    "idle_session_timeout": "100ms",
    "idle_in_transaction_session_timeout": "100ms",
    "timezone": "Asia/Tokyo",
}
_EXPECTED = {
    "TimeZone": "UTC",
    "default_transaction_isolation": "read committed",
    "synchronous_commit": "on",
    "lock_timeout": "0",
    "transaction_timeout": "0",
    "idle_session_timeout": "0",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "3",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "15000",
    "client_connection_check_interval": "2s",
}


@pytest.fixture
async def hostile_url(database_url: str) -> AsyncGenerator[str]:
    """A database with defaults that would break what takes PostgreSQL's own for granted."""
    name = urlsplit(database_url).path.lstrip("/")
    owner = await asyncpg.connect(database_url)
    for setting, value in _OTHER_DEFAULTS.items():
        await owner.execute(f"ALTER DATABASE {name} SET {setting} = '{value}'")
    yield database_url
    await owner.close()


@pytest.mark.parametrize("purpose", Purpose)
async def test_a_session_states_all_that_it_relies_on(hostile_url: str, purpose: Purpose) -> None:
    session = await connect(hostile_url, purpose)
    found = {name: await session.fetchval("SELECT current_setting($1)", name) for name in _EXPECTED}
    application = await session.fetchval("SELECT current_setting('application_name')")
    limit = await session.fetchval("SELECT current_setting('statement_timeout')")
    await session.close()
    with connect_blocking(hostile_url, purpose) as connection:
        names = ", ".join(f"current_setting('{name}')" for name in _EXPECTED)
        (*found_by_psycopg,) = connection.execute(f"SELECT {names}".encode()).fetchone() or ()

    assert found == _EXPECTED
    assert application == purpose
    assert limit != _OTHER_DEFAULTS["statement_timeout"]
    assert found_by_psycopg == list(_EXPECTED.values())


async def test_only_sessions_of_the_pool_are_ended_within_an_idle_transaction(hostile_url: str) -> None:
    found = {}
    for purpose in Purpose:
        session = await connect(hostile_url, purpose)
        found[purpose] = await session.fetchval("SHOW idle_in_transaction_session_timeout")
        await session.close()

    assert found == dict.fromkeys(Purpose, "0") | {Purpose.POOL: "1min"}


async def test_a_session_may_have_settings_of_its_own(database_url: str) -> None:
    session = await connect(database_url, Purpose.LOCK, settings={"idle_session_timeout": "15s"})
    assert await session.fetchval("SHOW idle_session_timeout") == "15s"
    await session.close()


async def test_a_stronger_rule_for_commits_stays(database_url: str) -> None:
    name = urlsplit(database_url).path.lstrip("/")
    owner = await asyncpg.connect(database_url)
    await owner.execute(f"ALTER DATABASE {name} SET synchronous_commit = 'remote_apply'")
    await owner.close()

    session = await connect(database_url, Purpose.POOL)

    assert await session.fetchval("SHOW synchronous_commit") == "remote_apply"
    await session.close()


async def test_the_kernel_notices_the_silence_of_the_server(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sockets = []

    def noting(session: Session, protocol: Any, transport: Any, *more: Any) -> None:
        sockets.append(transport.get_extra_info("socket"))
        made(session, protocol, transport, *more)

    made = Session.__init__
    monkeypatch.setattr(Session, "__init__", noting)
    session = await connect(database_url, Purpose.POOL)
    (used,) = sockets

    assert used.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert used.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 4
    assert used.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 8_000
    await session.close()


def test_every_statement_with_a_limit_of_its_own_exists() -> None:
    assert statement_limits.STATEMENT_LIMITS_S.keys() <= query_names()
