"""A Maven repository over HTTP: what is published, what metadata say of it, and what a deletion changes."""

import asyncio
import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from pydantic import HttpUrl

from service.app import create_app
from service.context import Context
from tests.integration.conftest import Client
from tests.support.catalogue import delete, delete_file, objects_in, query, restore
from tests.support.stepwise import with_settings

_PROJECT: Final = "/api/v4/projects/100/packages/maven"
_PRIVATE: Final = "/api/v4/projects/102/packages/maven"
_GROUP: Final = "/api/v4/groups/10/-/packages/maven"
_INSTANCE: Final = "/api/v4/packages/maven"
_APP: Final = "com/example/app"
_JAR: Final = f"{_APP}/1.0/app-1.0.jar"
_SNAPSHOT: Final = f"{_APP}/2.0-SNAPSHOT"
_METADATA: Final = f"{_APP}/maven-metadata.xml"
_DEVELOPER: Final = {"PRIVATE-TOKEN": "developer-token"}


def _basic(password: str, user: str = "anybody") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def _hex(algorithm: str, content: bytes) -> str:
    return hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()


async def _put(
    client: Client,
    path: str,
    content: bytes = b"bytes",
    *,
    to: str = _PROJECT,
    headers: Mapping[str, str] = _DEVELOPER,
) -> ClientResponse:
    return await client.put(f"{to}/{path}", data=content, headers=headers)


async def _publish(client: Client, *paths: str, to: str = _PROJECT) -> None:
    for path in paths:
        answer = await _put(client, path, to=to)
        assert answer.status == 200, await answer.text()


async def _xml(client: Client, path: str, *, at: str = _PROJECT) -> ET.Element:
    answer = await client.get(f"{at}/{path}", headers=_DEVELOPER)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/xml; charset=utf-8")
    return ET.fromstring(await answer.text())  # noqa: S314 - our own


def _texts(element: ET.Element, path: str) -> list[str | None]:
    return [found.text for found in element.iterfind(path)]


async def _versions(client: Client, *, at: str = _PROJECT) -> list[str | None]:
    return _texts(await _xml(client, _METADATA, at=at), "versioning/versions/version")


async def test_a_published_file_is_downloaded_with_its_checksums_and_listed(client: Client) -> None:
    await _publish(client, _JAR)

    answer = await client.get(f"{_PROJECT}/{_JAR}")
    digests = {name: _hex(name, b"bytes") for name in ("md5", "sha1", "sha256", "sha512")}

    assert (answer.status, await answer.read()) == (200, b"bytes")
    assert (answer.headers["X-Checksum-Sha1"], answer.headers["X-Checksum-Md5"]) == (digests["sha1"], digests["md5"])
    assert (await client.head(f"{_PROJECT}/{_JAR}")).headers["Content-Length"] == "5"
    for name, digest in digests.items():
        shown = await client.get(f"{_PROJECT}/{_JAR}.{name}")
        assert (shown.status, shown.headers["Content-Type"], await shown.text()) == (
            *(200, "text/plain; charset=utf-8"),
            digest,
        )
    (package,) = await (await client.get("/api/v4/projects/100/packages")).json()
    assert (package["name"], package["version"], package["package_type"]) == (_APP, "1.0", "maven")


async def test_metadata_list_the_versions_and_name_the_highest_by_mavens_order(client: Client) -> None:
    for version in ("1.10", "1.9", "1.11-rc1", "1.12-SNAPSHOT"):
        await _publish(client, f"{_APP}/{version}/app-{version}.jar")

    found = await _xml(client, _METADATA)

    assert (found.findtext("groupId"), found.findtext("artifactId")) == ("com.example", "app")
    assert _texts(found, "versioning/versions/version") == ["1.9", "1.10", "1.11-rc1", "1.12-SNAPSHOT"]
    assert found.findtext("versioning/latest") == "1.12-SNAPSHOT"
    assert found.findtext("versioning/release") == "1.11-rc1"
    assert len(found.findtext("versioning/lastUpdated") or "") == 14


async def test_metadata_and_their_checksums_are_revalidated(client: Client) -> None:
    await _publish(client, _JAR)
    for path in (_METADATA, f"{_METADATA}.sha1", f"{_JAR}.sha512"):
        answer = await client.get(f"{_PROJECT}/{path}")
        assert answer.headers["Cache-Control"] == "private, no-cache"
        tag = {"If-None-Match": answer.headers["ETag"]}
        assert not answer.headers["ETag"].startswith("W/")
        assert (await client.get(f"{_PROJECT}/{path}", headers=tag)).status == 304
    before = await client.get(f"{_PROJECT}/{_METADATA}")

    await _publish(client, f"{_APP}/1.1/app-1.1.jar")

    tag = {"If-None-Match": before.headers["ETag"]}
    now = await client.get(f"{_PROJECT}/{_METADATA}", headers=tag)
    assert now.status == 200
    for name in ("md5", "sha1", "sha256", "sha512"):
        shown = await (await client.get(f"{_PROJECT}/{_METADATA}.{name}")).text()
        assert shown == _hex(name, await now.read())


async def test_uploaded_metadata_are_accepted_and_not_kept(client: Client, objects: Path) -> None:
    await _publish(client, _JAR)
    stored = objects_in(objects)
    sent = b"<metadata><versioning><versions><version>9.9</version></versions></versioning></metadata>"

    answers = [
        await _put(client, _METADATA, sent),
        await _put(client, f"{_METADATA}.sha1", _hex("sha1", sent).encode()),
        await _put(client, f"{_METADATA}.sha256", _hex("sha256", sent).encode()),
    ]

    assert [answer.status for answer in answers] == [200, 204, 200]
    assert await _versions(client) == ["1.0"]
    assert objects_in(objects) == stored


async def test_checksums_before_their_metadata_make_no_package(client: Client, filled: Context) -> None:
    answer = await _put(client, f"{_METADATA}.sha256", b"0" * 64)

    assert answer.status == 200
    assert await query(filled, "SELECT id FROM package") == []


_BUILD_1: Final = "app-2.0-20261129.113535-1"
_BUILD_2: Final = "app-2.0-20261129.120000-2"


async def test_a_snapshot_names_the_newest_build_of_each_file(client: Client) -> None:
    for name in (
        f"{_BUILD_1}.jar",
        f"{_BUILD_1}-jdk1.8.tar.gz",
        f"{_BUILD_1}.pom.asc",
        f"{_BUILD_2}.jar",
        "app-2.0.txt",
    ):
        await _publish(client, f"{_SNAPSHOT}/{name}")

    found = await _xml(client, f"{_SNAPSHOT}/maven-metadata.xml")

    assert found.findtext("version") == "2.0-SNAPSHOT"
    assert found.findtext("versioning/snapshot/timestamp") == "20261129.120000"
    assert found.findtext("versioning/snapshot/buildNumber") == "2"
    assert found.findtext("versioning/lastUpdated") == "20261129120000"
    shown = [
        tuple(each.findtext(name) for name in ("classifier", "extension", "value", "updated"))
        for each in found.iterfind("versioning/snapshotVersions/snapshotVersion")
    ]
    assert set(shown) == {
        (None, "jar", "2.0-20261129.120000-2", "20261129120000"),
        ("jdk1.8", "tar.gz", "2.0-20261129.113535-1", "20261129113535"),
        (None, "pom.asc", "2.0-20261129.113535-1", "20261129113535"),
    }
    assert await _versions(client) == ["2.0-SNAPSHOT"]


async def test_a_snapshot_without_builds_is_named_as_it_is(client: Client) -> None:
    await _publish(client, f"{_SNAPSHOT}/app-2.0-SNAPSHOT.jar")

    found = await _xml(client, f"{_SNAPSHOT}/maven-metadata.xml")

    assert found.find("versioning/snapshot") is None
    assert _texts(found, "versioning/snapshotVersions/snapshotVersion/value") == ["2.0-SNAPSHOT"]


async def test_a_deletion_hides_a_version_and_an_undo_shows_it_again(client: Client, filled: Context) -> None:
    await _publish(client, _JAR, f"{_APP}/1.1/app-1.1.jar")
    (_, newest) = await query(filled, "SELECT id FROM package ORDER BY id")

    deletion = await delete(filled, newest["id"])
    found = await _xml(client, _METADATA)
    assert (await client.get(f"{_PROJECT}/{_APP}/1.1/app-1.1.jar")).status == 404
    assert (await client.get(f"{_PROJECT}/{_APP}/1.1/app-1.1.jar.sha1")).status == 404
    assert [found.findtext(f"versioning/{name}") for name in ("latest", "release")] == ["1.0", "1.0"]

    await restore(filled, deletion.id)
    found = await _xml(client, _METADATA)
    assert [found.findtext(f"versioning/{name}") for name in ("latest", "release")] == ["1.1", "1.1"]


async def test_a_deleted_build_is_missing_from_its_snapshot(client: Client, filled: Context) -> None:
    await _publish(client, f"{_SNAPSHOT}/{_BUILD_1}.jar", f"{_SNAPSHOT}/{_BUILD_2}.jar")
    (file,) = await query(filled, "SELECT id, package_id FROM package_file ORDER BY id DESC LIMIT 1")

    await delete_file(filled, file["package_id"], file["id"])

    found = await _xml(client, f"{_SNAPSHOT}/maven-metadata.xml")
    assert found.findtext("versioning/snapshot/buildNumber") == "1"


async def test_nothing_is_said_of_an_artifact_without_versions(client: Client, filled: Context) -> None:
    await _publish(client, _JAR)
    (package,) = await query(filled, "SELECT id FROM package")

    await delete(filled, package["id"])

    for path in (_METADATA, f"{_METADATA}.sha1", f"{_SNAPSHOT}/maven-metadata.xml", "com/maven-metadata.xml"):
        answer = await client.get(f"{_PROJECT}/{path}")
        assert (answer.status, await answer.json()) == (404, {"message": "404 Not found"})


def _plugins(*names: str) -> bytes:
    plugins = "".join(
        f"<plugin><name>The {name}</name><prefix>{name}</prefix><artifactId>{name}-maven-plugin</artifactId></plugin>"
        for name in names
    )
    return f"<metadata><plugins>{plugins}</plugins></metadata>".encode()


async def test_a_group_names_the_plugins_that_can_be_installed(client: Client, filled: Context) -> None:
    path = "com/example/maven-metadata.xml"
    for name in ("press", "juice"):
        await _publish(client, f"com/example/{name}-maven-plugin/1.0/{name}-maven-plugin-1.0.jar")
    for sent in (_plugins("press"), _plugins("juice"), _plugins("juice", "press"), _plugins("gone")):
        assert (await _put(client, path, sent)).status == 200

    found = await _xml(client, path)

    assert _texts(found, "plugins/plugin/prefix") == ["juice", "press"]
    assert _texts(found, "plugins/plugin/name") == ["The juice", "The press"]
    kept = await query(
        filled, "SELECT f.id FROM package p JOIN package_file f ON f.package_id = p.id WHERE p.version IS NULL"
    )
    assert len(kept) == 3


async def test_the_newest_file_at_a_path_is_served_and_each_copys_checksum_counts(client: Client) -> None:
    await _put(client, _JAR, b"old")
    await _put(client, _JAR, b"new")

    answers = [await _put(client, f"{_JAR}.sha1", _hex("sha1", content).encode()) for content in (b"old", b"new")]

    assert [answer.status for answer in answers] == [204, 204]
    assert await (await client.get(f"{_PROJECT}/{_JAR}")).read() == b"new"
    assert await (await client.get(f"{_PROJECT}/{_JAR}.sha1")).text() == _hex("sha1", b"new")


@pytest.mark.parametrize("name", ["md5", "sha1", "sha256", "sha512"])
async def test_a_checksum_is_compared_with_the_file(client: Client, filled: Context, name: str) -> None:
    await _publish(client, _JAR)
    right = _hex(name, b"bytes")

    for text, status, body in (
        (f"{right.upper()}  app-1.0.jar\n", 204 if name == "sha1" else 200, None),
        ("0" * len(right), 409, {"message": f"409 Conflict: Checksum does not match ({name})"}),
        ("nothing", 400, {"message": f"400 Bad request - Checksum cannot be read ({name})"}),
        ("0" * 2000, 400, {"message": "400 Bad request - File is too large"}),
    ):
        answer = await _put(client, f"{_JAR}.{name}", text.encode())
        assert answer.status == status
        assert body is None or await answer.json() == body
    assert (await _put(client, f"{_APP}/1.0/other.jar.{name}", right.encode())).status == 404
    assert len(await query(filled, "SELECT id FROM package_file")) == 1


def _pom(version: str = "1.0", *, group: str = "com.example", artifact: str = "app", doctype: str = "") -> bytes:
    return (
        f'<?xml version="1.0"?>{doctype}<project xmlns="http://maven.apache.org/POM/4.0.0">'
        f"<parent><groupId>{group}</groupId><artifactId>parent</artifactId><version>7</version></parent>"
        f"<artifactId>{artifact}</artifactId><version>{version}</version></project>"
    ).encode()


_ENTITY: Final = '<!DOCTYPE project [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("pom", "said"),
    [
        (_pom("1.1"), "Pom has another version than its path"),
        (_pom(artifact="apple"), "Pom has another artifactId than its path"),
        (_pom(group="com.evil"), "Pom has another groupId than its path"),
        (_pom(doctype=_ENTITY), "Pom should have no DOCTYPE"),
        (_pom()[:-9], "Pom is no XML that can be read"),
        (b"", "Pom is no XML that can be read"),
        (b"PK\x03\x04", "Pom is no XML that can be read"),
        (b"<html/>", "Pom should have the root element project"),
        (b"<project>" + b"<a>" * 200, "Pom is nested too deeply (maximum is 100)"),
        (b"<?xml version='1.0' encoding='no-such'?><project/>", "Pom is no XML that can be read"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_pom_that_breaks_a_rule_is_refused_and_leaves_nothing(
    client: Client, filled: Context, objects: Path, pom: bytes, said: str
) -> None:
    answer = await _put(client, f"{_APP}/1.0/app-1.0.pom", pom)

    assert (answer.status, await answer.json()) == (400, {"message": f"Validation failed: {said}"})
    assert objects_in(objects) == set()
    assert await query(filled, "SELECT id FROM package") == []


@pytest.mark.parametrize(
    ("path", "pom"),
    [
        (f"{_APP}/1.0/app-1.0.pom", _pom()),
        (f"{_APP}/1.0/app-1.0.pom", _pom("${revision}")),
        (f"{_APP}/7/app-7.pom", _pom().replace(b"<version>1.0</version>", b"")),
        (f"{_SNAPSHOT}/{_BUILD_1}.pom", _pom("2.0-SNAPSHOT")),
        (f"{_SNAPSHOT}/{_BUILD_1}.pom", _pom("2.0-20261129.113535-1")),
        (f"{_APP}/1.0/app-1.0-build.pom", b"<project/>"),
    ],
)
async def test_a_pom_at_its_own_path_is_kept(client: Client, path: str, pom: bytes) -> None:
    assert (await _put(client, path, pom)).status == 200
    assert await (await client.get(f"{_PROJECT}/{path}")).read() == pom


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("com/../app/1.0/a.jar", None),
        ("com/%2E%2E/app/1.0/a.jar", None),
        ("com/..%2Fapp/1.0/a.jar", {"error": "path is invalid"}),
        ("com/example/app/1..0/a.jar", {"error": "path is invalid"}),
        ("com//app/1.0/a.jar", {"error": "path is invalid"}),
        ("com/%252E/app/1.0/a.jar", {"error": "path is invalid"}),
        ("com/a%00b/app/1.0/a.jar", {"error": "path is invalid"}),
        ("app/1.0/a.jar", {"error": "path is invalid"}),
        (f"{_APP}/1.0/a%2F..%2Fb.jar", {"error": "file_name is invalid"}),
        (f"{_APP}/1.0/a b.jar", {"error": "file_name is invalid"}),
        (f"{_APP}/1.0/{'a' * 256}", {"error": "file_name is invalid"}),
        (f"com/{'a' * 260}/1.0/a.jar", {"message": "Validation failed: Name is too long (maximum is 255 characters)"}),
        (
            f"{_APP}/{'1' * 260}/a.jar",
            {"message": "Validation failed: Version is too long (maximum is 255 characters)"},
        ),
    ],
)
async def test_a_path_that_leads_elsewhere_is_refused(
    client: Client, objects: Path, path: str, said: dict[str, str] | None
) -> None:
    answer = await _put(client, path)

    assert answer.status == 400, await answer.text()
    assert said is None or await answer.json() == said
    assert objects_in(objects) == set()
    assert (await client.get(f"{_PROJECT}/{path}")).status in {400, 404}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no xml", "Metadata is no XML that can be read"),
        (b"<project/>", "Metadata should have the root element metadata"),
        (b"<!DOCTYPE m><metadata/>", "Metadata should have no DOCTYPE"),
        (_plugins(*(f"p{i}" for i in range(3000))), "Metadata has too many elements (maximum is 10000)"),
    ],
    ids=["text", "root", "doctype", "many"],
)
async def test_metadata_that_break_a_rule_are_refused(client: Client, content: bytes, said: str) -> None:
    answer = await _put(client, "com/example/maven-metadata.xml", content)

    assert (answer.status, await answer.json()) == (400, {"message": f"Validation failed: {said}"})


async def test_checksums_in_headers_are_compared_and_a_file_may_be_wanted_new(client: Client, objects: Path) -> None:
    wrong = await _put(client, _JAR, headers={**_DEVELOPER, "X-Checksum-Sha1": "0" * 40})
    assert (wrong.status, objects_in(objects)) == (400, set())
    wrong = await _put(client, _METADATA, b"<metadata/>", headers={**_DEVELOPER, "X-Checksum-Sha256": "0" * 64})
    assert wrong.status == 400

    answers = [await _put(client, _JAR, headers={**_DEVELOPER, "If-None-Match": "*"}) for _ in range(2)]

    assert [answer.status for answer in answers] == [200, 412]


async def test_a_group_may_forbid_to_publish_a_file_twice(client: Client, filled: Context) -> None:
    await query(filled, "UPDATE directory_group SET maven_duplicates_allowed = false WHERE id = 10")
    paths = [
        _JAR,
        f"{_APP}/1.0/app-1.0-sources.jar",
        f"{_SNAPSHOT}/{_BUILD_1}.jar",
        _JAR,
        f"{_SNAPSHOT}/{_BUILD_2}.jar",
    ]

    answers = [await _put(client, path) for path in paths]
    sums = [
        await _put(client, f"{_JAR}.md5", _hex("md5", b"bytes").encode()),
        await _put(client, _METADATA, b"<metadata/>"),
    ]
    await query(filled, "UPDATE directory_group SET maven_duplicate_exception_regex = '.*-SNAPSHOT' WHERE id = 10")
    excepted = await _put(client, f"{_SNAPSHOT}/{_BUILD_2}.jar")

    assert [answer.status for answer in (*answers, *sums, excepted)] == [200, 200, 200, 400, 400, 200, 200, 200]
    assert await answers[3].json() == {"message": "400 Bad request - Duplicate package is not allowed"}


async def test_publishers_of_one_version_make_one_package(client: Client, filled: Context) -> None:
    paths = [f"{_APP}/1.0/app-1.0{ending}" for ending in (".jar", "-sources.jar", ".module", ".jar", ".jar.asc")]

    async with asyncio.TaskGroup() as group:
        puts = [group.create_task(_put(client, path)) for path in paths]
    answers = [put.result() for put in puts]

    assert [answer.status for answer in answers] == [200] * 5
    assert len(await query(filled, "SELECT id FROM package")) == 1
    assert len(await query(filled, "SELECT id FROM package_file")) == 5


@pytest.mark.parametrize(
    ("project", "headers", "reading", "publishing"),
    [
        (_PRIVATE, {}, 401, 401),
        (_PRIVATE, {"PRIVATE-TOKEN": "no-such-token"}, 401, 401),
        (_PRIVATE, {"PRIVATE-TOKEN": "stranger-token"}, 404, 404),
        (_PRIVATE, {"PRIVATE-TOKEN": "insider-token"}, 200, 403),
        (_PRIVATE, {"PRIVATE-TOKEN": "maintainer-reading-token"}, 200, 403),
        (_PRIVATE, _DEVELOPER, 200, 200),
        (_PRIVATE, {"Authorization": "Bearer developer-token"}, 200, 200),
        (_PRIVATE, _basic("developer-token"), 200, 200),
        (_PRIVATE, {"JOB-TOKEN": "anvil-maintainer-job"}, 200, 200),
        (_PRIVATE, _basic("anvil-maintainer-job", "gitlab-ci-token"), 200, 200),
        (_PRIVATE, {"Deploy-Token": "anvil-read-deploy"}, 200, 403),
        (_PRIVATE, {"Deploy-Token": "anvil-write-deploy"}, 200, 200),
        (_PRIVATE, _basic("anvil-read-deploy", "puller"), 200, 403),
        (_PROJECT, {}, 200, 401),
        (_PROJECT, _basic("no-such-token"), 200, 401),
        (_PROJECT, {"PRIVATE-TOKEN": "stranger-token"}, 200, 403),
        (_PROJECT, {"Deploy-Token": "anvil-write-deploy"}, 200, 403),
    ],
    ids=str,
)
async def test_credentials_come_as_maven_and_gradle_send_them(
    client: Client, project: str, headers: Mapping[str, str], reading: int, publishing: int
) -> None:
    await _publish(client, _JAR, to=project)

    got = [await client.get(f"{project}/{path}", headers=headers) for path in (_METADATA, _JAR, f"{_JAR}.sha1")]
    put = await _put(client, f"{_APP}/1.1/app-1.1.jar", to=project, headers=headers)

    assert [answer.status for answer in got] == [reading] * 3
    assert put.status == publishing
    assert ("WWW-Authenticate" in got[0].headers) == (reading == 401)


async def test_a_group_shows_what_the_caller_may_read_of_its_projects(client: Client) -> None:
    await _publish(client, _JAR)
    await _publish(client, f"{_APP}/1.1/app-1.1.jar", f"{_SNAPSHOT}/{_BUILD_1}.jar", to=_PRIVATE)

    assert await _versions(client, at=_GROUP) == ["1.0", "1.1", "2.0-SNAPSHOT"]
    found = await _xml(client, f"{_SNAPSHOT}/maven-metadata.xml", at=_GROUP)
    assert found.findtext("versioning/snapshot/buildNumber") == "1"
    for headers, status in ((_DEVELOPER, 200), ({}, 404), ({"PRIVATE-TOKEN": "no-such-token"}, 401)):
        for path in (f"{_APP}/1.1/app-1.1.jar", f"{_APP}/1.1/app-1.1.jar.sha1"):
            assert (await client.get(f"{_GROUP}/{path}", headers=headers)).status == status
    assert await (await client.get(f"{_GROUP}/{_JAR}")).read() == b"bytes"


async def test_the_instance_shows_artifacts_that_have_the_path_of_their_project(client: Client) -> None:
    path = "acme/labs/anvil/1.0/anvil-1.0.jar"
    await _publish(client, path, _JAR, to=_PRIVATE)

    for where, headers, status in (
        (path, _DEVELOPER, 200),
        (f"{path}.sha1", _DEVELOPER, 200),
        ("acme/labs/anvil/maven-metadata.xml", _DEVELOPER, 200),
        (path, {}, 401),
        (path, {"PRIVATE-TOKEN": "stranger-token"}, 404),
        (_JAR, _DEVELOPER, 404),
        ("acme/older/1.0/a.jar", _DEVELOPER, 404),
        ("x/1.0/a.jar", _DEVELOPER, 404),
    ):
        answer = await client.get(f"{_INSTANCE}/{where}", headers=headers)
        assert answer.status == status, (where, headers)


async def test_only_names_that_no_project_ever_had_are_forwarded(filled: Context) -> None:
    context = with_settings(filled, maven_forwarding_url=HttpUrl("https://public.example/maven2"))
    async with TestClient(TestServer(create_app(context))) as client:
        await _publish(client, _JAR, to=_PRIVATE)
        for base in (_PROJECT, _GROUP):
            for path in ("org/x/y/1.0/y-1.0.pom", "org/x/y/1.0/y-1.0.pom.sha1", "org/x/y/maven-metadata.xml"):
                answer = await client.get(f"{base}/{path}", allow_redirects=False)
                location = f"https://public.example/maven2/{path}"
                assert (answer.status, answer.headers["Location"]) == (302, location)
            for path in (_JAR, f"{_APP}/9/app-9.jar", f"{_METADATA}.md5"):
                assert (await client.get(f"{base}/{path}", allow_redirects=False)).status == 404
