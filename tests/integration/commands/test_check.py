"""`packyard check` as a command: what it prints, and how it ends."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from schemas.checks import Figures
from service.context import Context
from service.storage_check.findings import QUARANTINE
from tests.support.buckets import new_prefix
from tests.support.catalogue import fill_directory, objects_in, publish, query
from tests.support.checks import put
from tests.support.commands import Commands
from tests.support.seaweed import ADMIN
from tests.support.servers import Servers


async def _check(context: Context, *arguments: str, **settings: str) -> tuple[int, str, str]:
    """Check, with every object without a file orphaned; return the status, the output and the errors."""
    ended = await Commands(context.settings).run(
        "check", *arguments, changed={"PACKYARD_ORPHAN_AGE": "1ms", **settings}
    )
    return ended.status, ended.out, ended.err


def _lines(output: str) -> list[Mapping[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


async def test_a_clean_yard_is_one_line_and_status_0(context: Context) -> None:
    await fill_directory(context)
    await publish(context, content=b"12345")

    assert await _check(context) == (0, "clean: 1 objects, 5 bytes, 1 files\n", "")


async def test_findings_are_a_table_and_status_3(context: Context) -> None:
    await fill_directory(context)
    await publish(context, name="lost")
    (key,) = [row["storage_key"] for row in await query(context, "SELECT storage_key FROM package_file")]
    assert not await context.store.delete([key])
    orphan = await put(context)

    status, output, _ = await _check(context)

    assert status == 3
    assert any("missing" in line and "generic lost 1.0" in line for line in output.splitlines())
    assert any("orphaned" in line and orphan in line for line in output.splitlines())
    assert output.splitlines()[-1] == "not clean: 1 objects, 5 bytes, 1 files, 1 missing, 1 orphaned, 5 orphaned bytes"


async def test_json_is_a_line_for_each_finding_and_one_for_the_figures(context: Context) -> None:
    await fill_directory(context)
    await publish(context)
    orphan = await put(context, b"1234567")

    status, output, _ = await _check(context, "--json", "--verify")

    assert status == 3
    finding, summary = _lines(output)
    assert (finding["kind"], finding["key"], finding["size"], finding["outcome"]) == ("orphaned", orphan, 7, "left")
    assert (summary["clean"], summary["ended"]) == (False, True)
    assert Figures.model_validate(summary["figures"]) == Figures(
        objects=2, bytes=12, files=1, verified=1, orphaned=1, orphaned_bytes=7
    )


async def test_a_repair_ends_with_status_0_when_nothing_is_left(context: Context, tmp_path: Path) -> None:
    orphan = await put(context)

    status, output, _ = await _check(context, "--repair", "--json")

    assert status == 0
    assert [line.get("outcome") for line in _lines(output)] == ["quarantined", None]
    assert objects_in(tmp_path / "objects") == {QUARANTINE + orphan}
    status, output, _ = await _check(context, "--repair", PACKYARD_QUARANTINE_RETENTION="1ms")
    assert (status, output) == (0, "clean: 0 objects, 0 bytes, 0 files, 1 removed, 5 removed bytes\n")
    assert objects_in(tmp_path / "objects") == set()


async def test_names_that_are_no_text_are_told(context: Context, tmp_path: Path) -> None:
    folder = tmp_path / "objects" / "projects"
    folder.mkdir()
    (folder / os.fsdecode(b"\xff\x1b[2J")).write_bytes(b"x")

    status, output, _ = await _check(context)
    assert (status, "foreign" in output, "\x1b" in output) == (3, True, False)
    status, output, _ = await _check(context, "--json", "--repair")
    assert (status, _lines(output)[0]["kind"]) == (3, "foreign")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--force"], "--force is only for --repair"),
        (["--anew"], "--anew is only for --verify"),
    ],
)
async def test_options_that_make_no_sense_alone_are_refused(
    context: Context, arguments: list[str], complaint: str
) -> None:
    status, _, errors = await _check(context, *arguments)

    assert (status, complaint in errors) == (2, True)


async def test_a_check_that_cannot_be_made_is_one_line_and_status_1(context: Context) -> None:
    status, output, errors = await _check(context, PACKYARD_STORAGE_URL="s3://nowhere/yard", AWS_REGION="x")

    assert (status, output) == (1, "")
    assert errors.startswith("packyard: PACKYARD_STORAGE_URL: ")
    assert len(errors.splitlines()) == 1


async def test_a_bucket_is_checked_alike(context: Context, servers: Servers) -> None:
    settings = {
        "PACKYARD_STORAGE_URL": new_prefix(),
        "PACKYARD_STORAGE_ENDPOINT": servers.s3_endpoint,
        "AWS_ACCESS_KEY_ID": ADMIN,
        "AWS_SECRET_ACCESS_KEY": servers.s3_secret,
    }

    status, output, errors = await _check(context, "--verify", "--repair", **settings)

    assert (status, output, errors) == (0, "clean: 0 objects, 0 bytes, 0 files\n", "")
