"""PyPI over HTTP: what is published, what an index shows of it, and what a deletion changes."""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pytest
from aiohttp import ClientResponse, FormData
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, canonicalize_version

from service.context import Context
from service.refusals import ConflictError
from tests.integration.conftest import Client
from tests.support.catalogue import delete, objects_in, query, restore
from tests.support.distributions import distribution

_PROJECT: Final = "/api/v4/projects/100/packages/pypi"
_PRIVATE: Final = "/api/v4/projects/102/packages/pypi"
_GROUP: Final = "/api/v4/groups/10/-/packages/pypi"
_WHEEL: Final = "Foo_Bar-1.0-py3-none-any.whl"
_JSON: Final = {"Accept": "application/vnd.pypi.simple.v1+json"}


def _basic(password: str, user: str = "anybody") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


_DEVELOPER: Final = _basic("developer-token")


def _bytes(file_name: str, content: bytes = b"") -> bytes:
    """Return an archive for that name; of a name that fits none, something else."""
    try:
        return distribution(file_name, content=content)
    except (InvalidSdistFilename, InvalidWheelFilename):
        return b"no archive"


_BYTES: Final = _bytes(_WHEEL)


def _form(
    fields: Mapping[str, str] = MappingProxyType({}), file_name: str = _WHEEL, content: bytes | None = None
) -> FormData:
    form = FormData()
    for name, value in {":action": "file_upload", "name": "Foo_Bar", "version": "1.0", **fields}.items():
        form.add_field(name, value)
    form.add_field("content", _bytes(file_name) if content is None else content, filename=file_name)
    return form


def _form_with_the_file_first() -> FormData:
    form = FormData()
    form.add_field("content", _BYTES, filename=_WHEEL)
    for name, value in {"name": "Foo_Bar", "version": "1.0", "requires_python": ">=3.8"}.items():
        form.add_field(name, value)
    return form


async def _publish(client: Client, form: FormData | None = None, *, to: str = _PROJECT) -> ClientResponse:
    return await client.post(to, data=form or _form(), headers=_DEVELOPER)


async def _index(client: Client, name: str = "foo-bar", *, of: str = _PROJECT) -> dict[str, Any]:
    answer = await client.get(f"{of}/simple/{name}/", headers={**_JSON, **_DEVELOPER})
    assert answer.status == 200, await answer.text()
    return json.loads(await answer.read())  # type: ignore[no-any-return]


async def _names(client: Client, name: str = "foo-bar", *, of: str = _PROJECT) -> list[str]:
    return [file["filename"] for file in (await _index(client, name, of=of))["files"]]


async def _status(client: Client, path: str, **headers: str) -> int:
    return (await client.get(path, headers=headers)).status


@pytest.mark.parametrize("make", [lambda: _form({"requires_python": ">=3.8"}), _form_with_the_file_first])
async def test_a_published_file_is_listed_shown_and_downloaded(client: Client, make: Callable[[], FormData]) -> None:
    answer = await _publish(client, make())

    assert (answer.status, await answer.json()) == (201, {"message": "201 Created"})
    (file,) = (await _index(client))["files"]
    assert (file["filename"], file["requires-python"], file["size"]) == (_WHEEL, ">=3.8", len(_BYTES))
    assert file["hashes"] == {"sha256": hashlib.sha256(_BYTES).hexdigest()}
    download = await client.get(file["url"].partition("/api/")[2].join(["/api/", ""]))
    assert await download.read() == _BYTES
    assert download.headers["Content-Disposition"] == f'attachment; filename="{_WHEEL}"'
    (package,) = await (await client.get("/api/v4/projects/100/packages")).json()
    assert (package["name"], package["version"], package["package_type"]) == ("Foo_Bar", "1.0", "pypi")


async def test_the_address_to_publish_to_may_end_in_a_slash(client: Client) -> None:
    answer = await _publish(client, to=f"{_PROJECT}/")

    assert (answer.status, await answer.json()) == (201, {"message": "201 Created"})
    assert await _names(client) == [_WHEEL]


async def test_an_index_is_html_unless_json_is_preferred(client: Client) -> None:
    await _publish(client, _form({"requires_python": ">=3.8"}))

    answer = await client.get(f"{_PROJECT}/simple/foo-bar")

    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Vary"] == "Accept"
    sha256 = hashlib.sha256(_BYTES).hexdigest()
    link = f'/api/v4/projects/100/packages/pypi/files/{sha256}/{_WHEEL}#sha256={sha256}"'
    assert f'{link} data-requires-python="&gt;=3.8" data-core-metadata="sha256=' in await answer.text()


@pytest.mark.parametrize("name", ["foo-bar", "Foo_Bar", "foo.bar", "FOO--bar"])
async def test_every_spelling_of_a_name_is_the_same_package(client: Client, name: str) -> None:
    await _publish(client)

    assert (await _index(client, name))["name"] == "foo-bar"


async def test_files_under_other_spellings_belong_to_the_same_version(client: Client, filled: Context) -> None:
    await _publish(client)

    answer = await _publish(client, _form({"name": "foo.bar", "version": "v1.0.0"}, "foo.bar-1.0.0.tar.gz"))

    assert answer.status == 201
    assert await _names(client) == [_WHEEL, "foo.bar-1.0.0.tar.gz"]
    assert len(await query(filled, "SELECT id FROM package")) == 1


async def test_the_list_of_all_has_each_name_once(client: Client) -> None:
    await _publish(client)
    await _publish(client, _form({"version": "2.0"}, "foo_bar-2.0.tar.gz"))
    await _publish(client, _form({"name": "zoo"}, "zoo-1.0.tar.gz"))

    answer = await client.get(f"{_PROJECT}/simple/", headers=_JSON)

    assert (await answer.json(content_type=None))["projects"] == [{"name": "foo-bar"}, {"name": "zoo"}]
    assert 'href="' in await (await client.get(f"{_PROJECT}/simple")).text()


async def test_the_same_file_name_again_is_refused_in_gitlabs_words(client: Client, objects: Path) -> None:
    await _publish(client)

    answer = await _publish(client, _form(content=_bytes(_WHEEL, b"other")))

    assert answer.status == 400
    assert await answer.json() == {"message": "Validation failed: File name has already been taken"}
    assert len(objects_in(objects)) == 1


_SHA256: Final = hashlib.sha256(_BYTES).hexdigest()


@pytest.mark.parametrize(
    "fields",
    [
        {"sha256_digest": _SHA256.upper()},
        {"md5_digest": hashlib.md5(_BYTES).hexdigest()},  # noqa: S324 - a field of the form
        {"blake2_256_digest": hashlib.blake2b(_BYTES, digest_size=32).hexdigest()},
    ],
)
async def test_the_digests_of_a_form_are_checked(client: Client, objects: Path, fields: Mapping[str, str]) -> None:
    other = await _publish(client, _form(fields, content=_bytes(_WHEEL, b"other")))
    assert (other.status, objects_in(objects)) == (400, set())
    assert "Checksum does not match" in (await other.json())["message"]

    assert (await _publish(client, _form(fields))).status == 201


@pytest.mark.parametrize(
    ("fields", "file_name", "said"),
    [
        ({"name": ""}, _WHEEL, {"error": "name is missing"}),
        ({"version": ""}, _WHEEL, {"error": "version is missing"}),
        ({"sha256_digest": "x"}, _WHEEL, {"error": "sha256_digest is invalid"}),
        ({"name": "../x"}, _WHEEL, {"message": "Validation failed: Name is invalid"}),
        ({"version": "one"}, _WHEEL, {"message": "Validation failed: Version is invalid"}),
        ({"version": "1" * 5_000}, _WHEEL, {"message": "Validation failed: Version is invalid"}),
        ({}, "foo_bar.exe", {"message": "Validation failed: File name is invalid"}),
        ({}, "..%2Ffoo_bar-1.0.tar.gz", {"message": "Validation failed: File name is invalid"}),
        ({}, "other-1.0.tar.gz", {"message": "Validation failed: File name does not belong to that name and version"}),
        ({}, "foo_bar-1.1.zip", {"message": "Validation failed: File name does not belong to that name and version"}),
        (
            {"requires_python": "x" * 256},
            _WHEEL,
            {"message": "Validation failed: Requires python is too long (maximum is 255 characters)"},
        ),
    ],
)
async def test_a_form_that_breaks_a_rule_is_refused_and_leaves_nothing(
    client: Client, objects: Path, fields: Mapping[str, str], file_name: str, said: Mapping[str, str]
) -> None:
    answer = await _publish(client, _form(fields, file_name))

    assert (answer.status, await answer.json()) == (400, said)
    assert objects_in(objects) == set()


@pytest.mark.parametrize(
    ("is_multipart", "error"), [(True, "content is missing"), (False, "body should be a multipart form")]
)
async def test_a_form_without_a_file_is_refused(client: Client, *, is_multipart: bool, error: str) -> None:
    form = FormData({"name": "foo", "version": "1.0"}, default_to_multipart=is_multipart)

    answer = await _publish(client, form)

    assert (answer.status, await answer.json()) == (400, {"error": error})


async def test_a_form_that_breaks_off_leaves_nothing(client: Client, objects: Path, filled: Context) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="content"; filename="foo-1.0.tar.gz"\r\n\r\n'
    headers = {**_DEVELOPER, "Content-Type": "multipart/form-data; boundary=b"}

    answer = await client.post(_PROJECT, data=head + b"x" * 1_000_000, headers=headers)

    assert (answer.status, await answer.json()) == (400, {"error": "body should be a multipart form"})
    assert objects_in(objects) == set()
    assert await query(filled, "SELECT id FROM package") == []


async def test_a_deletion_hides_a_version_and_an_undo_shows_it_again(client: Client, filled: Context) -> None:
    await _publish(client)
    await _publish(client, _form({"version": "2.0"}, "foo_bar-2.0.tar.gz"))
    first, _ = await query(filled, "SELECT id FROM package ORDER BY id")
    (url,) = [file["url"] for file in (await _index(client))["files"] if file["filename"] == _WHEEL]
    file_path = "/api/" + url.partition("/api/")[2]

    deletion = await delete(filled, first["id"])
    assert await _names(client) == ["foo_bar-2.0.tar.gz"]
    assert await _status(client, file_path) == 404

    await restore(filled, deletion.id)
    assert await _names(client) == [_WHEEL, "foo_bar-2.0.tar.gz"]
    assert await _status(client, file_path) == 200


async def test_a_name_published_again_keeps_the_deleted_one_away(client: Client, filled: Context) -> None:
    await _publish(client)
    (package,) = await query(filled, "SELECT id FROM package")
    deletion = await delete(filled, package["id"])

    again = _form({"name": "foo-bar", "version": "1.0.0"}, "foo-bar-1.0.0.tar.gz")
    assert (await _publish(client, again)).status == 201

    with pytest.raises(ConflictError, match="published again"):
        await restore(filled, deletion.id)
    with pytest.raises(ConflictError, match="published again"):
        await restore(filled, deletion.id, rename_to="v1")
    assert await _names(client) == ["foo-bar-1.0.0.tar.gz"]


async def test_an_index_is_asked_for_again_each_time_and_sent_only_when_it_changed(client: Client) -> None:
    await _publish(client)
    first = await client.get(f"{_PROJECT}/simple/foo-bar/")
    assert first.headers["Cache-Control"] == "private, no-cache"
    assert not first.headers["ETag"].startswith("W/")
    known = {"If-None-Match": first.headers["ETag"]}
    assert await _status(client, f"{_PROJECT}/simple/foo-bar/", **known) == 304

    await _publish(client, _form({"version": "2.0"}, "foo_bar-2.0.tar.gz"))
    assert await _status(client, f"{_PROJECT}/simple/foo-bar/", **known) == 200


async def test_a_groups_index_has_the_files_that_the_caller_may_read(client: Client) -> None:
    await _publish(client)
    await _publish(client, _form({"version": "3.0"}, "foo_bar-3.0.tar.gz"), to=_PRIVATE)

    assert await _names(client, of=_GROUP) == [_WHEEL, "foo_bar-3.0.tar.gz"]
    page = await client.get(f"{_GROUP}/simple/foo-bar/", headers=_JSON)
    (file,) = (await page.json(content_type=None))["files"]
    assert file["filename"] == _WHEEL
    assert f"{_GROUP}/files/" in file["url"]
    assert await _status(client, "/api/" + file["url"].partition("/api/")[2]) == 200


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (f"{_PRIVATE}/simple/foo-bar/", {}, 401),
        (f"{_PRIVATE}/simple/foo-bar/", _basic("no-such-token"), 401),
        (f"{_PRIVATE}/simple/foo-bar/", _basic("stranger-token"), 404),
        (f"{_PRIVATE}/simple/foo-bar/", _basic("insider-token"), 200),
        (f"{_PRIVATE}/simple/foo-bar/", _basic("anvil-read-deploy", "puller"), 200),
        (f"{_PRIVATE}/simple/foo-bar/", _basic("anvil-maintainer-job", "gitlab-ci-token"), 200),
        (f"{_PRIVATE}/simple/foo-bar/", {"PRIVATE-TOKEN": "insider-token"}, 200),
        (f"{_PRIVATE}/simple/foo-bar/", {"Deploy-Token": "anvil-read-deploy"}, 200),
        (f"{_PROJECT}/simple/foo-bar/", {}, 404),
        (f"{_GROUP}/simple/foo-bar/", {}, 401),
        (f"{_GROUP}/simple/foo-bar/", _basic("stranger-token"), 404),
        ("/api/v4/groups/20/-/packages/pypi/simple/foo-bar/", {}, 401),
    ],
)
async def test_credentials_come_as_clients_send_them(
    client: Client, path: str, headers: Mapping[str, str], status: int
) -> None:
    await client.post(_PRIVATE, data=_form(), headers=_DEVELOPER)

    answer = await client.get(path, headers=headers)

    assert answer.status == status
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        (_basic("reporter-token"), 403),
        (_basic("open-read-deploy", "open-puller"), 403),
        (_basic("open-developer-job", "gitlab-ci-token"), 201),
        (_basic("maintainer-reading-token"), 403),
    ],
)
async def test_publishing_needs_a_developer(client: Client, headers: Mapping[str, str], status: int) -> None:
    assert (await client.post(_PROJECT, data=_form(), headers=headers)).status == status


_NUMBER: Final = st.integers(0, 30).map(lambda number: f"{number:02}" if number % 3 == 0 else str(number))
_VERSIONS: Final = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "v", "1!", "0!"]),
        st.lists(_NUMBER, min_size=1, max_size=4).map(".".join),
        st.sampled_from(["", "a1", ".alpha-2", "_beta", "rc03", "-preview.4", "c", "PRE1"]),
        st.sampled_from(["", ".post1", "-2", "rev3", ".r", "_post"]),
        st.sampled_from(["", ".dev", "-dev4", "DEV00"]),
        st.sampled_from(["", "+local", "+Ubuntu-1.02", "+007"]),
    ),
)


async def test_the_normal_form_of_a_version_is_that_of_pep_440(context: Context) -> None:
    found: list[str] = []

    @settings(max_examples=300, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(_VERSIONS)
    def collect(version: str) -> None:
        found.append(version)

    collect()
    rows = await query(
        context,
        f"SELECT v, normal_pypi_version(v) AS normal FROM unnest(ARRAY{found}) AS v",  # noqa: S608 - a test's own words
    )

    assert {row["v"]: row["normal"] for row in rows} == {version: canonicalize_version(version) for version in found}
