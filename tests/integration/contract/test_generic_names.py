"""Names, versions, options and bodies of an upload to the generic registry."""

import asyncio
import json
from pathlib import Path

import pytest

from service.context import Context
from tests.integration.conftest import Client
from tests.support.catalogue import objects_in, query
from tests.support.packages import (
    CREATED,
    DEVELOPER,
    GENERIC,
    PUBLIC,
    generic_place,
    listed,
    put_generic,
    told,
)


@pytest.mark.parametrize("name", ["app", "A.b_c-d+e", "0", "a" * 255, "..a", "a%2Bb", "a.b%2E"])
async def test_a_package_name_is_made_of_letters_digits_and_four_signs(client: Client, name: str) -> None:
    assert await told(await put_generic(client, generic_place(name=name))) == CREATED


@pytest.mark.parametrize("name", ["a b", "a@b", "a%2Fb", "%40a", "gr%C3%BCn", "a%00", "a%7Eb", "%2e%2e", "%2e"])
async def test_any_other_package_name_is_refused(client: Client, objects: Path, name: str) -> None:
    answer = await put_generic(client, generic_place(name=name.replace(" ", "%20")))

    assert await told(answer) == (400, {"error": "package_name is invalid"})
    assert objects_in(objects) == set()


@pytest.mark.parametrize(
    "version",
    [
        "1.3.350-20201230123456",
        "1.2.3",
        "1.2.3g",
        "1.2",
        "1.2.bananas",
        "v1.2.4-build",
        "d50d836eb3de6177ce6c7a5482f27f9c2c84b672",
        ".1.2",
        "1.2.",
        "1_2+3-4",
        "1.2%2B3",
    ],
)
async def test_these_versions_are_taken(client: Client, version: str) -> None:
    assert await told(await put_generic(client, generic_place(version=version))) == CREATED


@pytest.mark.parametrize(
    "version",
    [
        "..1.2.3",
        "1.2.3-4%2F..%2F..%2F",
        "%2e%2e%2f1.2.3",
        "1..2",
        "1.2..",
        "%2e",
        "%2e%2e",
        "1%202",
        "1.%C3%A9",
        "1.2~3",
        "1.2%0A",
        "%D9%A1",
    ],
)
async def test_these_versions_are_refused(client: Client, objects: Path, version: str) -> None:
    assert await told(await put_generic(client, generic_place(version=version))) == (
        400,
        {"error": "package_version is invalid"},
    )
    assert objects_in(objects) == set()


@pytest.mark.parametrize("file_name", ["a", "A.b_c-d+e", "a~b", "a.tar.gz", "-a", "a%2Bb%2E1", "a%7Eb"])
async def test_a_file_name_is_made_of_letters_digits_and_five_signs(client: Client, file_name: str) -> None:
    assert await told(await put_generic(client, generic_place(file_name=file_name))) == CREATED


@pytest.mark.parametrize("file_name", ["~a", "a~", "a%20b", "a@b", "gr%C3%BCn", "a%00", "%2e%2e", "a%2525"])
async def test_any_other_file_name_is_refused(client: Client, objects: Path, file_name: str) -> None:
    answer = await put_generic(client, generic_place(file_name=file_name))

    assert await told(answer) == (400, {"error": "file_name is invalid"})
    assert objects_in(objects) == set()


async def test_directories_before_the_file_name_are_stored_as_one_name(filled: Context, client: Client) -> None:
    place = generic_place(file_name="dir/sub/file.bin")

    up = await put_generic(client, place, b"deep")
    down = await client.get(place)

    assert await told(up) == CREATED
    assert await down.read() == b"deep"
    (package_id,) = await listed(await client.get(PUBLIC), "id")
    files = await client.get(f"{PUBLIC}/{package_id}/package_files")
    assert await listed(files, "file_name") == ["dir%2Fsub%2Ffile.bin"]
    assert (await client.get(generic_place(file_name="file.bin"))).status == 404


@pytest.mark.parametrize(
    ("sent", "stored", "attached"),
    [
        ("d+e/a+b~c.d", "d%2Be%2Fa%2Bb%7Ec.d", "a+b~c.d"),
        ("my%20docs/gr%C3%BCn/a", "my%20docs%2Fgr%C3%BCn%2Fa", "a"),
        ("@scope/~x/*/a", "%40scope%2F%7Ex%2F*%2Fa", "a"),
    ],
)
async def test_a_name_with_directories_is_encoded_as_a_whole(
    filled: Context, client: Client, sent: str, stored: str, attached: str
) -> None:
    place = generic_place(file_name=sent)

    assert await told(await put_generic(client, place, b"deep")) == CREATED

    down = await client.get(place)
    assert (down.status, await down.read()) == (200, b"deep")
    assert down.headers["Content-Disposition"] == f'attachment; filename="{attached}"'
    (row,) = await query(filled, "SELECT file_name FROM package_file")
    assert row["file_name"] == stored


@pytest.mark.parametrize(
    "path", ["%2e%2e/a", "dir/%2e%2e/a", "dir/%2e%2e%2fa/b", "a%00b/c", "dir//a", "%252e%252e/a", "..%5C/a", "a%0Ab/c"]
)
async def test_directories_that_lead_elsewhere_are_refused(client: Client, objects: Path, path: str) -> None:
    for method in ("PUT", "GET"):
        answer = await client.request(method, generic_place(file_name=path), data=b"x", headers=DEVELOPER)
        assert answer.status in {400, 404}
    assert (await put_generic(client, generic_place(file_name="%2e%2e/a"))).status == 400
    assert objects_in(objects) == set()


@pytest.mark.parametrize("status", ["default", "hidden"])
async def test_a_status_can_be_given(filled: Context, client: Client, status: str) -> None:
    assert await told(await put_generic(client, f"{GENERIC}?status={status}")) == CREATED

    assert [row["status"] for row in await query(filled, "SELECT status FROM package")] == [status]


@pytest.mark.parametrize("status", ["", "processing", "error", "pending_destruction", "deprecated", "x"])
async def test_no_other_status_can_be_given(client: Client, status: str) -> None:
    assert await told(await put_generic(client, f"{GENERIC}?status={status}")) == (
        400,
        {"error": "status does not have a valid value"},
    )


@pytest.mark.parametrize("select", ["", "package", "x"])
async def test_select_is_package_file_or_nothing(client: Client, select: str) -> None:
    assert await told(await put_generic(client, f"{GENERIC}?select={select}")) == (
        400,
        {"error": "select does not have a valid value"},
    )


async def test_the_body_is_the_file(client: Client) -> None:
    content = bytes(range(256)) * 100

    await put_generic(client, data=content)

    assert await (await client.get(GENERIC)).read() == content


async def test_a_body_of_nothing_is_an_empty_file_not_a_missing_one(client: Client) -> None:
    assert await told(await client.put(GENERIC, headers=DEVELOPER)) == CREATED

    down = await client.get(GENERIC)
    assert (down.status, await down.read(), down.headers["Content-Length"]) == (200, b"", "0")


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("", "file is missing"),
        (
            "?status=error&select=all",
            "status does not have a valid value, select does not have a valid value, file is missing",
        ),
    ],
)
async def test_a_request_without_any_body_has_no_file(client: Client, query: str, error: str) -> None:
    # No client of a test would send it: neither a length nor chunks.
    fields = "Host: yard\r\nPRIVATE-TOKEN: developer-token\r\nConnection: close\r\n\r\n"
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(f"PUT {GENERIC}{query} HTTP/1.1\r\n{fields}".encode())

    head, _, body = (await reader.read()).partition(b"\r\n\r\n")

    writer.close()
    assert int(head.split()[1]) == 400
    assert json.loads(body) == {"error": error}
