"""Migrations over a database that is in use."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest

from service.errors import StartError
from service.infra.postgres.migrations.run import migrate
from service.infra.postgres.schema_version import newest_version
from tests.support.servers import Servers, database_in


@pytest.fixture
async def first_release(servers: Servers) -> AsyncGenerator[str]:
    """The address of a database as the first release left it, with packages in it."""
    name = f"test_{uuid4().hex}"
    admin = await asyncpg.connect(servers.database_url)
    await admin.execute(f"CREATE DATABASE {name}")
    url = database_in(servers.database_url, name)
    await asyncio.to_thread(migrate, url, target="0001")
    connection = await asyncpg.connect(url)
    await connection.execute(
        "INSERT INTO directory_group (id, ancestry, path, name, visibility)"
        " VALUES (10, '{10}', 'acme', 'Acme', 'public');"
        "INSERT INTO project (id, group_id, path, name, visibility) VALUES (100, 10, 'acme/open', 'Open', 'public');"
        "INSERT INTO package (project_id, package_type, name, version)"
        " SELECT 100, 'npm', 'part-' || n, CASE WHEN n % 10 > 0 THEN '1.' || n || '.0' END"
        " FROM generate_series(1, 12000) n;"
        "UPDATE package SET status = 'pending_destruction' WHERE id % 20 = 0;"
        "INSERT INTO package_file (package_id, file_name, size, sha256, storage_key, status)"
        " SELECT p.id, f.n, p.id + f.n, sha256('x'), 'projects/100/' || p.id || '/' || f.n,"
        "        CASE WHEN f.n = 3 AND p.id % 7 = 0 THEN 'pending_destruction' ELSE 'default' END"
        "   FROM package p CROSS JOIN generate_series(1, 3) f (n) WHERE p.id % 2 = 0"
    )
    await connection.close()
    yield url
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


async def test_what_was_there_before_is_filled_in(first_release: str) -> None:
    assert await asyncio.to_thread(migrate, first_release) == newest_version()

    connection = await asyncpg.connect(first_release)
    (row,) = await connection.fetch(
        "SELECT count(*) FILTER (WHERE version_key = semver_key(version)) AS filled, count(version) AS versions,"
        " (SELECT indisvalid FROM pg_index WHERE indexrelid = 'package_ordered_by_version_key'::regclass) AS is_valid"
        " FROM package"
    )
    version = await connection.fetchval("SELECT version_num FROM schema_version")
    names = await connection.fetchval("SELECT count(*) FROM package_name WHERE name LIKE 'part-%'")
    await connection.close()

    assert names == 12_000
    assert (row["filled"], row["versions"], row["is_valid"]) == (10_800, 10_800, True)
    assert version == newest_version()


async def test_a_migration_that_is_done_can_be_asked_for_again_and_by_two_at_once(first_release: str) -> None:
    program = f"from service.infra.postgres.migrations.run import migrate; migrate({first_release!r})"
    both = [await asyncio.create_subprocess_exec(sys.executable, "-c", program) for _ in range(2)]
    async with asyncio.timeout(60):
        statuses = [await process.wait() for process in both]

    assert statuses == [0, 0]
    assert await asyncio.to_thread(migrate, first_release) == newest_version()


async def test_readers_and_writers_of_the_release_before_go_on_meanwhile(first_release: str) -> None:
    connection = await asyncpg.connect(first_release, command_timeout=3)
    migrating = asyncio.create_task(asyncio.to_thread(migrate, first_release))
    turns = 0
    while not migrating.done():
        await connection.fetch("SELECT p.id FROM project p JOIN directory_group g ON g.id = p.group_id")
        await connection.execute(
            "INSERT INTO package (project_id, package_type, name, version) VALUES (100, 'npm', 'late', $1)",
            f"2.{turns}.0",
        )
        turns += 1
    await migrating
    missing = await connection.fetchval(
        "SELECT count(*) FROM package WHERE version IS NOT NULL AND version_key IS NULL"
    )
    await connection.close()

    assert turns > 1
    assert missing == 0


_RIGHT = """
    SELECT (SELECT count(*) FROM package WHERE status <> 'pending_destruction'),
           count(*) FILTER (WHERE f.status = 'default' AND p.status <> 'pending_destruction'),
           sum(f.size) FILTER (WHERE f.status = 'default' AND p.status <> 'pending_destruction')::bigint,
           sum(f.size)::bigint
      FROM package_file f JOIN package p ON p.id = f.package_id"""
_TOLD = """
    SELECT sum(packages)::bigint, sum(files)::bigint, sum(logical_bytes)::bigint, sum(physical_bytes)::bigint
      FROM package_statistic_change"""


@pytest.fixture
async def uncounted(first_release: str) -> str:
    """The address of that database as the last release left it that knew no figures of projects."""
    await asyncio.to_thread(migrate, first_release, target="0008")
    return first_release


async def test_what_was_there_before_is_counted_while_everybody_goes_on(uncounted: str) -> None:
    connection = await asyncpg.connect(uncounted, command_timeout=10)
    migrating = asyncio.create_task(asyncio.to_thread(migrate, uncounted))
    turns = 0
    while not migrating.done():
        # The work of the release before: a package with a file comes, another is deleted, and a file of a third.
        async with connection.transaction():
            package_id = await connection.fetchval(
                "INSERT INTO package (project_id, package_type, name, version) VALUES (100, 'npm', 'late', $1)"
                " RETURNING id",
                f"2.{turns}.0",
            )
            await connection.execute(
                "INSERT INTO package_file (package_id, file_name, size, sha256, storage_key)"
                " VALUES ($1, 'late', 7, sha256('x'), $2)",
                package_id,
                f"projects/100/late/{turns}",
            )
        gone = 11_990 - 20 * turns
        async with connection.transaction():
            await connection.execute("UPDATE package SET status = 'pending_destruction' WHERE id = $1", gone)
            await connection.execute(
                "UPDATE package_file SET status = 'pending_destruction' WHERE package_id = $1", gone
            )
        async with connection.transaction():
            await connection.execute("DELETE FROM package_file WHERE package_id = $1", gone)
            await connection.execute("DELETE FROM package WHERE id = $1", gone)
        await connection.execute("UPDATE package_file SET status = 'pending_destruction' WHERE id = $1", turns + 1)
        turns += 1
    await migrating
    right, told = await connection.fetchrow(_RIGHT), await connection.fetchrow(_TOLD)
    await connection.close()

    assert turns > 1
    assert right is not None
    assert told is not None
    assert tuple(told) == tuple(right)


async def test_counting_what_was_there_before_gives_way_to_a_worker(uncounted: str) -> None:
    connection = await asyncpg.connect(uncounted, command_timeout=30)
    last = 12_000
    await connection.execute("UPDATE package SET status = 'pending_destruction' WHERE id = $1", last)
    await connection.execute("UPDATE package_file SET status = 'pending_destruction' WHERE package_id = $1", last)
    migrating = asyncio.create_task(asyncio.to_thread(migrate, uncounted))
    await _until(connection, "SELECT FROM pg_trigger WHERE tgname = 'refuse_quarantined'")

    async with connection.transaction():
        await connection.execute("DELETE FROM package_file WHERE package_id = $1", last)
        await _until(
            connection,
            "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        assert await connection.execute("DELETE FROM package WHERE id = $1", last) == "DELETE 1"

    await migrating
    right, told = await connection.fetchrow(_RIGHT), await connection.fetchrow(_TOLD)
    await connection.close()
    assert right is not None
    assert told is not None
    assert tuple(told) == tuple(right)


async def _until(connection: "asyncpg.Connection[asyncpg.Record]", query: str) -> None:
    async with asyncio.timeout(30):
        while not await connection.fetch(query):
            await asyncio.sleep(0.002)


async def test_keys_are_in_the_order_of_object_stores_and_still_unique(first_release: str) -> None:
    await asyncio.to_thread(migrate, first_release)

    connection = await asyncpg.connect(first_release)
    plan = await connection.fetch(
        "EXPLAIN SELECT storage_key, size FROM package_file WHERE storage_key > 'p' ORDER BY storage_key LIMIT 10"
    )
    found = await connection.fetch("EXPLAIN SELECT id FROM package_file WHERE storage_key = ANY($1)", ["a", "b"])
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute(
            "INSERT INTO package_file (package_id, file_name, size, sha256, storage_key)"
            " SELECT package_id, 'again', size, sha256, storage_key FROM package_file LIMIT 1"
        )
    collation = await connection.fetchval(
        "SELECT c.collname FROM pg_attribute a JOIN pg_collation c ON c.oid = a.attcollation"
        " WHERE a.attrelid = 'package_file'::regclass AND a.attname = 'storage_key'"
    )
    await connection.close()

    assert "Index Only Scan using package_file_key" in "\n".join(row[0] for row in plan)
    assert "package_file_key" in "\n".join(row[0] for row in found)
    assert collation == "C"


async def test_packages_whose_names_differ_in_spelling_only_both_stay(first_release: str) -> None:
    connection = await asyncpg.connect(first_release)
    await connection.execute(
        "INSERT INTO package (project_id, package_type, name, version, status) VALUES"
        " (100, 'pypi', 'Foo_Bar', '1.0', 'default'), (100, 'pypi', 'foo-bar', '1.0.0', 'default'),"
        " (100, 'pypi', 'foo.bar', '1', 'error'), (100, 'helm', 'Foo_Bar', '1.0.0', 'default')"
    )

    await asyncio.to_thread(migrate, first_release)

    rows = await connection.fetch(
        "SELECT name, normal_name, normal_version FROM package WHERE normal_name IS NOT NULL ORDER BY id"
    )
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute(
            "INSERT INTO package (project_id, package_type, name, version) VALUES (100, 'pypi', 'FOO.BAR', 'v1.0')"
        )
    await connection.close()
    assert [tuple(row) for row in rows] == [
        ("Foo_Bar", "foo-bar", "1"),
        ("foo-bar", "foo-bar", None),
        ("foo.bar", "foo-bar", "1"),
        ("Foo_Bar", "Foo_Bar", "1.0.0"),
    ]


async def test_nuget_packages_that_differ_in_case_or_zeros_only_both_stay(first_release: str) -> None:
    await asyncio.to_thread(migrate, first_release, target="0017")
    connection = await asyncpg.connect(first_release)
    await connection.execute(
        "INSERT INTO package (project_id, package_type, name, version, status) VALUES"
        " (100, 'nuget', 'Acme.Press', '1.0', 'default'), (100, 'nuget', 'acme.press', '01.0.0.0+b7', 'default'),"
        " (100, 'nuget', 'ACME.press', '1.0.0', 'processing'), (100, 'nuget', 'Acme.Press', '1.0.0.1-RC.1', 'default'),"
        " (100, 'nuget', 'Acme.Press', 'odd Version', 'default')"
    )

    await asyncio.to_thread(migrate, first_release)

    rows = await connection.fetch(
        "SELECT normal_name, normal_version FROM package WHERE package_type = 'nuget' ORDER BY id"
    )
    names = await connection.fetch("SELECT DISTINCT normal_name FROM package_name WHERE package_type = 'nuget'")
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute(
            "INSERT INTO package (project_id, package_type, name, version) VALUES (100, 'nuget', 'aCME.press', '1.0')"
        )
    await connection.close()
    assert [row["normal_name"] for row in names] == ["acme.press"]
    assert [tuple(row) for row in rows] == [
        ("acme.press", "1.0.0"),
        ("acme.press", None),
        ("acme.press", "1.0.0"),
        ("acme.press", "1.0.0.1-rc.1"),
        ("acme.press", "odd version"),
    ]


async def test_a_migration_that_does_not_end_is_not_waited_for_without_end(first_release: str) -> None:
    other = await asyncpg.connect(first_release)
    await other.execute("SELECT pg_advisory_lock(7223117001)")

    holder = rf"\(session {other.get_server_pid()} of \S* at 127\.0\.0\.1, idle since "
    with pytest.raises(StartError, match=f"another process is migrating .* {holder}"):
        await asyncio.to_thread(migrate, first_release, patience=timedelta(seconds=0.5))
    await other.close()

    assert await asyncio.to_thread(migrate, first_release) == newest_version()


_OF_THE_OLD_RELAY = """
    WITH batch AS (
        SELECT position, row_number() OVER (ORDER BY position) AS place
          FROM outbox WHERE published_at IS NULL AND kind = 'event' AND sequence IS NULL LIMIT 2
    ), counter AS (
        UPDATE instance SET sequence = sequence + (SELECT count(*) FROM batch)
     RETURNING sequence - (SELECT count(*) FROM batch) AS before
    )
    UPDATE outbox o SET sequence = before + place, published_at = now()
      FROM batch b, counter WHERE o.position = b.position"""


async def test_the_log_of_events_begins_beside_the_relay_of_the_release_before(first_release: str) -> None:
    await asyncio.to_thread(migrate, first_release, target="0013")
    connection = await asyncpg.connect(first_release)
    await connection.execute(
        "INSERT INTO outbox (id, kind, routing_key, body)"
        " SELECT gen_random_uuid(), 'event', 'package.destroyed.npm.10.100', '{}' FROM generate_series(1, 6)"
    )
    await connection.execute(_OF_THE_OLD_RELAY)

    await asyncio.to_thread(migrate, first_release)
    await connection.execute(_OF_THE_OLD_RELAY)

    rows = await connection.fetch("SELECT sequence, published_at IS NULL AS waits FROM outbox ORDER BY position")
    cursor = await connection.fetchrow("SELECT published, oldest FROM event_cursor")
    logged = await connection.fetchval("SELECT count(*) FROM event_log")
    await connection.close()
    assert [tuple(row) for row in rows] == [(n, False) for n in range(1, 5)] + [(None, True)] * 2
    assert (tuple(cursor or ()), logged) == ((2, 3), 0)
