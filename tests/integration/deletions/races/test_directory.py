"""Directory files that come into force while something is deleted: they stop what has not begun, and undo nothing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from service.context import Context
from service.deletions.deletion import Deletion
from service.deletions.outcome import AttemptOutcome
from service.directory_file.applying import apply_directory, read_directory
from service.directory_file.rows import Counts
from tests.support.catalogue import delete, file_statuses, objects_in, query, status_of
from tests.support.races import (
    EITHER_END,
    OK,
    UseCase,
    answer_of,
    begun_waiting,
    deleting,
    deleting_many,
    held_open,
    restoring,
    wake,
)
from tests.support.stepwise import Worker, try_claim

_RULE: Final = "{package_name_pattern: app, package_type: generic, minimum_access_level_for_delete: owner}"
_PROTECTION: Final = f"protection_rules: [{_RULE}]"
_HOLD: Final = "deletion_hold: an audit"
_EITHER_WAY: Final = pytest.mark.parametrize("says", [_PROTECTION, _HOLD], ids=["protection", "hold"])


class _Files:
    """Directory files about the project that everything is in."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "directory.yaml"

    def applying(self, says: str) -> UseCase[Mapping[str, Counts]]:
        self._path.write_text(f"projects: [{{path: acme/open, {says}}}]\n", encoding="utf-8")
        directory = read_directory(self._path)
        return lambda context: apply_directory(context.database, directory)


@pytest.fixture
def files(tmp_path: Path) -> _Files:
    return _Files(tmp_path)


# A DELETE


@_EITHER_WAY
@EITHER_END
async def test_what_is_accepted_while_a_file_is_applied_is_judged_by_it_before_anything_goes(
    filled: Context, package_id: int, files: _Files, says: str, *, commits: bool
) -> None:
    async with held_open(filled, files.applying(says)) as applying:
        deletion = await delete(filled, package_id)
        await applying.end(commits=commits)

    assert await try_claim(filled, deletion) is not commits
    stopped = "error" if says is _PROTECTION else "processing"
    assert await status_of(filled, package_id) == (stopped if commits else "pending_destruction")


@_EITHER_WAY
@EITHER_END
async def test_a_file_is_applied_while_a_delete_is_accepted_and_stops_it(
    filled: Context, package_id: int, objects: Path, files: _Files, says: str, *, commits: bool
) -> None:
    async with held_open(filled, deleting(package_id)) as single:
        await files.applying(says)(filled)
        deletion = await single.end(commits=commits)

    assert await answer_of(deleting(package_id)(filled)) == (404 if commits else 403)
    assert deletion is None or not await try_claim(filled, deletion)
    assert len(objects_in(objects)) == 2


@_EITHER_WAY
@EITHER_END
async def test_a_file_is_applied_while_a_bulk_delete_is_accepted_and_stops_all_of_it(
    filled: Context, package_id: int, other_id: int, objects: Path, files: _Files, says: str, *, commits: bool
) -> None:
    async with held_open(filled, deleting_many((package_id, other_id))) as bulk:
        await files.applying(says)(filled)
        plan = await bulk.end(commits=commits)

    if plan is not None:
        assert await Worker().claim(filled, *plan.deletion_ids.values()) == set()
    assert (await deleting_many((package_id, other_id))(filled)).refused.keys() == {package_id, other_id}
    assert len(objects_in(objects)) == 4


async def test_what_a_rule_stopped_after_its_acceptance_comes_back_whole(
    filled: Context, package_id: int, files: _Files
) -> None:
    async with held_open(filled, files.applying(_PROTECTION)) as applying:
        deletion = await delete(filled, package_id)
        await applying.end(commits=True)
    assert not await try_claim(filled, deletion)

    assert await answer_of(restoring(deletion)(filled)) == OK

    assert await status_of(filled, package_id) == "default"
    assert await file_statuses(filled, package_id) == ["default", "default"]


# A worker


@_EITHER_WAY
@EITHER_END
async def test_a_file_that_is_applied_stops_the_claims_that_come_after_its_commit(
    filled: Context, deletion: Deletion, other_id: int, files: _Files, says: str, *, commits: bool
) -> None:
    early = await delete(filled, other_id)

    async with held_open(filled, files.applying(says)) as applying:
        assert await try_claim(filled, early)
        await applying.end(commits=commits)

    assert await try_claim(filled, deletion) is not commits


@EITHER_END
async def test_a_file_with_a_hold_stops_the_chunks_that_begin_after_its_commit(
    filled: Context, deletion: Deletion, objects: Path, files: _Files, *, commits: bool
) -> None:
    worker = Worker()
    await worker.claim(filled, deletion.id)

    async with held_open(filled, files.applying(_HOLD)) as applying:
        await worker.prepare_chunk(filled, limit=1)
        await applying.end(commits=commits)

    assert await worker.record(filled) == ({deletion.id: AttemptOutcome.ON_HOLD} if commits else {})
    await worker.prepare_chunk(filled)
    assert len(objects_in(objects)) == (1 if commits else 0)


@EITHER_END
async def test_the_scheduler_waits_for_a_file_that_lifts_a_hold(
    filled: Context, deletion: Deletion, files: _Files, *, commits: bool
) -> None:
    await files.applying(_HOLD)(filled)
    await query(filled, "UPDATE deletion SET wake_at = now()")

    async with held_open(filled, files.applying("deletion_hold: null")) as applying:
        waking = await begun_waiting(filled, wake)
        await applying.end(commits=commits)
        await waking

    (row,) = await query(filled, "SELECT held FROM deletion WHERE id = $1", deletion.id)
    assert row["held"] is not commits
