"""The memory of a check does not grow with the number of objects."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from service.context import Context
from tests.support.catalogue import fill_directory, query
from tests.support.paths import ROOT
from tests.support.yard import environment_of

_FEW: Final = 2_000
_MANY: Final = 200_000
_MOST_GROWTH: Final = 24 * 1024 * 1024
_PROGRAM: Final = """
import resource, sys
from workers.cli import main
try:
    main(["check", "--json"])
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, file=sys.stderr)
"""


def _key(number: int) -> str:
    return f"projects/100/{number % 256:02x}/{number:032x}"


async def _bring_in(context: Context, objects: Path, first: int, last: int) -> None:
    """Make files and their objects of one byte, from number *first* up to *last*."""

    def write() -> None:
        for folder in range(256):
            (objects / f"projects/100/{folder:02x}").mkdir(parents=True, exist_ok=True)
        for number in range(first, last):
            os.close(os.open(objects / _key(number), os.O_WRONLY | os.O_CREAT))

    await asyncio.to_thread(write)
    await query(
        context,
        "INSERT INTO package_file (package_id, file_name, size, sha256, storage_key)"
        " SELECT (SELECT max(id) FROM package), n::text, 0, sha256(''),"
        "        'projects/100/' || lpad(to_hex(n % 256), 2, '0') || '/' || lpad(to_hex(n), 32, '0')"
        " FROM generate_series($1::integer, $2::integer) n",
        first,
        last - 1,
    )


async def _check(context: Context) -> tuple[dict[str, Any], int]:
    """Check in a process of its own; return the last line, and the most memory that it had in bytes."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _PROGRAM,
        env={**environment_of(context.settings), "PATH": os.defpath, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return json.loads(out.splitlines()[-1]), int(err.splitlines()[-1])


@pytest.mark.timeout(300)
async def test_the_memory_of_a_check_does_not_grow_with_the_objects(context: Context, objects: Path) -> None:
    await fill_directory(context)
    await query(context, "INSERT INTO package (project_id, package_type, name) VALUES (100, 'generic', 'app')")
    await _bring_in(context, objects, 0, _FEW)
    told, before = await _check(context)
    assert (told["figures"]["objects"], told["clean"]) == (_FEW, True)

    await _bring_in(context, objects, _FEW, _MANY)
    told, after = await _check(context)

    assert (told["figures"]["objects"], told["figures"]["files"], told["clean"]) == (_MANY, _MANY, True)
    print(f"{_FEW} objects: {before:,} bytes; {_MANY} objects: {after:,} bytes")  # noqa: T201 - what was measured
    assert after - before < _MOST_GROWTH
