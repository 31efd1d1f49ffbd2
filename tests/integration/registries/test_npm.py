"""npm over HTTP: what is published, what its metadata show, and what tags, deprecations and deletions change."""

import asyncio
import base64
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from pydantic import HttpUrl
from yarl import URL

from service.app import create_app
from service.context import Context
from tests.integration.conftest import Client
from tests.support.catalogue import delete, event_topics, objects_in, query, restore
from tests.support.npm import packed, publication
from tests.support.packages import bring_in
from tests.support.stepwise import with_settings

_PROJECT: Final = "/api/v4/projects/100/packages/npm"
_PRIVATE: Final = "/api/v4/projects/102/packages/npm"
_GROUP: Final = "/api/v4/groups/10/-/packages/npm"
_INSTANCE: Final = "/api/v4/packages/npm"
_SHORT: Final = "application/vnd.npm.install-v1+json"


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _basic(password: str, user: str = "anybody") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


_DEVELOPER: Final = _bearer("developer-token")
_MAINTAINER: Final = _bearer("maintainer-token")


def _address(name: str, at: str = _PROJECT) -> str:
    return f"{at}/{name.replace('/', '%2f')}"


def _path(url: str) -> str:
    return "/api" + url.partition("/api")[2]


async def _publish(client: Client, name: str = "press", version: str = "1.0.0", **about: Any) -> ClientResponse:
    to, headers = about.pop("to", _PROJECT), about.pop("headers", _DEVELOPER)
    body = publication(name, version, **about)
    return await client.put(_address(name, to), json=body, headers=headers)


async def _published(client: Client, *versions: str, name: str = "press", **about: Any) -> None:
    for version in versions:
        answer = await _publish(client, name, version, **about)
        assert answer.status == 200, await answer.text()


async def _metadata(client: Client, name: str = "press", *, at: str = _PROJECT, accept: str = "*/*") -> dict[str, Any]:
    answer = await client.get(_address(name, at), headers={**_MAINTAINER, "Accept": accept})
    assert answer.status == 200, await answer.text()
    found: dict[str, Any] = json.loads(await answer.read(), object_pairs_hook=_object)
    return found


def _object(members: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object; strict parsers refuse one that has a name twice."""
    names = [name for name, _ in members]
    assert len(set(names)) == len(names), names
    return dict(members)


async def _ids(context: Context) -> dict[str, int]:
    return {row["version"]: row["id"] for row in await query(context, "SELECT id, version FROM package")}


async def _refused(answer: ClientResponse) -> tuple[int, str]:
    body = await answer.json()
    assert body["message"] == body["error"]
    return answer.status, body["error"]


@pytest.mark.parametrize("name", ["press", "@acme/press"])
async def test_a_published_version_is_shown_and_downloaded(client: Client, name: str) -> None:
    tarball = packed({"name": name, "version": "1.0.0"}, {"package/index.js": b"1"})
    manifest = {"dependencies": {"left": "^1"}, "description": "A press", "scripts": {"install": "make"}}

    answer = await _publish(client, name, tarball=tarball, manifest=manifest, readme="x" * 30_000)

    assert answer.status == 200, await answer.text()
    found = await _metadata(client, name)
    assert (found["name"], found["dist-tags"], set(found["time"])) == (
        name,
        {"latest": "1.0.0"},
        {"created", "modified", "1.0.0"},
    )
    version = found["versions"]["1.0.0"]
    assert (version["dependencies"], version["description"]) == ({"left": "^1"}, "A press")
    assert version["hasInstallScript"] is True
    dist = version["dist"]
    assert dist["integrity"] == "sha512-" + base64.b64encode(hashlib.sha512(tarball).digest()).decode()
    assert dist["shasum"] == hashlib.sha1(tarball, usedforsecurity=False).hexdigest()
    assert (dist["fileCount"], _path(dist["tarball"])) == (2, f"{_PROJECT}/{name}/-/{name}-1.0.0.tgz")
    for path in (_path(dist["tarball"]), f"{_address(name)}/-/press-1.0.0.tgz", f"{_address(name)}/-/{name}-1.0.0.tgz"):
        assert await (await client.get(path)).read() == tarball
    (package,) = await (await client.get("/api/v4/projects/100/packages")).json()
    assert (package["name"], package["version"], package["package_type"]) == (name, "1.0.0", "npm")
    assert [tag["name"] for tag in package["tags"]] == ["latest"]


async def test_the_abbreviated_form_has_what_installations_read(client: Client) -> None:
    await _published(client, "1.0.0", manifest={"bin": {"press": "x.js"}, "description": "A press"})

    answer = await client.get(_address("press"), headers={"Accept": f"{_SHORT}; q=1.0, application/json; q=0.8, */*"})

    assert (answer.headers["Content-Type"], answer.headers["Vary"]) == (_SHORT, "Accept")
    version = json.loads(await answer.read())["versions"]["1.0.0"]
    assert version["bin"] == {"press": "x.js"}
    assert "description" not in version


async def test_metadata_carry_a_strong_tag_and_are_asked_for_each_time(client: Client) -> None:
    await _published(client, "1.0.0")
    answer = await client.get(_address("press"))

    again = await client.get(_address("press"), headers={"If-None-Match": answer.headers["ETag"]})

    assert (again.status, answer.headers["Cache-Control"]) == (304, "private, no-cache")
    assert (again.headers["ETag"], again.headers["Vary"]) == (answer.headers["ETag"], "Accept")
    assert not answer.headers["ETag"].startswith("W/")


async def test_the_tag_of_metadata_follows_all_that_they_show(client: Client, filled: Context) -> None:
    await _published(client, "1.0.0")

    async def tag(at: str = _PROJECT, accept: str = "*/*") -> str:
        headers = {**_MAINTAINER, "Accept": accept}
        return (await client.get(_address("press", at), headers=headers)).headers["ETag"]

    tags = [await tag(), await tag(_GROUP), await tag(accept=_SHORT)]
    await _published(client, "1.1.0", tag="next")
    tags.append(await tag())
    deletion = await delete(filled, (await _ids(filled))["1.1.0"])
    assert await tag() == tags[0]
    await restore(filled, deletion.id)
    tags.append(await tag())
    await client.put(f"{_PROJECT}/-/package/press/dist-tags/old", json="1.0.0", headers=_DEVELOPER)
    tags.append(await tag())
    for reason in ("why", "why not"):
        body = {"name": "press", "versions": {"1.0.0": {"deprecated": reason}}}
        await client.put(_address("press"), json=body, headers={**_MAINTAINER, "npm-command": "deprecate"})
        tags.append(await tag())
    assert len(set(tags)) == len(tags) == 8


async def test_the_metadata_hold_any_text_and_files_that_did_not_come_from_npm(client: Client, filled: Context) -> None:
    odd = "odd %\u00e9 name.tgz"
    text = "".join(map(chr, range(1, 128))) + "\u2028\u00e9\U0001f4a9"
    await _published(client, "1.0.0", "1.1.0-rc.1", name="@acme/press+x", manifest={"description": text})
    await _published(client, "2.0.0", name="@acme/press+x", tag="next")
    bare = await bring_in(filled, package_type="npm", name="@acme/press+x", version="0.1.0+b")
    await query(
        filled,
        "INSERT INTO package_file (package_id, file_name, size, sha256, storage_key)"
        " VALUES ($1, $2, 1, sha256(''), 'k')",
        bare,
        odd,
    )
    await query(
        filled, "UPDATE package_file SET details = details || jsonb_build_object('deprecation', $1::text)", text
    )

    found = await _metadata(client, "@acme/press+x")

    rows = await query(
        filled,
        "SELECT p.version, p.created_at, p.updated_at, f.sha1 FROM package p JOIN package_file f"
        " ON f.package_id = p.id ORDER BY p.version_key",
    )
    moments = {row["version"]: _moment(row["created_at"]) for row in rows}
    edges = {"created": min(moments.values()), "modified": _moment(max(row["updated_at"] for row in rows))}
    assert found["time"] == edges | moments
    assert (found["_id"], found["name"], found["modified"]) == ("@acme/press+x", "@acme/press+x", edges["modified"])
    assert found["dist-tags"] == {"latest": "1.1.0-rc.1", "next": "2.0.0"}
    assert list(found["versions"]) == ["2.0.0", "1.1.0-rc.1", "1.0.0", "0.1.0+b"]
    shown = found["versions"]["1.1.0-rc.1"]
    assert (shown["description"], shown["deprecated"]) == (text, text)
    base = f"{filled.settings.external_url}api/v4/projects/100/packages/npm/@acme/press+x"
    assert shown["dist"]["tarball"] == f"{base}/-/@acme/press+x-1.1.0-rc.1.tgz"
    assert found["versions"]["0.1.0+b"] == {
        "name": "@acme/press+x",
        "version": "0.1.0+b",
        "_id": "@acme/press+x@0.1.0+b",
        "dist": {"tarball": f"{base}/-/{quote(odd)}"},
    }
    in_group = await _metadata(client, "@acme/press+x", at=_GROUP)
    assert in_group == found


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1_000:03}Z"


async def test_addresses_of_tarballs_repeat_the_project_as_it_was_asked_for(client: Client) -> None:
    await _published(client, "1.0.0")

    by_path = await _metadata(client, at="/api/v4/projects/acme%2Fopen/packages/npm")
    in_group = await _metadata(client, at=_GROUP)

    assert "/projects/acme%2Fopen/packages/npm/press/-/" in by_path["versions"]["1.0.0"]["dist"]["tarball"]
    assert "/projects/100/packages/npm/press/-/" in in_group["versions"]["1.0.0"]["dist"]["tarball"]


async def test_a_group_shows_its_projects_together_and_the_instance_those_of_the_scope(client: Client) -> None:
    await _published(client, "1.0.0", name="@acme/press")
    await _published(client, "2.0.0", name="@acme/press", to=_PRIVATE)

    for at in (_GROUP, _INSTANCE):
        found = await _metadata(client, "@acme/press", at=at)
        assert (list(found["versions"]), found["dist-tags"]) == (["2.0.0", "1.0.0"], {"latest": "2.0.0"})
        anonymous = await client.get(_address("@acme/press", at))
        assert list(json.loads(await anonymous.read())["versions"]) == ["1.0.0"]
    assert (await client.get(_address("press", _INSTANCE), headers=_MAINTAINER)).status == 404
    assert (await client.get(_address("@house/press", _INSTANCE), headers=_MAINTAINER)).status == 404
    assert (await client.get(_address("@10/press", _INSTANCE), headers=_MAINTAINER)).status == 404


async def test_a_package_that_was_imported_without_a_manifest_can_be_installed(client: Client, filled: Context) -> None:
    await bring_in(
        filled,
        package_type="npm",
        name="@acme/old",
        version="1.0.0",
        files=[{"file_name": "old-1.0.0.tgz", "content": "x"}],
    )

    found = await _metadata(client, "@acme/old")

    dist = found["versions"]["1.0.0"]["dist"]
    assert dist["shasum"] == hashlib.sha1(b"x", usedforsecurity=False).hexdigest()
    assert await (await client.get(_path(dist["tarball"]))).read() == b"x"


# Tags


async def test_tags_are_set_listed_and_removed(client: Client) -> None:
    await _published(client, "1.0.0", "2.0.0-rc.1")
    tags = f"{_PROJECT}/-/package/press/dist-tags"

    assert (await client.put(f"{tags}/stable", json="1.0.0", headers=_DEVELOPER)).status == 204
    assert await (await client.get(tags)).json() == {"latest": "2.0.0-rc.1", "stable": "1.0.0"}
    assert (await client.put(f"{tags}/stable", json="2.0.0-rc.1", headers=_DEVELOPER)).status == 204
    assert await (await client.get(tags)).json() == {"latest": "2.0.0-rc.1", "stable": "2.0.0-rc.1"}
    assert (await client.delete(f"{tags}/stable", headers=_DEVELOPER)).status == 403
    for tag in ("stable", "latest"):
        assert (await client.delete(f"{tags}/{tag}", headers=_MAINTAINER)).status == 204
    assert await (await client.get(tags)).json() == {"latest": "1.0.0"}
    assert await _refused(await client.delete(f"{tags}/stable", headers=_MAINTAINER)) == (
        404,
        "404 Package tag Not Found",
    )


async def test_a_wrong_tag_is_refused(client: Client) -> None:
    await _published(client, "1.0.0")
    no_version = (400, "body should be a version as a JSON string")
    range_of_versions = (400, "Validation failed: Tag should be a name, and no version or range of versions")

    for tag, body, expected in (
        ("1.x", '"1.0.0"', range_of_versions),
        ("beta", '"9.9.9"', (404, "404 Package Not Found")),
        ("beta", '["1.0.0"]', no_version),
        ("beta", '"1.0.0', no_version),
        ("beta", '"' + "1" * 2_000, (413, "413 Request Entity Too Large")),
    ):
        answer = await client.put(f"{_PROJECT}/-/package/press/dist-tags/{tag}", data=body, headers=_DEVELOPER)
        assert await _refused(answer) == expected


async def test_a_tag_is_set_at_the_address_of_a_group_where_the_version_is(client: Client, filled: Context) -> None:
    await _published(client, "1.0.0", name="@acme/press")

    for at, tag in ((_GROUP, "one"), (_INSTANCE, "two")):
        tags = f"{at}/-/package/@acme%2fpress/dist-tags/{tag}"
        assert (await client.put(tags, json="1.0.0", headers=_bearer("reporter-token"))).status == 403
        assert (await client.put(tags, json="1.0.0", headers=_DEVELOPER)).status == 204
    assert set((await _metadata(client, "@acme/press"))["dist-tags"]) == {"latest", "one", "two"}
    assert (await client.delete(f"{_GROUP}/-/package/@acme%2fpress/dist-tags/one", headers=_MAINTAINER)).status == 204


# Deletion


async def test_a_deletion_hides_a_version_with_its_tags_and_latest_falls_to_the_highest_release(
    client: Client, filled: Context
) -> None:
    await _published(client, "1.0.0", "1.10.0", "1.9.0")
    await _published(client, "2.0.0-rc.1", tag="next")
    await client.put(f"{_PROJECT}/-/package/press/dist-tags/stable", json="1.9.0", headers=_DEVELOPER)

    deletion = await delete(filled, (await _ids(filled))["1.9.0"])

    found = await _metadata(client)
    assert (list(found["versions"]), found["dist-tags"]) == (
        ["2.0.0-rc.1", "1.10.0", "1.0.0"],
        {"latest": "1.10.0", "next": "2.0.0-rc.1"},
    )
    assert (await client.get(f"{_address('press')}/-/press-1.9.0.tgz")).status == 404
    assert await (await client.get(f"{_PROJECT}/-/package/press/dist-tags")).json() == found["dist-tags"]

    await restore(filled, deletion.id)
    assert (await _metadata(client))["dist-tags"] == {"latest": "1.9.0", "next": "2.0.0-rc.1", "stable": "1.9.0"}


async def test_a_restore_brings_back_only_the_tags_that_no_other_version_took(client: Client, filled: Context) -> None:
    await _published(client, "1.0.0", "2.0.0")
    tags = f"{_PROJECT}/-/package/press/dist-tags"
    for tag in ("taken", "free"):
        await client.put(f"{tags}/{tag}", json="2.0.0", headers=_DEVELOPER)
    deletion = await delete(filled, (await _ids(filled))["2.0.0"])
    await client.put(f"{tags}/taken", json="1.0.0", headers=_DEVELOPER)
    await _published(client, "3.0.0")

    await restore(filled, deletion.id)

    assert (await _metadata(client))["dist-tags"] == {"free": "2.0.0", "latest": "3.0.0", "taken": "1.0.0"}


async def test_a_package_without_versions_is_not_found_and_its_name_is_free(client: Client, filled: Context) -> None:
    await _published(client, "1.0.0")
    await delete(filled, (await _ids(filled))["1.0.0"])

    assert await _refused(await client.get(_address("press"))) == (404, "404 Packages Not Found")
    await _published(client, "1.0.0", manifest={"description": "again"})
    assert (await _metadata(client))["versions"]["1.0.0"]["description"] == "again"


async def test_unpublishing_a_version_is_an_accepted_deletion(client: Client, filled: Context) -> None:
    await _published(client, "1.0.0", "2.0.0")
    sent = await _metadata(client)
    del sent["versions"]["2.0.0"]
    address = f"{_address('press')}/-rev/{sent['_rev']}"

    assert (await client.put(address, json=sent, headers=_DEVELOPER)).status == 403
    assert (await client.put(address, json=sent, headers=_MAINTAINER)).status == 200

    assert list((await _metadata(client))["versions"]) == ["1.0.0"]
    (deletion,) = await query(filled, "SELECT package_version, state, requested_by FROM deletion")
    assert dict(deletion) == {"package_version": "2.0.0", "state": "queued", "requested_by": 3}
    assert await event_topics(filled) == ["package.published", "package.published", "package.deletion_requested"]
    late = await client.put(address, json=sent, headers=_MAINTAINER)
    assert await _refused(late) == (409, "409 Conflict: the package has changed: try again")
    gone = await client.delete(f"{_address('press')}/-/press-2.0.0.tgz/-rev/x", headers=_MAINTAINER)
    assert gone.status == 404


async def test_a_tarball_and_a_whole_package_are_unpublished(client: Client) -> None:
    await _published(client, "1.0.0", "2.0.0", "3.0.0")

    answer = await client.delete(f"{_address('press')}/-/press-2.0.0.tgz/-rev/x", headers=_MAINTAINER)
    assert (answer.status, list((await _metadata(client))["versions"])) == (200, ["3.0.0", "1.0.0"])

    stale = await client.delete(f"{_address('press')}/-rev/undefined", headers=_MAINTAINER)
    assert stale.status == 409
    revision = (await _metadata(client))["_rev"]
    assert (await client.delete(f"{_address('press')}/-rev/{revision}", headers=_MAINTAINER)).status == 200
    assert (await client.get(_address("press"))).status == 404


async def test_a_protected_version_keeps_all_from_being_unpublished(client: Client, filled: Context) -> None:
    await _published(client, "1.0.0", "2.0.0")
    await query(
        filled,
        "INSERT INTO protection_rule (project_id, package_type, package_name_pattern, minimum_access_level_for_delete)"
        " VALUES (100, 'npm', 'pre*', 50)",
    )
    revision = (await _metadata(client))["_rev"]

    answer = await client.delete(f"{_address('press')}/-rev/{revision}", headers=_MAINTAINER)

    assert await _refused(answer) == (403, "403 Forbidden - Package is deletion protected.")
    assert len((await _metadata(client))["versions"]) == 2


async def test_unpublishing_elsewhere_fails_in_a_way_that_npm_shows(client: Client) -> None:
    for at, method in product((_GROUP, _INSTANCE), ("PUT", "DELETE")):
        answer = await client.request(method, f"{at}/@acme%2fpress/-rev/x", headers=_MAINTAINER)
        assert await _refused(answer) == (403, "403 Forbidden - Unpublish at the address of the project")


async def test_versions_are_deprecated_and_recommended_again(client: Client, filled: Context) -> None:
    await _published(client, "1.0.0", "2.0.0")
    command = {"npm-command": "deprecate"}
    sent = await _metadata(client)
    sent["versions"]["1.0.0"]["deprecated"] = "use 2"

    assert (await client.put(_address("press"), json=sent, headers={**_DEVELOPER, **command})).status == 403
    assert (await client.put(_address("press"), json=sent, headers={**_MAINTAINER, **command})).status == 200

    found = await _metadata(client, accept=_SHORT)
    assert [found["versions"][version].get("deprecated") for version in ("1.0.0", "2.0.0")] == ["use 2", None]
    statuses = "SELECT status FROM package ORDER BY version"
    assert [row["status"] for row in await query(filled, statuses)] == ["deprecated", "default"]

    sent["versions"]["1.0.0"]["deprecated"] = ""
    await client.put(_address("press"), json=sent, headers={**_MAINTAINER, **command})
    assert "deprecated" not in (await _metadata(client))["versions"]["1.0.0"]
    assert [row["status"] for row in await query(filled, statuses)] == ["default", "default"]


# Bad input


async def test_a_version_that_is_there_is_refused_in_gitlabs_words(client: Client, objects: Path) -> None:
    await _published(client, "1.0.0")
    before = objects_in(objects)

    assert await _refused(await _publish(client)) == (403, "Package already exists.")
    assert await _refused(await _publish(client, version="1.0.0+build")) == (403, "Package already exists.")
    assert objects_in(objects) == before


async def test_versions_that_differ_in_their_build_only_are_one_and_its_first_publisher_wins(
    client: Client, filled: Context, objects: Path
) -> None:
    versions = ("1.0.0", "1.0.0+a", "1.0.0+b.2", "1.0.0+a")

    async with asyncio.TaskGroup() as group:
        publishing = [group.create_task(_publish(client, version=version)) for version in versions]

    assert sorted(task.result().status for task in publishing) == [200, 403, 403, 403]
    (package,) = await query(filled, "SELECT version FROM package")
    assert list((await _metadata(client))["versions"]) == [package["version"]]
    assert len(objects_in(objects)) == 1


async def test_a_version_of_the_scope_in_another_project_of_the_root_group_is_refused(client: Client) -> None:
    await _published(client, "1.0.0", name="@acme/press", to=_PRIVATE)

    assert await _refused(await _publish(client, "@acme/press")) == (400, "Validation failed: Package already exists")
    await _published(client, "1.1.0", name="@acme/press")


def _changed(**changes: Any) -> bytes:
    return json.dumps(publication(**changes)).encode()


def _with_data(data: str) -> bytes:
    body = publication()
    body["_attachments"]["press-1.0.0.tgz"]["data"] = data
    return json.dumps(body).encode()


def _with_two() -> bytes:
    body = publication()
    body["_attachments"]["other.tgz"] = body["_attachments"]["press-1.0.0.tgz"]
    return json.dumps(body).encode()


def _dist(**changes: str) -> bytes:
    body = publication()
    body["versions"]["1.0.0"]["dist"] |= changes
    return json.dumps(body).encode()


_NOT_JSON: Final = "body should be the JSON that npm publishes"
_NOT_BASE64: Final = "data of the attachment should be base64"
_FAILED: Final = "Validation failed: "
_NO_TARBALL: Final = f"{_FAILED}Tarball should be a gzip-compressed tar archive"
_OTHER: Final = base64.b64encode(bytes(64)).decode()
_MANIFEST: Final = {"name": "press", "version": "1.0.0"}


_BROKEN: Final = (
    (b"", _NOT_JSON),
    (b"[]", _NOT_JSON),
    (b"}", _NOT_JSON),
    (b"[" * 1_000, _NOT_JSON),
    (_changed()[:-1], _NOT_JSON),
    (_changed()[:-80], "body breaks off"),
    (_changed(name_="x").replace(b'"name": "press"', b'"name": "other"', 1), "name is not the name in the address"),
    (_changed(versions={}), "Version is empty."),
    (_changed(versions={"1.0": {}}), f"{_FAILED}Version should follow SemVer: https://semver.org"),
    (_changed(versions={"1.0.0": {}}), f"{_FAILED}Manifest should have the name and the version of its package"),
    (
        _changed(manifest={"x": "y" * 20_000}),
        f"{_FAILED}Package json structure is too large. Maximum size is 20000 characters",
    ),
    (_changed(manifest={"x": "\0"}), f"{_FAILED}Manifest should have no NUL character"),
    (_changed(tag="1.0"), f"{_FAILED}Tag should be a name, and no version or range of versions"),
    (_changed(_attachments={}), "Attachment data is empty."),
    (_with_data(""), "Attachment data is empty."),
    (_with_data("AAA"), _NOT_BASE64),
    (_with_data("AA==AAAA"), _NOT_BASE64),
    (_with_data("A*AA"), _NOT_BASE64),
    (_with_data('AAA"'), _NOT_BASE64),
    (_with_two(), "_attachments should have one tarball"),
    (_dist(shasum="0" * 40), "400 Bad request - Checksum does not match (sha1)"),
    (_dist(integrity=f"sha512-{_OTHER}"), "400 Bad request - Checksum does not match (sha512)"),
    (_dist(integrity="sha512-?"), "400 Bad request - Checksum does not match (sha512)"),
    (_changed(tarball=b"no tarball"), _NO_TARBALL),
    (_changed(tarball=packed(_MANIFEST)[:-20]), _NO_TARBALL),
    (
        _changed(tarball=packed({"name": "other", "version": "1.0.0"})),
        f"{_FAILED}Tarball: package.json has another name or version",
    ),
    (
        _changed(tarball=packed(_MANIFEST, {"package/../../x": b""})),
        f"{_FAILED}Tarball should have no path that leads out of it",
    ),
)
"""Bodies that break a rule, and the answers."""


async def test_a_body_that_breaks_a_rule_is_refused_and_leaves_nothing(
    client: Client, filled: Context, objects: Path
) -> None:
    # One API for all: a database for each takes longer than all of them.
    for body, said in _BROKEN:
        answer = await client.put(_address("press"), data=io.BytesIO(body), headers=_DEVELOPER)
        assert await _refused(answer) == (400, said)

    long = await client.put(
        _address("press"), data=io.BytesIO(_changed(description="x" * 1_100_000)), headers=_DEVELOPER
    )
    assert await _refused(long) == (413, "413 Request Entity Too Large")
    assert objects_in(objects) == set()
    assert await query(filled, "SELECT id FROM package") == []


async def test_a_name_that_npm_packages_cannot_have_is_refused(client: Client) -> None:
    for name in ("@acme", "a b", "\0", "@acme/..", "x" * 300):
        address = f"{_PROJECT}/{quote(name, safe='')}"
        answer = await client.put(URL(address, encoded=True), json=publication(name), headers=_DEVELOPER)
        assert (await _refused(answer))[0] == 400
        assert (await client.get(URL(address, encoded=True))).status == 404


async def test_provenance_beside_the_tarball_is_no_second_tarball(client: Client) -> None:
    body = publication()
    body["_attachments"]["press-1.0.0.sigstore"] = {"content_type": "application/json", "data": '{"a": "b"}'}

    answer = await client.put(_address("press"), json=body, headers=_DEVELOPER)

    assert answer.status == 200, await answer.text()


async def test_names_that_no_text_can_be_are_not_found(client: Client) -> None:
    for bad in ("%00", "%FF", "%ED%A0%80"):
        for method, path in (
            ("GET", f"{bad}"),
            ("GET", f"{bad}/-/x.tgz"),
            ("GET", f"press/-/{bad}"),
            ("DELETE", f"{bad}/-rev/x"),
            ("DELETE", f"press/-/{bad}/-rev/x"),
            ("DELETE", f"-/package/press/dist-tags/{bad}"),
        ):
            answer = await client.request(method, URL(f"{_PROJECT}/{path}", encoded=True), headers=_MAINTAINER)
            assert (method, path, answer.status) == (method, path, 404)


# Credentials


_READERS: Final[Sequence[tuple[str, Mapping[str, str], int]]] = (
    (_PRIVATE, {}, 401),
    (_PRIVATE, _bearer("stranger-token"), 404),
    (_PRIVATE, _bearer("insider-token"), 200),
    (_PRIVATE, _basic("insider-token"), 200),
    (_PRIVATE, _bearer("anvil-read-deploy"), 200),
    (_PRIVATE, _basic("anvil-read-deploy", "puller"), 200),
    (_PRIVATE, _bearer("anvil-maintainer-job"), 200),
    (_PRIVATE, _basic("anvil-maintainer-job", "gitlab-ci-token"), 200),
    (_PRIVATE, {"JOB-TOKEN": "anvil-maintainer-job"}, 200),
    (_PRIVATE, {"Deploy-Token": "anvil-read-deploy"}, 200),
    (_PROJECT, {}, 200),
    (_PROJECT, _bearer("no-such-token"), 401),
    (_PROJECT, _basic("no-such-token"), 401),
    (_GROUP, {}, 200),
    (_GROUP, _bearer("open-read-deploy"), 200),
    ("/api/v4/groups/20/-/packages/npm", {}, 401),
    ("/api/v4/groups/20/-/packages/npm", _DEVELOPER, 404),
)
"""Address, credential, and the status of the answer."""


async def test_credentials_come_as_npm_sends_them(client: Client) -> None:
    await _published(client, "1.0.0", to=_PRIVATE, headers=_MAINTAINER)
    await _published(client, "1.0.0")

    for at, headers, status in _READERS:
        answer = await client.get(_address("press", at), headers=headers)
        assert (at, headers, answer.status) == (at, headers, status)


async def test_developers_and_writing_tokens_publish(client: Client) -> None:
    tokens = {"": 401, "reporter-token": 403, "anvil-read-deploy": 403, "anvil-write-deploy": 200}

    for token, status in tokens.items():
        answer = await _publish(client, to=_PRIVATE, headers=_bearer(token) if token else {})
        assert (token, answer.status) == (token, status)


async def test_ping_whoami_and_audit_are_answered(client: Client) -> None:
    for at in (_PROJECT, _GROUP, _INSTANCE):
        assert await (await client.get(f"{at}/-/ping")).json() == {}
        assert await (await client.get(f"{at}/-/whoami", headers=_DEVELOPER)).json() == {"username": "dave"}
        assert (await client.get(f"{at}/-/whoami")).status == 401
        for path in ("advisories/bulk", "audits/quick"):
            answer = await client.post(f"{at}/-/npm/v1/security/{path}", json={"press": ["1.0.0"]})
            assert (answer.status, await answer.json()) == (200, [])
        assert (await client.get(f"{at}/-/v1/search?text=press")).status == 404


async def test_an_unknown_name_is_forwarded_where_a_setting_asks_for_it(filled: Context) -> None:
    context = with_settings(filled, npm_forwarding_url=HttpUrl("https://registry.example"))
    async with TestClient(TestServer(create_app(context))) as client:
        for at, name in ((_PROJECT, "left"), (_GROUP, "@acme/left")):
            answer = await client.get(_address(name, at), headers=_DEVELOPER, allow_redirects=False)
            assert (answer.status, answer.headers["Location"]) == (302, f"https://registry.example/{name}")
        await _published(client, "1.0.0")
        await delete(filled, (await _ids(filled))["1.0.0"])
        assert (await client.get(_address("press"), allow_redirects=False)).status == 404


async def test_a_hidden_version_is_not_unpublished_and_the_answer_says_so(client: Client, filled: Context) -> None:
    await _published(client, "1.0.0")
    await query(filled, "UPDATE package SET status = 'hidden'")
    revision = (await _metadata(client))["_rev"]

    answer = await client.delete(f"{_address('press')}/-rev/{revision}", headers=_MAINTAINER)

    assert await _refused(answer) == (409, "409 Conflict: a version is hidden, or has gone")
