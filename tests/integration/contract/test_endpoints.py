"""Section 1: the endpoints, and what every answer carries."""

import hashlib

import pytest

from service.context import Context
from tests.integration.conftest import Client
from tests.support.catalogue import publish
from tests.support.packages import (
    API,
    DEVELOPER,
    GENERIC,
    GROUP,
    MAINTAINER,
    PUBLIC,
    bring_in,
    bring_in_pipelines,
    file_ids,
    json_of,
    told,
)


async def test_every_get_route_answers_200_and_head_alike_without_a_body(filled: Context, client: Client) -> None:
    package_id = await publish(filled)
    (file_id,) = await file_ids(filled, package_id)
    one = f"{PUBLIC}/{package_id}"
    paths = [
        PUBLIC,
        GROUP,
        one,
        f"{one}/package_files",
        f"{one}/pipelines",
        f"{one}/package_files/{file_id}/download",
        GENERIC,
    ]

    for path in paths:
        got, head = await client.get(path), await client.head(path)
        assert (path, got.status, head.status) == (path, 200, 200)
        assert head.headers["Content-Type"] == got.headers["Content-Type"]
        assert await head.read() == b""


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", PUBLIC, 200),
        ("GET", f"{PUBLIC}/0", 404),
        ("GET", f"{PUBLIC}?page=x", 400),
        ("GET", f"{API}/nothing", 404),
        ("DELETE", f"{PUBLIC}/1", 403),
        ("POST", PUBLIC, 405),
        ("PUT", GENERIC, 401),
    ],
)
async def test_every_answer_says_that_it_is_not_to_be_framed_or_sniffed(
    client: Client, method: str, path: str, status: int
) -> None:
    answer = await client.request(method, path)

    assert answer.status == status
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Type"] == "application/json"


async def test_a_download_and_a_204_carry_the_same_safety_headers(filled: Context, client: Client) -> None:
    package_id = await publish(filled)
    got = await client.get(GENERIC)
    gone = await client.delete(f"{PUBLIC}/{package_id}", headers=MAINTAINER)

    assert [answer.status for answer in (got, gone)] == [200, 204]
    for answer in (got, gone):
        assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_e1_lists_a_projects_packages(filled: Context, client: Client) -> None:
    package_id = await publish(filled)

    status, body = await told(await client.get(PUBLIC))

    assert (status, [package["id"] for package in body]) == (200, [package_id])


async def test_e2_lists_a_groups_packages(filled: Context, client: Client) -> None:
    package_id = await publish(filled)

    status, body = await told(await client.get(GROUP))

    assert (status, [package["id"] for package in body]) == (200, [package_id])


async def test_e3_shows_one_package(filled: Context, client: Client) -> None:
    package_id = await publish(filled)

    status, body = await told(await client.get(f"{PUBLIC}/{package_id}"))

    assert (status, body["id"]) == (200, package_id)


async def test_e4_lists_a_packages_files(filled: Context, client: Client) -> None:
    package_id = await publish(filled, files=["a", "b"])

    status, body = await told(await client.get(f"{PUBLIC}/{package_id}/package_files"))

    assert (status, [file["file_name"] for file in body]) == (200, ["a", "b"])


async def test_e5_deletes_a_package_with_204_and_no_body(filled: Context, client: Client) -> None:
    package_id = await publish(filled)

    answer = await client.delete(f"{PUBLIC}/{package_id}", headers=MAINTAINER)

    assert (answer.status, await answer.read()) == (204, b"")
    assert "Content-Type" not in answer.headers


async def test_e6_deletes_a_file_with_204_and_no_body(filled: Context, client: Client) -> None:
    package_id = await publish(filled)
    (file_id,) = await file_ids(filled, package_id)

    answer = await client.delete(f"{PUBLIC}/{package_id}/package_files/{file_id}", headers=MAINTAINER)

    assert (answer.status, await answer.read()) == (204, b"")


async def test_e7_lists_a_packages_pipelines(filled: Context, client: Client) -> None:
    package_id = await bring_in(filled)
    pipelines = await bring_in_pipelines(filled, package_id, 2)

    status, body = await told(await client.get(f"{PUBLIC}/{package_id}/pipelines"))

    assert (status, [pipeline["id"] for pipeline in body]) == (200, pipelines[::-1])


async def test_e8_downloads_a_file_by_its_id(filled: Context, client: Client) -> None:
    package_id = await publish(filled, files=["a", "b"], content=b"by id")
    _, second = await file_ids(filled, package_id)

    answer = await client.get(f"{PUBLIC}/{package_id}/package_files/{second}/download")

    assert (answer.status, await answer.read()) == (200, b"by id")
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="b"')


async def test_e9_and_e10_take_and_give_a_file(client: Client) -> None:
    up = await client.put(GENERIC, data=b"bytes", headers=DEVELOPER)
    down = await client.get(GENERIC)

    assert up.status == 201
    assert (down.status, await down.read()) == (200, b"bytes")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
@pytest.mark.parametrize(
    "path",
    [PUBLIC, GROUP, f"{PUBLIC}/1", f"{PUBLIC}/1/package_files", f"{PUBLIC}/1/package_files/1", f"{PUBLIC}/1/pipelines"],
)
async def test_nothing_is_posted_put_or_patched_there(client: Client, method: str, path: str) -> None:
    answer = await client.request(method, path, headers=MAINTAINER)

    assert await told(answer) == (405, {"error": "405 Not Allowed"})


@pytest.mark.parametrize("path", [PUBLIC, GROUP])
async def test_there_is_no_bulk_deletion(client: Client, path: str) -> None:
    assert (await client.delete(path, headers=MAINTAINER)).status == 405


async def test_there_is_no_restore(client: Client) -> None:
    answer = await client.post(f"{PUBLIC}/1/restore", headers=MAINTAINER)

    assert await told(answer) == (404, {"error": "404 Not Found"})


async def test_one_files_metadata_cannot_be_got(filled: Context, client: Client) -> None:
    package_id = await publish(filled)
    (file_id,) = await file_ids(filled, package_id)

    answer = await client.get(f"{PUBLIC}/{package_id}/package_files/{file_id}")

    assert await told(answer) == (405, {"error": "405 Not Allowed"})


async def test_nothing_is_deleted_by_name_and_version(filled: Context, client: Client) -> None:
    await publish(filled)

    answer = await client.delete(GENERIC, headers=MAINTAINER)

    assert answer.status == 405
    assert (await client.get(GENERIC)).status == 200


async def test_every_json_answer_has_a_weak_etag_that_answers_304(filled: Context, client: Client) -> None:
    package_id = await publish(filled)
    for path in (PUBLIC, GROUP, f"{PUBLIC}/{package_id}", f"{PUBLIC}/{package_id}/package_files"):
        first = await client.get(path)
        again = await client.get(path, headers={"If-None-Match": first.headers["ETag"]})
        other = await client.get(path, headers={"If-None-Match": 'W/"something else"'})

        assert first.headers["ETag"].startswith('W/"')
        assert (again.status, await again.read()) == (304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]
        assert (await told(other))[0] == 200


async def test_a_downloads_etag_is_strong_made_of_its_sha256_and_answers_304(filled: Context, client: Client) -> None:
    package_id = await publish(filled, content=b"bytes")
    (file_id,) = await file_ids(filled, package_id)
    for path in (GENERIC, f"{PUBLIC}/{package_id}/package_files/{file_id}/download"):
        first = await client.get(path)
        again = await client.get(path, headers={"If-None-Match": first.headers["ETag"]})

        assert first.headers["ETag"] == f'"{hashlib.sha256(b"bytes").hexdigest()}"'
        assert (again.status, await again.read()) == (304, b"")


async def test_a_list_that_changed_has_another_etag(filled: Context, client: Client) -> None:
    await publish(filled)
    before = await client.get(PUBLIC)
    await publish(filled, version="2.0")

    after = await client.get(PUBLIC, headers={"If-None-Match": before.headers["ETag"]})

    assert after.status == 200
    assert len(await json_of(after)) == 2
