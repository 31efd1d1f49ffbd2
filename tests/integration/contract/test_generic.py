"""Section 7: uploading and downloading generic packages."""

import asyncio
import hashlib
import json
from pathlib import Path

import pytest
from aiohttp import ClientResponse
from yarl import URL

from schemas.statuses import PackageStatus
from service.context import Context
from tests.integration.conftest import Client
from tests.integration.contract.conftest import ClientWith
from tests.support.catalogue import objects_in, publish, query, status_of
from tests.support.packages import (
    DEVELOPER,
    FORBIDDEN,
    GENERIC,
    MAINTAINER,
    NO_PACKAGE,
    NO_PROJECT,
    PRIVATE,
    PRIVATE_GENERIC,
    PUBLIC,
    REPORTER,
    SWITCHED_OFF,
    UNAUTHORIZED,
    bring_in,
    file_ids,
    json_of,
    listed,
    put_file_status,
    put_status,
    token,
    told,
)

_CREATED = (201, {"message": "201 Created"})
_DUPLICATE = (400, {"message": "400 Bad request - Duplicate package is not allowed"})
_CHALLENGE = 'Basic realm="GitLab Packages Registry"'


def _place(name: str = "app", version: str = "1.0", file_name: str = "app.bin") -> URL:
    return URL(f"{PUBLIC}/generic/{name}/{version}/{file_name}", encoded=True)


async def _put(client: Client, place: URL | str = GENERIC, data: bytes = b"x") -> ClientResponse:
    return await client.put(place, data=data, headers=DEVELOPER)


async def _count(filled: Context, table: str) -> int:
    (row,) = await query(
        filled,
        "SELECT (SELECT count(*) FROM package) AS package, (SELECT count(*) FROM package_file) AS package_file",
    )
    count: int = row[table]
    return count


@pytest.mark.parametrize("name", ["app", "A.b_c-d+e", "0", "a" * 255, "..a", "a%2Bb", "a.b%2E"])
async def test_a_package_name_is_made_of_letters_digits_and_four_signs(client: Client, name: str) -> None:
    assert await told(await _put(client, _place(name=name))) == _CREATED


@pytest.mark.parametrize("name", ["a b", "a@b", "a%2Fb", "%40a", "gr%C3%BCn", "a%00", "a%7Eb", "%2e%2e", "%2e"])
async def test_any_other_package_name_is_refused(client: Client, objects: Path, name: str) -> None:
    answer = await _put(client, _place(name=name.replace(" ", "%20")))

    assert await told(answer) == (400, {"error": "package_name is invalid"})
    assert objects_in(objects) == set()


@pytest.mark.parametrize(
    "version",
    [
        "1.3.350-20201230123456",
        "1.2.3",
        "1.2.3g",
        "1.2",
        "1.2.bananas",
        "v1.2.4-build",
        "d50d836eb3de6177ce6c7a5482f27f9c2c84b672",
        ".1.2",
        "1.2.",
        "1_2+3-4",
        "1.2%2B3",
    ],
)
async def test_these_versions_are_taken(client: Client, version: str) -> None:
    assert await told(await _put(client, _place(version=version))) == _CREATED


@pytest.mark.parametrize(
    "version",
    [
        "..1.2.3",
        "1.2.3-4%2F..%2F..%2F",
        "%2e%2e%2f1.2.3",
        "1..2",
        "1.2..",
        "%2e",
        "%2e%2e",
        "1%202",
        "1.%C3%A9",
        "1.2~3",
        "1.2%0A",
        "%D9%A1",
    ],
)
async def test_these_versions_are_refused(client: Client, objects: Path, version: str) -> None:
    assert await told(await _put(client, _place(version=version))) == (400, {"error": "package_version is invalid"})
    assert objects_in(objects) == set()


@pytest.mark.parametrize("file_name", ["a", "A.b_c-d+e", "a~b", "a.tar.gz", "-a", "a%2Bb%2E1", "a%7Eb"])
async def test_a_file_name_is_made_of_letters_digits_and_five_signs(client: Client, file_name: str) -> None:
    assert await told(await _put(client, _place(file_name=file_name))) == _CREATED


@pytest.mark.parametrize("file_name", ["~a", "a~", "a%20b", "a@b", "gr%C3%BCn", "a%00", "%2e%2e", "a%2525"])
async def test_any_other_file_name_is_refused(client: Client, objects: Path, file_name: str) -> None:
    answer = await _put(client, _place(file_name=file_name))

    assert await told(answer) == (400, {"error": "file_name is invalid"})
    assert objects_in(objects) == set()


async def test_directories_before_the_file_name_are_stored_as_one_name(filled: Context, client: Client) -> None:
    place = _place(file_name="dir/sub/file.bin")

    up = await _put(client, place, b"deep")
    down = await client.get(place)

    assert await told(up) == _CREATED
    assert await down.read() == b"deep"
    (package_id,) = await listed(await client.get(PUBLIC), "id")
    files = await client.get(f"{PUBLIC}/{package_id}/package_files")
    assert await listed(files, "file_name") == ["dir%2Fsub%2Ffile.bin"]
    assert (await client.get(_place(file_name="file.bin"))).status == 404


@pytest.mark.parametrize(
    ("sent", "stored", "attached"),
    [
        ("d+e/a+b~c.d", "d%2Be%2Fa%2Bb%7Ec.d", "a+b~c.d"),
        ("my%20docs/gr%C3%BCn/a", "my%20docs%2Fgr%C3%BCn%2Fa", "a"),
        ("@scope/~x/*/a", "%40scope%2F%7Ex%2F*%2Fa", "a"),
    ],
)
async def test_a_name_with_directories_is_encoded_as_a_whole(
    filled: Context, client: Client, sent: str, stored: str, attached: str
) -> None:
    place = _place(file_name=sent)

    assert await told(await _put(client, place, b"deep")) == _CREATED

    down = await client.get(place)
    assert (down.status, await down.read()) == (200, b"deep")
    assert down.headers["Content-Disposition"] == f'attachment; filename="{attached}"'
    (row,) = await query(filled, "SELECT file_name FROM package_file")
    assert row["file_name"] == stored


@pytest.mark.parametrize(
    "path", ["%2e%2e/a", "dir/%2e%2e/a", "dir/%2e%2e%2fa/b", "a%00b/c", "dir//a", "%252e%252e/a", "..%5C/a", "a%0Ab/c"]
)
async def test_directories_that_lead_elsewhere_are_refused(client: Client, objects: Path, path: str) -> None:
    for method in ("PUT", "GET"):
        answer = await client.request(method, _place(file_name=path), data=b"x", headers=DEVELOPER)
        assert answer.status in {400, 404}
    assert (await _put(client, _place(file_name="%2e%2e/a"))).status == 400
    assert objects_in(objects) == set()


@pytest.mark.parametrize("status", ["default", "hidden"])
async def test_a_status_can_be_given(filled: Context, client: Client, status: str) -> None:
    assert await told(await _put(client, f"{GENERIC}?status={status}")) == _CREATED

    assert [row["status"] for row in await query(filled, "SELECT status FROM package")] == [status]


@pytest.mark.parametrize("status", ["", "processing", "error", "pending_destruction", "deprecated", "x"])
async def test_no_other_status_can_be_given(client: Client, status: str) -> None:
    assert await told(await _put(client, f"{GENERIC}?status={status}")) == (
        400,
        {"error": "status does not have a valid value"},
    )


@pytest.mark.parametrize("select", ["", "package", "x"])
async def test_select_is_package_file_or_nothing(client: Client, select: str) -> None:
    assert await told(await _put(client, f"{GENERIC}?select={select}")) == (
        400,
        {"error": "select does not have a valid value"},
    )


async def test_the_body_is_the_file(client: Client) -> None:
    content = bytes(range(256)) * 100

    await _put(client, data=content)

    assert await (await client.get(GENERIC)).read() == content


async def test_a_body_of_nothing_is_an_empty_file_not_a_missing_one(client: Client) -> None:
    assert await told(await client.put(GENERIC, headers=DEVELOPER)) == _CREATED

    down = await client.get(GENERIC)
    assert (down.status, await down.read(), down.headers["Content-Length"]) == (200, b"", "0")


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("", "file is missing"),
        (
            "?status=error&select=all",
            "status does not have a valid value, select does not have a valid value, file is missing",
        ),
    ],
)
async def test_a_request_without_any_body_has_no_file(client: Client, query: str, error: str) -> None:
    # No client of a test would send it: neither a length nor chunks.
    fields = "Host: yard\r\nPRIVATE-TOKEN: developer-token\r\nConnection: close\r\n\r\n"
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(f"PUT {GENERIC}{query} HTTP/1.1\r\n{fields}".encode())

    head, _, body = (await reader.read()).partition(b"\r\n\r\n")

    writer.close()
    assert int(head.split()[1]) == 400
    assert json.loads(body) == {"error": error}


async def test_an_upload_is_answered_201_created(client: Client) -> None:
    assert await told(await _put(client)) == _CREATED


async def test_with_select_an_upload_is_answered_with_the_record(filled: Context, client: Client) -> None:
    status, record = await told(await _put(client, f"{GENERIC}?select=package_file", b"bytes"))

    (package_id,) = await listed(await client.get(PUBLIC), "id")
    assert status == 200
    assert [record["id"]] == await file_ids(filled, package_id)
    assert (record["package_id"], record["file_name"], record["size"]) == (package_id, "app.bin", 5)
    assert record["file_sha256"] == hashlib.sha256(b"bytes").hexdigest()
    assert record["file"]["url"].endswith("app.bin")
    assert isinstance(record["file_store"], int)
    assert {"created_at", "updated_at"} <= set(record)


async def test_the_record_has_the_fields_of_verification_as_well(client: Client) -> None:
    record = await json_of(await _put(client, f"{GENERIC}?select=package_file"))

    assert {"verification_checksum", "verification_state", "new_file_path"} <= set(record)


async def test_the_record_has_the_sha256_and_neither_md5_nor_sha1(client: Client) -> None:
    record = await json_of(await _put(client, f"{GENERIC}?select=package_file", b"bytes"))

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
        assert await told(await _put(client, data=b"x" * 1_000)) == _CREATED
        answer = await _put(client, _place(file_name="large"), b"x" * 1_001)

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
        assert await told(await _put(client, data=b"x" * 100_000)) == _CREATED


async def test_the_limit_is_five_gibibytes_by_default(filled: Context) -> None:
    assert filled.settings.generic_max_file_size == 5 * 1024**3


@pytest.mark.parametrize("path", [GENERIC, PRIVATE_GENERIC, GENERIC.replace("100", "999")])
async def test_an_upload_by_nobody_is_401_even_on_a_public_project(client: Client, path: str) -> None:
    answer = await client.put(path, data=b"x")

    assert await told(answer) == UNAUTHORIZED
    assert answer.headers["WWW-Authenticate"] == _CHALLENGE


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
    await _put(client)
    await _put(client, _place(file_name="other"))
    await _put(client, _place(version="2.0"))
    await _put(client, _place(name="App"))
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

    assert await told(await _put(client)) == _CREATED

    assert await _count(filled, "package") == packages
    assert len(await file_ids(filled, package_id)) == 3 - packages
    assert await status_of(filled, package_id) == status


async def test_a_package_of_another_type_is_not_found(filled: Context, client: Client) -> None:
    await bring_in(filled, package_type="npm", name="app", version="1.0")

    assert await told(await _put(client)) == _CREATED
    assert await _count(filled, "package") == 2


async def test_an_upload_always_adds_a_file_even_of_the_same_name(filled: Context, client: Client) -> None:
    for _ in range(3):
        await _put(client)

    assert (await _count(filled, "package"), await _count(filled, "package_file")) == (1, 3)


async def test_a_given_status_is_applied_to_a_package_that_is_there(filled: Context, client: Client) -> None:
    package_id = await publish(filled)

    for given, status in (("?status=hidden", "hidden"), ("", "hidden"), ("?status=default", "default")):
        await _put(client, GENERIC + given)
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
        asking = [group.create_task(_put(client, _place(file_name=f"f{number}"))) for number in range(8)]

    assert {task.result().status for task in asking} == {201}
    assert (await _count(filled, "package"), await _count(filled, "package_file")) == (1, 8)


async def _forbid_duplicates(filled: Context, *, group_id: int = 10, regex: str | None = None) -> None:
    await query(
        filled,
        "UPDATE directory_group SET generic_duplicates_allowed = false, generic_duplicate_exception_regex = $2"
        " WHERE id = $1",
        group_id,
        regex,
    )


async def test_where_duplicates_are_forbidden_the_same_file_name_is_refused(
    filled: Context, client: Client, objects: Path
) -> None:
    await _forbid_duplicates(filled)

    assert await told(await _put(client)) == _CREATED
    assert await told(await _put(client)) == _DUPLICATE
    assert await told(await _put(client, _place(file_name="other"))) == _CREATED
    assert await told(await _put(client, _place(version="2.0"))) == _CREATED
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
    await _put(client)

    assert await told(await _put(client)) == (_CREATED if allowed else _DUPLICATE)


async def test_a_regex_never_narrows_what_is_allowed(filled: Context, client: Client) -> None:
    await query(
        filled,
        "UPDATE directory_group SET generic_duplicates_allowed = true, generic_duplicate_exception_regex = '.*'",
    )

    for _ in range(2):
        assert await told(await _put(client)) == _CREATED


async def test_the_nearest_group_that_says_something_about_duplicates_wins(filled: Context, client: Client) -> None:
    await _forbid_duplicates(filled)
    inherited = [await client.put(PRIVATE_GENERIC, data=b"x", headers=DEVELOPER) for _ in range(2)]
    await query(filled, "UPDATE directory_group SET generic_duplicates_allowed = true WHERE id = 11")
    own = await client.put(PRIVATE_GENERIC, data=b"x", headers=DEVELOPER)

    assert [await told(answer) for answer in (*inherited, own)] == [_CREATED, _DUPLICATE, _CREATED]


@pytest.mark.parametrize("status", ["processing", "pending_destruction"])
async def test_a_file_that_is_being_deleted_is_no_duplicate(filled: Context, client: Client, status: str) -> None:
    package_id = await publish(filled, files=["app.bin", "other"])
    (file_id, _) = await file_ids(filled, package_id)
    await put_file_status(filled, file_id, status)
    await _forbid_duplicates(filled)

    assert await told(await _put(client)) == _CREATED


async def test_a_download_says_what_it_is(client: Client) -> None:
    await _put(client, data=b"bytes")

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

    for place in (_place(name="none"), _place(version="9"), _place(file_name="none"), _place(name="APP")):
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
    assert (await client.get(_place(name, version, file_name))).status == 400


async def test_a_download_from_a_private_project_asks_nobody_who_he_is(filled: Context, client: Client) -> None:
    await publish(filled, project_id=102)

    answer = await client.get(PRIVATE_GENERIC)

    assert await told(answer) == UNAUTHORIZED
    assert answer.headers["WWW-Authenticate"] == _CHALLENGE


@pytest.mark.parametrize(("name", "status"), [("guest-token", 403), ("stranger-token", 404), ("reporter-token", 200)])
async def test_who_downloads_from_a_private_project(filled: Context, client: Client, name: str, status: int) -> None:
    await publish(filled, project_id=102)

    assert (await client.get(PRIVATE_GENERIC, headers=token(name))).status == status


async def test_an_unknown_project_is_401_to_nobody_and_404_to_others(client: Client) -> None:
    place = GENERIC.replace("100", "999")

    nobody, somebody = await client.get(place), await client.get(place, headers=REPORTER)

    assert await told(nobody) == UNAUTHORIZED
    assert nobody.headers["WWW-Authenticate"] == _CHALLENGE
    assert await told(somebody) == NO_PROJECT


async def test_bad_credentials_on_a_public_project(filled: Context, client: Client) -> None:
    await publish(filled)

    bad_token = await client.get(GENERIC, headers=token("nonsense"))
    bad_basic = await client.get(GENERIC, headers={"Authorization": "Basic bm9ib2R5Om5vbnNlbnNl"})

    assert await told(bad_token) == UNAUTHORIZED
    assert bad_token.headers["WWW-Authenticate"] == _CHALLENGE
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
