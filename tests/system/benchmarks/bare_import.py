"""The least that an import needs: lines are read, checksums are computed, objects are written, and rows go in by COPY.

`python -m tests.system.benchmarks.bare_import DATABASE_URL FOLDER FILE` makes tables of its own, and checks nothing.
"""

import hashlib
import itertools
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import asyncpg

from service import event_loop

_TABLES: Final = """
DROP SCHEMA IF EXISTS bare_import CASCADE;
CREATE SCHEMA bare_import;
CREATE TABLE bare_import.package (LIKE public.package INCLUDING ALL);
CREATE TABLE bare_import.package_file (LIKE public.package_file INCLUDING ALL);
"""
_BATCH: Final = 5_000
_PACKAGE: Final = ("id", "project_id", "package_type", "name", "version")
_FILE: Final = ("package_id", "file_name", "size", "md5", "sha1", "sha256", "storage_key")


async def bring_in(database_url: str, folder: Path, file: Path) -> None:
    """Bring in the packages of *file*."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(_TABLES)
        with file.open(encoding="utf-8") as lines:
            for batch in _batches(enumerate(map(json.loads, lines), start=1)):
                await _write(connection, folder, batch)
    finally:
        await connection.close()


def _batches(lines: Iterable[tuple[int, Any]]) -> Iterator[Sequence[tuple[int, Any]]]:
    remaining = iter(lines)
    while batch := list(itertools.islice(remaining, _BATCH)):
        yield batch


async def _write(
    connection: "asyncpg.Connection[asyncpg.Record]", folder: Path, batch: Sequence[tuple[int, Mapping[str, Any]]]
) -> None:
    files = [_stored(folder, number, file) for number, line in batch for file in line.get("files", ())]
    rows: Any = ((number, 101, line["package_type"], line["name"], line["version"]) for number, line in batch)
    async with connection.transaction():
        await connection.copy_records_to_table("package", schema_name="bare_import", records=rows, columns=_PACKAGE)
        await connection.copy_records_to_table("package_file", schema_name="bare_import", records=files, columns=_FILE)


def _stored(folder: Path, package_id: int, file: Mapping[str, str]) -> tuple[object, ...]:
    content, name = file["content"].encode(), uuid4().hex
    path = folder / name[-2:] / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    digests = (hashlib.new(kind, content, usedforsecurity=False).digest() for kind in ("md5", "sha1", "sha256"))
    return package_id, file["file_name"], len(content), *digests, name


if __name__ == "__main__":
    event_loop.run(bring_in(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
