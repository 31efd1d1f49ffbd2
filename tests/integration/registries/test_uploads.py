"""Uploads of all formats that meet each other, or break off: one package, whole files, and nothing else."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from aiohttp import ClientError

from service.context import Context
from tests.integration.conftest import Client
from tests.support import nupkgs
from tests.support.catalogue import objects_in, query
from tests.support.distributions import distribution, tarred
from tests.support.npm import packed, publication
from tests.support.packages import DEVELOPER

_PACKAGES: Final = "/api/v4/projects/100/packages"
_BOUNDARY: Final = "b0undary"
_FORM: Final = f"multipart/form-data; boundary={_BOUNDARY}"


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload of one version as its client sends it."""

    method: str
    path: str
    body: Callable[[bytes], bytes]
    """Makes the body of a package that has these bytes in it."""
    address: str
    """The address of the file, or of the files of that version."""
    media: str = _FORM
    statuses: tuple[int, ...] = ()
    """Sorted statuses of three clients that send other bytes of the same version at the same time."""


def _form(file_field: str, file_name: str, content: bytes, **fields: str) -> bytes:
    parts = [
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = f'Content-Disposition: form-data; name="{file_field}"; filename="{file_name}"'
    return b"".join((*parts, f"--{_BOUNDARY}\r\n{head}\r\n\r\n".encode(), content, f"\r\n--{_BOUNDARY}--\r\n".encode()))


def _pypi(content: bytes) -> bytes:
    wheel = "kit-1.0.0-py3-none-any.whl"
    return _form("content", wheel, distribution(wheel, content=content), name="kit", version="1.0.0")


def _npm(content: bytes) -> bytes:
    tarball = packed({"name": "kit", "version": "1.0.0"}, {"package/x": content})
    return json.dumps(publication("kit", tarball=tarball)).encode()


def _helm(content: bytes) -> bytes:
    chart = {"kit/Chart.yaml": b"apiVersion: v2\nname: kit\nversion: 1.0.0\n", "kit/x": content}
    return _form("chart", "kit.tgz", tarred(chart))


def _nuget(content: bytes) -> bytes:
    return _form("package", "kit.nupkg", nupkgs.packed("kit", files={"x": content}))


_UPLOADS: Final = {
    "pypi": Upload("POST", "pypi", _pypi, "pypi/simple/kit/", statuses=(201, 400, 400)),
    "npm": Upload("PUT", "npm/kit", _npm, "npm/kit", "application/json", (200, 403, 403)),
    "maven": Upload(
        "PUT",
        "maven/g/kit/1.0.0/kit-1.0.0.jar",
        bytes,
        "maven/g/kit/1.0.0/kit-1.0.0.jar",
        "application/java-archive",
        (200, 400, 400),
    ),
    "nuget": Upload("PUT", "nuget/", _nuget, "nuget/download/kit/1.0.0/kit.1.0.0.nupkg", statuses=(201, 409, 409)),
    "helm": Upload(
        "POST", "helm/api/stable/charts", _helm, "helm/stable/charts/kit-1.0.0.tgz", statuses=(201, 201, 201)
    ),
}


@pytest.mark.parametrize("format_name", _UPLOADS)
async def test_publishers_of_one_version_together_make_one_package_with_whole_files(
    client: Client, filled: Context, objects: Path, format_name: str
) -> None:
    upload = _UPLOADS[format_name]
    # Where a format lets a version be published again, a group can forbid that; Helm's has no such rule.
    await query(
        filled,
        "UPDATE directory_group SET maven_duplicates_allowed = false, nuget_duplicates_allowed = false WHERE id = 10",
    )
    bodies = [upload.body(os.urandom(10_000)) for _ in upload.statuses]

    async def publish(body: bytes) -> int:
        headers = {**DEVELOPER, "Content-Type": upload.media}
        return (await client.request(upload.method, f"{_PACKAGES}/{upload.path}", data=body, headers=headers)).status

    async with asyncio.TaskGroup() as group:
        publishing = [group.create_task(publish(body)) for body in bodies]

    assert sorted(task.result() for task in publishing) == list(upload.statuses)
    (package,) = await query(filled, "SELECT id, status FROM package")
    files = await query(filled, "SELECT package_id, storage_key FROM package_file")
    accepted = sum(status < 300 for status in upload.statuses)
    assert [file["package_id"] for file in files] == [package["id"]] * accepted
    assert objects_in(objects) == {file["storage_key"] for file in files}
    served = await client.get(f"{_PACKAGES}/{upload.address}")
    assert (served.status, bool(await served.read())) == (200, True)


@pytest.mark.parametrize("format_name", _UPLOADS)
async def test_an_upload_that_breaks_off_leaves_nothing(
    client: Client, filled: Context, objects: Path, format_name: str
) -> None:
    upload = _UPLOADS[format_name]
    body = upload.body(os.urandom(400_000))

    async def most() -> AsyncIterator[bytes]:
        yield body[:-1_000]
        raise ConnectionError

    headers = {**DEVELOPER, "Content-Type": upload.media}
    with pytest.raises(ClientError):
        await client.request(upload.method, f"{_PACKAGES}/{upload.path}", data=most(), headers=headers)

    async with asyncio.timeout(10):
        while [path for path in objects.rglob("*") if path.is_file() and path.stat().st_size > 0]:
            await asyncio.sleep(0.02)
    assert await query(filled, "SELECT id FROM package") == []
    assert (await client.get(f"{_PACKAGES}/{upload.address}")).status == 404
