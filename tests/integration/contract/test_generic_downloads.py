"""Downloads from the generic registry: the file, the rights and the record of the download."""

import hashlib

import pytest

from schemas.statuses import PackageStatus
from service.context import Context
from tests.integration.conftest import Client
from tests.support.catalogue import publish
from tests.support.packages import (
    CHALLENGE,
    GENERIC,
    MAINTAINER,
    NO_PACKAGE,
    NO_PROJECT,
    PRIVATE_GENERIC,
    PUBLIC,
    REPORTER,
    UNAUTHORIZED,
    bring_in,
    file_ids,
    generic_place,
    json_of,
    put_file_status,
    put_generic,
    put_status,
    token,
    told,
)


async def test_a_download_says_what_it_is(client: Client) -> None:
    await put_generic(client, data=b"bytes")

    down, head = await client.get(GENERIC), await client.head(GENERIC)

    assert await down.read() == b"bytes"
    assert await head.read() == b""
    for answer in (down, head):
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Content-Disposition"].startswith('attachment; filename="app.bin"')
        assert answer.headers["Content-Length"] == "5"
        assert answer.headers["X-Checksum-SHA256"] == hashlib.sha256(b"bytes").hexdigest()


async def test_of_several_files_of_a_name_the_newest_is_served(filled: Context, client: Client) -> None:
    package_id = await publish(filled, content=b"old")
    await publish(filled, content=b"new")
    (_, newest) = await file_ids(filled, package_id)

    assert await (await client.get(GENERIC)).read() == b"new"
    await put_file_status(filled, newest, "error")
    assert await (await client.get(GENERIC)).read() == b"old"


@pytest.mark.parametrize("status", PackageStatus)
async def test_a_download_needs_an_installable_package(filled: Context, client: Client, status: str) -> None:
    await put_status(filled, await publish(filled), status)

    found = (await client.get(GENERIC)).status

    assert found == (200 if status in {"default", "hidden", "deprecated"} else 404)


async def test_a_missing_package_or_file_is_not_found(filled: Context, client: Client) -> None:
    await publish(filled)

    for place in (
        generic_place(name="none"),
        generic_place(version="9"),
        generic_place(file_name="none"),
        generic_place(name="APP"),
    ):
        assert await told(await client.get(place)) == NO_PACKAGE


@pytest.mark.parametrize(
    ("name", "version", "file_name"),
    [
        ("app", "%2e%2e%2f1.2.3", "app.bin"),
        ("app", "1.0", "%2e%2e%2fapp.bin"),
        ("%2e%2e%2fapp", "1.0", "app.bin"),
        ("app", "..1.2.3", "app.bin"),
    ],
)
async def test_a_download_that_leads_elsewhere_is_400(client: Client, name: str, version: str, file_name: str) -> None:
    assert (await client.get(generic_place(name, version, file_name))).status == 400


async def test_a_download_from_a_private_project_asks_nobody_who_he_is(filled: Context, client: Client) -> None:
    await publish(filled, project_id=102)

    answer = await client.get(PRIVATE_GENERIC)

    assert await told(answer) == UNAUTHORIZED
    assert answer.headers["WWW-Authenticate"] == CHALLENGE


@pytest.mark.parametrize(("name", "status"), [("guest-token", 403), ("stranger-token", 404), ("reporter-token", 200)])
async def test_who_downloads_from_a_private_project(filled: Context, client: Client, name: str, status: int) -> None:
    await publish(filled, project_id=102)

    assert (await client.get(PRIVATE_GENERIC, headers=token(name))).status == status


async def test_an_unknown_project_is_401_to_nobody_and_404_to_others(client: Client) -> None:
    place = GENERIC.replace("100", "999")

    nobody, somebody = await client.get(place), await client.get(place, headers=REPORTER)

    assert await told(nobody) == UNAUTHORIZED
    assert nobody.headers["WWW-Authenticate"] == CHALLENGE
    assert await told(somebody) == NO_PROJECT


async def test_bad_credentials_on_a_public_project(filled: Context, client: Client) -> None:
    await publish(filled)

    bad_token = await client.get(GENERIC, headers=token("nonsense"))
    bad_basic = await client.get(GENERIC, headers={"Authorization": "Basic bm9ib2R5Om5vbnNlbnNl"})

    assert await told(bad_token) == UNAUTHORIZED
    assert bad_token.headers["WWW-Authenticate"] == CHALLENGE
    assert bad_basic.status == 200


@pytest.mark.parametrize("by_id", [False, True])
async def test_a_download_is_remembered(
    filled: Context,
    client: Client,
    by_id: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    package_id = await publish(filled)
    (file_id,) = await file_ids(filled, package_id)
    path = f"{PUBLIC}/{package_id}/package_files/{file_id}/download" if by_id else GENERIC

    before = await json_of(await client.get(f"{PUBLIC}/{package_id}"))
    await (await client.get(path)).read()
    after = await json_of(await client.get(f"{PUBLIC}/{package_id}"))

    assert before["last_downloaded_at"] is None
    assert after["last_downloaded_at"] >= after["created_at"]


async def test_a_download_by_id_says_what_it_is(filled: Context, client: Client) -> None:
    package_id = await publish(filled, content=b"bytes")
    (file_id,) = await file_ids(filled, package_id)

    down = await client.get(f"{PUBLIC}/{package_id}/package_files/{file_id}/download", headers=MAINTAINER)

    assert await down.read() == b"bytes"
    assert down.headers["Content-Type"] == "application/octet-stream"
    assert down.headers["Content-Disposition"].startswith('attachment; filename="app.bin"')
    assert down.headers["X-Checksum-SHA256"] == hashlib.sha256(b"bytes").hexdigest()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a+b~c_1.0-2.tgz", 'filename="a+b~c_1.0-2.tgz"'),
        ("my app @1.tgz", 'filename="my app @1.tgz"'),
        ("gr\u00fcn.tgz", "filename=\"gr_n.tgz\"; filename*=UTF-8''gr%C3%BCn.tgz"),
        ('a"b%20c\\d/e', "filename=\"a_b_20c_d_e\"; filename*=UTF-8''a%22b%2520c%5Cd%2Fe"),
    ],
)
async def test_a_download_is_called_as_the_file_is(filled: Context, client: Client, name: str, shown: str) -> None:
    package_id = await bring_in(filled, files=[{"file_name": name, "content": "x"}])
    (file_id,) = await file_ids(filled, package_id)

    down = await client.get(f"{PUBLIC}/{package_id}/package_files/{file_id}/download")

    assert down.headers["Content-Disposition"] == f"attachment; {shown}"
