"""Sections 6.2 to 6.4: what a DELETE does immediately, and what workers do later."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Final
from uuid import UUID

import pytest

from service.context import Context
from tests.integration.conftest import Client
from tests.support.catalogue import break_object, file_statuses, objects_in, publish, query, status_of
from tests.support.packages import (
    DEVELOPER,
    GENERIC,
    GROUP,
    MAINTAINER,
    NO_FILE,
    NO_PACKAGE,
    PUBLIC,
    bring_in,
    file_ids,
    json_of,
    listed,
    put_file_status,
    put_status,
    told,
)
from workers.deleter.batch import carry_out

_ALL_BUT_FIGURES: Final = "SELECT to_jsonb(p) - '{shown_files,shown_bytes,file_changes}'::text[] FROM package p"


async def _delete(client: Client, path: str) -> None:
    assert (await client.delete(f"{PUBLIC}/{path}", headers=MAINTAINER)).status == 204


async def _deletions(filled: Context) -> list[UUID]:
    return [row["id"] for row in await query(filled, "SELECT id FROM deletion WHERE finished_at IS NULL")]


async def test_a_refused_deletion_changes_nothing(filled: Context, client: Client) -> None:
    package_id = await publish(filled)
    before = await query(filled, "SELECT * FROM package")

    assert (await client.delete(f"{PUBLIC}/{package_id}", headers=DEVELOPER)).status == 403

    assert await query(filled, "SELECT * FROM package") == before
    assert await query(filled, "SELECT id FROM deletion") == []


async def test_a_deleted_package_is_processing_and_updated_at_moves(filled: Context, client: Client) -> None:
    package_id = await publish(filled)
    await query(filled, "UPDATE package SET updated_at = '2020-01-01Z'")

    await _delete(client, f"{package_id}")

    assert await status_of(filled, package_id) == "processing"
    (row,) = await query(filled, "SELECT updated_at > now() - interval '1 minute' AS moved FROM package")
    assert row["moved"]


async def test_a_deletion_is_handed_to_the_workers_once(filled: Context, client: Client) -> None:
    package_id = await publish(filled, files=["a", "b"])

    await _delete(client, f"{package_id}")

    assert len(await _deletions(filled)) == 1
    commands = await query(filled, "SELECT body FROM outbox WHERE kind = 'command'")
    assert len(commands) == 1


async def test_no_row_and_no_byte_is_removed_in_the_request(filled: Context, client: Client, objects: Path) -> None:
    package_id = await publish(filled, files=["a", "b"])
    stored = objects_in(objects)

    await _delete(client, f"{package_id}")

    assert objects_in(objects) == stored
    assert await file_statuses(filled, package_id) == ["default", "default"]


@pytest.mark.usefixtures("database_of_its_own")
async def test_a_failure_while_deleting_is_no_204(filled: Context, client: Client) -> None:
    package_id = await publish(filled)
    await query(filled, "ALTER TABLE outbox ADD CONSTRAINT nothing_more CHECK (kind = '') NOT VALID")

    answer = await client.delete(f"{PUBLIC}/{package_id}", headers=MAINTAINER)

    assert await told(answer) == (500, {"message": "500 Internal Server Error"})
    assert await status_of(filled, package_id) == "default"


async def test_a_deleted_package_is_not_found_and_a_second_delete_is_404(filled: Context, client: Client) -> None:
    package_id = await publish(filled)
    (file_id,) = await file_ids(filled, package_id)
    one = f"{PUBLIC}/{package_id}"
    await _delete(client, f"{package_id}")

    answers = [
        await client.delete(one, headers=MAINTAINER),
        await client.get(one, headers=MAINTAINER),
        await client.get(f"{one}/package_files"),
        await client.get(f"{one}/pipelines"),
        await client.delete(f"{one}/package_files/{file_id}", headers=MAINTAINER),
        await client.get(f"{one}/package_files/{file_id}/download"),
        await client.get(GENERIC),
    ]

    assert [await told(answer) for answer in answers] == [NO_PACKAGE] * 7


async def test_a_deleted_package_is_gone_from_lists_and_versions(filled: Context, client: Client) -> None:
    gone, left = await bring_in(filled, version="1.0"), await bring_in(filled, version="2.0")
    await _delete(client, f"{gone}")

    for listing in (PUBLIC, GROUP):
        assert await listed(await client.get(listing), "id") == [left]
        assert await listed(await client.get(f"{listing}?status=processing"), "id") == [gone]
        assert await listed(await client.get(f"{listing}?status=default"), "id") == [left]
    for status in ("processing", "pending_destruction"):
        await put_status(filled, gone, status)
        assert (await json_of(await client.get(f"{PUBLIC}/{left}")))["versions"] == []


@pytest.mark.parametrize("status", ["processing", "pending_destruction"])
async def test_the_same_name_and_version_can_be_published_again_at_once(
    filled: Context, client: Client, status: str
) -> None:
    first = await publish(filled, content=b"old")
    await _delete(client, f"{first}")
    await put_status(filled, first, status)

    up = await client.put(GENERIC, data=b"new", headers=DEVELOPER)

    assert up.status == 201
    (second,) = await listed(await client.get(PUBLIC), "id")
    assert second != first
    assert await (await client.get(GENERIC)).read() == b"new"


async def test_gitlabs_paths_undo_no_deletion(filled: Context, client: Client) -> None:
    package_id = await publish(filled)
    await _delete(client, f"{package_id}")

    for method in ("POST", "PUT", "PATCH"):
        answer = await client.request(method, f"{PUBLIC}/{package_id}", headers=MAINTAINER)
        assert answer.status == 405


async def test_a_deleted_file_is_hidden_and_the_package_is_not_touched(filled: Context, client: Client) -> None:
    package_id = await publish(filled, files=["a", "b"])
    (file_id, _) = await file_ids(filled, package_id)
    before = await query(filled, _ALL_BUT_FIGURES)

    await _delete(client, f"{package_id}/package_files/{file_id}")

    assert await listed(await client.get(f"{PUBLIC}/{package_id}/package_files"), "file_name") == ["b"]
    assert await query(filled, _ALL_BUT_FIGURES) == before
    assert await file_statuses(filled, package_id) == ["processing", "default"]


async def test_deleting_a_file_again_is_404_with_a_capital_f(filled: Context, client: Client) -> None:
    package_id = await publish(filled, files=["a", "b"])
    (file_id, _) = await file_ids(filled, package_id)
    path = f"{package_id}/package_files/{file_id}"
    await _delete(client, path)

    for status in ("processing", "pending_destruction"):
        await put_file_status(filled, file_id, status)
        assert await told(await client.delete(f"{PUBLIC}/{path}", headers=MAINTAINER)) == NO_FILE


async def test_a_deleted_file_is_not_downloaded(filled: Context, client: Client) -> None:
    package_id = await publish(filled)
    (file_id,) = await file_ids(filled, package_id)
    await _delete(client, f"{package_id}/package_files/{file_id}")

    by_id = await client.get(f"{PUBLIC}/{package_id}/package_files/{file_id}/download")

    assert await told(by_id) == NO_FILE
    assert await told(await client.get(GENERIC)) == NO_PACKAGE


async def test_after_its_last_file_a_package_is_listed_empty_until_the_worker_comes(
    filled: Context, client: Client, stop: asyncio.Event
) -> None:
    package_id = await publish(filled)
    (file_id,) = await file_ids(filled, package_id)
    await _delete(client, f"{package_id}/package_files/{file_id}")

    assert await listed(await client.get(PUBLIC), "id") == [package_id]
    assert await told(await client.get(f"{PUBLIC}/{package_id}/package_files")) == (200, [])

    await carry_out(filled, await _deletions(filled), stop)

    assert await listed(await client.get(PUBLIC)) == []
    assert await status_of(filled, package_id) is None


async def test_a_model_stays_when_its_last_file_is_gone(filled: Context, client: Client, stop: asyncio.Event) -> None:
    package_id = await bring_in(filled, package_type="ml_model", files=[{"file_name": "a", "content": ""}])
    (file_id,) = await file_ids(filled, package_id)
    await _delete(client, f"{package_id}/package_files/{file_id}")

    await carry_out(filled, await _deletions(filled), stop)

    assert await file_ids(filled, package_id) == []
    assert await listed(await client.get(PUBLIC), "id") == [package_id]


async def test_workers_mark_every_file_before_the_first_byte_goes(
    filled: Context, client: Client, objects: Path, stop: asyncio.Event
) -> None:
    package_id = await publish(filled)
    await query(
        filled,
        "INSERT INTO package_file (package_id, file_name, size, sha256, storage_key)"
        " SELECT $1, 'f' || n, 1, decode(repeat('00', 32), 'hex'), 'none/' || n FROM generate_series(1, 1200) n",
        package_id,
    )
    await _delete(client, f"{package_id}")
    in_grace = replace(filled, settings=filled.settings.model_copy(update={"grace_period": filled.settings.lease}))

    await carry_out(in_grace, await _deletions(filled), stop)

    assert await status_of(filled, package_id) == "pending_destruction"
    assert await file_statuses(filled, package_id) == ["pending_destruction"] * 1201
    assert len(objects_in(objects)) == 1
    assert await listed(await client.get(f"{PUBLIC}?status=pending_destruction"), "id") == [package_id]


async def test_a_second_command_and_one_for_a_missing_package_do_nothing(
    filled: Context, client: Client, stop: asyncio.Event
) -> None:
    package_id = await publish(filled)
    await _delete(client, f"{package_id}")
    asked = await _deletions(filled)

    await carry_out(filled, asked, stop)
    await carry_out(filled, [*asked, UUID(int=7)], stop)

    assert await status_of(filled, package_id) is None


async def test_workers_remove_row_and_object_and_then_the_package(
    filled: Context, client: Client, objects: Path, stop: asyncio.Event
) -> None:
    package_id = await publish(filled, files=["a", "b"])
    await _delete(client, f"{package_id}")

    await carry_out(filled, await _deletions(filled), stop)

    assert objects_in(objects) == set()
    assert await file_ids(filled, package_id) == []
    assert await status_of(filled, package_id) is None


async def test_what_cannot_be_removed_ends_in_error_and_can_be_deleted_again(
    filled: Context, client: Client, objects: Path, stop: asyncio.Event
) -> None:
    package_id = await publish(filled)
    place = break_object(objects, *objects_in(objects))
    impatient = replace(filled, settings=filled.settings.model_copy(update={"max_attempts": 1}))
    await _delete(client, f"{package_id}")
    await carry_out(impatient, await _deletions(filled), stop)

    assert await listed(await client.get(PUBLIC), "status") == ["error"]
    assert await file_statuses(filled, package_id) == ["error"]

    (place / "in the way").unlink()
    place.rmdir()
    await _delete(client, f"{package_id}")
    await carry_out(filled, await _deletions(filled), stop)
    assert await status_of(filled, package_id) is None


async def test_what_a_killed_worker_left_is_taken_up_by_the_next(
    filled: Context, client: Client, stop: asyncio.Event
) -> None:
    package_id = await publish(filled, files=["a", "b"])
    await _delete(client, f"{package_id}")
    # The state that a killed worker leaves: the claim has lapsed, everything is marked.
    await query(
        filled,
        "UPDATE deletion SET state = 'destroying', claim = gen_random_uuid(), attempts = 1,"
        " lease_until = now() - interval '1 second'",
    )
    await put_status(filled, package_id, "pending_destruction")
    await query(filled, "UPDATE package_file SET status = 'pending_destruction'")

    await carry_out(filled, await _deletions(filled), stop)

    assert await status_of(filled, package_id) is None


async def test_a_package_without_any_file_is_removed_too(filled: Context, client: Client, stop: asyncio.Event) -> None:
    package_id = await bring_in(filled)
    await _delete(client, f"{package_id}")

    await carry_out(filled, await _deletions(filled), stop)

    assert await status_of(filled, package_id) is None


async def test_one_failure_does_not_stop_the_others(
    filled: Context, client: Client, objects: Path, stop: asyncio.Event
) -> None:
    broken = await publish(filled, name="broken")
    break_object(objects, *objects_in(objects))
    sound = await publish(filled, name="sound")
    for package_id in (broken, sound):
        await _delete(client, f"{package_id}")

    await carry_out(filled, await _deletions(filled), stop)

    assert await status_of(filled, sound) is None
    assert await status_of(filled, broken) == "pending_destruction"


async def test_a_deletion_says_so_in_an_event(filled: Context, client: Client) -> None:
    package_id = await publish(filled)

    await _delete(client, f"{package_id}")

    events = await query(filled, "SELECT routing_key FROM outbox WHERE kind = 'event'")
    assert [row["routing_key"].split(".")[:2] for row in events] == [["package", "deletion_requested"]]
