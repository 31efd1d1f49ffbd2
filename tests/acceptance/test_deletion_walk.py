"""One package from the import to its last byte, each step of its life seen from outside."""

import hashlib
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.catalogue import DIRECTORY
from tests.support.observer import Observer, rows
from tests.support.yard import Yard

_PROJECT: Final = 100
_CONTENT: Final = "what the file says"


@pytest.fixture
async def observer(yard: Yard) -> AsyncGenerator[Observer]:
    """Watches a yard that has its directory and runs the API and the relay; workers come later."""
    await yard.run("directory", "apply", str(DIRECTORY))
    await yard.start("serve", "relay", "schedule")
    async with yard.observing() as made:
        yield made


async def _import(yard: Yard, folder: Path, *packages: dict[str, Any]) -> None:
    (folder / "on-disk.bin").write_text(_CONTENT, encoding="utf-8")
    await yard.import_packages(folder, packages, "--files-from", str(folder))


def _package(package_id: int, name: str = "walker", *, files: int = 2) -> dict[str, Any]:
    inline = [{"file_name": f"{number}.txt", "content": _CONTENT} for number in range(files - 1)]
    return {
        "id": package_id,
        "project": "acme/open",
        "package_type": "generic",
        "name": name,
        "version": "1.0",
        "created_at": "2019-11-27T03:37:38.711Z",
        "files": [*inline, {"file_name": "on-disk.bin", "path": "on-disk.bin"}],
    }


async def _deletion(yard: Yard, deletion_id: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((await yard.run("deletions", "show", deletion_id, "--json")).splitlines()[-1])
    return found


async def test_every_step_of_a_deletion_can_be_seen_from_outside(
    yard: Yard, observer: Observer, tmp_path: Path, database_url: str
) -> None:
    await _import(yard, tmp_path, _package(7001, files=3))
    assert await observer.status(_PROJECT, 7001) == "default"
    assert len(observer.objects()) == 3

    # Accepted: hidden, queued, nothing touched, announced; name and version are free immediately.
    deletion_id = await observer.delete(_PROJECT, 7001)
    assert await observer.status(_PROJECT, 7001) == "processing"
    await observer.until_told(7001, "package.deletion_requested")
    assert (await _deletion(yard, deletion_id))["state"] == "queued"
    assert len(observer.objects()) == 3

    # Claimed, with a grace period: every file marked, nothing removed.
    await yard.start("work", settings={"PACKYARD_GRACE_PERIOD": "1h"})
    await observer.until_told(7001, "package.marked_for_destruction")
    assert await observer.status(_PROJECT, 7001) == "pending_destruction"
    marked = await rows(database_url, "SELECT DISTINCT status FROM package_file WHERE package_id = 7001")
    assert [row["status"] for row in marked] == ["pending_destruction"]
    assert (await _deletion(yard, deletion_id))["state"] == "grace"
    assert len(observer.objects()) == 3

    # Restored: the same package again, byte by byte.
    await yard.run("deletions", "restore", deletion_id)
    await observer.until_told(7001, "package.restored")
    assert await observer.status(_PROJECT, 7001) == "default"
    assert (await _deletion(yard, deletion_id))["state"] == "restored"
    async with observer.http.get(f"/api/v4/projects/{_PROJECT}/packages/generic/walker/1.0/on-disk.bin") as answer:
        assert await answer.text() == _CONTENT
        assert answer.headers["X-Checksum-SHA256"] == hashlib.sha256(_CONTENT.encode()).hexdigest()

    # Deleted again, without grace: the last byte goes, then the row, then the word.
    await yard.terminate("work")
    await yard.start("work")
    deletion_id = await observer.delete(_PROJECT, 7001)
    await observer.until_told(7001, "package.destroyed")
    assert observer.objects() == set()
    assert await observer.status(_PROJECT, 7001) is None
    assert (await _deletion(yard, deletion_id))["state"] == "succeeded"

    assert observer.topics(7001) == [
        "package.deletion_requested",
        "package.marked_for_destruction",
        "package.restored",
        "package.deletion_requested",
        "package.destroyed",
    ]
    destroyed = observer.events[-1]["data"]
    assert (destroyed["files"], destroyed["bytes"]) == (3, 3 * len(_CONTENT))
    assert len(destroyed["package_file_ids"]) == 3
    sequences = [int(event["sequence"]) for event in observer.events]
    assert sequences == list(range(1, len(sequences) + 1))


async def test_a_failing_storage_is_tried_again_and_in_the_end_shown(
    yard: Yard, observer: Observer, tmp_path: Path, database_url: str
) -> None:
    await _import(yard, tmp_path, _package(7002, files=1))
    (stubborn,) = observer.objects()
    stubborn.unlink()
    (stubborn / "in the way").mkdir(parents=True)
    await yard.start("work", settings={"PACKYARD_BACKOFF": "2s", "PACKYARD_MAX_ATTEMPTS": "2"})

    deletion_id = await observer.delete(_PROJECT, 7002)

    async def is_retrying() -> bool:
        (row,) = await rows(database_url, "SELECT state FROM deletion")
        return bool(row["state"] == "retrying")

    await observer.until(is_retrying, "the deletion as retrying")
    assert await observer.status(_PROJECT, 7002) == "pending_destruction"
    await observer.until_told(7002, "package.destruction_failed")
    assert await observer.status(_PROJECT, 7002) == "error"
    failed = await _deletion(yard, deletion_id)
    assert (failed["state"], failed["attempts"]) == ("failed", 2)
    assert "ObjectStuckError" in failed["last_error"]
    assert observer.events[-1]["data"]["error"] == failed["last_error"]

    (stubborn / "in the way").rmdir()
    stubborn.rmdir()
    await observer.delete(_PROJECT, 7002)
    await observer.until_told(7002, "package.destroyed")
    assert await observer.status(_PROJECT, 7002) is None


async def test_one_deletion_can_be_followed_through_the_logs_of_every_process(
    yard: Yard, observer: Observer, tmp_path: Path
) -> None:
    await _import(yard, tmp_path, _package(7003))
    await yard.start("work")
    deletion_id = await observer.delete(_PROJECT, 7003)
    await observer.until_told(7003, "package.destroyed")
    await yard.terminate("serve", "relay", "work", "schedule")

    logs = {name: yard.log(name) for name in ("serve", "relay", "work")}
    (accepted,) = [json.loads(line) for line in logs["serve"].splitlines() if deletion_id in line]
    assert (accepted["event"], accepted["method"], accepted["status"]) == ("request", "DELETE", 204)
    assert all(deletion_id in log for log in logs.values())
    assert accepted["request_id"] in logs["work"]
    secrets = ["maintainer-token", yard.environment["PACKYARD_DATABASE_URL"], yard.environment["PACKYARD_BROKER_URL"]]
    assert not any(secret in log for secret in secrets for log in logs.values())


async def test_many_are_deleted_and_watched_with_two_commands(yard: Yard, observer: Observer, tmp_path: Path) -> None:
    await _import(yard, tmp_path, *(_package(8000 + number, f"walker-{number}") for number in range(20)))
    await yard.start("work")
    wanted = ("--project", "acme/open", "--package-name", "walker")

    planned = json.loads(await yard.run("deletions", "bulk-delete", *wanted, "--dry-run", "--json"))
    output = await yard.run(
        *("deletions", "bulk-delete", *wanted, "--expected-count", "20", "--yes", "--watch", "--json")
    )

    accepted, batch = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    assert (planned["packages"], planned["files"], planned["bytes"]) == (20, 40, 40 * len(_CONTENT))
    assert (accepted["packages"], batch["id"], batch["states"]) == (20, accepted["batch_id"], {"succeeded": 20})
    assert (batch["files_done"], batch["bytes_done"]) == (planned["files"], planned["bytes"])
    assert observer.objects() == set()
