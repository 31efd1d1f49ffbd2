"""Storage and database held against each other: every kind of finding, on a disk and on S3."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from schemas.checks import Figures, FindingKind
from service.context import Context, open_context
from service.errors import StartError, StorageUnavailableError
from service.infra.postgres.sessions.advisory_locks import ProcessLock
from service.settings import Settings
from service.storage_check.findings import QUARANTINE
from tests.support.buckets import new_prefix, sign_in_as_admin
from tests.support.catalogue import fill_directory, publish, query
from tests.support.checks import DAY, check, key_of, objects, put, quarantined, replace_object, told
from tests.support.servers import Servers
from tests.support.stores import CountingStore

_HOUR: Final = timedelta(hours=1)


@pytest.fixture(params=["folder", "s3"])
async def yard(
    request: pytest.FixtureRequest, settings: Settings, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Context]:
    """A yard with its directory, whose objects are in a folder or in a bucket."""
    if request.param == "s3":
        sign_in_as_admin(monkeypatch, servers)
        storage = {"storage_url": new_prefix(), "storage_endpoint": servers.s3_endpoint}
        settings = Settings.model_validate(settings.model_dump() | storage)
    async with open_context(settings) as context:
        await fill_directory(context)
        yield context


async def test_a_yard_in_order_is_clean(yard: Context) -> None:
    for number in range(3):
        await publish(yard, name=f"app-{number}", files=["a", "b"], content=b"12345")

    findings, figures = await check(yard, verify=True)

    assert findings == []
    assert figures == Figures(objects=6, bytes=30, files=6, verified=6)
    assert figures.is_clean


async def test_an_empty_yard_is_clean(yard: Context) -> None:
    assert await check(yard, verify=True, repair=True) == ([], Figures())


async def test_an_object_without_a_file_may_be_of_an_upload_until_it_is_old(yard: Context) -> None:
    key = await put(yard, b"1234567")

    findings, figures = await check(yard, orphan_age=_HOUR, repair=True)
    assert (findings, figures.recent, figures.is_clean) == ([], 1, True)
    assert key in await objects(yard)

    (finding,), figures = await check(yard)
    assert (finding.kind, finding.key, finding.size) == (FindingKind.ORPHANED, key, 7)
    assert (figures.orphaned, figures.orphaned_bytes, figures.recent, figures.is_clean) == (1, 7, 0, False)


async def test_an_orphaned_object_is_taken_aside_and_after_a_while_removed(yard: Context) -> None:
    package_id = await publish(yard)
    live, orphan = await key_of(yard, package_id), await put(yard, b"1234567")

    (finding,), figures = await check(yard, repair=True)
    assert (finding.key, finding.outcome) == (orphan, "quarantined")
    assert (figures.quarantined, figures.orphaned, figures.in_quarantine, figures.is_clean) == (1, 0, 1, True)
    assert await objects(yard) == {live: 5, QUARANTINE + orphan: 7}

    # Not before its time, and by a repair only.
    assert await told(yard, repair=True) == []
    assert await told(yard, retention=timedelta(0)) == []
    assert await quarantined(yard) == {orphan}

    findings, figures = await check(yard, repair=True, retention=timedelta(0))
    assert (findings, figures.removed, figures.removed_bytes, figures.in_quarantine) == ([], 1, 7, 0)
    assert await objects(yard) == {live: 5}
    assert await query(yard, "SELECT * FROM quarantined_object") == []


async def test_a_file_without_its_object_is_missing_and_a_repair_cannot_help(yard: Context) -> None:
    package_id = await publish(yard, name="lost")
    await publish(yard)
    key = await key_of(yard, package_id)
    assert not await yard.store.delete([key])

    (finding,), figures = await check(yard, repair=True)

    assert (finding.kind, finding.key, finding.outcome) == (FindingKind.MISSING, key, "left")
    assert finding.file is not None
    assert (finding.file.package, finding.file.file_name, finding.file.status) == ("lost 1.0", "app.bin", "default")
    assert (figures.missing, figures.files, figures.objects, figures.is_clean) == (1, 2, 1, False)


async def test_an_object_of_another_size_is_told(yard: Context) -> None:
    key = await key_of(yard, await publish(yard, content=b"12345"))
    await replace_object(yard, key, b"123")

    (finding,), figures = await check(yard, repair=True)

    assert (finding.kind, finding.key) == (FindingKind.WRONG_SIZE, key)
    assert finding.detail == "has 3 bytes, should have 5"
    assert (figures.wrong_size, figures.is_clean) == (1, False)


async def test_an_object_of_another_checksum_is_found_by_verifying_and_stays_told(yard: Context) -> None:
    key = await key_of(yard, await publish(yard, content=b"12345"))
    await publish(yard, name="whole")
    await replace_object(yard, key, b"12346")
    assert await told(yard) == []

    (finding,), figures = await check(yard, verify=True)
    assert (finding.kind, finding.key) == (FindingKind.DAMAGED, key)
    assert "has the SHA-256 " in finding.detail
    assert (figures.damaged, figures.verified) == (1, 2)

    # Until it is verified again, and right.
    assert await told(yard) == [("damaged", key, "left")]
    await replace_object(yard, key, b"12345")
    assert await told(yard, verify=True) == []
    assert await told(yard) == []


async def test_an_object_that_cannot_be_read_is_damaged_and_holds_up_no_others(yard: Context) -> None:
    key = await key_of(yard, await publish(yard))
    await publish(yard, name="whole")
    store = CountingStore(yard.store)
    store.broken.add(key)

    (finding,), figures = await check(replace(yard, store=store), verify=True)

    assert (finding.kind, finding.key, finding.detail) == ("damaged", key, "cannot be read: input/output error")
    assert (figures.verified, figures.damaged) == (2, 1)
    assert await told(yard, verify=True) == []


async def test_what_is_missed_is_put_back_from_quarantine(yard: Context) -> None:
    # As after a return to an older state of the database, and then to a newer one again.
    key = await key_of(yard, await publish(yard, content=b"12345"))
    await yard.store.move(key, QUARANTINE + key)
    await query(yard, "INSERT INTO quarantined_object (storage_key, size, moved_at) VALUES ($1, 5, '2020-01-01')", key)

    assert await told(yard) == [("misplaced", key, "left")]
    assert await told(yard, repair=True, retention=timedelta(0)) == [("misplaced", key, "put_back")]

    assert await objects(yard) == {key: 5}
    assert await told(yard, verify=True) == []


async def test_what_lies_in_quarantine_unknown_stays_as_long_as_what_was_just_taken(yard: Context) -> None:
    key = await put(yard)
    await yard.store.move(key, QUARANTINE + key)

    assert await told(yard, repair=True, retention=timedelta(0)) == []
    assert await quarantined(yard) == {key}
    assert await told(yard, repair=True, retention=DAY) == []
    assert await quarantined(yard) == {key}

    await told(yard, repair=True, retention=timedelta(0))
    assert await quarantined(yard) == set()


@pytest.mark.parametrize("name", ["projects/100/aa/strange", "projects/readme.txt", "projects/100/.nfs0001"])
async def test_what_has_no_key_of_ours_is_told_and_never_touched(yard: Context, name: str) -> None:
    await put(yard, key=name)
    await put(yard, key="elsewhere/projects/1/aa/strange")

    assert await told(yard, repair=True) == [("foreign", name, "left")]

    assert set(await objects(yard)) == {name, "elsewhere/projects/1/aa/strange"}


async def test_everything_at_once_is_told_in_the_order_of_keys(yard: Context) -> None:
    keys = [await key_of(yard, await publish(yard, name=f"app-{number}", content=b"12345")) for number in range(9)]
    for key in keys[:3]:
        assert not await yard.store.delete([key])
    for key in keys[3:6]:
        await replace_object(yard, key, b"1")
    orphans = [await put(yard) for _ in range(3)]

    expected = [("missing", key, "left") for key in keys[:3]]
    expected += [("wrong_size", key, "left") for key in keys[3:6]]
    expected += [("orphaned", key, "left") for key in orphans]
    assert await told(yard) == sorted(expected, key=lambda finding: finding[1])


@pytest.mark.parametrize("is_moved", [False, True])
async def test_a_repair_that_was_killed_is_finished_by_the_next(yard: Context, *, is_moved: bool) -> None:
    key = await put(yard)
    await query(yard, "INSERT INTO quarantined_object (storage_key, size) VALUES ($1, 5)", key)
    if is_moved:
        await yard.store.move(key, QUARANTINE + key)

    assert await told(yard, repair=True) == []

    assert await quarantined(yard) == {key}
    (row,) = await query(yard, "SELECT moved_at FROM quarantined_object")
    assert row["moved_at"] is not None


async def test_two_repairs_never_run_at_once(yard: Context) -> None:
    async with yard.database.lock(ProcessLock.CHECK) as lock:
        assert await lock.acquire()
        with pytest.raises(StartError, match=r"another check .* is under way: session \d+ of packyard\.check at 127"):
            await check(yard, repair=True)
        assert await told(yard) == []


async def test_figures_of_projects_are_checked_and_mended(yard: Context) -> None:
    await publish(yard, content=b"12345")
    await query(yard, "UPDATE package_statistic_change SET logical_bytes = 4 WHERE logical_bytes = 5")

    (finding,), figures = await check(yard)
    assert (finding.kind, finding.project_id) == (FindingKind.MISCOUNTED, 100)
    assert finding.detail == "generic: logical_bytes 4 instead of 5"
    assert (figures.miscounted, figures.is_clean) == (1, False)

    (finding,), figures = await check(yard, repair=True)
    assert (finding.outcome, figures.mended, figures.miscounted, figures.is_clean) == ("mended", 1, 0, True)
    assert await told(yard) == []


async def test_verifying_goes_on_where_it_was_stopped(yard: Context) -> None:
    for start in range(0, 450, 50):
        await publish(yard, name=f"app-{start}", files=[str(number) for number in range(50)])
    (first,) = await query(yard, "SELECT min(storage_key) AS key FROM package_file")
    await replace_object(yard, first["key"], b"other")
    counting = CountingStore(yard.store, fail_after=250)
    stopped = replace(yard, store=counting)

    with pytest.raises(StorageUnavailableError):
        await check(stopped, verify=True)
    counting.fail_after = None
    counting.gets.clear()
    findings, figures = await check(stopped, verify=True)

    # The page that was under way is read once more; earlier findings are still reported.
    assert 200 <= figures.verified < 450
    assert first["key"] not in counting.gets
    assert len(counting.gets) == figures.verified
    assert [finding.key for finding in findings] == [first["key"]]

    _, figures = await check(yard, verify=True)
    assert figures.verified == 450


async def test_a_repair_that_looks_like_one_of_another_yard_is_refused(filled: Context, objects: Path) -> None:
    for number in range(1_001):
        path = objects / f"projects/100/{number % 256:02x}/{number:032x}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    await publish(filled)

    with pytest.raises(StartError, match="1001 of 1002 objects have no file: is this the database of these objects"):
        await check(filled, repair=True)
    assert await quarantined(filled) == set()

    _, figures = await check(filled, repair=True, force=True)
    assert figures.quarantined == 1_001
    assert await told(filled) == []


async def test_a_volume_that_is_not_mounted_makes_nothing_missing(filled: Context, objects: Path) -> None:
    await publish(filled)
    away = objects.with_name("away")
    objects.rename(away)
    objects.mkdir()

    with pytest.raises(StorageUnavailableError, match="is the volume mounted"):
        await check(filled, repair=True)

    objects.rmdir()
    away.rename(objects)
    assert await told(filled) == []


async def test_an_object_that_cannot_be_moved_is_told_and_left(filled: Context, objects: Path) -> None:
    key = await put(filled)
    (objects / "quarantine").write_bytes(b"a file in the way")

    (finding,), figures = await check(filled, repair=True)

    assert (finding.outcome, figures.failed, figures.is_clean) == ("failed", 1, False)
    assert finding.reason
    assert (objects / key).exists()

    (objects / "quarantine").unlink()
    assert await told(filled, repair=True) == []
    assert await quarantined(filled) == {key}
