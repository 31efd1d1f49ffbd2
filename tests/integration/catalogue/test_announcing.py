"""Uploads and imports give their events in their own transaction."""

import hashlib
import io
from typing import Any, Final

import asyncpg
import pytest
from aiohttp import FormData

from service.context import Context
from service.events import numbering
from tests.integration.conftest import Client
from tests.support.catalogue import publish, query
from tests.support.distributions import distribution
from tests.support.packages import bring_in

_BY: Final = {"PRIVATE-TOKEN": "developer-token"}


async def _events(context: Context) -> list[tuple[str, Any]]:
    """Return the type and the data of every event, as readers of the feed get them."""
    async with context.database.connection() as connection:
        await numbering.number(connection, limit=1_000)
    rows = await query(context, "SELECT type, body::jsonb AS body FROM event_log ORDER BY sequence")
    return [(row["type"], row["body"]["data"]) for row in rows]


async def test_a_first_upload_publishes_the_package_and_a_later_one_a_file(filled: Context, client: Client) -> None:
    path = "/api/v4/projects/100/packages/generic/app/1.0"
    for name in ("a.bin", "b.bin"):
        answer = await client.put(f"{path}/{name}?status=hidden", data=name.encode(), headers=_BY)
        assert answer.status == 201
    files = await query(filled, "SELECT id, package_id FROM package_file ORDER BY id")

    (first, made), (second, added) = await _events(filled)

    assert (first, second) == ("package.published", "package_file.published")
    assert made["package_files"] == [
        {
            "id": files[0]["id"],
            "file_name": "a.bin",
            "size": 5,
            "file_sha256": hashlib.sha256(b"a.bin").hexdigest(),
        }
    ]
    assert [file["id"] for file in added["package_files"]] == [files[1]["id"]]
    for data in (made, added):
        assert (data["package_id"], data["project_id"], data["root_group_id"]) == (files[0]["package_id"], 100, 10)
        assert (data["package_name"], data["package_version"], data["status"]) == ("app", "1.0", "hidden")
        assert (data["files"], data["bytes"], data["pipeline_id"]) == (1, 5, None)
    assert made["actor_id"] == added["actor_id"] is not None
    assert made["publication_id"] != added["publication_id"]


async def test_every_way_to_upload_announces(filled: Context, client: Client) -> None:
    form = FormData()
    for name, value in {"name": "Press_Kit", "version": "1.0", "sha256_digest": ""}.items():
        form.add_field(name, value)
    form.add_field("content", io.BytesIO(distribution("press_kit-1.0.tar.gz")), filename="press_kit-1.0.tar.gz")
    answer = await client.post("/api/v4/projects/100/packages/pypi", data=form, headers=_BY)
    assert answer.status == 201, await answer.text()

    ((kind, data),) = await _events(filled)

    assert (kind, data["package_type"], data["package_name"]) == ("package.published", "pypi", "Press_Kit")
    assert data["package_files"][0]["file_name"] == "press_kit-1.0.tar.gz"


async def test_an_upload_that_is_taken_back_announces_nothing(filled: Context) -> None:
    async with filled.database.connection() as connection:
        await connection.execute("ALTER TABLE package_file ADD CONSTRAINT refuse CHECK (file_name <> 'refused')")

    await publish(filled, files=["taken"], announces=True)
    with pytest.raises(asyncpg.CheckViolationError):
        await publish(filled, files=["refused"], announces=True)

    assert [kind for kind, _ in await _events(filled)] == ["package.published"]


async def test_an_import_announces_where_it_is_asked_to_and_what_can_be_installed(filled: Context) -> None:
    files = [{"file_name": name, "content": name} for name in ("a", "b")]
    await bring_in(filled, name="silent", files=files)
    await bring_in(filled, announces=True, name="broken", status="error")
    package_id = await bring_in(
        filled,
        announces=True,
        files=files,
        pipelines=[{"id": 47, "status": "success", "ref": "main", "sha": "a91957a8"}],
    )
    await bring_in(
        filled, announces=True, name="large", files=[{"file_name": f"f-{n}", "content": "x"} for n in range(101)]
    )

    (_, data), (_, large) = await _events(filled)

    found = {row["file_name"]: row["id"] for row in await query(filled, "SELECT id, file_name FROM package_file")}
    assert (data["package_id"], data["files"], data["bytes"], data["pipeline_id"]) == (package_id, 2, 2, 47)
    assert [(file["id"], file["file_name"]) for file in data["package_files"]] == [(found["a"], "a"), (found["b"], "b")]
    assert (data["root_group_id"], data["actor_id"]) == (10, None)
    assert (large["files"], large["package_files"]) == (101, None)
