"""Downloads that break off, and requests that count as no download."""

import os
from io import BytesIO
from pathlib import Path

import pytest
from aiohttp import ClientPayloadError

from service.context import Context
from tests.integration.conftest import Client, note_downloads
from tests.support.catalogue import objects_in, publish, query
from tests.support.packages import GENERIC, json_of, token


async def test_a_download_that_breaks_in_the_middle_is_not_passed_off_as_whole(
    filled: Context, client: Client, objects: Path
) -> None:
    await client.put(GENERIC, data=BytesIO(b"x" * 3_000_000), headers=token("developer-token"))
    (stored,) = objects_in(objects)
    os.truncate(objects / stored, 1_000_000)

    with pytest.raises(ClientPayloadError):
        await (await client.get(GENERIC)).read()

    (objects / stored).unlink()
    gone = await client.get(GENERIC)
    assert (gone.status, await json_of(gone)) == (404, {"message": "404 Not found"})


async def test_neither_head_nor_304_is_a_download(filled: Context, client: Client) -> None:
    package_id = await publish(filled)
    last = "SELECT last_downloaded_at AS moment FROM package"

    head = await client.head(GENERIC)
    known = await client.get(GENERIC, headers={"If-None-Match": head.headers["ETag"]})
    await note_downloads(client)
    before = await query(filled, last)
    await (await client.get(GENERIC)).read()
    await note_downloads(client)
    after = await query(filled, last)

    assert (head.status, known.status) == (200, 304)
    assert before[0]["moment"] is None
    assert after[0]["moment"] is not None
    assert package_id
