"""The whole system on S3: from the upload to the last byte, seen from outside."""

import hashlib
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from service.settings import Settings
from tests.support.buckets import BucketWatcher, new_prefix, sign_in_as_admin
from tests.support.catalogue import DIRECTORY
from tests.support.observer import Observer
from tests.support.seaweed import VERSIONED
from tests.support.servers import Servers
from tests.support.yard import Yard

_PACKAGES: Final = "/api/v4/projects/100/packages"
_CONTENT: Final = b"what the file says " * 1_000


@pytest.fixture
def on_s3(servers: Servers, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of a yard whose objects are in a bucket."""
    sign_in_as_admin(monkeypatch, servers)
    storage = {"storage_url": new_prefix(), "storage_endpoint": servers.s3_endpoint}
    return Settings.model_validate(settings.model_dump() | storage)


@pytest.fixture
async def yard(on_s3: Settings, tmp_path: Path) -> AsyncGenerator[Yard]:
    """Such a yard, with its directory."""
    folder = tmp_path / "yard"
    folder.mkdir()
    yard = Yard(on_s3, folder)
    try:
        await yard.run("directory", "apply", str(DIRECTORY))
        yield yard
    finally:
        await yard.aclose()


@pytest.fixture
async def observer(yard: Yard, on_s3: Settings) -> AsyncGenerator[Observer]:
    """Watches the yard when its API and relay run."""
    await yard.start("serve", "relay", "schedule")
    async with yard.observing() as made:
        yield made


async def _upload(http: aiohttp.ClientSession, name: str, content: bytes = _CONTENT) -> int:
    path = f"{_PACKAGES}/generic/{name}/1.0/app.bin?select=package_file"
    async with http.put(path, data=content) as answer:
        assert answer.status == 200
        package_id: int = (await answer.json())["package_id"]
        return package_id


async def test_a_package_lives_and_dies_in_a_bucket(
    yard: Yard, observer: Observer, on_s3: Settings, servers: Servers
) -> None:
    bucket = BucketWatcher(servers.s3_filer_url, on_s3.storage_url)
    package_id = await _upload(observer.http, "walker")
    await _upload(observer.http, "bystander")
    assert len(await bucket.keys()) == 2

    # Downloaded: all of it, and a part.
    path = f"{_PACKAGES}/generic/walker/1.0/app.bin"
    async with observer.http.get(path) as answer:
        assert await answer.read() == _CONTENT
        assert answer.headers["X-Checksum-SHA256"] == hashlib.sha256(_CONTENT).hexdigest()

    # Deleted, marked, and restored within its grace.
    async with observer.http.delete(f"{_PACKAGES}/{package_id}") as answer:
        deletion_id = answer.headers["Deletion-Id"]
    await yard.start("work", settings={"PACKYARD_GRACE_PERIOD": "1h"})
    await observer.until_told(package_id, "package.marked_for_destruction")
    assert len(await bucket.keys()) == 2
    await yard.run("deletions", "restore", deletion_id)
    async with observer.http.get(path) as answer:
        assert await answer.read() == _CONTENT

    # Deleted for good: the bytes go, those of the other stay.
    await yard.terminate("work")
    await yard.start("work")
    async with observer.http.delete(f"{_PACKAGES}/{package_id}") as answer:
        assert answer.status == 204
    await observer.until_told(package_id, "package.destroyed")
    assert len(await bucket.keys()) == 1
    assert await observer.status(100, package_id) is None
    async with observer.http.get(f"{_PACKAGES}/generic/bystander/1.0/app.bin") as answer:
        assert await answer.read() == _CONTENT
    async with observer.http.get(path) as answer:
        assert answer.status == 404


async def test_an_import_goes_into_the_bucket_and_by_bulk_delete_out_of_it(
    yard: Yard, observer: Observer, on_s3: Settings, servers: Servers, tmp_path: Path
) -> None:
    bucket = BucketWatcher(servers.s3_filer_url, on_s3.storage_url)
    package = {"project": "acme/open", "package_type": "generic", "version": "1.0"}
    files = [{"file_name": f"{number}.txt", "content": str(number)} for number in range(50)]
    lines = [
        json.dumps({**package, "id": 8_000 + number, "name": f"app-{number}", "files": files}) for number in range(50)
    ]
    (tmp_path / "packages.ndjson").write_text("\n".join(lines), encoding="utf-8")
    await yard.run("import", str(tmp_path / "packages.ndjson"))
    assert len(await bucket.keys()) == 2_500
    await yard.start("work")

    body = {"filter": {"package_type": "generic"}, "expected_count": 50}
    async with observer.http.post(f"{_PACKAGES}/bulk_delete", json=body) as answer:
        assert answer.status == 202

    async def all_gone() -> bool:
        return not await bucket.keys()

    await observer.until(all_gone, "an empty bucket")


async def test_a_worker_warns_of_a_bucket_that_keeps_versions(yard: Yard, servers: Servers) -> None:
    await yard.start("work", settings={"PACKYARD_STORAGE_URL": new_prefix(VERSIONED)})
    await yard.terminate("work")

    (warning,) = [json.loads(line) for line in yard.log("work").splitlines() if "removed_bytes_are_kept" in line]
    assert warning["level"] == "warning"
    assert "the bucket keeps versions" in warning["reason"]
