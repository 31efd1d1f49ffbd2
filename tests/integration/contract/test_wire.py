"""Section 10: what existing clients depend on."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_network
from typing import Any

import pytest
from aiohttp import FormData
from yarl import URL

from service.context import Context
from tests.integration.conftest import Client
from tests.integration.contract.conftest import ClientWith
from tests.support.catalogue import publish, query
from tests.support.packages import (
    API,
    DEVELOPER,
    EXTERNAL,
    GENERIC,
    GROUP,
    MAINTAINER,
    PRIVATE,
    PRIVATE_GENERIC,
    PUBLIC,
    REPORTER,
    bring_in,
    bring_in_many,
    file_ids,
    json_of,
    listed,
    token,
)

_NUMBERS = {"X-Page", "X-Per-Page", "X-Next-Page", "X-Prev-Page", "X-Total", "X-Total-Pages"}
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.mark.parametrize("listing", [PUBLIC, GROUP])
async def test_paging_has_absolute_links_and_all_six_numbers(filled: Context, client: Client, listing: str) -> None:
    await bring_in_many(filled, 3)

    answer = await client.get(f"{listing}?per_page=1&page=2")

    assert set(answer.headers) >= _NUMBERS
    assert re.search(rf'<{EXTERNAL}{listing}\?[^>]*page=3[^>]*>; rel="next"', answer.headers["Link"])


async def test_links_name_the_host_and_port_that_the_client_used(filled: Context, client_with: ClientWith) -> None:
    await bring_in_many(filled, 2)
    async with client_with(external_url=None) as client:
        plain = await client.get(f"{PUBLIC}?per_page=1")
        named = await client.get(f"{PUBLIC}?per_page=1", headers={"Host": "packages.example:8443"})

        assert plain.headers["Link"].startswith(f"<{client.make_url(PUBLIC)}?")
        assert named.headers["Link"].startswith(f"<http://packages.example:8443{PUBLIC}?")


@pytest.mark.parametrize(
    ("proxies", "told", "scheme"),
    [
        ("127.0.0.0/8", "https", "https"),
        ("127.0.0.0/8", "HTTPS, http", "https"),
        ("127.0.0.0/8", "http", "http"),
        ("127.0.0.0/8", "gopher", "http"),
        ("10.0.0.0/8", "https", "http"),
    ],
)
async def test_links_begin_with_the_scheme_that_a_trusted_proxy_tells(
    filled: Context, client_with: ClientWith, proxies: str, told: str, scheme: str
) -> None:
    await bring_in_many(filled, 2)
    async with client_with(external_url=None, trusted_proxies=(ip_network(proxies),)) as client:
        headers = {**MAINTAINER, "Host": "packages.example", "X-Forwarded-Proto": told}
        answer = await client.get(f"{PUBLIC}?per_page=1", headers=headers)
        (package,) = await answer.json()

    assert answer.headers["Link"].startswith(f"<{scheme}://packages.example{PUBLIC}?")
    assert package["_links"]["delete_api_path"].startswith(f"{scheme}://packages.example{PUBLIC}/")


async def test_json_has_no_charset(filled: Context, client: Client) -> None:
    package_id = await publish(filled)
    answers = [
        await client.get(PUBLIC),
        await client.get(f"{PUBLIC}/{package_id}"),
        await client.get(f"{PUBLIC}/0"),
        await client.get(f"{API}/nothing"),
        await client.post(PUBLIC),
        await client.put(GENERIC, data=b"x", headers=DEVELOPER),
        await client.get(PUBLIC, headers=token("nonsense")),
    ]

    assert {answer.headers["Content-Type"] for answer in answers} == {"application/json"}


async def test_a_private_token_and_a_bearer_mean_the_same(client: Client) -> None:
    for name in ("reporter-token", "nonsense", "guest-token", "maintainer-expired-token"):
        private = await client.get(PRIVATE, headers={"PRIVATE-TOKEN": name})
        bearer = await client.get(PRIVATE, headers={"Authorization": f"Bearer {name}"})

        assert (private.status, await private.read()) == (bearer.status, await bearer.read())


async def test_an_encoded_slash_in_a_path_survives(filled: Context, client: Client) -> None:
    await publish(filled, project_id=102)

    for path in ("projects/acme%2Flabs%2Fanvil", "groups/acme%2Flabs"):
        answer = await client.get(URL(f"{API}/{path}/packages", encoded=True), headers=REPORTER)
        assert await listed(answer) == ["app"]
    down = await client.get(
        URL(f"{API}/projects/acme%2Flabs%2Fanvil/packages/generic/app/1.0/app.bin", encoded=True), headers=REPORTER
    )
    assert down.status == 200


@pytest.mark.parametrize(
    ("sent", "version", "file_name"),
    [
        ("1%2E0/a%2Bb%2Ebin", "1.0", "a+b.bin"),
        ("1.0%2B5/a+b.bin", "1.0+5", "a+b.bin"),
        ("1.0+5/a%2bb.tar%2egz", "1.0+5", "a+b.tar.gz"),
    ],
)
async def test_names_are_decoded_once(filled: Context, client: Client, sent: str, version: str, file_name: str) -> None:
    place = URL(f"{PUBLIC}/generic/app/{sent}", encoded=True)

    up = await client.put(place, data=b"x", headers=DEVELOPER)

    assert up.status == 201
    (package,) = await json_of(await client.get(PUBLIC))
    files = await client.get(f"{PUBLIC}/{package['id']}/package_files")
    assert (package["version"], await listed(files, "file_name")) == (version, [file_name])
    assert (await client.get(place)).status == 200
    assert (await client.get(URL(f"{PUBLIC}/generic/app/{version}/{file_name}", encoded=True))).status == 200


async def test_a_name_encoded_twice_is_not_decoded_twice(client: Client) -> None:
    answer = await client.put(URL(f"{PUBLIC}/generic/app/1.0/a%252Bb", encoded=True), data=b"x", headers=DEVELOPER)

    assert answer.status == 400


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=xyz",
        "application/json",
        "text/plain; charset=utf-16",
        "nonsense",
        "",
    ],
)
async def test_an_upload_is_stored_as_sent_whatever_its_type(client: Client, content_type: str) -> None:
    content = b'a=1&b=%20\r\n--xyz\r\n\r\n{"private_token": "x"}\xff\x00'

    up = await client.put(GENERIC, data=content, headers={**DEVELOPER, "Content-Type": content_type})

    assert up.status == 201
    assert await (await client.get(GENERIC)).read() == content


async def test_a_form_with_a_file_is_stored_as_sent(client: Client) -> None:
    form = FormData()
    form.add_field("file", b"inner bytes", filename="inner.bin")

    up = await client.put(GENERIC, data=form, headers=DEVELOPER)

    stored = await (await client.get(GENERIC)).read()
    assert up.status == 201
    assert stored.startswith(b"--")
    assert b"inner bytes" in stored


async def test_an_upload_that_waits_for_100_continue_works(client: Client) -> None:
    up = await client.put(GENERIC, data=b"x" * 5_000, headers=DEVELOPER, expect100=True)

    assert up.status == 201
    assert len(await (await client.get(GENERIC)).read()) == 5_000


async def test_a_chunked_upload_works(client: Client) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for number in range(50):
            yield b"%03d" % number

    up = await client.put(GENERIC, data=chunks(), headers=DEVELOPER)

    assert up.status == 201
    assert await (await client.get(GENERIC)).read() == b"".join([b"%03d" % number for number in range(50)])


async def test_select_answers_with_a_url_besides_the_record(client: Client) -> None:
    answer = await client.put(f"{GENERIC}?select=package_file", data=b"x", headers=DEVELOPER)

    record = await json_of(answer)
    assert record["file"]["url"]
    assert {"id", "package_id", "file_name", "size", "file_sha256"} <= set(record)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{}", "application/json"),
        (b"{", "application/json"),
        (b"", "application/json"),
        (b"reason", "text/plain"),
        (b"a=b", "application/x-www-form-urlencoded"),
        (b"\xff\xff", "nonsense"),
        (b"x", "multipart/form-data"),
    ],
)
async def test_a_delete_may_carry_any_body(filled: Context, client: Client, body: bytes, content_type: str) -> None:
    package_id = await publish(filled, files=["a", "b"])
    (file_id, _) = await file_ids(filled, package_id)
    headers = {**MAINTAINER, "Content-Type": content_type}

    file = await client.delete(f"{PUBLIC}/{package_id}/package_files/{file_id}", data=body, headers=headers)
    package = await client.delete(f"{PUBLIC}/{package_id}", data=body, headers=headers)

    assert (file.status, package.status) == (204, 204)


def _fields(body: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(body, list):
        for element in body:
            yield from _fields(element)
    elif isinstance(body, dict):
        for key, value in body.items():
            yield key, value
            yield from _fields(value)


async def test_times_ids_sizes_and_pipelines_have_the_types_that_clients_read(filled: Context, client: Client) -> None:
    pipeline = {"id": 9, "status": "success", "ref": "main", "sha": "abc", "user": "dave"}
    file = {"file_name": "a", "content": "", "pipelines": [9]}
    package_id = await bring_in(filled, tags=["latest"], pipelines=[pipeline], files=[file])
    await bring_in(filled, version="2.0", creator="dave")
    await bring_in(filled, version=None)
    one = f"{PUBLIC}/{package_id}"

    for path in (PUBLIC, GROUP, f"{PUBLIC}?include_versionless=true", one, f"{one}/package_files", f"{one}/pipelines"):
        for key, value in _fields(await json_of(await client.get(path))):
            if key.endswith("_at"):
                assert value is None or _INSTANT.fullmatch(value), key
            elif key == "id" or key.endswith("_id"):
                assert isinstance(value, int) or (key == "creator_id" and value is None), key
            elif key == "size":
                assert isinstance(value, int)
            elif key == "pipelines":
                assert isinstance(value, list)


@pytest.mark.parametrize("accept", ["application/json", "text/html", "image/png;q=0.1", "nonsense", ""])
async def test_accept_changes_nothing(filled: Context, client: Client, accept: str) -> None:
    package_id = await publish(filled)
    (file_id,) = await file_ids(filled, package_id)
    headers = {"Accept": accept}

    for path in (GENERIC, f"{PUBLIC}/{package_id}/package_files/{file_id}/download"):
        down = await client.get(path, headers=headers)
        assert (down.status, down.headers["Content-Type"]) == (200, "application/octet-stream")
    assert await listed(await client.get(PUBLIC, headers=headers)) == ["app"]
    assert (await client.get(f"{API}/nothing", headers=headers)).status == 404


async def test_every_upload_that_succeeds_is_answered_with_json(client: Client) -> None:
    for query_string in ("", "?status=hidden", "?select=package_file"):
        answer = await client.put(GENERIC + query_string, data=b"x", headers=DEVELOPER)
        assert answer.status in {200, 201}
        assert isinstance(await json_of(answer), dict)


async def test_every_error_is_a_json_object_with_message_or_error(filled: Context, client: Client) -> None:
    package_id = await publish(filled, name="core-a", project_id=104)
    asked = [
        ("GET", f"{PUBLIC}?page=x", {}),
        ("GET", PUBLIC, token("nonsense")),
        ("GET", PUBLIC, token("maintainer-expired-token")),
        ("GET", PRIVATE, {}),
        ("GET", PRIVATE, token("guest-token")),
        ("GET", f"{PUBLIC}/0", {}),
        ("GET", "/nowhere/at/all", {}),
        ("GET", f"{API}/nothing", {}),
        ("POST", PUBLIC, {}),
        ("DELETE", f"{PUBLIC}/1", token("maintainer-reading-token")),
        ("DELETE", f"/api/v4/projects/104/packages/{package_id}", MAINTAINER),
        ("PUT", GENERIC, {}),
        ("PUT", GENERIC.replace("1.0", "1..0"), DEVELOPER),
        ("GET", PRIVATE_GENERIC, {}),
        ("PATCH", GENERIC, {}),
    ]

    for method, path, headers in asked:
        answer = await client.request(method, path, headers=headers)
        assert answer.status >= 400
        assert {"message", "error"} & set(json.loads(await answer.read())), path


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
async def test_generic_routes_challenge_nobody(client: Client, method: str) -> None:
    answer = await client.request(method, PRIVATE_GENERIC)

    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Basic realm="GitLab Packages Registry"')


@pytest.mark.parametrize("headers", [{}, {"PRIVATE-TOKEN": "nonsense"}])
async def test_the_packages_api_challenges_nobody(client: Client, headers: dict[str, str]) -> None:
    for path in (PUBLIC, PRIVATE, GROUP):
        assert "WWW-Authenticate" not in (await client.get(path, headers=headers)).headers


@pytest.mark.parametrize("path", ["/user", "/projects/acme%2Fopen", "/version", "/", ""])
async def test_what_clients_ask_first_is_answered(client: Client, path: str) -> None:
    for headers in ({}, MAINTAINER):
        answer = await client.get(URL(API + path, encoded=True), headers=headers)

        assert answer.status < 500
        assert isinstance(await json_of(answer), dict)


@pytest.mark.usefixtures("database_of_its_own")
async def test_the_time_zone_of_the_database_does_not_show(filled: Context, client: Client) -> None:
    package_id = await bring_in(filled, created_at="2019-11-27T03:37:38.711Z")
    await query(filled, "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET timezone TO %L', current_database(),"
                " 'Asia/Tokyo'); END $$")  # fmt: skip

    package = await json_of(await client.get(f"{PUBLIC}/{package_id}"))

    assert package["created_at"] == "2019-11-27T03:37:38.711Z"
