"""Quotas: which bytes count, when a deletion gives them back, and that no two uploads share the last ones."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from hashlib import sha1
from pathlib import Path
from typing import Any, Final

import pytest

from service.catalogue import statistics
from service.catalogue.guard import admission, quotas
from service.context import Context
from service.directory_file.applying import apply_directory, parse_directory
from service.observing import metrics
from tests.integration.conftest import Client
from tests.support.catalogue import objects_in, publish, query
from tests.support.packages import API, DEVELOPER, FORBIDDEN, MAINTAINER, PUBLIC, REPORTER, json_of, told
from tests.support.races import EITHER_END, OK, answer_of, begun_waiting, held_open
from tests.support.stepwise import destroy
from tests.support.uploads import UPLOADS

_FULL: Final = (
    403,
    {"message": "403 Forbidden - Your action has been rejected because the namespace storage limit has been reached."},
)
_FILE: Final = f"{PUBLIC}/generic/app/1.0"


async def _limit(
    context: Context, size: int, *, project_id: int | None = 100, group_id: int | None = None, enforce: bool = True
) -> None:
    await query(
        context,
        "INSERT INTO storage_quota (project_id, group_id, bytes, enforce) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (group_id, project_id) DO UPDATE SET (bytes, enforce) = (excluded.bytes, excluded.enforce)",
        project_id,
        group_id,
        size,
        enforce,
    )


async def _put(client: Client, name: str, size: int, *, path: str = _FILE) -> tuple[int, Any]:
    return await told(await client.put(f"{path}/{name}", data=b"x" * size, headers=DEVELOPER))


async def _events(context: Context) -> list[tuple[str, int, int]]:
    rows = await query(
        context,
        "SELECT routing_key, body->'data'->>'threshold' AS threshold, body->'data'->>'physical_bytes' AS used"
        " FROM outbox WHERE routing_key LIKE 'quota.%' ORDER BY position",
    )
    return [(row["routing_key"], int(row["threshold"]), int(row["used"])) for row in rows]


async def test_an_enforced_quota_takes_its_last_byte_and_not_one_more(filled: Context, client: Client) -> None:
    await _limit(filled, 10)

    assert (await _put(client, "a", 6))[0] == 201
    assert await _put(client, "b", 5) == _FULL
    assert (await _put(client, "c", 4))[0] == 201
    assert await _put(client, "empty", 0) == _FULL
    assert await _put(client, "other", 1, path=f"{API}/projects/101/packages/generic/app/1.0") != _FULL


async def test_no_upload_of_a_full_project_leaves_a_row_or_a_byte(
    filled: Context, client: Client, objects: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Symbols need their package.
    assert (await UPLOADS["push_nuget_package"](client, PUBLIC, "1.0.0", DEVELOPER)).status == 201
    before = await query(filled, "SELECT id FROM package_file"), objects_in(objects)
    await _limit(filled, 1)

    for moment in ("before the bytes", "with the rows"):
        for handler, upload in UPLOADS.items():
            answer = await upload(client, PUBLIC, "1.0.0", MAINTAINER)
            assert (answer.status, (await json_of(answer))["message"]) == (403, _FULL[1]["message"]), (moment, handler)
        monkeypatch.setattr(admission, "_foresee", _foresee_nothing)
    assert (await query(filled, "SELECT id FROM package_file"), objects_in(objects)) == before


async def _foresee_nothing(*_: object, **__: object) -> None:
    """Find nothing wrong, as when a quota fills while the bytes are on their way."""


async def test_a_full_quota_takes_what_stores_nothing(filled: Context, client: Client) -> None:
    folder = f"{PUBLIC}/maven/com/acme/kit/1.0"
    put = partial(client.put, headers=DEVELOPER)
    assert (await put(f"{folder}/kit-1.0.jar", data=b"jar")).status == 200
    await _limit(filled, 3)

    checksum = await put(f"{folder}/kit-1.0.jar.sha1", data=sha1(b"jar").hexdigest())  # noqa: S324
    metadata = await put(f"{PUBLIC}/maven/com/acme/kit/maven-metadata.xml", data=b"<metadata></metadata>")

    assert (checksum.status, metadata.status) == (204, 200)
    assert await told(await put(f"{folder}/kit-1.0.pom", data=b"pom")) == _FULL


async def test_a_quota_that_is_not_enforced_refuses_nothing(filled: Context, client: Client) -> None:
    await _limit(filled, 1, enforce=False)

    assert (await _put(client, "a", 6))[0] == 201


async def test_a_deletion_gives_bytes_back_when_they_are_gone_and_not_before(filled: Context, client: Client) -> None:
    await _limit(filled, 10)
    package_id = await publish(filled, name="old", content=b"0123456789")
    assert await _put(client, "a", 1) == _FULL

    assert (await client.delete(f"{PUBLIC}/{package_id}", headers=MAINTAINER)).status == 204

    assert await _put(client, "a", 1) == _FULL
    (usage,) = await json_of(await client.get(f"{API}/projects/100/quotas", headers=DEVELOPER))
    assert (usage["logical_bytes"], usage["physical_bytes"], usage["percent"]) == (0, 10, 100)
    (deletion,) = await query(filled, "SELECT id FROM deletion")
    await destroy(filled, deletion["id"])
    (usage,) = await json_of(await client.get(f"{API}/projects/100/quotas", headers=DEVELOPER))
    assert (usage["logical_bytes"], usage["physical_bytes"], usage["percent"]) == (0, 0, 0)
    assert (await _put(client, "a", 10))[0] == 201


async def test_a_quota_of_a_group_counts_all_projects_below_it(filled: Context, client: Client) -> None:
    await _limit(filled, 10, project_id=None, group_id=10)
    await publish(filled, content=b"0123456", project_id=102)
    await statistics.fold(filled.database, limit=1_000)

    assert await _put(client, "a", 4) == _FULL
    assert (await _put(client, "a", 3))[0] == 201


@EITHER_END
async def test_of_two_uploads_for_the_last_bytes_one_is_refused(filled: Context, *, commits: bool) -> None:
    await _limit(filled, 10)

    async with held_open(filled, lambda one: publish(one, name="first", content=b"0123456")) as first:
        second = await begun_waiting(filled, lambda one: publish(one, name="second", content=b"0123456"))
        await first.end(commits=commits)

        assert await answer_of(second) == (403 if commits else OK)
    assert [row["name"] for row in await query(filled, "SELECT name FROM package")] == [
        "first" if commits else "second"
    ]


async def test_many_uploads_together_never_exceed_the_quota(filled: Context, client: Client) -> None:
    await _limit(filled, 30)
    counted = metrics.UPLOADS_REFUSED.labels("quota")._value.get()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_put(client, f"f{number}", 10)) for number in range(8)]

    assert sorted(task.result()[0] for task in tasks) == [201] * 3 + [403] * 5
    (row,) = await query(filled, "SELECT sum(size)::bigint AS size FROM package_file")
    assert row["size"] == 30
    assert metrics.UPLOADS_REFUSED.labels("quota")._value.get() - counted == 5


async def test_each_threshold_is_announced_once_and_again_after_it_was_left(filled: Context) -> None:
    await _limit(filled, 100, enforce=False)
    await _limit(filled, 1_000, project_id=None, group_id=10, enforce=False)
    key = "quota.exceeded.any.10.100"
    await publish(filled, name="a", content=b"x" * 79)
    assert (await quotas.announce(filled.database), await _events(filled)) == (0, [])

    await publish(filled, name="b", content=b"x")
    assert await quotas.announce(filled.database) == 1
    assert await quotas.announce(filled.database) == 0
    await publish(filled, name="c", content=b"x" * 720)
    assert await quotas.announce(filled.database) == 2

    assert await _events(filled) == [(key, 80, 80), (key, 100, 800), ("quota.exceeded.any.10.any", 80, 800)]
    await query(filled, "UPDATE storage_quota SET bytes = 10000 WHERE project_id = 100")
    assert await quotas.announce(filled.database) == 0
    await query(filled, "UPDATE storage_quota SET bytes = 100 WHERE project_id = 100")
    assert await quotas.announce(filled.database) == 2


async def test_quotas_are_shown_to_those_who_may_publish(filled: Context, client: Client) -> None:
    await _limit(filled, 200)
    await _limit(filled, 1_000, project_id=None, group_id=10, enforce=False)
    await publish(filled, content=b"x" * 50)

    shown = await json_of(await client.get(f"{API}/projects/100/quotas", headers=DEVELOPER))

    assert [(one["place"], one["path"], one["bytes"], one["enforce"], one["percent"]) for one in shown] == [
        ("project", "acme/open", 200, True, 25),
        ("group", "acme", 1_000, False, 5),
    ]
    of_group = await json_of(await client.get(f"{API}/groups/10/quotas", headers=DEVELOPER))
    assert of_group == shown[1:]
    for path in (f"{API}/projects/100/quotas", f"{API}/groups/10/quotas"):
        assert await told(await client.get(path, headers=REPORTER)) == FORBIDDEN
        assert await told(await client.get(path)) == FORBIDDEN


async def test_a_directory_file_sets_changes_and_removes_limits(filled: Context) -> None:
    shown: list[str] = []

    async def apply(more: str) -> list[tuple[Any, ...]]:
        shown.clear()
        directory = parse_directory(f"projects:\n- path: acme/open\n{more}".encode(), name="acme.yaml")
        await apply_directory(filled.database, directory, review=lambda changes: shown.extend(map(str, changes)))
        found = await query(filled, "SELECT bytes, enforce FROM storage_quota")
        rules = await query(filled, "SELECT package_type, mode FROM name_rule ORDER BY 1")
        return [tuple(row.values()) for row in [*found, *rules]]

    written = "  quota: {bytes: 1KiB, enforce: true}\n  deleted_names: {npm: never, any: when_gone}\n"
    everything = [(1024, True), ("any", "when_gone"), ("npm", "never")]
    assert await apply(written) == everything
    assert shown == [
        "~ project acme/open: deleted_names none -> any when_gone, npm never",
        "~ project acme/open: quota none -> bytes 1024, enforce true",
    ]
    (before,) = await query(filled, "SELECT since FROM name_rule WHERE package_type = 'npm'")
    assert await apply("  name: Open\n") == everything
    assert await apply(written.replace("any: when_gone", "any: never")) == [
        (1024, True),
        ("any", "never"),
        ("npm", "never"),
    ]
    (after,) = await query(filled, "SELECT since FROM name_rule WHERE package_type = 'npm'")
    assert after == before
    assert await apply("  quota: null\n  deleted_names: {}\n") == []


async def test_a_quota_that_fills_while_bytes_are_sent_refuses_them(filled: Context, client: Client) -> None:
    async def bytes_that_fill_it() -> AsyncIterator[bytes]:
        yield b"0123"
        await _limit(filled, 4)
        yield b"4"

    answer = await client.put(f"{_FILE}/a", data=bytes_that_fill_it(), headers=DEVELOPER)

    assert await told(answer) == _FULL
