"""Uploads to the generic registry: the answer, the limit, the rights, the package and duplicates."""

import asyncio
import hashlib
from pathlib import Path

import pytest

from service.context import Context
from tests.integration.conftest import Client
from tests.integration.contract.conftest import ClientWith
from tests.support.catalogue import objects_in, publish, query, status_of
from tests.support.packages import (
    CHALLENGE,
    CREATED,
    DEVELOPER,
    FORBIDDEN,
    GENERIC,
    NO_PROJECT,
    PRIVATE,
    PRIVATE_GENERIC,
    PUBLIC,
    SWITCHED_OFF,
    UNAUTHORIZED,
    bring_in,
    file_ids,
    generic_place,
    json_of,
    listed,
    put_file_status,
    put_generic,
    put_status,
    token,
    told,
)

_DUPLICATE = (400, {"message": "400 Bad request - Duplicate package is not allowed"})


async def _count(filled: Context, table: str) -> int:
    (row,) = await query(
        filled,
        "SELECT (SELECT count(*) FROM package) AS package, (SELECT count(*) FROM package_file) AS package_file",
    )
    count: int = row[table]
    return count


async def _forbid_duplicates(filled: Context, *, group_id: int = 10, regex: str | None = None) -> None:
    await query(
        filled,
        "UPDATE directory_group SET generic_duplicates_allowed = false, generic_duplicate_exception_regex = $2"
        " WHERE id = $1",
        group_id,
        regex,
    )


async def test_an_upload_is_answered_201_created(client: Client) -> None:
    assert await told(await put_generic(client)) == CREATED


async def test_with_select_an_upload_is_answered_with_the_record(filled: Context, client: Client) -> None:
    status, record = await told(await put_generic(client, f"{GENERIC}?select=package_file", b"bytes"))

    (package_id,) = await listed(await client.get(PUBLIC), "id")
    assert status == 200
    assert [record["id"]] == await file_ids(filled, package_id)
    assert (record["package_id"], record["file_name"], record["size"]) == (package_id, "app.bin", 5)
    assert record["file_sha256"] == hashlib.sha256(b"bytes").hexdigest()
    assert record["file"]["url"].endswith("app.bin")
    assert isinstance(record["file_store"], int)
    assert {"created_at", "updated_at"} <= set(record)


async def test_the_record_has_the_fields_of_verification_as_well(client: Client) -> None:
    record = await json_of(await put_generic(client, f"{GENERIC}?select=package_file"))

    assert {"verification_checksum", "verification_state", "new_file_path"} <= set(record)


async def test_the_record_has_the_sha256_and_neither_md5_nor_sha1(client: Client) -> None:
    record = await json_of(await put_generic(client, f"{GENERIC}?select=package_file", b"bytes"))

    assert (record["file_md5"], record["file_sha1"]) == (None, None)
    assert record["file_sha256"] == hashlib.sha256(b"bytes").hexdigest()


async def test_the_listing_of_an_uploads_file_has_all_three_checksums(filled: Context, client: Client) -> None:
    # A decision of ours (docs/decisions): md5 and sha1 are computed on the way, so they are shown where GitLab
    # has null.
    package_id = await publish(filled, content=b"bytes")

    (file,) = await json_of(await client.get(f"{PUBLIC}/{package_id}/package_files"))

    assert file["file_md5"] == hashlib.md5(b"bytes", usedforsecurity=False).hexdigest()
    assert file["file_sha1"] == hashlib.sha1(b"bytes", usedforsecurity=False).hexdigest()
    assert file["file_sha256"] == hashlib.sha256(b"bytes").hexdigest()


async def test_a_file_of_exactly_the_limit_is_taken_and_one_byte_more_is_not(
    filled: Context, client_with: ClientWith, objects: Path
) -> None:
    async with client_with(generic_max_file_size=1_000) as client:
        assert await told(await put_generic(client, data=b"x" * 1_000)) == CREATED
        answer = await put_generic(client, generic_place(file_name="large"), b"x" * 1_001)

        assert await told(answer) == (400, {"message": "400 Bad request - File is too large"})
        assert len(objects_in(objects)) == await _count(filled, "package_file") == 1


async def test_a_file_of_unknown_length_is_measured_as_it_comes(
    filled: Context, client_with: ClientWith, objects: Path
) -> None:
    async def chunks() -> object:
        for _ in range(20):
            yield b"x" * 100

    async with client_with(generic_max_file_size=1_000) as client:
        answer = await client.put(GENERIC, data=chunks(), headers=DEVELOPER)

        assert await told(answer) == (400, {"message": "400 Bad request - File is too large"})
        assert objects_in(objects) == set()
        assert await _count(filled, "package") == 0


async def test_a_limit_of_0_is_none(client_with: ClientWith) -> None:
    async with client_with(generic_max_file_size=0) as client:
        assert await told(await put_generic(client, data=b"x" * 100_000)) == CREATED


async def test_the_limit_is_five_gibibytes_by_default(filled: Context) -> None:
    assert filled.settings.generic_max_file_size == 5 * 1024**3


@pytest.mark.parametrize("path", [GENERIC, PRIVATE_GENERIC, GENERIC.replace("100", "999")])
async def test_an_upload_by_nobody_is_401_even_on_a_public_project(client: Client, path: str) -> None:
    answer = await client.put(path, data=b"x")

    assert await told(answer) == UNAUTHORIZED
    assert answer.headers["WWW-Authenticate"] == CHALLENGE


@pytest.mark.parametrize(
    ("path", "name", "answer"),
    [
        (GENERIC, "reporter-token", FORBIDDEN),
        (GENERIC, "stranger-token", FORBIDDEN),
        (PRIVATE_GENERIC, "guest-token", FORBIDDEN),
        (PRIVATE_GENERIC, "reporter-token", FORBIDDEN),
        (PRIVATE_GENERIC, "stranger-token", NO_PROJECT),
        (GENERIC.replace("100", "999"), "developer-token", NO_PROJECT),
        (f"{SWITCHED_OFF}/generic/a/1/b", "developer-token", FORBIDDEN),
    ],
)
async def test_who_may_not_upload(
    filled: Context, client: Client, objects: Path, path: str, name: str, answer: tuple[int, object]
) -> None:
    assert await told(await client.put(path, data=b"x", headers=token(name))) == answer
    assert (await _count(filled, "package"), objects_in(objects)) == (0, set())


async def test_a_package_is_found_or_made_by_project_name_and_version(filled: Context, client: Client) -> None:
    await put_generic(client)
    await put_generic(client, generic_place(file_name="other"))
    await put_generic(client, generic_place(version="2.0"))
    await put_generic(client, generic_place(name="App"))
    await client.put(f"{PRIVATE}/generic/app/1.0/app.bin", data=b"x", headers=DEVELOPER)

    assert (await _count(filled, "package"), await _count(filled, "package_file")) == (4, 5)


@pytest.mark.parametrize(
    ("status", "packages"),
    [("default", 1), ("hidden", 1), ("error", 1), ("processing", 2), ("pending_destruction", 2)],
)
async def test_an_upload_goes_into_any_package_that_is_not_being_deleted(
    filled: Context, client: Client, status: str, packages: int
) -> None:
    package_id = await publish(filled)
    await put_status(filled, package_id, status)

    assert await told(await put_generic(client)) == CREATED

    assert await _count(filled, "package") == packages
    assert len(await file_ids(filled, package_id)) == 3 - packages
    assert await status_of(filled, package_id) == status


async def test_a_package_of_another_type_is_not_found(filled: Context, client: Client) -> None:
    await bring_in(filled, package_type="npm", name="app", version="1.0")

    assert await told(await put_generic(client)) == CREATED
    assert await _count(filled, "package") == 2


async def test_an_upload_always_adds_a_file_even_of_the_same_name(filled: Context, client: Client) -> None:
    for _ in range(3):
        await put_generic(client)

    assert (await _count(filled, "package"), await _count(filled, "package_file")) == (1, 3)


async def test_a_given_status_is_applied_to_a_package_that_is_there(filled: Context, client: Client) -> None:
    package_id = await publish(filled)

    for given, status in (("?status=hidden", "hidden"), ("", "hidden"), ("?status=default", "default")):
        await put_generic(client, GENERIC + given)
        assert await status_of(filled, package_id) == status


async def test_an_upload_by_a_job_carries_its_pipeline(filled: Context, client: Client) -> None:
    await client.put(GENERIC, data=b"x", headers={"JOB-TOKEN": "open-developer-job"})

    (package,) = await json_of(await client.get(PUBLIC))
    (file,) = await json_of(await client.get(f"{PUBLIC}/{package['id']}/package_files"))

    assert package["pipeline"]["id"] == 4700
    assert [pipeline["id"] for pipeline in package["pipelines"]] == [4700]
    assert [pipeline["id"] for pipeline in file["pipelines"]] == [4700]
    assert package["creator_id"] == 4


async def test_first_uploads_at_the_same_time_make_one_package(filled: Context, client: Client) -> None:
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(put_generic(client, generic_place(file_name=f"f{number}"))) for number in range(8)]

    assert {task.result().status for task in asking} == {201}
    assert (await _count(filled, "package"), await _count(filled, "package_file")) == (1, 8)


async def test_where_duplicates_are_forbidden_the_same_file_name_is_refused(
    filled: Context, client: Client, objects: Path
) -> None:
    await _forbid_duplicates(filled)

    assert await told(await put_generic(client)) == CREATED
    assert await told(await put_generic(client)) == _DUPLICATE
    assert await told(await put_generic(client, generic_place(file_name="other"))) == CREATED
    assert await told(await put_generic(client, generic_place(version="2.0"))) == CREATED
    assert len(objects_in(objects)) == await _count(filled, "package_file") == 3


@pytest.mark.parametrize(
    ("regex", "allowed"),
    [("app", True), ("a.*", True), ("1\\.0", True), ("ap", False), ("pp", False), ("1", False), ("x|app", True)],
)
async def test_a_regex_on_name_or_version_widens_what_is_allowed(
    filled: Context,
    client: Client,
    regex: str,
    allowed: bool,  # noqa: FBT001 - a column of a table
) -> None:
    await _forbid_duplicates(filled, regex=regex)
    await put_generic(client)

    assert await told(await put_generic(client)) == (CREATED if allowed else _DUPLICATE)


async def test_a_regex_never_narrows_what_is_allowed(filled: Context, client: Client) -> None:
    await query(
        filled,
        "UPDATE directory_group SET generic_duplicates_allowed = true, generic_duplicate_exception_regex = '.*'",
    )

    for _ in range(2):
        assert await told(await put_generic(client)) == CREATED


async def test_the_nearest_group_that_says_something_about_duplicates_wins(filled: Context, client: Client) -> None:
    await _forbid_duplicates(filled)
    inherited = [await client.put(PRIVATE_GENERIC, data=b"x", headers=DEVELOPER) for _ in range(2)]
    await query(filled, "UPDATE directory_group SET generic_duplicates_allowed = true WHERE id = 11")
    own = await client.put(PRIVATE_GENERIC, data=b"x", headers=DEVELOPER)

    assert [await told(answer) for answer in (*inherited, own)] == [CREATED, _DUPLICATE, CREATED]


@pytest.mark.parametrize("status", ["processing", "pending_destruction"])
async def test_a_file_that_is_being_deleted_is_no_duplicate(filled: Context, client: Client, status: str) -> None:
    package_id = await publish(filled, files=["app.bin", "other"])
    (file_id, _) = await file_ids(filled, package_id)
    await put_file_status(filled, file_id, status)
    await _forbid_duplicates(filled)

    assert await told(await put_generic(client)) == CREATED
