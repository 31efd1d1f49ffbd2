"""Least rights: what each role and user may do is enough for its process, and nothing more."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from urllib.parse import quote, urlsplit
from uuid import uuid4

import aio_pika
import aiohttp
import aiormq
import asyncpg
import pytest

from schemas.messages.topology import COMMANDS_EXCHANGE, EVENTS_EXCHANGE, EVENTS_LOG, EXCHANGES, QUEUES
from schemas.names import Lane
from service.errors import StartError
from service.infra.postgres.pool import open_database
from service.infra.postgres.roles import (
    CREDENTIALS,
    FUNCTIONS,
    READERS_OF_SECRETS,
    SCALER_CONNECTIONS,
    WRITES,
    DatabaseRole,
    grant_rights,
)
from service.infra.postgres.schema_version import wait_for_schema
from service.infra.postgres.sessions.advisory_locks import ProcessLock
from service.infra.rabbitmq.broker import open_broker
from service.infra.rabbitmq.users import set_up_broker
from tests.support.chart import read_manifests
from tests.support.paths import ROOT
from tests.support.servers import Servers, own_database

_PASSWORD: Final = "Rights0only"
_TABLES: Final = frozenset(
    {
        "access_token", "damaged_object", "deletion", "deletion_act", "deploy_token", "directory_group",
        "directory_user", "event_cursor", "event_day", "event_log", "event_refused", "instance", "job_token",
        "job_token_allowance", "kept_answer", "membership", "name_rule", "outbox", "package", "package_build",
        "package_file", "package_file_build", "package_name", "package_statistic",
        "package_statistic_change", "package_statistic_day", "package_tag", "pipeline", "project",
        "project_alias", "protection_rule", "quarantined_object", "queue_report", "retention_item",
        "retention_kept", "retention_rule", "retention_run", "retention_spared", "schema_version",
        "storage_check", "storage_quota", "used_version", "web_key", "web_session",
        "webhook", "webhook_delivery", "webhook_scan", "webhook_secret",
    }
)  # fmt: skip
"""A table that is new needs an answer to who may write to it, and whether it is about credentials."""


@dataclass(frozen=True, slots=True)
class Roles:
    """The addresses of one database: its owner's, and each role's."""

    owner: str
    prefix: str

    def url(self, role: DatabaseRole) -> str:
        parts = urlsplit(self.owner)
        return parts._replace(netloc=f"{self.prefix}_{role}:{_PASSWORD}@{parts.netloc.rpartition('@')[2]}").geturl()


@pytest.fixture
async def roles(servers: Servers) -> AsyncGenerator[Roles]:
    prefix = f"r{uuid4().hex[:8]}"
    admin = await asyncpg.connect(servers.database_url)
    async with own_database(servers) as url:
        grant_rights(url, prefix=prefix, passwords=dict.fromkeys(DatabaseRole, _PASSWORD))
        yield Roles(url, prefix)
        owner = await asyncpg.connect(url)
        for role in DatabaseRole:
            await owner.execute(f"DROP OWNED BY {prefix}_{role}; DROP ROLE {prefix}_{role}")
        await owner.close()
    await admin.close()


async def test_no_process_can_change_the_schema_and_each_can_read_what_its_code_needs(roles: Roles) -> None:
    for role in DatabaseRole:
        connection = await asyncpg.connect(roles.url(role))
        for statement in (
            "DROP TABLE package",
            "ALTER TABLE deletion ADD COLUMN mine int",
            "TRUNCATE outbox",
            "CREATE TABLE mine ()",
            "CREATE INDEX ON package (name)",
            "UPDATE schema_version SET version_num = '0'",
            f"CREATE ROLE {roles.prefix}_more",
            "CREATE TEMPORARY TABLE mine ()",
            "SELECT lo_create(0)",
            "SELECT lo_from_bytea(0, 'mine')",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
        await connection.close()


async def test_every_table_is_accounted_for(roles: Roles) -> None:
    owner = await asyncpg.connect(roles.owner)
    tables = await owner.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        " AND NOT relispartition"
    )
    rights = await owner.fetch(
        "SELECT grantee, table_name, privilege_type FROM information_schema.role_table_grants WHERE grantee LIKE $1",
        f"{roles.prefix}\\_%",
    )
    await owner.close()
    written = {
        (row["grantee"].removeprefix(f"{roles.prefix}_"), row["table_name"], row["privilege_type"])
        for row in rights
        if row["privilege_type"] != "SELECT"
    }
    readers = {
        (table, row["grantee"].removeprefix(f"{roles.prefix}_"))
        for row in rights
        if row["privilege_type"] == "SELECT" and (table := row["table_name"]) in CREDENTIALS | READERS_OF_SECRETS.keys()
    }

    assert {row["relname"] for row in tables} == _TABLES
    assert {entry for entry in written if entry[0] != DatabaseRole.OPERATOR} == {
        (role, table, right)
        for role, tables in WRITES.items()
        for table, granted in tables.items()
        for right in granted
    }
    assert readers == {
        *((table, role) for table in CREDENTIALS for role in (DatabaseRole.API, DatabaseRole.OPERATOR)),
        *(
            (table, role)
            for table, processes in READERS_OF_SECRETS.items()
            for role in (*processes, DatabaseRole.OPERATOR)
        ),
    }


async def test_days_of_the_log_and_sessions_come_and_go_by_one_process_each(roles: Roles) -> None:
    may = set()
    prune = "prune_web_sessions('12 hours', '30 days', 10)"
    for role in DatabaseRole:
        connection = await asyncpg.connect(roles.url(role))
        for call in ("make_event_days(5)", "drop_event_days('2000-01-01')", prune):
            with suppress(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"SELECT {call}")
                may.add((role, call))
        await connection.close()

    assert may == {
        (DatabaseRole.RELAY, "make_event_days(5)"),
        (DatabaseRole.SCHEDULER, "drop_event_days('2000-01-01')"),
        (DatabaseRole.SCHEDULER, prune),
    }


async def test_a_scaler_can_ask_what_the_chart_lets_it_ask_and_nothing_else(roles: Roles) -> None:
    golden = ROOT / "tests" / "deployment" / "golden" / "production.yaml"
    queries = [
        manifest["spec"]["triggers"][-1]["metadata"]["query"]
        for manifest in read_manifests(golden.read_text(encoding="utf-8"))
        if manifest["kind"] == "ScaledObject"
    ]
    owner = await asyncpg.connect(roles.owner)
    await owner.execute(_DELETIONS)
    await owner.close()
    connection = await asyncpg.connect(roles.url(DatabaseRole.SCALER))
    counts = [await connection.fetchval(query) for query in queries]
    for statement in ("SELECT reason FROM deletion", "SELECT * FROM package", "SELECT digest FROM access_token"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    await connection.close()

    assert len(queries) == len(Lane) + 1, "and the webhooks"
    # Due are one that waits and one whose claim has lapsed; not one that is held, claimed, later or done.
    assert counts == [2 if f"'{Lane.BULK}'" in query else 0 for query in queries]


_DELETIONS: Final = """
INSERT INTO deletion (id, project_id, root_group_id, package_id, package_type, package_name, prior_status, lane, cause,
    requested_level, credential, request_event_id, files_total, bytes_total, wake_at, not_before, state, held, claim,
    lease_until, finished_at)
SELECT gen_random_uuid(), 1, 1, n, 'npm', 'a', 'default', 'bulk', 'bulk', 40, 'token', gen_random_uuid(), 0, 0, now(),
       now() + due, state, held, CASE WHEN state = 'destroying' THEN gen_random_uuid() END, now() + lease, now() + done
  FROM (VALUES (1, 'queued', false, interval '-1s', NULL::interval, NULL::interval),
               (2, 'destroying', false, '-1s', '-1s', NULL),
               (3, 'queued', true, '-1s', NULL, NULL),
               (4, 'destroying', false, '-1s', '1min', NULL),
               (5, 'retrying', false, '1min', NULL, NULL),
               (6, 'succeeded', false, '-1s', NULL, '-1s')) AS d (n, state, held, due, lease, done)
"""


async def test_rights_are_given_again_and_what_was_too_much_goes(roles: Roles) -> None:
    owner = await asyncpg.connect(roles.owner)
    await owner.execute(f"GRANT ALL ON package TO {roles.prefix}_relay; CREATE TABLE later (id int)")
    # As databases have it that came from PostgreSQL 14 or before.
    await owner.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
    done = grant_rights(roles.owner, prefix=roles.prefix, passwords={})
    await owner.close()
    relay = await asyncpg.connect(roles.url(DatabaseRole.RELAY))
    for statement in ("DELETE FROM package", "CREATE TABLE mine ()"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await relay.execute(statement)
    await relay.fetch("SELECT * FROM later")
    await relay.close()

    assert [(role.is_new, role.has_new_password) for role in done.roles] == [(False, False)] * len(DatabaseRole)
    assert done.left == []


async def test_a_scaler_takes_few_connections(roles: Roles) -> None:
    opened = [await asyncpg.connect(roles.url(DatabaseRole.SCALER)) for _ in range(SCALER_CONNECTIONS)]
    with pytest.raises(asyncpg.TooManyConnectionsError):
        await asyncpg.connect(roles.url(DatabaseRole.SCALER))
    for connection in opened:
        await connection.close()


async def test_an_owner_who_is_no_superuser_says_what_it_may_not_take_away(servers: Servers) -> None:
    prefix = f"r{uuid4().hex[:8]}"
    admin = await asyncpg.connect(servers.database_url)
    async with own_database(servers) as url:
        name = urlsplit(url).path.removeprefix("/")
        # As on a managed server: it owns the database and all in it, and nothing of the system's catalogue.
        await admin.execute(f"CREATE ROLE {prefix}_owner LOGIN CREATEROLE PASSWORD '{_PASSWORD}'")
        await admin.execute(f"ALTER DATABASE {name} OWNER TO {prefix}_owner")
        inside = await asyncpg.connect(url)
        for table in await inside.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
            await inside.execute(f'ALTER TABLE "{table[0]}" OWNER TO {prefix}_owner')
        for function in (name for names in FUNCTIONS.values() for name in names):
            await inside.execute(f"ALTER FUNCTION {function} OWNER TO {prefix}_owner")
        await inside.execute(f"ALTER SCHEMA public OWNER TO {prefix}_owner")
        await inside.execute(f"ALTER SEQUENCE build_position OWNER TO {prefix}_owner")
        place = urlsplit(url).netloc.rpartition("@")[2]
        owner = f"postgresql://{prefix}_owner:{_PASSWORD}@{place}/{name}"
        rights = grant_rights(owner, prefix=prefix, passwords={DatabaseRole.RELAY: _PASSWORD})
        relay = Roles(owner, prefix).url(DatabaseRole.RELAY)
        async with open_database(relay, size=1) as database, database.lock(ProcessLock.RELAY) as lock:
            assert await lock.acquire()
        await inside.execute(f"DROP OWNED BY {', '.join(f'{prefix}_{role}' for role in DatabaseRole)}")
        await inside.close()
    for role in (*DatabaseRole, "owner"):
        await admin.execute(f"DROP ROLE {prefix}_{role}")
    await admin.close()

    assert len(rights.roles) == len(DatabaseRole)
    assert rights.left == [
        "PUBLIC keeps the functions of large objects: only a superuser may revoke them",
        "PUBLIC keeps the locks of relay and scheduler: only a superuser may revoke them",
    ]


async def test_only_the_relay_and_the_scheduler_can_take_their_locks(roles: Roles) -> None:
    _, space, number = ProcessLock.RELAY.key
    may = set()
    for role in DatabaseRole:
        connection = await asyncpg.connect(roles.url(role))
        with suppress(asyncpg.InsufficientPrivilegeError):
            await connection.execute(f"SELECT pg_try_advisory_lock_shared({space}, {number})")
            may.add(role)
        # Uploads and operators need the others.
        await connection.execute("SELECT pg_advisory_xact_lock(7)")
        await connection.close()

    assert may == {DatabaseRole.RELAY, DatabaseRole.SCHEDULER}


async def test_another_role_cannot_keep_the_relay_standing_by(roles: Roles) -> None:
    scaler = await asyncpg.connect(roles.url(DatabaseRole.SCALER))
    await scaler.execute("SELECT pg_advisory_lock(hashtextextended('packyard.relay', 0))")
    relay = roles.url(DatabaseRole.RELAY)
    async with open_database(relay, size=1) as database, database.lock(ProcessLock.RELAY) as lock:
        assert await lock.acquire()
        old = await asyncpg.connect(relay)
        assert not await old.fetchval("SELECT pg_try_advisory_lock(hashtextextended('packyard.relay', 0))")
        await old.close()
    await scaler.close()


async def test_an_operator_can_take_the_lock_of_checks_however_the_server_plans(roles: Roles) -> None:
    owner = await asyncpg.connect(roles.owner)
    operator = roles.url(DatabaseRole.OPERATOR)
    await owner.execute(f"ALTER ROLE {roles.prefix}_operator SET plan_cache_mode = force_generic_plan")
    async with open_database(operator, size=1) as database, database.lock(ProcessLock.CHECK) as lock:
        assert await lock.acquire()
    await owner.close()


async def test_who_may_not_give_rights_is_told_so(roles: Roles) -> None:
    refusal = rf"cannot grant rights for role other_api: permission denied .*\(role {roles.prefix}_operator\)$"
    with pytest.raises(StartError, match=refusal):
        grant_rights(roles.url(DatabaseRole.OPERATOR), prefix="other", passwords={})


async def test_a_statement_that_a_role_may_not_carry_out_names_the_role(roles: Roles) -> None:
    async with open_database(roles.url(DatabaseRole.WORKER), size=1) as database, database.connection() as connection:
        with pytest.raises(
            asyncpg.InsufficientPrivilegeError, match=rf"^role {roles.prefix}_worker: permission denied"
        ):
            await connection.fetch("SELECT FROM access_token")


async def test_a_password_that_was_rotated_stays_where_that_is_asked_for(roles: Roles) -> None:
    owner = await asyncpg.connect(roles.owner)
    await owner.execute(f"ALTER ROLE {roles.prefix}_api PASSWORD 'Rotated'; ALTER ROLE {roles.prefix}_relay NOLOGIN")
    await owner.close()
    made = grant_rights(
        roles.owner, prefix=roles.prefix, passwords=dict.fromkeys(DatabaseRole, "Older"), keeps_passwords=True
    )
    parts = urlsplit(roles.url(DatabaseRole.API))
    rotated = parts._replace(netloc=parts.netloc.replace(_PASSWORD, "Rotated")).geturl()
    await (await asyncpg.connect(rotated)).close()

    with_new = {role.name.removeprefix(f"{roles.prefix}_") for role in made.roles if role.has_new_password}
    assert with_new == {"relay"}, "it could not log in"


async def test_a_password_of_the_broker_stays_where_that_is_asked_for(servers: Servers) -> None:
    prefix, vhost = f"k{uuid4().hex[:8]}", f"k{uuid4().hex[:8]}"
    url = f"{servers.management_url}/{vhost}"
    said = [
        await set_up_broker(url, prefix=prefix, passwords={"worker": password}, subscribers=(), keeps_passwords=keeps)
        for password, keeps in (("first", False), ("second", True), ("third", False))
    ]
    async with aiohttp.ClientSession(servers.management_url, raise_for_status=True) as session:
        await session.delete(f"/api/users/{prefix}-worker")
        await session.delete(f"/api/vhosts/{vhost}")

    assert [next(line for line in lines if "-worker" in line) for lines in said] == [
        f"{prefix}-worker: made, has its rights",
        f"{prefix}-worker: found, has its rights",
        f"{prefix}-worker: given a new password, has its rights",
    ]


async def test_a_process_waits_for_the_schema_with_a_role_of_its_own(roles: Roles) -> None:
    worker = f"{roles.prefix}_{DatabaseRole.WORKER}"
    owner = await asyncpg.connect(roles.owner)
    version = await owner.fetchval("UPDATE schema_version SET version_num = '0001' RETURNING version_num")
    # As between the first migration and the rights.
    await owner.execute(f"REVOKE SELECT ON schema_version FROM {worker}")  # noqa: S608 - our own text
    waiting = asyncio.create_task(_waited(roles.url(DatabaseRole.WORKER)))
    await asyncio.sleep(0.5)
    assert not waiting.done()
    await owner.execute(f"GRANT SELECT ON schema_version TO {worker}")
    await owner.execute("UPDATE schema_version SET version_num = '9999'")
    async with asyncio.timeout(10):
        assert await waiting > version
    await owner.execute("UPDATE schema_version SET version_num = '0001'")
    await owner.close()

    with pytest.raises(StartError, match="run `packyard migrate`"):
        await _waited(roles.url(DatabaseRole.WORKER), seconds=0)


async def _waited(url: str, *, seconds: float = 10) -> str:
    return await wait_for_schema(url, patience=timedelta(seconds=seconds))


# Broker ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Users:
    """A virtual host of the test's own, with users made for it."""

    servers: Servers
    prefix: str
    vhost: str

    def url(self, who: str) -> str:
        place = self.servers.broker_url.rpartition("@")[2].partition("/")[0]
        return f"amqp://{self.prefix}-{who}:{_PASSWORD}@{place}/{self.vhost}"

    @property
    def management_url(self) -> str:
        return f"{self.servers.management_url}/{self.vhost}"


@pytest.fixture
async def users(servers: Servers) -> AsyncGenerator[Users]:
    made = Users(servers, f"u{uuid4().hex[:8]}", f"test-{uuid4().hex}")
    passwords = dict.fromkeys(("relay", "worker", "scaler", "subscriber-ann", "subscriber-bob"), _PASSWORD)
    lines = await set_up_broker(
        made.management_url, prefix=made.prefix, passwords=passwords, subscribers=["ann", "bob"]
    )
    assert len(lines) == len(passwords)
    yield made
    async with aiohttp.ClientSession(servers.management_url, raise_for_status=True) as session:
        await session.delete(f"/api/vhosts/{made.vhost}")
        for who in passwords:
            await session.delete(f"/api/users/{made.prefix}-{who}")


async def test_the_set_up_makes_what_the_processes_would_make(users: Users) -> None:
    admin = users.servers.broker_url.rpartition("/")[0] + "/" + users.vhost
    # The very arguments: a process that declares them otherwise would be refused.
    async with open_broker(admin, name="test") as broker:
        await broker.declare()
    expected = {queue.name: "packyard-work" if "delete" in queue.name else None for queue in QUEUES}
    policies: dict[str, str | None] = {}
    async with aiohttp.ClientSession(users.servers.management_url) as session, asyncio.timeout(30):
        while policies != expected:  # its figures of queues are some seconds old
            await asyncio.sleep(0.2)
            queues = await (await session.get(f"/api/queues/{users.vhost}")).json()
            policies = {queue["name"]: queue.get("policy") for queue in queues}

    assert await set_up_broker(users.management_url, prefix=users.prefix, passwords={}, subscribers=[]) == [
        f"{users.prefix}-{who}: found, has its rights" for who in ("relay", "worker", "scaler")
    ]


async def test_a_worker_consumes_and_buries_but_makes_and_publishes_nothing(users: Users) -> None:
    await _publish(users.url("relay"), COMMANDS_EXCHANGE, Lane.BULK.routing_key)
    async with open_broker(users.url("worker"), name="test") as broker:
        consumer = await broker.consumer(Lane.BULK.queue, prefetch=1)
        (delivery,) = await consumer.take(1, within=5)
        await delivery.ack()
    for refused in (
        _publish(users.url("worker"), COMMANDS_EXCHANGE, Lane.BULK.routing_key),
        _publish(users.url("worker"), EVENTS_EXCHANGE, "package.destroyed.npm.1.1"),
        _declare(users.url("worker"), "mine"),
        _delete(users.url("worker"), Lane.BULK.queue),
        _get(users.url("worker"), EVENTS_LOG),
    ):
        with pytest.raises(aiormq.exceptions.ChannelAccessRefused):
            await refused


async def test_a_relay_makes_what_is_missing(users: Users) -> None:
    async with aiohttp.ClientSession(users.servers.management_url, raise_for_status=True) as session:
        for queue in QUEUES:
            await session.delete(f"/api/queues/{users.vhost}/{queue.name}")
        for exchange in EXCHANGES:
            await session.delete(f"/api/exchanges/{users.vhost}/{exchange.name}")
    async with open_broker(users.url("relay"), name="test"):
        await _publish(users.url("relay"), COMMANDS_EXCHANGE, Lane.INTERACTIVE.routing_key)
    async with aiohttp.ClientSession(users.servers.management_url, raise_for_status=True) as session:
        found = await (await session.get(f"/api/queues/{users.vhost}")).json()

    assert {queue["name"] for queue in found} == {queue.name for queue in QUEUES}


async def test_a_subscriber_reads_its_own_queue_and_not_another_s(users: Users) -> None:
    for name in ("ann", "bob"):
        await _declare(users.url(f"subscriber-{name}"), f"sub.{name}.v1", bind="package.destroyed.#")
    await _publish(users.url("relay"), EVENTS_EXCHANGE, "package.destroyed.npm.1.1")

    assert await _get(users.url("subscriber-ann"), "sub.ann.v1") == b"news"
    for refused in (
        _get(users.url("subscriber-ann"), "sub.bob.v1"),
        _get(users.url("subscriber-ann"), Lane.INTERACTIVE.queue),
        _declare(users.url("subscriber-ann"), "sub.bob.v2"),
        _declare(users.url("subscriber-ann"), "sub.anna.v1"),
        _delete(users.url("subscriber-ann"), "sub.bob.v1"),
        _publish(users.url("subscriber-ann"), EVENTS_EXCHANGE, "package.destroyed.npm.1.1"),
        _publish(users.url("subscriber-ann"), COMMANDS_EXCHANGE, Lane.BULK.routing_key),
        _declare(users.url("subscriber-ann"), "sub.ann.v1", bind="#", exchange=COMMANDS_EXCHANGE),
    ):
        with pytest.raises(aiormq.exceptions.ChannelAccessRefused):
            await refused
    assert await _get(users.url("subscriber-bob"), "sub.bob.v1") == b"news"


async def test_a_scaler_sees_lengths_by_the_management_api_and_no_message(users: Users) -> None:
    # As one that an earlier release has made: it loses the tag and keeps its password.
    async with aiohttp.ClientSession(users.servers.management_url, raise_for_status=True) as session:
        earlier = {"password": _PASSWORD, "tags": "monitoring"}
        await session.put(f"/api/users/{users.prefix}-scaler", json=earlier)
    await set_up_broker(users.management_url, prefix=users.prefix, passwords={}, subscribers=[])
    await _publish(users.url("relay"), COMMANDS_EXCHANGE, Lane.BULK.routing_key)
    place = users.servers.management_url.rpartition("@")[2]
    address = f"http://{users.prefix}-scaler:{_PASSWORD}@{place}"
    async with aiohttp.ClientSession(address) as session:
        queue = f"/api/queues/{quote(users.vhost, safe='')}/{Lane.BULK.queue}"
        async with asyncio.timeout(30):
            while (await (await session.get(queue)).json()).get("messages") != 1:
                await asyncio.sleep(0.2)
        body = {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}
        refused = (await session.post(f"{queue}/get", json=body)).status
        purged = (await session.delete(f"{queue}/contents")).status
        elsewhere = [(await session.get(f"/api/{place}")).status for place in ("nodes", "users", "queues/%2F")]
    with pytest.raises(aiormq.exceptions.ChannelAccessRefused):
        await _get(users.url("scaler"), Lane.BULK.queue)

    assert refused in {401, 403}
    assert purged in {401, 403}
    assert set(elsewhere) <= {401, 403}


async def test_a_subscriber_that_has_no_password_is_told_of(users: Users) -> None:
    lines = await set_up_broker(users.management_url, prefix=users.prefix, passwords={}, subscribers=["carol"])

    assert f"{users.prefix}-subscriber-carol: is not there, and no password was given to make it with" in lines
    with pytest.raises(StartError, match=r"subscriber '\.\*': should be"):
        await set_up_broker(users.management_url, prefix=users.prefix, passwords={}, subscribers=[".*"])


async def test_a_management_api_that_refuses_is_told_in_one_line(servers: Servers) -> None:
    place = servers.management_url.rpartition("@")[2]
    with pytest.raises(StartError, match=r"PACKYARD_MANAGEMENT_URL: PUT /api/vhosts/.* was answered 401"):
        await set_up_broker(f"http://nobody:wrong@{place}", prefix="x", passwords={}, subscribers=[])
    with pytest.raises(StartError, match="PACKYARD_MANAGEMENT_URL: cannot use the management API"):
        await set_up_broker("http://127.0.0.1:1", prefix="x", passwords={}, subscribers=[])


async def _publish(url: str, exchange: str, routing_key: str) -> None:
    async with await aio_pika.connect(url, timeout=5) as connection:
        channel = await connection.channel(publisher_confirms=True)
        place = await channel.get_exchange(exchange, ensure=False)
        await place.publish(aio_pika.Message(b"news"), routing_key, timeout=5)


async def _declare(url: str, queue: str, *, bind: str | None = None, exchange: str = EVENTS_EXCHANGE) -> None:
    async with await aio_pika.connect(url, timeout=5) as connection:
        channel = await connection.channel()
        declared = await channel.declare_queue(queue, durable=True, arguments={"x-queue-type": "quorum"})
        if bind is not None:
            await declared.bind(exchange, bind)


async def _delete(url: str, queue: str) -> None:
    async with await aio_pika.connect(url, timeout=5) as connection:
        await (await connection.channel()).queue_delete(queue)


async def _get(url: str, queue: str) -> bytes:
    async with await aio_pika.connect(url, timeout=5) as connection:
        channel = await connection.channel()
        message = await (await channel.get_queue(queue, ensure=False)).get(timeout=5)
        assert message is not None
        await message.ack()
        return message.body
