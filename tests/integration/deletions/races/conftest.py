"""The package that races are about, and the state of everything when they are over."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from service.context import Context
from service.deletions.deletion import Deletion
from tests.support.catalogue import delete, delete_file, objects_in, publish, query
from tests.support.races import file_ids, lift
from workers.deleter.batch import carry_out


@pytest.fixture
async def package_id(filled: Context, objects: Path) -> AsyncGenerator[int]:
    """A package with two files; after the test all that was accepted is carried out, and nothing is left over."""
    yield await publish(filled, files=["a", "b"])
    await _carry_out_all(filled)
    assert await query(filled, "SELECT * FROM deletion WHERE finished_at IS NULL") == []
    files = await query(filled, "SELECT * FROM package_file")
    assert objects_in(objects) <= {file["storage_key"] for file in files}
    assert objects_in(objects) >= {file["storage_key"] for file in files if file["status"] == "default"}
    assert await query(filled, "SELECT * FROM package WHERE id NOT IN (SELECT package_id FROM package_file)") == []


@pytest.fixture
async def other_id(filled: Context, package_id: int) -> int:
    """Another package, published after the first."""
    return await publish(filled, version="2.0", files=["a", "b"])


@pytest.fixture
async def deletion(filled: Context, package_id: int) -> Deletion:
    """The accepted deletion of that package."""
    return await delete(filled, package_id)


@pytest.fixture
async def of_last_file(filled: Context, package_id: int) -> Deletion:
    """The accepted deletion of the one file that is left of that package."""
    first, last = await file_ids(filled, package_id)
    await carry_out(filled, [(await delete_file(filled, package_id, first)).id], asyncio.Event())
    return await delete_file(filled, package_id, last)


async def _carry_out_all(context: Context) -> None:
    await lift(context)
    await query(context, "UPDATE deletion SET not_before = now()")
    await query(context, "UPDATE deletion SET lease_until = now() - interval '1 second' WHERE claim IS NOT NULL")
    unfinished = await query(context, "SELECT id FROM deletion WHERE finished_at IS NULL")
    await carry_out(context, [row["id"] for row in unfinished], asyncio.Event())
