"""Downloads that break off, and requests that count as no download."""

import os
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientPayloadError, ClientResponse

from service.context import Context
from tests.integration.conftest import Client, note_downloads
from tests.support.catalogue import objects_in, publish, query

_GENERIC = "/api/v4/projects/100/packages/generic/app/1.0/app.bin"


def _as(token: str) -> dict[str, str]:
    return {"PRIVATE-TOKEN": token} if token else {}


async def _json(answer: ClientResponse) -> Any:
    assert answer.headers["Content-Type"] == "application/json"
    return await answer.json()


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
