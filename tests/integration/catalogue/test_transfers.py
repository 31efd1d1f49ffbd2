"""Uploads that say what they send, and downloads of parts, from elsewhere, and by many."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from service.app import create_app
from service.catalogue.downloads import DownloadNotes
from service.context import Context, open_context
from service.settings import Settings
from tests.integration.conftest import Client, note_downloads
from tests.support.buckets import BucketWatcher, new_prefix, sign_in_as_admin
from tests.support.catalogue import fill_directory, objects_in, publish, query
from tests.support.servers import Servers

_FILE: Final = "/api/v4/projects/100/packages/generic/app/1.0/app.bin"
_DEVELOPER: Final = {"PRIVATE-TOKEN": "developer-token"}
_CONTENT: Final = b"0123456789"


def _base64(algorithm: str, content: bytes = _CONTENT) -> str:
    return base64.b64encode(hashlib.new(algorithm, content).digest()).decode()


def _hex(algorithm: str, content: bytes = _CONTENT) -> str:
    return hashlib.new(algorithm, content).hexdigest()


def _checksums(content: bytes) -> list[dict[str, str]]:
    return [
        {"X-Checksum-SHA256": _hex("sha256", content)},
        {"X-Checksum-Sha1": _hex("sha1", content).upper()},
        {"X-Checksum-MD5": _hex("md5", content)},
        {"Content-MD5": _base64("md5", content)},
        {"Repr-Digest": f"sha-256=:{_base64('sha256', content)}:"},
        {"Content-Digest": f"sha-512=:AAAA:, sha-256=:{_base64('sha256', content)}:"},
        {"Digest": f"SHA-256={_base64('sha256', content)},unixsum=30637"},
    ]


@pytest.mark.parametrize("headers", _checksums(_CONTENT))
async def test_an_upload_is_what_its_checksum_says(client: Client, headers: Mapping[str, str]) -> None:
    answer = await client.put(_FILE, data=_CONTENT, headers={**_DEVELOPER, **headers})

    assert answer.status == 201
    assert await (await client.get(_FILE)).read() == _CONTENT


@pytest.mark.parametrize("headers", _checksums(b"other bytes"))
async def test_an_upload_that_is_something_else_leaves_nothing(
    filled: Context, client: Client, objects: Path, headers: Mapping[str, str]
) -> None:
    answer = await client.put(_FILE, data=_CONTENT, headers={**_DEVELOPER, **headers})

    assert answer.status == 400
    assert (await answer.json())["message"].startswith("400 Bad request - Checksum does not match (")
    assert objects_in(objects) == set()
    assert await query(filled, "SELECT id FROM package") == []


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("X-Checksum-SHA256", "abc"),
        ("X-Checksum-SHA256", "z" * 64),
        ("X-Checksum-MD5", _hex("sha256")),
        ("Content-MD5", "not base64"),
        ("Repr-Digest", "sha-256"),
        ("Content-Digest", "sha-256=:AAAA:"),
    ],
)
async def test_a_checksum_that_cannot_be_read_is_named(client: Client, header: str, value: str) -> None:
    answer = await client.put(_FILE, data=_CONTENT, headers={**_DEVELOPER, header: value})

    assert (answer.status, await answer.json()) == (400, {"error": f"{header} is invalid"})


async def test_an_upload_that_has_to_be_new_does_not_come_second(
    filled: Context, client: Client, objects: Path
) -> None:
    headers = {**_DEVELOPER, "If-None-Match": "*"}

    first = await client.put(_FILE, data=_CONTENT, headers=headers)
    second = await client.put(_FILE, data=b"other", headers=headers)
    other = await client.put(f"{_FILE}.sig", data=b"other", headers=headers)

    assert (first.status, second.status, other.status) == (201, 412, 201)
    assert (await second.json())["message"] == "412 Precondition Failed"
    assert len(objects_in(objects)) == 2
    assert await (await client.get(_FILE)).read() == _CONTENT


async def test_of_many_uploads_at_once_that_have_to_be_new_one_is(client: Client, objects: Path) -> None:
    async def upload(number: int) -> int:
        headers = {**_DEVELOPER, "If-None-Match": "*"}
        return (await client.put(_FILE, data=str(number).encode(), headers=headers)).status

    async with asyncio.TaskGroup() as group:
        uploads = [group.create_task(upload(number)) for number in range(8)]

    statuses = sorted(upload.result() for upload in uploads)
    assert statuses.count(201) == 1
    assert set(statuses) <= {201, 409, 412}
    assert len(objects_in(objects)) == 1


@pytest.mark.parametrize(
    ("wanted", "status", "content_range", "body"),
    [
        ("bytes=0-0", 206, "bytes 0-0/10", b"0"),
        ("bytes=2-5", 206, "bytes 2-5/10", b"2345"),
        ("bytes=7-", 206, "bytes 7-9/10", b"789"),
        ("bytes=-3", 206, "bytes 7-9/10", b"789"),
        ("bytes=8-100", 206, "bytes 8-9/10", b"89"),
        ("bytes=0-", 206, "bytes 0-9/10", _CONTENT),
        ("bytes=0-9", 206, "bytes 0-9/10", _CONTENT),
        ("bytes=0-100", 206, "bytes 0-9/10", _CONTENT),
        ("bytes=-100", 206, "bytes 0-9/10", _CONTENT),
        ("bytes=10-", 416, "bytes */10", None),
        ("bytes=-0", 416, "bytes */10", None),
        ("bytes=0-1,4-5", 200, None, _CONTENT),
        ("bytes=5-2", 200, None, _CONTENT),
        ("lines=0-1", 200, None, _CONTENT),
        ("bytes=a-b", 200, None, _CONTENT),
        ("bytes=-", 200, None, _CONTENT),
    ],
)
async def test_a_part_of_a_file_is_what_was_asked_for(
    filled: Context, client: Client, wanted: str, status: int, content_range: str | None, body: bytes | None
) -> None:
    await publish(filled, content=_CONTENT)

    answer = await client.get(_FILE, headers={"Range": wanted})
    received = await answer.read()

    assert (answer.status, answer.headers.get("Content-Range")) == (status, content_range)
    if body is not None:
        assert received == body
        assert answer.headers["Content-Length"] == str(len(body))
        assert answer.headers["X-Checksum-SHA256"] == _hex("sha256")
        assert answer.headers["Accept-Ranges"] == "bytes"


async def test_a_part_of_another_version_of_the_file_is_not_mixed_in(filled: Context, client: Client) -> None:
    await publish(filled, content=_CONTENT)
    tag = (await client.head(_FILE)).headers["ETag"]

    same = await client.get(_FILE, headers={"Range": "bytes=0-1", "If-Range": tag})
    other = await client.get(_FILE, headers={"Range": "bytes=0-1", "If-Range": '"another"'})
    head = await client.head(_FILE, headers={"Range": "bytes=0-1"})
    known = await client.get(_FILE, headers={"Range": "bytes=0-1", "If-None-Match": tag})

    assert (same.status, await same.read()) == (206, b"01")
    assert (other.status, await other.read()) == (200, _CONTENT)
    assert (head.status, head.headers["Content-Length"]) == (200, "10")
    assert known.status == 304


async def test_an_empty_file_comes_whole_whatever_part_is_asked_for(filled: Context, client: Client) -> None:
    await publish(filled, content=b"")

    whole = await client.get(_FILE)
    part = await client.get(_FILE, headers={"Range": "bytes=0-"})

    assert (whole.status, await whole.read()) == (200, b"")
    assert (part.status, await part.read()) == (200, b"")


async def test_downloads_of_many_are_noted_by_one_statement_and_to_the_minute(filled: Context) -> None:
    ids = [await publish(filled, name=f"app-{number}") for number in range(3)]
    notes = DownloadNotes(filled.database)

    for package_id in (*ids, *ids):
        notes.note(package_id)
    assert await _moments(filled) == [None] * 3
    before = datetime.now(UTC)
    await notes.write()
    first = await _moments(filled)
    notes.note(ids[0])
    await notes.write()

    assert all(moment is not None and moment <= before for moment in first)
    assert await _moments(filled) == first


async def test_what_the_database_cannot_take_now_is_noted_later(filled: Context) -> None:
    package_id = await publish(filled)
    async with open_context(filled.settings) as away:
        notes = DownloadNotes(away.database)
    await notes.note_first(package_id)
    await notes.write()  # over connections that are closed
    assert await _moments(filled) == [None]

    notes._database = filled.database
    await notes.write()

    assert await _moments(filled) != [None]


async def test_a_download_is_noted_at_the_latest_when_the_api_ends(filled: Context) -> None:
    await publish(filled)
    (old,) = await query(filled, "UPDATE package SET last_downloaded_at = '2020-01-01Z' RETURNING last_downloaded_at")

    async with TestClient(TestServer(create_app(filled))) as client:
        await (await client.get(_FILE)).read()
        assert await _moments(filled) == [old["last_downloaded_at"]]

    assert await _moments(filled) > [old["last_downloaded_at"]]


async def test_the_first_download_is_noted_before_the_first_byte_comes(filled: Context, client: Client) -> None:
    await publish(filled)

    answer = await client.get(_FILE)
    moments = await _moments(filled)

    assert await answer.read() == b"bytes"
    assert moments != [None]


async def test_a_first_download_does_not_wait_for_whoever_works_on_the_package(filled: Context, client: Client) -> None:
    await publish(filled)

    async with filled.database.transaction() as connection:
        await connection.execute("SELECT FROM package FOR UPDATE")
        async with asyncio.timeout(5):
            answer = await client.get(_FILE)
            assert (answer.status, await answer.read()) == (200, b"bytes")
        assert await _moments(filled) == [None]
    await note_downloads(client)

    assert await _moments(filled) != [None]


async def _moments(context: Context) -> list[Any]:
    rows = await query(context, "SELECT last_downloaded_at FROM package ORDER BY id")
    return [row["last_downloaded_at"] for row in rows]


@pytest.fixture
async def in_bucket(servers: Servers, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Context]:
    """A context whose objects are in a bucket, to which downloads are sent."""
    sign_in_as_admin(monkeypatch, servers)
    storage = {"storage_url": new_prefix(), "storage_endpoint": servers.s3_endpoint, "download_redirect": True}
    async with open_context(Settings.model_validate(settings.model_dump() | storage)) as context:
        await fill_directory(context)
        yield context


async def test_a_download_may_be_sent_to_the_bucket(in_bucket: Context) -> None:
    package_id = await publish(in_bucket, content=_CONTENT)

    async with TestClient(TestServer(create_app(in_bucket))) as client, aiohttp.ClientSession() as stranger:
        found = await client.get(_FILE, allow_redirects=False)
        head = await client.head(_FILE)
        known = await client.get(_FILE, headers={"If-None-Match": head.headers["ETag"]})
        whole = await client.get(_FILE)
        async with stranger.get(found.headers["Location"], headers={"Range": "bytes=2-5"}) as part:
            assert (part.status, await part.read()) == (206, b"2345")
        async with stranger.get(found.headers["Location"].partition("?")[0]) as unsigned:
            assert unsigned.status == 403
        assert (found.status, found.headers["X-Checksum-SHA256"]) == (302, _hex("sha256"))
        assert found.headers["Location"].startswith(str(in_bucket.settings.storage_endpoint))
        assert found.headers["Cache-Control"] == "no-store"
        assert (head.status, known.status) == (200, 304)
        assert await whole.read() == _CONTENT

    assert await _moments(in_bucket) != [None]
    assert package_id


async def test_uploads_go_to_the_bucket_whole_or_not_at_all(in_bucket: Context, servers: Servers) -> None:
    watcher = BucketWatcher(servers.s3_filer_url, in_bucket.settings.storage_url)
    large = b"x" * (20 * 1024 * 1024)

    async with TestClient(TestServer(create_app(in_bucket))) as client:
        wrong = {**_DEVELOPER, "X-Checksum-SHA256": _hex("sha256")}
        refused = await client.put(_FILE, data=BytesIO(large), headers=wrong)
        assert (refused.status, await watcher.keys()) == (400, set())
        right = {**_DEVELOPER, "X-Checksum-SHA256": _hex("sha256", large)}
        taken = await client.put(_FILE, data=BytesIO(large), headers=right)
        assert (taken.status, len(await watcher.keys())) == (201, 1)
        assert hashlib.sha256(await (await client.get(_FILE)).read()).hexdigest() == _hex("sha256", large)


async def test_a_store_that_is_away_is_503_for_uploads_and_downloads(
    filled: Context, client: Client, objects: Path
) -> None:
    await publish(filled)
    objects.rename(objects.with_name("away"))

    up = await client.put(_FILE, data=b"x", headers=_DEVELOPER)
    down = await client.get(_FILE)

    assert (up.status, down.status) == (503, 503)
    assert await down.json() == {"message": "503 Service Unavailable"}
