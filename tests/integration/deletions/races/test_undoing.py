"""Ending a grace and trying again, where they meet restores and claims: only one of them has its way."""

from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from service.context import Context
from service.deletions.deletion import Deletion
from tests.support.catalogue import file_statuses, objects_in, protect, query, status_of
from tests.support.races import (
    EITHER_END,
    OK,
    answer_of,
    begun_waiting,
    claiming,
    deleting,
    destroying_now,
    failed_untouched,
    held_open,
    restoring,
    retrying,
    state_of,
)
from tests.support.stepwise import try_claim, with_settings

_GRACE: Final = timedelta(hours=1)


@pytest.fixture
async def in_grace(filled: Context, deletion: Deletion) -> Deletion:
    """The deletion of that package, marked and waiting for the end of its grace."""
    assert await try_claim(with_settings(filled, grace_period=_GRACE), deletion) is False
    assert await state_of(filled, deletion) == "grace"
    return deletion


async def _commands(context: Context) -> int:
    return len(await query(context, "SELECT FROM outbox WHERE kind = 'command'"))


# The end of a grace and a restore


@EITHER_END
async def test_a_restore_waits_for_who_ends_the_grace_and_is_still_in_time(
    filled: Context, in_grace: Deletion, objects: Path, *, commits: bool
) -> None:
    async with held_open(filled, destroying_now(in_grace)) as end:
        restore = await begun_waiting(filled, restoring(in_grace))
        await end.end(commits=commits)

        assert await answer_of(restore) == OK
    assert await _commands(filled) == (2 if commits else 1)
    assert await try_claim(filled, in_grace) is False
    assert await file_statuses(filled, in_grace.package_id) == ["default", "default"]
    assert len(objects_in(objects)) == 2


@EITHER_END
async def test_who_ends_the_grace_waits_for_a_restore_and_is_refused(
    filled: Context, in_grace: Deletion, *, commits: bool
) -> None:
    async with held_open(filled, restoring(in_grace)) as restore:
        end = await begun_waiting(filled, destroying_now(in_grace))
        await restore.end(commits=commits)

        assert await answer_of(end) == (409 if commits else OK)
    assert await _commands(filled) == (1 if commits else 2)
    assert await try_claim(filled, in_grace) is not commits
    assert await status_of(filled, in_grace.package_id) == ("default" if commits else "pending_destruction")


# The end of a grace and a claim


@EITHER_END
async def test_who_ends_the_grace_waits_for_the_claim_that_comes_at_its_end(
    filled: Context, in_grace: Deletion, *, commits: bool
) -> None:
    await query(filled, "UPDATE deletion SET not_before = now()")

    async with held_open(filled, claiming(in_grace)) as claim:
        end = await begun_waiting(filled, destroying_now(in_grace))
        await claim.end(commits=commits)

        assert await answer_of(end) == (409 if commits else OK)
    assert await state_of(filled, in_grace) == ("destroying" if commits else "grace")
    assert await try_claim(filled, in_grace) is not commits


@EITHER_END
async def test_a_claim_passes_by_a_grace_that_is_being_ended_and_is_sent_for_again(
    filled: Context, in_grace: Deletion, *, commits: bool
) -> None:
    async with held_open(filled, destroying_now(in_grace)) as end:
        assert await try_claim(filled, in_grace) is False
        await end.end(commits=commits)

    assert await _commands(filled) == (2 if commits else 1)
    assert await try_claim(filled, in_grace) is commits


@EITHER_END
async def test_who_waives_a_grace_waits_for_its_beginning_and_ends_it(
    filled: Context, deletion: Deletion, *, commits: bool
) -> None:
    patient = with_settings(filled, grace_period=_GRACE)

    async with held_open(patient, claiming(deletion)) as claim:
        end = await begun_waiting(filled, destroying_now(deletion))
        await claim.end(commits=commits)

        assert await answer_of(end) == OK
    assert await state_of(filled, deletion) == ("grace" if commits else "queued")
    assert await try_claim(patient, deletion) is True


@EITHER_END
async def test_a_claim_passes_by_while_the_grace_is_waived_and_begins_none_afterwards(
    filled: Context, deletion: Deletion, *, commits: bool
) -> None:
    patient = with_settings(filled, grace_period=_GRACE)

    async with held_open(filled, destroying_now(deletion)) as end:
        assert await try_claim(patient, deletion) is False
        assert await state_of(filled, deletion) == "queued"
        await end.end(commits=commits)

    assert await try_claim(patient, deletion) is commits
    assert await state_of(filled, deletion) == ("destroying" if commits else "grace")


@EITHER_END
async def test_two_who_end_the_same_grace_agree(filled: Context, in_grace: Deletion, *, commits: bool) -> None:
    async with held_open(filled, destroying_now(in_grace)) as first:
        second = await begun_waiting(filled, destroying_now(in_grace))
        await first.end(commits=commits)

        assert await answer_of(second) == OK
    acts = await query(filled, "SELECT FROM deletion_act WHERE action = 'destroy_now'")
    assert len(acts) == (2 if commits else 1)


# A retry and a restore, of what failed before anything was removed


@EITHER_END
async def test_a_restore_waits_for_a_retry_and_undoes_it(filled: Context, deletion: Deletion, *, commits: bool) -> None:
    await failed_untouched(filled, deletion)

    async with held_open(filled, retrying(deletion)) as retry:
        restore = await begun_waiting(filled, restoring(deletion))
        await retry.end(commits=commits)

        assert await answer_of(restore) == OK
    assert await state_of(filled, deletion) == "restored"
    assert await status_of(filled, deletion.package_id) == "default"
    assert await file_statuses(filled, deletion.package_id) == ["default", "default"]


@EITHER_END
async def test_a_retry_waits_for_a_restore_and_is_refused(
    filled: Context, deletion: Deletion, objects: Path, *, commits: bool
) -> None:
    await failed_untouched(filled, deletion)

    async with held_open(filled, restoring(deletion)) as restore:
        retry = await begun_waiting(filled, retrying(deletion))
        await restore.end(commits=commits)

        assert await answer_of(retry) == (409 if commits else OK)
    assert await try_claim(filled, deletion) is not commits
    assert await file_statuses(filled, deletion.package_id) == ["default" if commits else "pending_destruction"] * 2
    assert len(objects_in(objects)) == 2


@EITHER_END
async def test_a_retried_deletion_is_claimed_only_once_it_is_retried(
    filled: Context, deletion: Deletion, *, commits: bool
) -> None:
    await failed_untouched(filled, deletion)

    async with held_open(filled, retrying(deletion)) as retry:
        assert await try_claim(filled, deletion) is False
        await retry.end(commits=commits)

    assert await try_claim(filled, deletion) is commits


# A restore of what failed before anything was removed, and another request for the package


@EITHER_END
async def test_a_restore_waits_for_the_claim_that_a_rule_stops_and_undoes_it(
    filled: Context, deletion: Deletion, *, commits: bool
) -> None:
    await protect(filled)

    async with held_open(filled, claiming(deletion)) as claim:
        restore = await begun_waiting(filled, restoring(deletion))
        await claim.end(commits=commits)

        assert await answer_of(restore) == OK
    assert await file_statuses(filled, deletion.package_id) == ["default", "default"]


@EITHER_END
async def test_a_restore_of_what_failed_waits_for_a_delete_and_leaves_the_package_to_it(
    filled: Context, deletion: Deletion, *, commits: bool
) -> None:
    await failed_untouched(filled, deletion)
    await query(filled, "DELETE FROM protection_rule")

    async with held_open(filled, deleting(deletion.package_id)) as second:
        restore = await begun_waiting(filled, restoring(deletion))
        await second.end(commits=commits)

        assert await answer_of(restore) == (409 if commits else OK)
    assert await status_of(filled, deletion.package_id) == ("processing" if commits else "default")


@EITHER_END
async def test_a_delete_waits_for_the_restore_of_what_failed_and_deletes_it_again(
    filled: Context, deletion: Deletion, *, commits: bool
) -> None:
    await failed_untouched(filled, deletion)
    await query(filled, "DELETE FROM protection_rule")

    async with held_open(filled, restoring(deletion)) as restore:
        second = await begun_waiting(filled, deleting(deletion.package_id))
        await restore.end(commits=commits)

        assert (await second).prior_status == ("default" if commits else "error")
    assert await state_of(filled, deletion) == ("restored" if commits else "failed")
