"""PyPI over HTTP: what is inside a wheel or a source archive, and which files are refused for it."""

import gzip
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import FormData

from service.context import Context
from tests.integration.conftest import Client
from tests.support.catalogue import delete, objects_in, query, restore
from tests.support.distributions import distribution, metadata, tarred, zipped
from tests.support.packages import DEVELOPER

_PROJECT: Final = "/api/v4/projects/100/packages/pypi"
_JSON: Final = {"Accept": "application/vnd.pypi.simple.v1+json"}
_WHEEL: Final = "foo-1.0-py3-none-any.whl"
_SOURCE: Final = "foo-1.0.tar.gz"
_REQUIRES: Final = "Requires-Python: >=3.9\n"


async def _publish(client: Client, file_name: str, content: bytes, **fields: str) -> tuple[int, Any]:
    form = FormData(quote_fields=False)
    for name, value in {"name": "foo", "version": "1.0", **fields}.items():
        form.add_field(name, value)
    form.add_field("content", content, filename=file_name)
    answer = await client.post(_PROJECT, data=form, headers=DEVELOPER)
    return answer.status, await answer.json()


async def _files(client: Client) -> dict[str, Any]:
    answer = await client.get(f"{_PROJECT}/simple/foo/", headers=_JSON)
    assert answer.status == 200, await answer.text()
    return {file["filename"]: file for file in json.loads(await answer.read())["files"]}


def _path(url: str) -> str:
    return "/api/" + url.partition("/api/")[2]


async def test_the_metadata_of_a_wheel_are_served_beside_it_and_go_and_come_with_it(
    client: Client, filled: Context
) -> None:
    text = metadata("foo", "1.0", extra=_REQUIRES)
    wheel = distribution(_WHEEL, extra=_REQUIRES)
    assert await _publish(client, _WHEEL, wheel) == (201, {"message": "201 Created"})
    assert await _publish(client, _SOURCE, distribution(_SOURCE)) == (201, {"message": "201 Created"})

    files = await _files(client)
    sha256 = hashlib.sha256(text).hexdigest()
    assert (files[_WHEEL]["core-metadata"], files[_WHEEL]["requires-python"]) == ({"sha256": sha256}, ">=3.9")
    assert "core-metadata" not in files[_SOURCE]
    page = await (await client.get(f"{_PROJECT}/simple/foo/")).text()
    assert f' data-core-metadata="sha256={sha256}">{_WHEEL}</a>' in page
    address = _path(files[_WHEEL]["url"]) + ".metadata"
    answer = await client.get(address)
    assert (answer.status, await answer.read()) == (200, text)
    again = await client.get(address, headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status == 304

    (package,) = await query(filled, "SELECT id FROM package")
    deletion = await delete(filled, package["id"])
    assert (await client.get(address)).status == 404
    await restore(filled, deletion.id)
    assert await (await client.get(address)).read() == text
    assert (await client.get(_path(files[_SOURCE]["url"]) + ".metadata")).status == 404


@pytest.mark.parametrize("file_name", [_WHEEL, _SOURCE, "foo-1.0.zip"])
async def test_each_kind_of_file_is_read(client: Client, file_name: str) -> None:
    assert await _publish(client, file_name, distribution(file_name, extra=_REQUIRES)) == (
        201,
        {"message": "201 Created"},
    )

    assert (await _files(client))[file_name]["requires-python"] == ">=3.9"


async def test_a_version_deleted_and_published_again_has_the_new_bytes(client: Client, filled: Context) -> None:
    old, new = (distribution(_WHEEL, content=content) for content in (b"old", b"new"))
    await _publish(client, _WHEEL, old)
    first = await client.get(f"{_PROJECT}/simple/foo/", headers=_JSON)
    old_path = _path((await _files(client))[_WHEEL]["url"])
    (package,) = await query(filled, "SELECT id FROM package")

    await delete(filled, package["id"])
    await _publish(client, _WHEEL, new)

    known = {**_JSON, "If-None-Match": first.headers["ETag"]}
    assert (await client.get(f"{_PROJECT}/simple/foo/", headers=known)).status == 200
    new_path = _path((await _files(client))[_WHEEL]["url"])
    assert await (await client.get(new_path)).read() == new
    assert (await client.get(old_path)).status == 404


async def test_fields_of_newer_clients_are_taken_and_attestations_are_not_kept(client: Client, filled: Context) -> None:
    form = FormData(quote_fields=False)
    fields = {
        "name": "foo",
        "version": "1.0",
        "metadata_version": "2.4",
        "license_expression": "MIT OR Apache-2.0",
        "license_file": "LICENSE",
        "attestations": json.dumps([{"version": 1, "envelope": "x" * 100_000}]),
        "summary": "a\0b",
    }
    for name, value in fields.items():
        form.add_field(name, value)
    form.add_field("gpg_signature", b"a signature", filename=f"{_WHEEL}.asc")
    form.add_field("content", distribution(_WHEEL), filename=_WHEEL)

    answer = await client.post(_PROJECT, data=form, headers=DEVELOPER)

    assert answer.status == 201, await answer.text()
    (row,) = await query(filled, "SELECT details - 'core_metadata' AS details FROM package_file")
    kept = {"metadata_version": "2.4", "license_expression": "MIT OR Apache-2.0", "summary": "ab"}
    assert row["details"] == kept


def _with_info(text: bytes) -> bytes:
    return zipped({"foo-1.0.dist-info/METADATA": text})


def _bomb() -> bytes:
    """Return a small source archive that has 260 MiB before its metadata."""
    made = io.BytesIO()
    with gzip.open(made, "wb") as packed:
        header = tarfile.TarInfo("foo-1.0/zeros")
        header.size = 260 * 1024**2
        packed.write(header.tobuf())
        for _ in range(260):
            packed.write(bytes(1024**2))
    return made.getvalue()


def _long_header() -> bytes:
    """Return a source archive whose first header claims a name of 100 MiB."""
    header = tarfile.TarInfo("././@LongLink")
    header.type = tarfile.GNUTYPE_LONGNAME
    header.size = 100 * 1024**2
    return gzip.compress(header.tobuf() + bytes(1024))


def _patched(wheel: bytes, old: bytes, new: bytes) -> bytes:
    assert old in wheel
    return wheel.replace(old, new)


def _damaged() -> bytes:
    """Return a wheel in which a byte of the metadata is another than the checksum says."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("foo-1.0.dist-info/METADATA", metadata("foo", "1.0"))
    return _patched(made.getvalue(), b"A description", b"B description")


@pytest.mark.parametrize(
    ("file_name", "content", "reason"),
    [
        (_WHEEL, b"no archive", "File should be a zip archive"),
        (_SOURCE, b"no archive", "File should be a gzip-compressed tar archive"),
        (_SOURCE, gzip.compress(b"no tar"), "File should be a gzip-compressed tar archive"),
        (_SOURCE, distribution(_SOURCE)[:-30], "File should be a gzip-compressed tar archive"),
        (_WHEEL, distribution(_SOURCE), "File should be a zip archive"),
        (_WHEEL, distribution(_WHEEL)[:-30], "File should be a zip archive"),
        (_WHEEL, zipped({"a.py": b""}), "File has no METADATA in its .dist-info folder"),
        (
            _WHEEL,
            zipped({"a.dist-info/METADATA": b"", "b.dist-info/METADATA": b""}),
            "File has more than one METADATA in its .dist-info folder",
        ),
        (_WHEEL, zipped({"../a.py": b""}), "File has an entry that leads out of its folder"),
        (
            _WHEEL,
            _with_info(metadata("bar", "1.0")),
            "Name or version inside the file is another than that of the form",
        ),
        (
            _WHEEL,
            _with_info(metadata("foo", "2.0")),
            "Name or version inside the file is another than that of the form",
        ),
        (_WHEEL, _with_info(b"Name: foo\n"), "File has metadata without Metadata-Version, Name or Version"),
        (_WHEEL, _with_info(b"\xff"), "File has metadata that are no UTF-8"),
        (
            _WHEEL,
            _with_info(metadata("foo", "1.0", extra="Name: bar\n")),
            "File has metadata with more than one Name",
        ),
        (_WHEEL, _with_info(b"x" * 1024**2 + b"x"), "File has a METADATA of more than 1024 KiB"),
        (_WHEEL, _damaged, "File is damaged"),
        (
            _WHEEL,
            _with_info(metadata("foo", "1.0", extra="Requires-Python: " + "x" * 256 + "\n")),
            "Requires python is too long (maximum is 255 characters)",
        ),
        (
            _WHEEL,
            _with_info(metadata("foo", "1.0", extra="Requires-Python: \0\n")),
            "Requires python is invalid",
        ),
        (_SOURCE, tarred({"foo-1.0/deep/PKG-INFO": b""}), "File has no PKG-INFO in its folder"),
        (_SOURCE, _bomb, "File has more than 256 MiB before its metadata"),
        (_SOURCE, _long_header, "File has a header that is too large"),
    ],
    ids=range(21),
)
async def test_a_file_that_is_not_what_it_says_is_refused_and_leaves_nothing(
    client: Client, objects: Path, file_name: str, content: bytes | Callable[[], bytes], reason: str
) -> None:
    archive = content if isinstance(content, bytes) else content()

    assert await _publish(client, file_name, archive) == (400, {"message": f"Validation failed: {reason}"})

    assert objects_in(objects) == set()


async def test_an_entry_that_claims_to_be_small_is_not_unpacked_further(client: Client, objects: Path) -> None:
    big = metadata("foo", "1.0") + bytes(10 * 1024**2)
    size = len(big).to_bytes(4, "little")
    wheel = _patched(_with_info(big), size, (100).to_bytes(4, "little"))

    assert await _publish(client, _WHEEL, wheel) == (400, {"message": "Validation failed: File is damaged"})
    assert objects_in(objects) == set()


@pytest.mark.parametrize(
    ("version", "file_name", "other", "other_file"),
    [
        ("1.0", "foo-1.0.tar.gz", "v1.0.0", "foo-1.0.0-py3-none-any.whl"),
        ("1!2.0", "foo-1!2.0.tar.gz", "01!2", "foo-1!2-py3-none-any.whl"),
        ("1.0+Ubuntu-1", "foo-1.0+ubuntu.1.tar.gz", "1+ubuntu.01", "foo-1.0+ubuntu.1-py3-none-any.whl"),
        ("1.0rc1", "foo-1.0rc1.tar.gz", "1.0-PREVIEW.1", "foo-1.0c1-py3-none-any.whl"),
    ],
)
async def test_spellings_of_a_version_are_one_package(
    client: Client, filled: Context, version: str, file_name: str, other: str, other_file: str
) -> None:
    created = (201, {"message": "201 Created"})
    assert await _publish(client, file_name, distribution(file_name), version=version) == created
    assert await _publish(client, other_file, distribution(other_file), version=other) == created

    (package,) = await query(filled, "SELECT version FROM package")
    assert package["version"] == version
    for file in (await _files(client)).values():
        assert (await client.get(_path(file["url"]))).status == 200
