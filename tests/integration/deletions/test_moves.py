"""An UPDATE moves a row from the sources in the table of moves, and changes nothing that is in another status."""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, TypeAlias
from uuid import UUID, uuid4

import pytest

from schemas.names import AccessLevel
from schemas.statuses import (
    CLAIMED,
    DELETION_MOVES,
    DISPLAYABLE,
    ENDED,
    FAILED,
    FILE_MOVES,
    FILES_IN_ERROR,
    IN_ERROR,
    INSTALLABLE,
    PACKAGE_MOVES,
    DeletionState,
)
from service.context import Context
from service.deletions.deletion import Deletion
from service.infra.postgres.database import Connection, execute, fetch
from tests.support.catalogue import delete, delete_file, publish, query

_Values: TypeAlias = dict[str, object]
_MINUTE: Final = timedelta(minutes=1)
_CLAIM: Final = uuid4()


def _one(deletion: Deletion, **more: object) -> _Values:
    return {"ids": [deletion.id], **more}


def _untouched(deletion: Deletion, **more: object) -> _Values:
    return _one(deletion, untouched=[], **more)


_REQUEST: Final[_Values] = {
    "resend": _MINUTE,
    "requested_by": None,
    "credential": "command_line",
    "cause": "user",
    "lane": "bulk",
    "reason": None,
    "request_id": None,
    "topic": "package.deletion_requested",
    "moment": "2026-11-26T08:15:30Z",
    "command_key": "delete.bulk",
    "command_ids": [],
    "commands": [],
}
_OF_DELETIONS: Final[Mapping[str, tuple[str, Any]]] = {
    "record_progress": (
        "succeeded",
        lambda d: _one(d, files=[1], bytes=[5], ended=[True], lease=_MINUTE),
    ),
    "release_claims": ("retrying", lambda d: _untouched(d, claim=_CLAIM)),
    "retry_deletions": ("retrying", lambda d: _untouched(d, errors=["x"], pauses=[_MINUTE], uncounted=[])),
    "fail_deletions": ("failed", lambda d: _untouched(d, errors=["x"])),
    "end_as_restored": ("restored", lambda d: _one(d, version=None)),
    "queue_again": ("retrying", lambda d: {"id": d.id, "resend": _MINUTE, "requested_level": AccessLevel.OWNER}),
}
_OF_PACKAGES: Final[Mapping[str, tuple[str, Any]]] = {
    "insert_package_deletions": (
        "processing",
        lambda d: {
            **_REQUEST,
            "batch_id": None,
            "package_ids": [d.package_id],
            "prior_statuses": ["default"],
            "levels": [AccessLevel.OWNER],
            "deletion_ids": [uuid4()],
            "event_ids": [uuid4()],
        },
    ),
    "accept_package": (
        "processing",
        lambda d: {
            **_REQUEST,
            "project_id": d.project_id,
            "package_id": d.package_id,
            "unmodified_since": None,
            "level": AccessLevel.OWNER,
            "deletion_id": uuid4(),
            "event_id": uuid4(),
            "batch_id": None,
            "command_id": uuid4(),
            "command": "{}",
        },
    ),
    "mark_for_destruction": ("pending_destruction", _one),
    "show_in_error": ("error", _one),
    "reopen_package": ("processing", lambda d: {"package_id": d.package_id}),
}
_OF_FILES: Final[Mapping[str, tuple[str, Any]]] = {
    "insert_file_deletion": (
        "processing",
        lambda d: {
            **_REQUEST,
            "package_file_id": d.package_file_id,
            "deletion_id": uuid4(),
            "event_id": uuid4(),
            "requested_level": AccessLevel.OWNER,
        },
    ),
    "mark_for_destruction": ("pending_destruction", _one),
    "show_in_error": ("error", _one),
    "reopen_file": ("processing", lambda d: {"package_file_id": d.package_file_id}),
}
_NARROWER: Final = {
    "queue_again": FAILED,
    "reopen_package": IN_ERROR,
    "reopen_file": FILES_IN_ERROR,
    "release_claims": CLAIMED,
    "retry_deletions": CLAIMED,
}
"""These have a condition of their own besides the table."""


def _sources_of(moves: Mapping[Any, frozenset[Any]], target: str) -> set[Any]:
    return {source for source, targets in moves.items() if target in targets}


async def _moved(connection: Connection, table: str, row_id: int | UUID, name: str, values: _Values) -> str:
    run = execute if table != "deletion" else fetch
    await run(connection, name, **values)
    column = "state" if table == "deletion" else "status"
    found: str = await connection.fetchval(f"SELECT {column} FROM {table} WHERE id = $1", row_id)  # noqa: S608 - ours
    return found


async def _make_room(connection: Connection, deletion: Deletion, name: str) -> None:
    """Remove the deletions, where the query inserts one: there may be only one of a package or file."""
    if name.startswith(("insert_", "accept_")):
        await connection.execute("DELETE FROM deletion WHERE package_id = $1", deletion.package_id)


@pytest.mark.parametrize("name", _OF_DELETIONS)
async def test_a_deletion_moves_only_from_the_states_of_the_table(filled: Context, name: str) -> None:
    deletion = await delete(filled, await publish(filled))
    target, values = _OF_DELETIONS[name]
    sources = _sources_of(DELETION_MOVES, target) & _NARROWER.get(name, set(DELETION_MOVES))

    for state in DELETION_MOVES:
        async with filled.database.transaction() as connection:
            await connection.execute(
                "UPDATE deletion SET state = $2, claim = $3, lease_until = $4, finished_at = $5 WHERE id = $1",
                deletion.id,
                state,
                _CLAIM if state in CLAIMED else None,
                deletion.requested_at if state in CLAIMED else None,
                deletion.requested_at if state in ENDED else None,
            )
            found = await _moved(connection, "deletion", deletion.id, name, values(deletion))
        assert found == (target if state in sources else state)


@pytest.mark.parametrize("name", _OF_PACKAGES)
async def test_a_package_moves_only_from_the_statuses_of_the_table(filled: Context, name: str) -> None:
    deletion = await delete(filled, await publish(filled))
    target, values = _OF_PACKAGES[name]
    sources = _sources_of(PACKAGE_MOVES, target) & _NARROWER.get(name, set(PACKAGE_MOVES))

    for status in PACKAGE_MOVES:
        async with filled.database.transaction() as connection:
            await connection.execute("UPDATE package SET status = $2 WHERE id = $1", deletion.package_id, status)
            await _make_room(connection, deletion, name)
            found = await _moved(connection, "package", deletion.package_id, name, values(deletion))
        assert found == (target if status in sources else status)


@pytest.mark.parametrize("name", _OF_FILES)
async def test_a_file_moves_only_from_the_statuses_of_the_table(filled: Context, name: str) -> None:
    package_id = await publish(filled)
    async with filled.database.connection() as connection:
        file_id = await connection.fetchval("SELECT id FROM package_file WHERE package_id = $1", package_id)
    deletion = await delete_file(filled, package_id, file_id)
    target, values = _OF_FILES[name]
    sources = _sources_of(FILE_MOVES, target) & _NARROWER.get(name, set(FILE_MOVES))

    for status in FILE_MOVES:
        async with filled.database.transaction() as connection:
            await connection.execute("UPDATE package_file SET status = $2 WHERE id = $1", file_id, status)
            await _make_room(connection, deletion, name)
            found = await _moved(connection, "package_file", file_id, name, values(deletion))
        assert found == (target if status in sources else status)


async def test_the_rules_of_the_database_name_the_same_sets(filled: Context) -> None:
    checks = await query(
        filled,
        "SELECT pg_get_constraintdef(oid) AS rule FROM pg_constraint"
        " WHERE conrelid = 'deletion'::regclass AND contype = 'c' AND conname LIKE 'deletion_check%'",
    )
    indexes = await query(
        filled,
        "SELECT pg_get_expr(indpred, indrelid) AS rule FROM pg_index"
        " WHERE indrelid = ANY('{package, package_file, deletion}'::regclass[]) AND indpred IS NOT NULL",
    )

    assert _named(checks) == {CLAIMED, ENDED}
    hidden = frozenset(PACKAGE_MOVES) - DISPLAYABLE
    queued, succeeded = frozenset({DeletionState.QUEUED}), frozenset({DeletionState.SUCCEEDED})
    assert _named(indexes) == {DISPLAYABLE, INSTALLABLE, hidden, queued, CLAIMED, FAILED, succeeded}


def _named(rules: Sequence[Mapping[str, Any]]) -> set[frozenset[str]]:
    words = {*PACKAGE_MOVES, *FILE_MOVES, *DELETION_MOVES}
    found = (frozenset(re.findall(r"'(\w+)'", row["rule"])) & words for row in rules)
    return {each for each in found if each}
