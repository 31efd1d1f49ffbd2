"""Checks that meet uploads and deletions: what is on its way is no finding, and what may still be needed stays."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from schemas.checks import Figures
from service.context import Context
from service.importing.imports import BatchReport, import_packages
from service.importing.lines import Line
from service.importing.local_files import Folder
from service.infra.storage.interface import ObjectInfo, StoredObject
from service.refusals import ConflictError
from service.storage_check.comparison import Piece
from service.storage_check.findings import Judge, Tally
from service.storage_check.quarantine import Quarantine
from service.storage_check.rows import FileObject
from tests.support.catalogue import delete, objects_in, publish, query
from tests.support.checks import AT_ONCE, DAY, check, key_of, put, quarantined, told
from tests.support.races import EITHER_END, about_to_end, begun_waiting, held_open, publishing
from tests.support.stepwise import Worker
from tests.support.stores import StoreWithPause


async def _judged(context: Context, piece: Piece) -> tuple[list[str], Figures]:
    """Judge again what a comparison noticed some time ago."""
    tally = Tally()
    judge = Judge(context.database, context.store, tally, orphan_age=AT_ONCE)
    return [finding.kind.value for finding in await judge.findings(piece)], tally.figures()


async def _seen(context: Context, key: str) -> ObjectInfo:
    found = await context.store.head(key)
    assert found is not None
    return found


async def _taking(context: Context, key: str) -> dict[str, str | None]:
    return await Quarantine(context.database, context.store).take({key: 5})


# Uploads


async def test_an_upload_that_committed_after_its_object_was_seen_is_no_finding(filled: Context) -> None:
    key = await key_of(filled, await publish(filled))

    assert await _judged(filled, Piece(without_file=[await _seen(filled, key)])) == ([], Figures())


async def test_an_upload_whose_object_came_after_the_listing_is_no_finding(filled: Context) -> None:
    key = await key_of(filled, await publish(filled))

    assert await _judged(filled, Piece(without_object=[FileObject(key, 5)])) == ([], Figures())


@EITHER_END
async def test_a_repair_waits_for_an_upload_that_is_about_to_commit(
    filled: Context, objects: Path, *, commits: bool
) -> None:
    before = objects_in(objects)
    async with held_open(filled, publishing()) as upload:
        (key,) = objects_in(objects) - before
        repair = await begun_waiting(filled, lambda context: _taking(context, key))
        await upload.end(commits=commits)

        assert await repair == ({} if commits else {key: None})
    # An upload that fails removes its object, unless it was taken aside before.
    assert await quarantined(filled) <= (set() if commits else {key})
    assert await told(filled, verify=True) == []


async def test_a_check_in_the_middle_of_an_upload_finds_nothing(filled: Context) -> None:
    async with held_open(filled, publishing()) as upload:
        findings, figures = await check(filled, orphan_age=DAY, repair=True, verify=True)
        assert (findings, figures.recent) == ([], 1)
        await upload.end(commits=True)
    assert await told(filled, verify=True) == []


async def test_an_upload_that_took_too_long_is_refused_and_leaves_nothing(filled: Context, objects: Path) -> None:
    # Its object is there, and taken for orphaned, before its transaction begins.
    async def repair(stored: StoredObject) -> None:
        assert await told(filled, repair=True) == [("orphaned", stored.key, "quarantined")]

    slow = replace(filled, store=StoreWithPause(filled.store, repair))
    with pytest.raises(ConflictError):
        await publish(slow)

    assert await query(filled, "SELECT id FROM package_file") == []
    assert await query(filled, "SELECT id FROM package") == []
    assert len(await quarantined(filled)) == 1
    await told(filled, repair=True, retention=AT_ONCE)
    assert objects_in(objects) == set()


@EITHER_END
async def test_a_repair_waits_for_an_import_that_is_about_to_commit(
    filled: Context, objects: Path, *, commits: bool
) -> None:
    line = {
        "project": "acme/open",
        "package_type": "npm",
        "name": "app",
        "version": "1",
        "files": [{"file_name": "a", "content": "bytes"}],
    }

    async def lines() -> AsyncIterator[Line]:
        yield Line(1, json.dumps(line).encode(), 0)

    async def importing(context: Context) -> list[BatchReport]:
        reports = import_packages(context.database, context.store, lines=lines(), folder=Folder(objects))
        async with aclosing(reports):
            return [report async for report in reports]

    async with held_open(filled, importing) as batch:
        (key,) = objects_in(objects)
        repair = await begun_waiting(filled, lambda context: _taking(context, key))
        await batch.end(commits=commits)

        assert await repair == ({} if commits else {key: None})
    assert await told(filled, verify=True) == []


# Deletions


async def test_a_deletion_between_its_object_and_its_row_is_no_finding(filled: Context) -> None:
    package_id = await publish(filled, files=["a", "b", "c"])
    worker = Worker()
    await worker.claim(filled, (await delete(filled, package_id)).id)
    await worker.prepare_chunk(filled, limit=2)

    findings, figures = await check(filled, repair=True, verify=True)
    assert (findings, figures.going, figures.is_clean) == ([], 2, True)

    # Nor when the worker dies, and another goes on later.
    await worker.fail(filled)
    findings, figures = await check(filled)
    assert (findings, figures.going) == ([], 2)


async def test_a_deletion_that_ended_between_listing_and_rows_is_no_finding(filled: Context) -> None:
    package_id = await publish(filled)
    key = await key_of(filled, package_id)
    seen = await _seen(filled, key)
    worker = await about_to_end(filled, await delete(filled, package_id))
    await worker.record(filled)

    assert await _judged(filled, Piece(without_file=[seen])) == ([], Figures())
    assert await _judged(filled, Piece(without_object=[FileObject(key, 5)])) == ([], Figures())
    assert await _judged(filled, Piece(of_other_size=[seen])) == ([], Figures())


async def test_a_deletion_that_is_only_accepted_does_not_explain_a_missing_object(filled: Context) -> None:
    package_id = await publish(filled)
    key = await key_of(filled, package_id)
    await delete(filled, package_id)
    assert not await filled.store.delete([key])

    assert await told(filled) == [("missing", key, "left")]


# All of it


async def test_checks_that_repair_while_packages_come_and_go_touch_nothing_that_is_needed(filled: Context) -> None:
    ended = asyncio.Event()
    outcomes: list[str] = []

    async def come_and_go(number: int) -> None:
        for turn in range(15):
            package_id = await publish(filled, name=f"app-{number}", version=str(turn), files=["a", "b"])
            if turn % 3:
                worker = await about_to_end(filled, await delete(filled, package_id))
                await worker.record(filled)

    async def keep_checking() -> None:
        while not ended.is_set():
            findings, _ = await check(filled, orphan_age=DAY, repair=True)
            outcomes.extend(finding.kind for finding in findings)

    checking = asyncio.create_task(keep_checking())
    orphan = await put(filled)
    async with asyncio.TaskGroup() as group:
        for number in range(6):
            group.create_task(come_and_go(number))
    ended.set()
    await checking

    assert outcomes == []
    assert await told(filled, verify=True) == [("orphaned", orphan, "left")]
    (row,) = await query(filled, "SELECT count(*) AS files FROM package_file")
    assert row["files"] == 6 * 5 * 2
