"""Section 6.1: the statuses of packages and files, and what each allows."""

import pytest

from schemas.statuses import FileStatus, PackageStatus
from service.context import Context
from tests.integration.conftest import Client
from tests.support.catalogue import publish
from tests.support.packages import (
    GENERIC,
    MAINTAINER,
    NO_FILE,
    NO_PACKAGE,
    PUBLIC,
    file_ids,
    listed,
    put_file_status,
    put_status,
    told,
)


async def test_packages_have_six_statuses_in_gitlabs_order() -> None:
    assert [*PackageStatus] == ["default", "hidden", "processing", "error", "pending_destruction", "deprecated"]


async def test_files_have_four_statuses_in_gitlabs_order() -> None:
    assert [*FileStatus] == ["default", "pending_destruction", "processing", "error"]


@pytest.mark.parametrize(
    ("status", "is_listed", "shown", "files", "deleted", "downloaded"),
    [
        ("default", True, 200, 200, 204, 200),
        ("error", True, 200, 200, 204, 404),
        ("deprecated", True, 200, 200, 204, 200),
        ("hidden", False, 404, 404, 404, 200),
        ("processing", False, 404, 404, 404, 404),
        ("pending_destruction", False, 404, 404, 404, 404),
    ],
)
async def test_what_each_status_of_a_package_allows(
    filled: Context,
    client: Client,
    status: str,
    is_listed: bool,  # noqa: FBT001 - a column of a table
    shown: int,
    files: int,
    deleted: int,
    downloaded: int,
) -> None:
    package_id = await publish(filled)
    await put_status(filled, package_id, status)
    one = f"{PUBLIC}/{package_id}"

    assert await listed(await client.get(PUBLIC), "id") == [package_id] * is_listed
    assert (await client.get(one)).status == shown
    assert (await client.get(f"{one}/package_files")).status == files
    assert (await client.get(GENERIC)).status == downloaded
    assert (await client.delete(one, headers=MAINTAINER)).status == deleted


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("default", 200),
        ("error", 200),
        ("deprecated", 200),
        ("hidden", 404),
        ("processing", 404),
        ("pending_destruction", 404),
    ],
)
async def test_a_file_is_downloaded_by_id_from_a_displayable_package(
    filled: Context, client: Client, status: str, code: int
) -> None:
    package_id = await publish(filled)
    (file_id,) = await file_ids(filled, package_id)
    await put_status(filled, package_id, status)

    assert (await client.get(f"{PUBLIC}/{package_id}/package_files/{file_id}/download")).status == code


async def test_only_default_files_are_downloaded_and_only_default_and_error_are_listed(
    filled: Context, client: Client
) -> None:
    package_id = await publish(filled, files=["default", "pending_destruction", "processing", "error"])
    ids = await file_ids(filled, package_id)
    for file_id, status in zip(ids, FileStatus, strict=True):
        await put_file_status(filled, file_id, status)
    path = f"{PUBLIC}/{package_id}/package_files"

    by_id = [(await client.get(f"{path}/{file_id}/download")).status for file_id in ids]
    by_name = [(await client.get(GENERIC.replace("app.bin", status))).status for status in FileStatus]

    assert await listed(await client.get(path), "file_name") == ["default", "error"]
    assert by_id == by_name == [200, 404, 404, 404]


@pytest.mark.parametrize(
    ("status", "answer"),
    [("default", None), ("error", None), ("pending_destruction", NO_FILE), ("processing", NO_FILE)],
)
async def test_default_and_error_files_can_be_deleted(
    filled: Context, client: Client, status: str, answer: tuple[int, object] | None
) -> None:
    package_id = await publish(filled, files=["a", "b"])
    (file_id, _) = await file_ids(filled, package_id)
    await put_file_status(filled, file_id, status)

    given = await client.delete(f"{PUBLIC}/{package_id}/package_files/{file_id}", headers=MAINTAINER)

    assert (given.status == 204) if answer is None else (await told(given) == answer)


async def test_a_hidden_package_cannot_be_deleted_by_its_files_either(filled: Context, client: Client) -> None:
    package_id = await publish(filled)
    (file_id,) = await file_ids(filled, package_id)
    await put_status(filled, package_id, "hidden")

    answer = await client.delete(f"{PUBLIC}/{package_id}/package_files/{file_id}", headers=MAINTAINER)

    assert await told(answer) == NO_PACKAGE
