"""The text of a PyPI index, which the database writes: the same as Python's own functions write, and its tag."""

import json
from datetime import UTC, datetime
from html import escape
from typing import Any, Final
from urllib.parse import quote

import pytest
from packaging.utils import canonicalize_name

from service.context import Context
from tests.integration.conftest import Client
from tests.support.catalogue import delete, delete_file, query, restore
from tests.support.packages import DEVELOPER

_INDEX: Final = "/api/v4/projects/100/packages/pypi/simple/foo-bar/"
_IN_GROUP: Final = "/api/v4/groups/10/-/packages/pypi/simple/foo-bar/"
_JSON: Final = {"Accept": "application/vnd.pypi.simple.v1+json"}
_ASCII: Final = "".join(map(chr, range(1, 128)))
_HOSTILE: Final = (
    "foo_bar-1.0-py3-none-any.whl",
    "Foo.Bar-1.0+local!1.tar.gz",
    "foo--bar-1.0.tar.gz",
    "foo_.bar-1.0.tar.gz",
    f"foo-bar-{_ASCII}.zip",
    "foo-bar-\u00e9\u2603\u2028\ufeff\U0001f4a9%41.zip",
    "foo-bar-" + "&lt;\"'></a><script>",
    "foo-bar-../../x.zip",
    "foobar-1.0.tar.gz",
    "foo-barr-1.0.tar.gz",
    "foo-bar",
)
_REQUIRED: Final = (None, "", ">=3.8,<4", "\"'&<>\\\n\t\x7f\u2028\u00e9")


async def _bring_in(context: Context, version: str, names: tuple[str, ...] = _HOSTILE) -> int:
    """Insert a package with these files, which may have what no upload is let in with."""
    (package,) = await query(
        context,
        "INSERT INTO package (project_id, package_type, name, version)"
        " VALUES (100, 'pypi', 'foo.bar', $1) RETURNING id",
        version,
    )
    for number, name in enumerate(names):
        details = {"requires_python": _REQUIRED[number % len(_REQUIRED)], "core_metadata": {"sha256": f"'\"{number}"}}
        await query(
            context,
            "INSERT INTO package_file (package_id, file_name, size, sha256, storage_key, created_at, details)"
            " VALUES ($1, $2, $3, sha256(convert_to($4::text, 'UTF8')), $4::text, $5, $6::text::jsonb)",
            package["id"],
            name,
            number,
            f"{version}-{number}",
            datetime(2026, 1, 2, 3, 4, 5, number, tzinfo=UTC),
            json.dumps(details if number % 3 else {"requires_python": details["requires_python"]}),
        )
    package_id: int = package["id"]
    return package_id


async def _files(context: Context) -> list[Any]:
    found = await query(
        context,
        "SELECT f.file_name, f.size, encode(f.sha256, 'hex') AS sha256, f.created_at, f.details::text AS details"
        " FROM package_file f JOIN package p ON p.id = f.package_id ORDER BY p.id, f.id",
    )
    return [file for file in found if canonicalize_name(file["file_name"]).startswith("foo-bar-")]


def _url(file: Any, base: str) -> str:
    return f"{base}/files/{file['sha256']}/{quote(file['file_name'])}"


def _json_file(file: Any, base: str) -> dict[str, Any]:
    details = json.loads(file["details"])
    shown = {
        "filename": file["file_name"],
        "url": _url(file, base),
        "hashes": {"sha256": file["sha256"]},
        "size": file["size"],
        "upload-time": file["created_at"].strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }
    if details["requires_python"] is not None:
        shown["requires-python"] = details["requires_python"]
    if metadata := details.get("core_metadata"):
        shown["core-metadata"] = metadata
    return shown


def _html_link(file: Any, base: str) -> str:
    details = json.loads(file["details"])
    metadata = details.get("core_metadata")
    shown = f' data-core-metadata="sha256={escape(metadata["sha256"])}"' if metadata else ""
    return (
        f'<a href="{_url(file, base)}#sha256={file["sha256"]}"'
        f' data-requires-python="{escape(details["requires_python"] or "")}"{shown}>{escape(file["file_name"])}</a><br>'
    )


@pytest.mark.parametrize(("path", "place"), [(_INDEX, "projects/100/"), (_IN_GROUP, "groups/10/-/")])
async def test_the_database_writes_what_python_would_write(
    client: Client, filled: Context, path: str, place: str
) -> None:
    for version in ("1.0", "\"2'\\"):
        await _bring_in(filled, version)
    base = f"{filled.settings.external_url}api/v4/{place}packages/pypi"
    files = await _files(filled)

    in_json = await client.get(path, headers={**_JSON, **DEVELOPER})
    in_html = await client.get(path, headers=DEVELOPER)

    expected = {
        "meta": {"api-version": "1.1"},
        "name": "foo-bar",
        "versions": ["1.0", "\"2'\\"],
        "files": [_json_file(file, base) for file in files],
    }
    assert await in_json.text() == json.dumps(expected, ensure_ascii=False, separators=(",", ":"))
    page = await in_html.text()
    assert page.partition("</h1>\n    ")[2].partition("\n  </body>")[0] == "".join(
        _html_link(file, base) for file in files
    )
    assert "<title>Links for foo-bar</title>" in page


async def test_a_tag_follows_the_files_and_is_that_of_one_form_and_address(client: Client, filled: Context) -> None:
    await _bring_in(filled, "1.0", _HOSTILE[:1])
    asked = [(_INDEX, {}), (_INDEX, _JSON), (_IN_GROUP, _JSON)]

    async def tags() -> list[str]:
        return [(await client.get(path, headers={**headers, **DEVELOPER})).headers["ETag"] for path, headers in asked]

    first = await tags()
    second_version = await _bring_in(filled, "2.0", _HOSTILE[:1])
    with_second = await tags()
    deletion = await delete(filled, second_version)
    assert await tags() == first
    await restore(filled, deletion.id)

    assert await tags() == with_second
    assert len({*first, *with_second}) == 2 * len(asked)


async def test_files_of_one_size_that_are_there_by_turns_have_a_tag_each(client: Client, filled: Context) -> None:
    package_id = await _bring_in(filled, "1.0", _HOSTILE[:2])
    await query(filled, "UPDATE package_file SET size = 1")
    one, other = [file["id"] for file in await query(filled, "SELECT id FROM package_file ORDER BY id")]

    async def look() -> tuple[str, list[str]]:
        answer = await client.get(_INDEX, headers=_JSON)
        return answer.headers["ETag"], [file["filename"] for file in (await answer.json(content_type=None))["files"]]

    found = [await look()]
    for file_id in (one, other):
        deletion = await delete_file(filled, package_id, file_id)
        found.append(await look())
        await restore(filled, deletion.id)
    await query(filled, "UPDATE package_file SET status = 'error' WHERE id = $1", one)
    found.append(await look())
    await query(filled, "UPDATE package_file SET status = 'default' WHERE id = $1", one)
    await query(filled, "DELETE FROM package_file WHERE id = $1", other)
    found.append(await look())

    names = list(_HOSTILE[:2])
    assert [shown for _, shown in found] == [names, names[1:], names[:1], names[1:], names[:1]]
    assert len({tag for tag, _ in found}) == len(found)


async def test_a_name_whose_files_are_all_gone_is_not_found_for_any_tag(client: Client, filled: Context) -> None:
    await _bring_in(filled, "1.0", _HOSTILE[:1])
    tag = (await client.get(_INDEX)).headers["ETag"]
    await query(filled, "UPDATE package_file SET status = 'error'")

    assert [(await client.get(_INDEX, headers={"If-None-Match": known})).status for known in (tag, "*")] == [404, 404]


async def test_a_package_that_came_back_with_another_version_changes_the_tag(client: Client, filled: Context) -> None:
    await _bring_in(filled, "1.0")
    before = await client.get(_INDEX, headers=_JSON)
    await query(filled, "UPDATE package SET version = '1.0.post1' WHERE version = '1.0'")

    after = await client.get(_INDEX, headers={**_JSON, "If-None-Match": before.headers["ETag"]})

    assert (after.status, (await after.json(content_type=None))["versions"]) == (200, ["1.0.post1"])


@pytest.mark.parametrize("known", ["{tag}", 'W/{tag}, "x"', "*", '"\u00e9", {tag}'])
async def test_an_index_that_a_client_has_is_not_made_again(client: Client, filled: Context, known: str) -> None:
    await _bring_in(filled, "1.0")
    shown = await client.get(_INDEX, headers=_JSON)

    answer = await client.get(_INDEX, headers={**_JSON, "If-None-Match": known.format(tag=shown.headers["ETag"])})

    assert (answer.status, await answer.read()) == (304, b"")
    fields = ("ETag", "Cache-Control", "Vary")
    assert [answer.headers[field] for field in fields] == [shown.headers[field] for field in fields]
    assert (await client.get(_INDEX, headers={"If-None-Match": '"x", nonsense'})).status == 200
