"""Plans of the worker's statements: a chunk of a bulk reads its own packages, however many others are being deleted."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import pytest
from pydantic_core import from_json

from service.context import Context
from service.infra.postgres import acquiring
from service.infra.postgres.database import Connection, fetch
from service.infra.postgres.queries import named_query
from tests.support.catalogue import query

_PACKAGES: Final = 4_000
_CHUNK: Final = 20
_MOST_BUFFERS: Final = 60
"""For each package of the chunk: rows, indexes and triggers of what is changed."""
_FILL: Final = """
INSERT INTO package (project_id, package_type, name, version, status)
SELECT 100, 'generic', 'bulk-' || n, '1', 'default' FROM generate_series(1, $1::integer) n
"""
_FILES: Final = """
INSERT INTO package_file (package_id, file_name, size, sha256, storage_key)
SELECT id, 'app.bin', 1, decode(repeat('00', 32), 'hex'), 'projects/100/' || id FROM package WHERE name LIKE 'bulk-%'
"""
_ACCEPT: Final = """
WITH moved AS (UPDATE package SET status = 'processing' WHERE name LIKE 'bulk-%' RETURNING id)
INSERT INTO deletion (id, request_event_id, project_id, root_group_id, package_id, package_type, package_name,
    package_version, prior_status, lane, cause, credential, requested_level, files_total, bytes_total, wake_at)
SELECT gen_random_uuid(), gen_random_uuid(), 100, 10, id, 'generic', 'bulk', '1', 'default', 'bulk', 'user', 'session',
    40, 0, 0, now()
  FROM moved
"""

pytestmark = pytest.mark.usefixtures("database_of_its_own")


@pytest.fixture
async def in_bulk(filled: Context) -> Context:
    """Many packages that are being deleted, while the statistics of the tables are those of a yard at rest."""
    await query(filled, _FILL, _PACKAGES)
    async with filled.database.connection() as connection:
        await connection.execute("ANALYZE package, package_file, deletion")
        await connection.execute("ALTER TABLE package SET (autovacuum_enabled = off)")
    await query(filled, _ACCEPT)
    return filled


@asynccontextmanager
async def _undone(connection: Connection) -> AsyncGenerator[None]:
    transaction = connection.transaction()
    await transaction.start()
    yield
    await transaction.rollback()


async def _buffers(context: Context, name: str, status: str) -> int:
    """Return how many buffers a statement reads and writes for a chunk of packages, all of which have *status*."""
    await query(context, "UPDATE package SET status = $1 WHERE name LIKE 'bulk-%'", status)
    async with context.database.connection() as connection, _undone(connection):
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE statement AS {named_query(name).text}")
        found = await _read(connection, name)
        await connection.execute("DEALLOCATE statement")
    return found


async def _read(connection: Connection, name: str) -> int:
    """Return how many buffers the prepared statement of that name reads and writes for a chunk."""
    ids = await connection.fetch("SELECT id FROM deletion ORDER BY id LIMIT $1", _CHUNK)
    chunk = "'{" + ",".join(str(row["id"]) for row in ids) + "}'"
    values = ", ".join(chunk if parameter == "ids" else "NULL" for parameter in named_query(name).parameters)
    shown = await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE statement ({values})")
    (plan,) = from_json(shown) if isinstance(shown, str) else shown
    top: dict[str, Any] = plan["Plan"]
    return int(top["Shared Hit Blocks"] + top["Shared Read Blocks"])


async def test_a_chunk_reads_its_own_packages_alone(in_bulk: Context) -> None:
    read = {
        (name, status): await _buffers(in_bulk, name, status)
        for status, names in (
            ("processing", ["mark_for_destruction", "restore_packages"]),
            ("pending_destruction", ["end_deletions", "show_in_error"]),
        )
        for name in names
    }

    assert max(read.values()) < _CHUNK * _MOST_BUFFERS, read


async def test_a_plan_from_a_time_of_empty_tables_is_forgotten(
    filled: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for table in ("package", "package_file", "deletion"):
        await query(filled, f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
    async with filled.database.connection() as connection:
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE statement AS {named_query('end_deletions').text}")
        await _read(connection, "end_deletions")
    await query(filled, _FILL, _PACKAGES)
    await query(filled, _FILES)
    await query(filled, _ACCEPT)
    await query(filled, "UPDATE package SET status = 'pending_destruction' WHERE name LIKE 'bulk-%'")
    for after_s in (60, 0):
        monkeypatch.setattr(acquiring, "PLANS_LAST_S", after_s)
        async with filled.database.connection() as connection, _undone(connection):
            found.append(await _read(connection, "end_deletions"))

    assert found[0] > 5 * found[1], found
    assert found[1] < _CHUNK * _MOST_BUFFERS, found


async def test_the_hold_of_a_project_is_read_once_for_a_chunk(in_bulk: Context) -> None:
    """Each call of the function costs as much as the rest of a row."""
    claim, none = uuid4(), timedelta(0)
    async with in_bulk.database.connection() as connection, _undone(connection):
        await connection.execute("SET LOCAL track_functions = 'all'")
        found = await connection.fetch("SELECT id FROM deletion ORDER BY id LIMIT $1", _CHUNK)
        ids = [row["id"] for row in found]
        lease = timedelta(minutes=1)
        claimed = await fetch(
            connection, "claim_deletions", ids=ids, claim=claim, lease=lease, grace=none, policy_grace=none
        )
        locked = await fetch(connection, "lock_claims", ids=ids, claim=claim)
        await fetch(connection, "next_files", ids=ids, claim=claim, limit=_CHUNK)
        calls = await connection.fetch("SELECT funcname, calls FROM pg_stat_xact_user_functions")

    assert len(claimed) == len(locked) == _CHUNK
    called = {row["funcname"]: row["calls"] for row in calls}
    assert (called["deletion_hold_on"], called["grace_of"]) == (3, 1)
