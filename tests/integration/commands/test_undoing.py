"""`packyard deletions restore`, `retry`, `destroy-now`, `hold`, `lift` and `holds`."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import UUID

import pytest

from service.context import Context
from tests.support.catalogue import delete, delete_file, find_deletion, publish, query, status_of
from tests.support.commands import Commands, cells_in
from tests.support.packages import file_ids
from workers.deleter.batch import carry_out

_UNKNOWN: Final = UUID(int=7)
_BATCH: Final = UUID(int=5)
_NO_SUCH_VERSION: Final = (
    "packyard: rename_to is invalid: a version of a generic package should be letters, digits and `_.+-`,"
    " without two dots in a row\n"
)


async def _in_grace(context: Context, package_id: int, stop: asyncio.Event) -> UUID:
    deletion = await delete(context, package_id)
    settings = context.settings.model_copy(update={"grace_period": timedelta(hours=1)})
    await carry_out(replace(context, settings=settings), [deletion.id], stop)
    return deletion.id


async def _fail(context: Context, package_id: int) -> UUID:
    """Let a deletion fail before anything of it could be removed, as when protection came late."""
    deletion = await delete(context, package_id)
    await query(context, "UPDATE deletion SET state = 'failed', finished_at = now() WHERE id = $1", deletion.id)
    await query(context, "UPDATE package SET status = 'error' WHERE id = $1", package_id)
    return deletion.id


async def test_a_deletion_is_undone_under_another_version(filled: Context, packyard: Commands) -> None:
    package_id = await publish(filled)
    deletion = await delete(filled, package_id)
    await publish(filled)

    taken = await packyard.run("deletions", "restore", deletion.id)
    odd = await packyard.run("deletions", "restore", deletion.id, "--rename-to", "1..0")
    (told,) = (await packyard.done("deletions", "restore", deletion.id, "--rename-to", "1.0-again", "--json")).lines

    assert (taken.status, taken.err) == (1, "packyard: the same name and version has been published again\n")
    assert (odd.status, odd.err) == (1, _NO_SUCH_VERSION)
    assert (told["state"], told["restored_as"]) == ("restored", "1.0-again")
    assert await status_of(filled, package_id) == "default"


async def test_a_batch_is_undone_as_far_as_it_can_be(filled: Context, packyard: Commands, stop: asyncio.Event) -> None:
    ids = [await publish(filled, name=name) for name in ("gone", "taken", "back")]
    below = await publish(filled, name="below", project_id=102)
    made = [await delete(filled, package_id) for package_id in ids]
    made.append(await delete(filled, below, project_id=102))
    await query(filled, "UPDATE deletion SET batch_id = $1", _BATCH)
    await carry_out(filled, [made[0].id], stop)
    await publish(filled, name="taken")

    ended = await packyard.run("deletions", "restore", "--batch", _BATCH)
    (again,) = (await packyard.run("deletions", "restore", "--batch", _BATCH, "--json")).lines

    assert (ended.status, ended.out.splitlines()[0]) == (1, "restored 2 deletions, 2 refused")
    assert "the same name and version has been published again" in ended.out
    assert [await status_of(filled, package_id) for package_id in (*ids, below)] == [
        None,
        "processing",
        "default",
        "default",
    ]
    assert (again["restored"], len(again["refused"])) == ([], 4)
    acts = await query(filled, "SELECT deletion_id, action, credential FROM deletion_act ORDER BY deletion_id")
    assert [tuple(act.values()) for act in acts] == [(one.id, "restore", "command_line") for one in made[2:]]


async def test_a_batch_of_which_all_is_undone_ends_well(filled: Context, packyard: Commands) -> None:
    await delete(filled, await publish(filled))
    await query(filled, "UPDATE deletion SET batch_id = $1", _BATCH)

    ended = await packyard.done("deletions", "restore", "--batch", _BATCH)

    assert ended.out == "restored 1 deletion\n"


async def test_a_grace_is_ended_early(filled: Context, packyard: Commands, stop: asyncio.Event) -> None:
    package_id = await publish(filled)
    deletion_id = await _in_grace(filled, package_id, stop)

    (told,) = (await packyard.done("deletions", "destroy-now", deletion_id, "--json")).lines

    assert told["state"] == "grace"
    assert [(act["action"], act["credential"]) for act in told["acts"]] == [("destroy_now", "command_line")]
    await carry_out(filled, [deletion_id], stop)
    assert await status_of(filled, package_id) is None
    again = await packyard.run("deletions", "destroy-now", deletion_id)
    assert (again.status, again.err) == (1, "packyard: the deletion is succeeded and waits for no grace\n")


async def test_at_a_terminal_the_end_of_a_grace_is_asked_about(
    filled: Context, packyard: Commands, stop: asyncio.Event
) -> None:
    deletion_id = await _in_grace(filled, await publish(filled, name="app", version="1.0"), stop)

    terminal = await packyard.at_terminal("deletions", "destroy-now", deletion_id)
    await terminal.until_shown("Destroy generic app 1.0 (1 file, 5 bytes), which cannot be undone then? [y/N]")
    terminal.answer("n\n")

    assert await terminal.end() == 1
    assert await query(filled, "SELECT FROM deletion_act") == []


async def test_what_failed_is_tried_again(filled: Context, packyard: Commands, stop: asyncio.Event) -> None:
    package_id = await publish(filled)
    deletion_id = await _fail(filled, package_id)

    ended = await packyard.done("deletions", "retry", deletion_id)

    assert "state          retrying\n" in ended.out
    await carry_out(filled, [deletion_id], stop)
    assert await status_of(filled, package_id) is None


async def test_under_a_hold_nothing_is_hurried_or_tried_again(
    filled: Context, packyard: Commands, stop: asyncio.Event
) -> None:
    waiting = await _in_grace(filled, await publish(filled), stop)
    failed = await _fail(filled, await publish(filled, name="failed"))
    await packyard.done("deletions", "hold", "acme/open", "--reason", "an audit")

    for command, deletion_id in (("destroy-now", waiting), ("retry", failed)):
        ended = await packyard.run("deletions", command, deletion_id)
        assert (ended.status, ended.err) == (1, "packyard: deletions are on hold: an audit\n")

    assert (await find_deletion(filled, waiting)).state == "grace"


@pytest.mark.parametrize(("place", "options"), [("acme/open", []), ("100", []), ("acme", ["--group"])])
async def test_a_hold_is_put_listed_and_lifted(
    filled: Context, packyard: Commands, stop: asyncio.Event, place: str, options: list[str]
) -> None:
    package_id = await publish(filled)
    deletion = await delete(filled, package_id)
    path, kind = ("acme", "group") if options else ("acme/open", "project")

    put = await packyard.done("deletions", "hold", place, "--reason", "an [/audit]", *options)
    await carry_out(filled, [deletion.id], stop)
    listed = await packyard.done("deletions", "holds")
    (told,) = (await packyard.done("deletions", "holds", "--json")).lines

    assert put.out == f"{path} is on hold: 1 deletion waits\n"
    assert cells_in(listed.out) == [["on hold", "is a", "reason"], [path, kind, "an [/audit]"]]
    assert (told["place"], told["path"], told["reason"]) == (kind, path, "an [/audit]")
    assert await status_of(filled, package_id) == "processing"

    lifted = await packyard.done("deletions", "lift", place, *options)
    await carry_out(filled, [deletion.id], stop)

    assert lifted.out == f"{path} is not on hold any more: 1 deletion can go on\n"
    assert await status_of(filled, package_id) is None
    assert (await packyard.done("deletions", "holds", "--json")).out == ""


async def test_who_lifts_one_of_two_holds_is_told_of_the_other(filled: Context, packyard: Commands) -> None:
    await delete(filled, await publish(filled))
    await packyard.done("deletions", "hold", "acme/open", "--reason", "a doubt")
    await packyard.done("deletions", "hold", "acme", "--group", "--reason", "an audit")
    other = "1 deletion still on hold; `packyard deletions holds` lists what holds them\n"

    inner = await packyard.done("deletions", "lift", "acme/open")
    await packyard.done("deletions", "hold", "acme/open", "--reason", "a doubt")
    outer = await packyard.done("deletions", "lift", "acme", "--group")

    assert inner.out == f"acme/open has no hold of its own any more, but is below one: an audit\n{other}"
    assert outer.out == f"acme is not on hold any more: 0 deletions can go on\n{other}"


async def test_a_file_has_no_version_to_come_back_as(filled: Context, packyard: Commands) -> None:
    package_id = await publish(filled, files=["a", "b"])
    deletion = await delete_file(filled, package_id, (await file_ids(filled, package_id))[0])

    ended = await packyard.run("deletions", "restore", deletion.id, "--rename-to", "2.0")

    assert (ended.status, ended.err) == (1, "packyard: a file has no version that could be another one\n")


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (["restore"], 2, "Error: give either the id of a deletion or --batch"),
        (["restore", _UNKNOWN, "--batch", _UNKNOWN], 2, "Error: give either the id of a deletion or --batch"),
        (["restore", "--batch", _UNKNOWN, "--rename-to", "2"], 2, "Error: --rename-to is for one deletion and cannot"),
        (["restore", "--batch", _UNKNOWN], 1, "packyard: there is no deletion of such a batch"),
        (["restore", "--batch", "x"], 2, "Error: Invalid value for '--batch': 'x' is not a valid UUID."),
        (["restore", _UNKNOWN], 1, "packyard: there is no such deletion"),
        (["restore", _UNKNOWN, "--rename-to", ""], 2, "Error: --rename-to should have at least 1 character"),
        (["restore", _UNKNOWN, "--rename-to", "1\n"], 2, "Error: --rename-to should match pattern"),
        (["retry", _UNKNOWN], 1, "packyard: there is no such deletion"),
        (["retry", "x"], 2, "Error: Invalid value for 'DELETION_ID': 'x' is not a valid UUID."),
        (["destroy-now", _UNKNOWN], 1, "packyard: there is no such deletion"),
        (["destroy-now"], 2, "Error: Missing argument 'DELETION_ID'."),
        (["hold", "acme/nothing", "--reason", "x"], 1, "packyard: there is no project acme/nothing"),
        (["hold", "acme", "--reason", "x"], 1, "packyard: there is no project acme, but a group: add --group"),
        (["lift", "acme"], 1, "packyard: there is no project acme, but a group: add --group"),
        (["hold", "acme/open", "--group", "--reason", "x"], 1, "packyard: there is no group acme/open"),
        (["hold", "acme/open"], 2, "Error: Missing option '--reason'."),
        (["hold", "acme/open", "--reason", ""], 2, "Error: --reason should have at least 1 character"),
        (["hold", "acme/open", "--reason", "\x1b[2J"], 2, "Error: --reason should not hold control characters"),
        (["lift", "99999999999999999999"], 1, "packyard: there is no project 99999999999999999999"),
    ],
)
async def test_what_is_wrong_is_named(
    filled: Context, packyard: Commands, arguments: list[object], status: int, line: str
) -> None:
    await packyard.refused("deletions", *arguments, status=status, line=line)
    assert await query(filled, "SELECT 1 FROM project WHERE deletion_hold IS NOT NULL") == []
