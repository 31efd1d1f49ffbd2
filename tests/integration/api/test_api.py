"""The API over a real database, as an HTTP client sees it."""

import hashlib
import os
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientPayloadError, ClientResponse, MultipartWriter, encode_basic_auth
from yarl import URL

from service.context import Context
from tests.integration.conftest import Client, note_downloads
from tests.support.catalogue import objects_in, publish, query, status_of

_GENERIC = "/api/v4/projects/100/packages/generic/app/1.0/app.bin"


def _as(token: str) -> dict[str, str]:
    return {"PRIVATE-TOKEN": token} if token else {}


async def _json(answer: ClientResponse) -> Any:
    assert answer.headers["Content-Type"] == "application/json"
    return await answer.json()


async def test_a_package_is_listed_and_shown_with_its_links_and_versions(filled: Context, client: Client) -> None:
    first, second = await publish(filled, version="1.0"), await publish(filled, version="1.1")

    listed = await _json(await client.get("/api/v4/projects/acme%2Fopen/packages", headers=_as("maintainer-token")))
    shown = await _json(await client.get(f"/api/v4/projects/100/packages/{first}"))

    assert [package["id"] for package in listed] == [first, second]
    assert listed[0]["_links"] == {
        "web_path": f"/acme/open/-/packages/{first}",
        "delete_api_path": f"http://127.0.0.1:8080/api/v4/projects/100/packages/{first}",
    }
    assert "versions" not in listed[0]
    assert shown["_links"] == {"web_path": f"/acme/open/-/packages/{first}"}
    assert [version["id"] for version in shown["versions"]] == [second]
    assert shown["created_at"].endswith("Z")
    assert len(shown["created_at"]) == len("2019-11-27T03:37:38.711Z")
    assert "pipelines" not in shown


@pytest.mark.parametrize(
    ("project", "token", "status", "body"),
    [
        (100, "", 200, []),
        (100, "nonsense", 401, {"message": "401 Unauthorized"}),
        (100, "guest-token", 200, []),
        (101, "", 404, {"message": "404 Project Not Found"}),
        (101, "stranger-token", 200, []),
        (101, "external-token", 404, {"message": "404 Project Not Found"}),
        (102, "", 404, {"message": "404 Project Not Found"}),
        (102, "stranger-token", 404, {"message": "404 Project Not Found"}),
        (102, "guest-token", 403, {"message": "403 Forbidden"}),
        (102, "reporter-token", 200, []),
        (102, "root-token", 200, []),
        (103, "owner-token", 403, {"message": "403 Forbidden"}),
        (100, "blocked-token", 403, {"message": "403 Forbidden - Your account has been blocked."}),
        (999, "root-token", 404, {"message": "404 Project Not Found"}),
        ("abc", "root-token", 404, {"message": "404 Project Not Found"}),
        ("99999999999999999999", "root-token", 404, {"message": "404 Project Not Found"}),
    ],
)
async def test_who_may_list_what(client: Client, project: object, token: str, status: int, body: object) -> None:
    answer = await client.get(f"/api/v4/projects/{project}/packages", headers=_as(token))

    assert (answer.status, await _json(answer)) == (status, body)


@pytest.mark.parametrize(
    ("token", "status"),
    [("", 403), ("guest-token", 403), ("reporter-token", 403), ("developer-token", 403), ("stranger-token", 403)],
)
async def test_who_may_not_delete_a_public_projects_package(client: Client, token: str, status: int) -> None:
    answer = await client.delete("/api/v4/projects/100/packages/1", headers=_as(token))

    assert (answer.status, await _json(answer)) == (status, {"message": "403 Forbidden"})


@pytest.mark.parametrize("token", ["maintainer-token", "owner-token", "root-token"])
async def test_who_may_delete(filled: Context, client: Client, token: str) -> None:
    package_id = await publish(filled)

    answer = await client.delete(f"/api/v4/projects/100/packages/{package_id}", headers=_as(token))

    assert (answer.status, await answer.read()) == (204, b"")
    assert await status_of(filled, package_id) == "processing"


async def test_a_bearer_token_is_the_same_and_a_reading_token_may_not_delete(filled: Context, client: Client) -> None:
    package_id = await publish(filled)
    path = f"/api/v4/projects/100/packages/{package_id}"

    reading = await client.delete(path, headers=_as("maintainer-reading-token"))
    expired = await client.delete(path, headers=_as("maintainer-expired-token"))
    bearer = await client.delete(path, headers={"Authorization": "Bearer maintainer-token"})

    assert (reading.status, (await _json(reading))["error"]) == (403, "insufficient_scope")
    assert (expired.status, (await _json(expired))["error"]) == (401, "invalid_token")
    assert bearer.status == 204


async def test_a_deleted_package_is_gone_for_every_reader_but_its_status(filled: Context, client: Client) -> None:
    package_id = await publish(filled)
    path, headers = f"/api/v4/projects/100/packages/{package_id}", _as("maintainer-token")
    await client.delete(path, headers=headers)

    again = await client.delete(path, headers=headers)
    answers = [again, await client.get(path), await client.get(path + "/package_files"), await client.get(_GENERIC)]

    assert [answer.status for answer in answers] == [404] * 4
    assert await _json(again) == {"message": "404 Not found"}
    assert await _json(await client.get("/api/v4/projects/100/packages")) == []
    listed = await _json(await client.get("/api/v4/projects/100/packages?status=processing"))
    assert [package["id"] for package in listed] == [package_id]


async def test_a_package_changed_since_is_not_deleted(filled: Context, client: Client) -> None:
    path, headers = f"/api/v4/projects/100/packages/{await publish(filled)}", _as("maintainer-token")

    stale = await client.delete(path, headers={**headers, "If-Unmodified-Since": "Mon, 01 Jan 2018 00:00:00 GMT"})
    unreadable = await client.delete(path, headers={**headers, "If-Unmodified-Since": "yesterday"})

    assert (stale.status, await _json(stale)) == (412, {"message": "412 Precondition Failed"})
    assert unreadable.status == 204


async def test_a_file_is_listed_and_deleted(filled: Context, client: Client) -> None:
    package_id = await publish(filled, files=["a", "b"], content=b"abc")
    path = f"/api/v4/projects/100/packages/{package_id}/package_files"
    files = await _json(await client.get(path))

    deleted = await client.delete(f"{path}/{files[0]['id']}", headers=_as("maintainer-token"))
    again = await client.delete(f"{path}/{files[0]['id']}", headers=_as("maintainer-token"))

    assert files[0]["size"] == 3
    assert files[0]["file_sha256"] == hashlib.sha256(b"abc").hexdigest()
    assert files[0]["file_sha1"] == hashlib.sha1(b"abc", usedforsecurity=False).hexdigest()
    assert files[0]["file_md5"] == hashlib.md5(b"abc", usedforsecurity=False).hexdigest()
    assert deleted.status == 204
    assert (again.status, await _json(again)) == (404, {"message": "404 Not Found"})
    assert [file["file_name"] for file in await _json(await client.get(path))] == ["b"]


async def test_a_group_lists_what_the_caller_may_read_below_it(filled: Context, client: Client) -> None:
    for project_id in (100, 101, 102):
        await publish(filled, name=f"in-{project_id}", project_id=project_id)

    async def names(token: str, query: str = "") -> list[str]:
        answer = await client.get(f"/api/v4/groups/acme/packages?order_by=name{query}", headers=_as(token))
        return [package["name"] for package in await _json(answer)]

    assert await names("") == ["in-100"]
    assert await names("stranger-token") == ["in-100", "in-101"]
    assert await names("external-token") == ["in-100"]
    assert await names("guest-token") == ["in-100", "in-101"]
    assert await names("reporter-token") == ["in-100", "in-101", "in-102"]
    assert await names("reporter-token", "&exclude_subgroups=true") == ["in-100", "in-101"]
    (first, *_) = await _json(await client.get("/api/v4/groups/10/packages", headers=_as("reporter-token")))
    assert (first["project_id"], first["project_path"]) == (100, "acme/open")


@pytest.mark.parametrize(
    ("group", "token", "status", "message"),
    [
        ("acme", "", 200, None),
        ("secret", "", 404, "404 Group Not Found"),
        ("secret", "stranger-token", 404, "404 Group Not Found"),
        ("acme%2Flabs", "guest-token", 403, "403 Forbidden"),
        ("nowhere", "root-token", 404, "404 Group Not Found"),
    ],
)
async def test_who_may_list_a_group(client: Client, group: str, token: str, status: int, message: str | None) -> None:
    answer = await client.get(f"/api/v4/groups/{group}/packages", headers=_as(token))

    assert answer.status == status
    assert message is None or await _json(answer) == {"message": message}


async def test_pages_carry_gitlabs_headers(filled: Context, client: Client) -> None:
    for number in range(5):
        await publish(filled, version=str(number))
    base = "http://127.0.0.1:8080/api/v4/projects/100/packages?id=100&order_by=created_at"

    page = await client.get("/api/v4/projects/100/packages?per_page=2&page=2")
    beyond = await client.get("/api/v4/projects/100/packages?per_page=2&page=9")
    large = await client.get("/api/v4/projects/100/packages?per_page=1000")

    numbers = ("X-Page", "X-Per-Page", "X-Next-Page", "X-Prev-Page", "X-Total", "X-Total-Pages")
    assert [package["version"] for package in await _json(page)] == ["2", "3"]
    assert [page.headers[name] for name in numbers] == ["2", "2", "3", "1", "5", "3"]
    assert page.headers["Link"] == ", ".join(
        f'<{base}&page={number}&per_page=2&sort=asc>; rel="{relation}"'
        for relation, number in {"prev": 1, "next": 3, "first": 1, "last": 3}.items()
    )
    assert [beyond.headers[name] for name in numbers] == ["9", "2", "", "", "5", "3"]
    assert await _json(beyond) == []
    assert large.headers["X-Per-Page"] == "100"


@pytest.mark.parametrize(
    ("query_string", "versions"),
    [
        ("order_by=version&sort=desc", ["8.99.0", "8.100.0", "1.0"]),
        ("order_by=created_at&sort=desc", ["8.100.0", "8.99.0", "1.0"]),
        ("package_version=1.0", ["1.0"]),
        ("package_name=AP", ["1.0", "8.99.0", "8.100.0"]),
        ("package_name=%25", []),
        ("package_type=npm", []),
        ("package_type=generic&status=default", ["1.0", "8.99.0", "8.100.0"]),
        ("status=hidden", []),
        ("unknown=1&package_name=", ["1.0", "8.99.0", "8.100.0"]),
    ],
)
async def test_lists_are_filtered_and_ordered(
    filled: Context, client: Client, query_string: str, versions: list[str]
) -> None:
    for version in ("1.0", "8.99.0", "8.100.0"):
        await publish(filled, version=version)

    answer = await client.get(f"/api/v4/projects/100/packages?{query_string}")

    assert [package["version"] for package in await _json(answer)] == versions


@pytest.mark.parametrize(
    ("query_string", "error"),
    [
        ("order_by=size", "order_by does not have a valid value"),
        ("order_by=project_path", "order_by does not have a valid value"),
        ("status=", "status does not have a valid value"),
        ("page=x", "page is invalid"),
        ("per_page=0", "per_page has a value not allowed"),
        ("sort=up&include_versionless=perhaps", "sort does not have a valid value, include_versionless is invalid"),
    ],
)
async def test_wrong_parameters_are_named(client: Client, query_string: str, error: str) -> None:
    answer = await client.get(f"/api/v4/projects/100/packages?{query_string}")

    assert answer.status == 400
    assert set((await _json(answer))["error"].split(", ")) == set(error.split(", "))


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/api/v4/nothing", 404, {"error": "404 Not Found"}),
        ("POST", "/api/v4/projects/100/packages", 405, {"error": "405 Not Allowed"}),
        ("GET", "/api/v4/projects/100/packages/abc", 400, {"error": "package_id is invalid"}),
        ("GET", "/api/v4/projects/100/packages/0", 404, {"message": "404 Not found"}),
        ("GET", "/api/v4/projects/100/packages/99999999999999999999", 404, {"message": "404 Not found"}),
        ("GET", "/api/v4/projects/acme/open/packages", 404, {"error": "404 Not Found"}),
    ],
)
async def test_what_is_not_there_is_told_in_gitlabs_words(
    client: Client, method: str, path: str, status: int, body: object
) -> None:
    answer = await client.request(method, path, headers=_as("maintainer-token"))

    assert (answer.status, await _json(answer)) == (status, body)


async def test_every_answer_carries_the_security_headers_and_a_request_id(client: Client) -> None:
    given = await client.get("/-/live", headers={"X-Request-Id": "my-request"})
    made = await client.get("/api/v4/nothing", headers={"X-Request-Id": "not a plain id\u00e9"})

    assert given.headers["X-Request-Id"] == "my-request"
    assert len(made.headers["X-Request-Id"]) == 32
    assert {made.headers["X-Frame-Options"], made.headers["X-Content-Type-Options"]} == {"SAMEORIGIN", "nosniff"}


async def test_what_is_uploaded_comes_down_again(client: Client, objects: Path) -> None:
    content = bytes(range(256)) * 5_000
    headers = {**_as("developer-token"), "Content-Type": "application/x-www-form-urlencoded"}

    up = await client.put(_GENERIC, data=BytesIO(content), headers=headers)
    down = await client.get(_GENERIC)
    head = await client.head(_GENERIC)

    assert (up.status, await _json(up)) == (201, {"message": "201 Created"})
    assert await down.read() == content
    assert down.headers["Content-Type"] == "application/octet-stream"
    assert down.headers["X-Checksum-SHA256"] == hashlib.sha256(content).hexdigest()
    assert down.headers["Content-Disposition"].startswith('attachment; filename="app.bin"')
    assert (head.status, head.headers["Content-Length"], await head.read()) == (200, str(len(content)), b"")
    assert len(objects_in(objects)) == 1


async def test_an_upload_to_the_same_name_is_a_new_file_and_the_newest_is_served(
    filled: Context, client: Client
) -> None:
    for content in (b"old", b"new"):
        await client.put(_GENERIC, data=content, headers=_as("developer-token"))

    assert await (await client.get(_GENERIC)).read() == b"new"
    assert len(await query(filled, "SELECT id FROM package")) == 1
    assert len(await query(filled, "SELECT id FROM package_file")) == 2


async def test_an_upload_can_answer_with_the_record_and_set_the_status(filled: Context, client: Client) -> None:
    answer = await client.put(
        _GENERIC + "?select=package_file&status=hidden", data=b"x", headers=_as("developer-token")
    )

    record = await _json(answer)
    assert answer.status == 200
    assert record["file"]["url"].endswith("/packages/generic/app/1.0/app.bin")
    assert record["file_sha256"] == hashlib.sha256(b"x").hexdigest()
    assert await status_of(filled, record["package_id"]) == "hidden"


@pytest.mark.parametrize(
    ("path", "token", "status", "body"),
    [
        (_GENERIC, "", 401, {"message": "401 Unauthorized"}),
        (_GENERIC, "reporter-token", 403, {"message": "403 Forbidden"}),
        (_GENERIC, "maintainer-reading-token", 403, None),
        (_GENERIC.replace("100", "102"), "stranger-token", 404, {"message": "404 Project Not Found"}),
        (_GENERIC.replace("1.0", "..1.2.3"), "developer-token", 400, {"error": "package_version is invalid"}),
        (_GENERIC.replace("1.0", "%2e%2e%2f1.2.3"), "developer-token", 400, {"error": "package_version is invalid"}),
        (_GENERIC.replace("app.bin", "a%20b"), "developer-token", 400, {"error": "file_name is invalid"}),
        (_GENERIC + "?status=error", "developer-token", 400, {"error": "status does not have a valid value"}),
    ],
)
async def test_a_refused_upload_leaves_nothing(
    filled: Context, client: Client, objects: Path, path: str, token: str, status: int, body: object
) -> None:
    answer = await client.put(path, data=b"x", headers=_as(token))

    assert answer.status == status
    assert body is None or await _json(answer) == body
    assert await query(filled, "SELECT id FROM package") == []
    assert objects_in(objects) == set()


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("DELETE", "/api/v4/projects/100/packages/1?reason=%00", _as("maintainer-token"), 400),
        ("GET", f"/api/v4/projects/{'9' * 5_000}/packages", {}, 404),
        ("GET", f"/api/v4/groups/{'9' * 5_000}/packages", {}, 404),
        ("GET", "/api/v4/projects/100/packages?package_name=%FF%00", {}, 400),
        ("GET", "/api/v4/projects/%FF/packages", {}, 404),
        ("GET", "/api/v4/projects/100/packages", _as("t\u00f6ken"), 401),
        (
            "DELETE",
            "/api/v4/projects/100/packages/1",
            {**_as("maintainer-token"), "If-Unmodified-Since": "Mon, 01 Jan 99999999999 00:00:00 GMT"},
            404,
        ),
    ],
)
async def test_odd_input_is_answered_with_4xx(
    client: Client, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    answer = await client.request(method, URL(path, encoded=True), headers=headers)

    assert answer.status == status


async def test_a_download_that_breaks_in_the_middle_is_not_passed_off_as_whole(
    filled: Context, client: Client, objects: Path
) -> None:
    await client.put(_GENERIC, data=BytesIO(b"x" * 3_000_000), headers=_as("developer-token"))
    (stored,) = objects_in(objects)
    os.truncate(objects / stored, 1_000_000)

    with pytest.raises(ClientPayloadError):
        await (await client.get(_GENERIC)).read()

    (objects / stored).unlink()
    gone = await client.get(_GENERIC)
    assert (gone.status, await _json(gone)) == (404, {"message": "404 Not found"})


async def test_the_first_pipeline_is_that_of_the_first_build(filled: Context, client: Client) -> None:
    package_id = await publish(filled)
    for pipeline_id in (901, 900):
        await query(
            filled,
            "WITH made AS (INSERT INTO pipeline (id, iid, project_id, sha, ref, status)"
            " VALUES ($2, 1, 100, '2f1b3c', 'main', 'success') RETURNING id)"
            " INSERT INTO package_build (package_id, pipeline_id) SELECT $1, id FROM made",
            package_id,
            pipeline_id,
        )

    shown = await _json(await client.get(f"/api/v4/projects/100/packages/{package_id}"))

    assert shown["pipeline"]["id"] == 901
    assert [pipeline["id"] for pipeline in shown["pipelines"]] == [901, 900]


async def test_a_package_without_a_version_shows_those_that_have_one(filled: Context, client: Client) -> None:
    versioned, versionless = await publish(filled), await publish(filled, version="2.0")
    await query(filled, "UPDATE package SET version = NULL WHERE id = $1", versionless)

    shown = await _json(await client.get(f"/api/v4/projects/100/packages/{versionless}"))

    assert [version["id"] for version in shown["versions"]] == [versioned]


async def test_neither_head_nor_304_is_a_download(filled: Context, client: Client) -> None:
    package_id = await publish(filled)
    last = "SELECT last_downloaded_at AS moment FROM package"

    head = await client.head(_GENERIC)
    known = await client.get(_GENERIC, headers={"If-None-Match": head.headers["ETag"]})
    await note_downloads(client)
    before = await query(filled, last)
    await (await client.get(_GENERIC)).read()
    await note_downloads(client)
    after = await query(filled, last)

    assert (head.status, known.status) == (200, 304)
    assert before[0]["moment"] is None
    assert after[0]["moment"] is not None
    assert package_id


async def test_of_several_credentials_the_first_good_one_counts(client: Client) -> None:
    path = "/api/v4/projects/102/packages"
    basic = encode_basic_auth("anybody", "maintainer-token")

    last_counts = await client.get(f"{path}?private_token=x&private_token=maintainer-token")
    passed_over = await client.get(
        f"{path}/generic/app/1.0/app.bin", headers={"Deploy-Token": "x", "Authorization": basic}
    )
    form = await client.delete(f"{path}/1", data={"private_token": "maintainer-token"})
    parts = MultipartWriter("form-data")
    parts.append("maintainer-token").set_content_disposition("form-data", name="private_token")
    multipart = await client.delete(f"{path}/1", data=parts)

    assert last_counts.status == 200
    assert await _json(passed_over) == {"message": "404 Not found"}
    assert await _json(form) == await _json(multipart) == {"message": "404 Not found"}


@pytest.mark.parametrize(
    "query_string",
    [
        "package_name=a&package_name=%00",
        "package_version=%00",
        "pagination=keyset&cursor=eyJvcmRlciI6ImNyZWF0ZWRfYXQuYXNjIiwidmFsdWUiOiI5OTk5LTEyLTMxVDIzOjU5OjU5LTIzOjU5IiwiaWQiOjF9",
        "package_name=" + "+".join(f"word{number}" for number in range(51)),
    ],
)
async def test_what_the_database_could_not_take_is_400(client: Client, query_string: str) -> None:
    assert (await client.get(f"/api/v4/projects/100/packages?{query_string}")).status == 400


async def test_every_wrong_part_of_an_upload_is_named(client: Client) -> None:
    answer = await client.put(
        URL("/api/v4/projects/100/packages/generic/se~l/1../f~?status=x&select=y", encoded=True),
        data=b"x",
        headers=_as("developer-token"),
    )

    assert await _json(answer) == {
        "error": "package_name is invalid, package_version is invalid, file_name is invalid,"
        " status does not have a valid value, select does not have a valid value"
    }


async def test_what_is_published_again_after_a_failed_deletion_is_no_duplicate(filled: Context, client: Client) -> None:
    package_id = await publish(filled)
    await client.delete(f"/api/v4/projects/100/packages/{package_id}", headers=_as("maintainer-token"))
    await query(filled, "UPDATE deletion SET state = 'failed', finished_at = now()")
    await query(filled, "UPDATE package SET status = 'error'")
    await query(filled, "UPDATE package_file SET status = 'error'")
    await query(filled, "UPDATE directory_group SET generic_duplicates_allowed = false")

    statuses = [(await client.put(_GENERIC, data=b"x", headers=_as("developer-token"))).status for _ in range(2)]

    assert statuses == [201, 400]


async def test_the_exception_of_an_outer_group_holds_where_an_inner_one_says_none(
    filled: Context, client: Client
) -> None:
    path = "/api/v4/projects/102/packages/generic/app/1.0/app.bin"
    await query(filled, "UPDATE directory_group SET generic_duplicate_exception_regex = 'a[p]+' WHERE path = 'acme'")
    await query(filled, "UPDATE directory_group SET generic_duplicates_allowed = false WHERE path = 'acme/labs'")

    statuses = [(await client.put(path, data=b"x", headers=_as("developer-token"))).status for _ in range(2)]

    assert statuses == [201, 201]


async def test_no_link_leads_to_a_deletion_that_would_be_refused(filled: Context, client: Client) -> None:
    await publish(filled, project_id=103)
    await publish(filled)

    listed = await _json(await client.get("/api/v4/groups/acme/packages", headers=_as("maintainer-token")))
    own = await _json(await client.get("/api/v4/projects/100/packages", headers={"JOB-TOKEN": "open-maintainer-job"}))
    job = {"JOB-TOKEN": "anvil-maintainer-job"}
    foreign = await _json(await client.get("/api/v4/projects/100/packages", headers=job))

    assert {package["project_id"]: "delete_api_path" in package["_links"] for package in listed} == {
        100: True,
        103: False,
    }
    await query(filled, "INSERT INTO job_token_allowance (project_id, source_project_id) VALUES (100, 102)")
    let_in = await _json(await client.get("/api/v4/projects/100/packages", headers=job))
    assert ["delete_api_path" in package["_links"] for package in own + foreign + let_in] == [True, False, True]
    assert (await client.delete(f"/api/v4/projects/100/packages/{let_in[0]['id']}", headers=job)).status == 204
