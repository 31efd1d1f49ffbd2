"""Packages that are going to be deleted, each with one small object in a folder."""

import asyncio
import os
from pathlib import Path
from typing import Final
from uuid import uuid4

import asyncpg

from tests.system.benchmarks.places import DELETABLE

CONTENT: Final = b"bytes"

_RESERVED: Final = """
SELECT setval(pg_get_serial_sequence($1, 'id'), nextval(pg_get_serial_sequence($1, 'id')) + $2) - $2 AS first
"""


async def add_deletable(url: str, objects: Path, count: int, *, prefix: str) -> range:
    """Add packages `<prefix>-<number>` of one file, with their objects; return their ids."""
    keys = await asyncio.to_thread(write_objects, objects, count)
    connection = await asyncpg.connect(url)
    try:
        packages, files = [await connection.fetchval(_RESERVED, table, count) for table in ("package", "package_file")]
        columns: tuple[str, ...] = ("id", "project_id", "package_type", "name", "version")
        rows = ((packages + number, DELETABLE, "generic", f"{prefix}-{number}", "1.0") for number in range(count))
        await connection.copy_records_to_table("package", records=rows, columns=columns)
        columns = ("id", "package_id", "file_name", "size", "sha256", "storage_key")
        files_of = (
            (files + number, packages + number, "app.bin", len(CONTENT), bytes(32), key)
            for number, key in enumerate(keys)
        )
        await connection.copy_records_to_table("package_file", records=files_of, columns=columns)
        await connection.execute("ANALYZE package, package_file")
    finally:
        await connection.close()
    return range(packages, packages + count)


def write_objects(folder: Path, count: int) -> list[str]:
    """Write so many small objects under new keys; return the keys."""
    keys = [f"projects/{DELETABLE}/{name[-2:]}/{name}" for name in (uuid4().hex for _ in range(count))]
    for parent in {os.path.dirname(key) for key in keys}:  # noqa: PTH120 - of text, many times
        (folder / parent).mkdir(parents=True, exist_ok=True)
    for key in keys:
        (folder / key).write_bytes(CONTENT)
    return keys


def objects_left(folder: Path) -> int:
    """Return how many objects of packages there are."""
    # os.walk passes over folders that go away at that time.
    return sum(len(files) for _, _, files in os.walk(folder / "projects"))
