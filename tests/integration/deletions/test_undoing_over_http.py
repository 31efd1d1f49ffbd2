"""Restoring and retrying deletions over HTTP: by which callers, and in which states."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

import pytest

from service.context import Context
from tests.integration.conftest import Client
from tests.support.catalogue import (
    break_object,
    delete,
    file_statuses,
    objects_in,
    publish,
    query,
    status_of,
)
from tests.support.packages import (
    API,
    DEVELOPER,
    FORBIDDEN,
    MAINTAINER,
    PUBLIC,
    REPORTER,
    json_of,
    token,
    told,
)
from tests.support.stepwise import with_settings
from workers.deleter.batch import carry_out

_DELETIONS: Final = f"{API}/projects/100/deletions"
_GROUP: Final = f"{API}/groups/acme/deletions"
_SUCCEEDED: Final = "409 Conflict: the deletion is succeeded and cannot be restored any more"


async def _fail(context: Context, deletion_id: UUID, objects: Path, stop: asyncio.Event) -> Path:
    """Let the deletion of the only object fail for good; return what is in its way."""
    place = break_object(objects, *objects_in(objects))
    await carry_out(with_settings(context, max_attempts=1), [deletion_id], stop)
    return place


async def test_a_restored_package_is_there_again(filled: Context, client: Client, stop: asyncio.Event) -> None:
    package_id = await publish(filled, files=["a", "b"])
    deletion = await delete(filled, package_id)
    await carry_out(with_settings(filled, grace_period=timedelta(hours=1)), [deletion.id], stop)

    answer = await client.post(f"{_DELETIONS}/{deletion.id}/restore", headers=MAINTAINER)

    status, body = await told(answer)
    assert (status, body["state"], body["destroy_after"]) == (200, "restored", None)
    assert body == await json_of(await client.get(f"{_DELETIONS}/{deletion.id}"))
    assert (await client.get(f"{PUBLIC}/{package_id}")).status == 200
    assert await file_statuses(filled, package_id) == ["default", "default"]


async def test_what_is_gone_is_not_restored(filled: Context, client: Client, stop: asyncio.Event) -> None:
    deletion = await delete(filled, await publish(filled))
    await carry_out(filled, [deletion.id], stop)

    answer = await client.post(f"{_DELETIONS}/{deletion.id}/restore", headers=MAINTAINER)

    assert await told(answer) == (409, {"message": _SUCCEEDED})


async def test_what_was_published_again_is_not_overwritten(filled: Context, client: Client) -> None:
    deletion = await delete(filled, await publish(filled))
    await publish(filled)

    answer = await client.post(f"{_DELETIONS}/{deletion.id}/restore", headers=MAINTAINER)

    assert await told(answer) == (409, {"message": "409 Conflict: the same name and version has been published again"})


async def test_a_failed_deletion_says_why_and_is_tried_again(
    filled: Context, client: Client, objects: Path, stop: asyncio.Event
) -> None:
    package_id = await publish(filled)
    deletion = await delete(filled, package_id)
    place = await _fail(filled, deletion.id, objects, stop)
    failed = await json_of(await client.get(f"{_DELETIONS}/{deletion.id}"))
    (place / "in the way").unlink()
    place.rmdir()

    status, body = await told(await client.post(f"{_DELETIONS}/{deletion.id}/retry", headers=MAINTAINER))

    assert (failed["state"], bool(failed["last_error"]), failed["_links"]["package"] is None) == ("failed", True, False)
    assert (status, body["state"], body["finished_at"]) == (200, "retrying", None)
    await carry_out(filled, [deletion.id], stop)
    assert await status_of(filled, package_id) is None


async def test_what_a_store_said_is_told_to_maintainers_only(
    filled: Context, client: Client, objects: Path, stop: asyncio.Event
) -> None:
    deletion = await delete(filled, await publish(filled))
    await _fail(filled, deletion.id, objects, stop)

    for one, many in ((f"{_DELETIONS}/{deletion.id}", _DELETIONS), (f"{_GROUP}/{deletion.id}", _GROUP)):
        for headers, is_told in ((MAINTAINER, True), (DEVELOPER, False), (REPORTER, False), ({}, False)):
            shown = await json_of(await client.get(one, headers=headers))
            listed = await json_of(await client.get(many, headers=headers))
            assert [listed[0]["last_error"]] == [shown["last_error"]]
            assert (str(objects) in shown["last_error"]) is is_told
            assert shown["last_error"].startswith("ObjectStuckError")


async def test_only_what_failed_is_tried_again(filled: Context, client: Client) -> None:
    deletion = await delete(filled, await publish(filled))

    answer = await client.post(f"{_DELETIONS}/{deletion.id}/retry", headers=MAINTAINER)

    reason = "409 Conflict: the deletion is queued, only a failed one can be retried"
    assert await told(answer) == (409, {"message": reason})


@pytest.mark.parametrize(
    ("name", "level", "state"), [("maintainer-token", 40, "failed"), ("owner-token", 50, "succeeded")]
)
async def test_what_protects_a_package_is_held_against_who_tries_again(
    filled: Context, client: Client, objects: Path, stop: asyncio.Event, name: str, level: int, state: str
) -> None:
    deletion = await delete(filled, await publish(filled, name="app"))
    place = await _fail(filled, deletion.id, objects, stop)
    (place / "in the way").unlink()
    place.rmdir()
    await query(
        filled,
        "INSERT INTO protection_rule"
        " (project_id, package_name_pattern, package_type, minimum_access_level_for_delete)"
        " VALUES (100, 'app', 'generic', 50)",
    )

    again = await client.post(f"{_DELETIONS}/{deletion.id}/retry", headers=token(name))
    await carry_out(filled, [deletion.id], stop)

    rows = await query(filled, "SELECT requested_level, state FROM deletion")
    assert again.status == 200
    assert [tuple(row.values()) for row in rows] == [(level, state)]


@pytest.mark.parametrize("action", ["restore", "retry"])
async def test_only_maintainers_undo_and_try_again(filled: Context, client: Client, action: str) -> None:
    deletion = await delete(filled, await publish(filled))
    path = f"{_DELETIONS}/{deletion.id}/{action}"
    before = await query(filled, "SELECT * FROM deletion")

    for headers in ({}, DEVELOPER, {"JOB-TOKEN": "open-developer-job"}):
        assert await told(await client.post(path, headers=headers)) == FORBIDDEN
    unscoped = await client.post(path, headers=token("maintainer-reading-token"))
    assert (unscoped.status, (await json_of(unscoped))["error"]) == (403, "insufficient_scope")
    assert await query(filled, "SELECT * FROM deletion") == before


async def test_a_job_of_a_maintainer_may_undo(filled: Context, client: Client) -> None:
    deletion = await delete(filled, await publish(filled))

    answer = await client.post(f"{_DELETIONS}/{deletion.id}/restore", headers={"JOB-TOKEN": "open-maintainer-job"})

    assert (await json_of(answer))["state"] == "restored"
