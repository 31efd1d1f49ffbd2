"""NuGet over HTTP: what is pushed, what its documents show of it, and what a deletion changes."""

import asyncio
import io
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientResponse, FormData, encode_basic_auth

from service.context import Context
from service.infra.postgres.sessions.connecting import Session
from service.registries.nuget.versions import NuGetVersion
from tests.integration.conftest import Client
from tests.support.catalogue import delete, objects_in, query, restore
from tests.support.nupkgs import SYMBOLS, packed
from tests.support.packages import bring_in

_PROJECT: Final = "/api/v4/projects/100/packages/nuget"
_PRIVATE: Final = "/api/v4/projects/102/packages/nuget"
_GROUP: Final = "/api/v4/groups/10/-/packages/nuget"


def _basic(password: str, user: str) -> dict[str, str]:
    return {"Authorization": encode_basic_auth(user, password)}


_DEVELOPER: Final = _basic("developer-token", "dave")
_MAINTAINER: Final = _basic("maintainer-token", "mary")


async def _push(
    client: Client,
    package: bytes,
    *,
    to: str = f"{_PROJECT}/",
    field: str = "package",
    headers: Mapping[str, str] = _DEVELOPER,
) -> ClientResponse:
    form = FormData()
    form.add_field(field, io.BytesIO(package), filename="package.nupkg")
    return await client.put(to, data=form, headers=headers)


async def _json(client: Client, path: str, **parameters: str) -> Any:
    answer = await client.get(_path(path), params=parameters, headers=_DEVELOPER)
    assert answer.status == 200, await answer.text()
    return await answer.json()


def _path(address: str) -> str:
    return urlsplit(address).path


async def _versions(client: Client, name: str = "acme.press") -> list[str]:
    answer = await client.get(f"{_PROJECT}/download/{name}/index.json")
    return [] if answer.status == 404 else (await answer.json())["versions"]


_DEPENDENCIES: Final = """
    <tags> press  juice </tags>
    <projectUrl>https://acme.example/press</projectUrl>
    <dependencies>
      <group targetFramework="net8.0"><dependency id="Acme.Pump" version="[1.0, 2.0)" /></group>
      <group><dependency id="Acme.Pipe" /></group>
      <group targetFramework="net6.0" />
    </dependencies>"""


async def test_a_pushed_package_is_listed_described_and_downloaded(client: Client) -> None:
    package = packed(more=_DEPENDENCIES)

    answer = await _push(client, package)

    assert (answer.status, await answer.json()) == (201, {"message": "201 Created"})
    found = await _json(client, f"{_PROJECT}/metadata/acme.press/index.json")
    (page,) = found["items"]
    assert (found["count"], page["count"], page["lower"], page["upper"]) == (1, 1, "1.0.0", "1.0.0")
    (item,) = page["items"]
    assert await (await client.get(_path(item["packageContent"]))).read() == package
    entry = item["catalogEntry"]
    assert (entry["id"], entry["version"], entry["authors"], entry["tags"], entry["description"]) == (
        "Acme.Press", "1.0.0", "Acme", "press juice", "A press"
    )  # fmt: skip
    assert (entry["projectUrl"], "licenseUrl" in entry) == ("https://acme.example/press", False)
    groups = [(group.get("targetFramework"), _needed(group)) for group in entry["dependencyGroups"]]
    assert groups == [("net8.0", [("Acme.Pump", "[1.0, 2.0)")]), (None, [("Acme.Pipe", "(, )")]), ("net6.0", [])]
    assert await _json(client, item["@id"]) == item
    assert await _versions(client) == ["1.0.0"]
    (listed,) = await (await client.get("/api/v4/projects/100/packages")).json()
    assert (listed["name"], listed["version"], listed["package_type"]) == ("Acme.Press", "1.0.0", "nuget")


def _needed(group: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(one["id"], one["range"]) for one in group["dependencies"]]


@pytest.mark.parametrize("asked", ["1.0", "1.0.0.0", "01.00", "1.0.0+other"])
async def test_one_version_has_many_spellings(client: Client, filled: Context, asked: str) -> None:
    await _push(client, packed(version="1.0"))
    again = packed("ACME.press", "1.0.0.0+build.7", files={"new": b"x"})

    assert (await _push(client, again)).status == 201

    assert len(await query(filled, "SELECT id FROM package")) == 1
    assert await _versions(client, "ACME.PRESS") == ["1.0.0"]
    file = await client.get(f"{_PROJECT}/download/acme.PRESS/{asked}/acme.press.1.0.0.nupkg")
    assert await file.read() == again


_SPELLINGS: Final = [
    ".".join(numbers) + label + build
    for numbers in itertools.chain.from_iterable(itertools.product(("0", "01", "20"), repeat=n) for n in (2, 3, 4))
    for label in ("", "-rc.1", "-RC.01", "-a-b.0")
    for build in ("", "+a-b.C")
]


async def test_the_database_knows_the_same_normal_forms(filled: Context) -> None:
    rows = await query(filled, "SELECT normal_version('nuget', v) AS normal FROM unnest($1::text[]) v", _SPELLINGS)

    parsed = [NuGetVersion.parse(spelling) for spelling in _SPELLINGS]
    assert [row["normal"] for row in rows] == [version and version.normal for version in parsed]


async def test_versions_are_in_their_order(client: Client) -> None:
    for version in ("1.0.0", "1.0.0-rc.10", "1.0.0-rc.9", "1.0.0-beta", "0.9.0.1", "10.0", "2.0"):
        await _push(client, packed(version=version))

    in_order = ["0.9.0.1", "1.0.0-beta", "1.0.0-rc.9", "1.0.0-rc.10", "1.0.0", "2.0.0", "10.0.0"]
    assert await _versions(client) == in_order
    (page,) = (await _json(client, f"{_PROJECT}/metadata/acme.press/index.json"))["items"]
    assert [item["catalogEntry"]["version"] for item in page["items"]] == [*in_order[:5], "2.0", "10.0"]
    assert (page["lower"], page["upper"]) == ("0.9.0.1", "10.0")


async def test_the_service_index_names_what_a_project_and_a_group_have(client: Client) -> None:
    project, group = (await client.get(f"{_PRIVATE}/index.json"), await client.get(f"{_GROUP}/index.json"))

    kinds = {one["@type"]: _path(one["@id"]) for one in (await project.json())["resources"]}
    assert kinds["SearchQueryService"] == kinds["SearchQueryService/3.0.0-rc"] == f"{_PRIVATE}/query"
    assert kinds["RegistrationsBaseUrl/3.0.0-beta"] == f"{_PRIVATE}/metadata"
    assert kinds["PackageBaseAddress/3.0.0"] == f"{_PRIVATE}/download"
    assert kinds["PackagePublish/2.0.0"] == _PRIVATE
    assert kinds["SymbolPackagePublish/4.9.0"] == f"{_PRIVATE}/symbolpackage"
    read_only = {one["@type"].partition("/")[0] for one in (await group.json())["resources"]}
    assert read_only == {"SearchQueryService", "RegistrationsBaseUrl"}


async def test_a_search_finds_words_of_names(client: Client) -> None:
    for name, version in (("Acme.Press", "1.0"), ("Acme.Press", "2.0-rc"), ("Acme.Pump", "1.0-a"), ("Other", "1.0")):
        await _push(client, packed(name, version, more="<title>A title</title>"))

    async def found(**parameters: str) -> tuple[int, list[tuple[str, str]]]:
        body = await _json(client, f"{_PROJECT}/query", **parameters)
        return body["totalHits"], [(package["id"], package["version"]) for package in body["data"]]

    assert await found() == (3, [("Acme.Press", "2.0-rc"), ("Acme.Pump", "1.0-a"), ("Other", "1.0")])
    assert await found(prerelease="false") == (2, [("Acme.Press", "1.0"), ("Other", "1.0")])
    assert await found(q="press ACME") == (1, [("Acme.Press", "2.0-rc")])
    assert await found(q="acme", skip="1", take="1") == (2, [("Acme.Pump", "1.0-a")])
    assert await found(skip="9", take="1000") == (3, [])
    assert await found(q="acme_press") == (0, [])
    (package,) = (await _json(client, f"{_PROJECT}/query", q="press"))["data"]
    assert (package["@type"], package["title"], package["totalDownloads"]) == ("Package", "A title", 0)
    assert [version["version"] for version in package["versions"]] == ["1.0", "2.0-rc"]
    assert (await client.get(f"{_PROJECT}/query", params={"take": "many"})).status == 400


async def test_a_version_is_deleted_by_its_name_and_an_undo_shows_it_again(client: Client, filled: Context) -> None:
    package = packed()
    await _push(client, package)
    file = f"{_PROJECT}/download/acme.press/1.0.0/acme.press.1.0.0.nupkg"

    answer = await client.delete(f"{_PROJECT}/acme.press/1.0", headers={"X-NuGet-ApiKey": "maintainer-token"})

    assert answer.status == 204
    assert await _versions(client) == []
    assert (await _json(client, f"{_PROJECT}/query"))["totalHits"] == 0
    gone = [f"{_PROJECT}/metadata/Acme.Press/index.json", f"{_PROJECT}/metadata/Acme.Press/1.0.0.json", file]
    said = [(await client.get(address), address) for address in gone]
    assert [(found.status, await found.json()) for found, _ in said] == [
        (404, {"message": "404 Packages Not Found"}),
        (404, {"message": "404 Package Not Found"}),
        (404, {"message": "404 Package Not Found"}),
    ]
    await _push(client, packed(files={"new": b"x"}))
    (deletion,) = await query(filled, "SELECT id FROM deletion")
    await restore(filled, deletion["id"], rename_to="1.0.1")
    assert await _versions(client) == ["1.0.0", "1.0.1"]
    again = await client.get(f"{_PROJECT}/download/acme.press/1.0.1/acme.press.1.0.1.nupkg")
    assert await again.read() == package


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        (_DEVELOPER, 403),
        (_basic("open-read-deploy", "open-puller"), 403),
        (_basic("open-maintainer-job", "gitlab-ci-token"), 204),
        ({"X-NuGet-ApiKey": "no-such-token"}, 401),
        ({**_basic("no-such-token", "mary"), "X-NuGet-ApiKey": "maintainer-token"}, 204),
        ({**_MAINTAINER, "X-NuGet-ApiKey": "no-such-token"}, 204),
        ({**_basic("no-such-token", "mary"), "X-NuGet-ApiKey": "neither"}, 401),
    ],
    ids=str,
)
async def test_maintainers_delete(client: Client, headers: Mapping[str, str], status: int) -> None:
    await _push(client, packed())

    assert (await client.delete(f"{_PROJECT}/Acme.Press/1.0.0", headers=headers)).status == status
    assert await _versions(client) == ([] if status == 204 else ["1.0.0"])


async def test_basic_and_key_together_cost_no_statement_more_than_basic(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []
    run: Any = Session.fetch

    async def noted(session: Session, text: str, *values: object, **how: object) -> Any:
        statements.append(text)
        return await run(session, text, *values, **how)

    monkeypatch.setattr(Session, "fetch", noted)
    counts = []
    for headers in (_MAINTAINER, {**_MAINTAINER, "X-NuGet-ApiKey": "maintainer-token"}):
        statements.clear()
        assert (await client.delete(f"{_PROJECT}/Unknown/1.0.0", headers=headers)).status == 404
        counts.append(len(statements))

    assert counts[0] == counts[1] > 0


async def test_symbols_lie_beside_their_package_and_go_with_it(client: Client, filled: Context) -> None:
    symbols = packed(more=SYMBOLS)
    to = f"{_PROJECT}/symbolpackage"

    early = await _push(client, symbols, to=to)
    await _push(client, packed())
    late = await _push(client, symbols, to=f"{to}/")

    assert (early.status, late.status) == (400, 201)
    assert "Symbols have no package" in await early.text()
    file = f"{_PROJECT}/download/acme.press/1.0.0/acme.press.1.0.0.snupkg"
    assert await (await client.get(file)).read() == symbols
    assert await _versions(client) == ["1.0.0"]
    (package,) = await query(filled, "SELECT id FROM package")
    await delete(filled, package["id"])
    assert (await client.get(file)).status == 404


async def test_a_package_of_another_kind_is_refused(client: Client, objects: Path) -> None:
    for package, to in ((packed(more=SYMBOLS), _PROJECT), (packed(), f"{_PROJECT}/symbolpackage")):
        answer = await _push(client, package, to=to)
        assert (answer.status, "Package has " in await answer.text()) == (400, True)
    assert objects_in(objects) == set()


async def test_a_nuspec_far_from_the_end_is_found(client: Client) -> None:
    package = packed(method=0, files={"large": bytes(5 * 1024 * 1024)})

    assert (await _push(client, package)).status == 201

    (package_found,) = (await _json(client, f"{_PROJECT}/query"))["data"]
    assert package_found["description"] == "A press"


async def test_publishers_at_the_same_time_make_one_package_whose_file_is_whole(
    client: Client, filled: Context
) -> None:
    packages = [
        packed(version=version, files={"n": bytes([n])})
        for n, version in enumerate(("1.0", "1.0.0", "1.0.0.0", "01.0"))
    ]

    async with asyncio.TaskGroup() as pushing:
        pushed = [pushing.create_task(_push(client, package)) for package in packages]

    assert {one.result().status for one in pushed} == {201}
    assert len(await query(filled, "SELECT id FROM package")) == 1
    file = await client.get(f"{_PROJECT}/download/acme.press/1.0.0/acme.press.1.0.0.nupkg")
    assert await file.read() in packages


async def test_where_duplicates_are_forbidden_exactly_one_push_wins(client: Client, filled: Context) -> None:
    await query(filled, "UPDATE directory_group SET nuget_duplicates_allowed = false WHERE id = 10")
    packages = [packed(version=version, files={"n": bytes([n])}) for n, version in enumerate(("1.0", "1.0.0", "01.0"))]

    async with asyncio.TaskGroup() as pushing:
        pushed = [pushing.create_task(_push(client, package)) for package in packages]

    answers = [one.result() for one in pushed]
    assert sorted(answer.status for answer in answers) == [201, 409, 409]
    (refused, _) = [answer for answer in answers if answer.status == 409]
    said = "409 Conflict: A package with the same name and version already exists"
    assert await refused.json() == {"message": said}
    won = packages[[answer.status for answer in answers].index(201)]
    file = await client.get(f"{_PROJECT}/download/acme.press/1.0.0/acme.press.1.0.0.nupkg")
    assert await file.read() == won
    symbols = [await _push(client, packed(more=SYMBOLS), to=f"{_PROJECT}/symbolpackage") for _ in range(2)]
    assert [answer.status for answer in symbols] == [201, 409]


@pytest.mark.parametrize(
    ("allowed", "pattern", "status"),
    [("on", "1[.]0", 409), ("on", "2.*", 201), ("off", "Acme.*", 201), ("off", "Acme", 409), (None, "", 201)],
)
async def test_a_pattern_names_the_exceptions_from_duplicates(
    client: Client, filled: Context, allowed: str | None, pattern: str, status: int
) -> None:
    await query(
        filled,
        "UPDATE directory_group SET nuget_duplicates_allowed = $1::text::boolean,"
        " nuget_duplicate_exception_regex = $2 WHERE id = 10",
        allowed,
        pattern,
    )
    await _push(client, packed(version="1.0"))

    assert (await _push(client, packed(version="1.0"))).status == status


async def test_a_group_shows_the_packages_of_its_projects_to_those_who_may_read_them(client: Client) -> None:
    await _push(client, packed(version="1.0.0"))
    await _push(client, packed(version="2.0.0"), to=_PRIVATE, headers=_MAINTAINER)

    async def versions(headers: Mapping[str, str]) -> list[str] | int:
        answer = await client.get(f"{_GROUP}/metadata/acme.press/index.json", headers=headers)
        if answer.status != 200:
            return answer.status
        return [item["catalogEntry"]["version"] for item in (await answer.json())["items"][0]["items"]]

    assert await versions({}) == 401
    assert await versions(_basic("stranger-token", "nora")) == ["1.0.0"]
    assert await versions(_MAINTAINER) == ["1.0.0", "2.0.0"]
    newest = await client.get(f"{_GROUP}/metadata/acme.press/2.0.0.json", headers=_MAINTAINER)
    assert _path((await newest.json())["packageContent"]).startswith(f"{_PRIVATE}/download/acme.press/2.0.0/")
    search = await client.get(f"{_GROUP}/query", headers=_MAINTAINER)
    assert [package["version"] for package in (await search.json())["data"]] == ["2.0.0"]
    assert (await client.get(f"{_GROUP}/query")).headers["WWW-Authenticate"].startswith("Basic")


@pytest.mark.parametrize(
    ("project", "headers", "status"),
    [
        (_PRIVATE, {}, 401),
        (_PRIVATE, _basic("stranger-token", "nora"), 404),
        (_PRIVATE, _basic("guest-token", "gus"), 403),
        (_PRIVATE, _basic("insider-token", "paul"), 200),
        (_PRIVATE, _basic("anvil-read-deploy", "puller"), 200),
        (_PRIVATE, _basic("anvil-maintainer-job", "gitlab-ci-token"), 200),
        (_PRIVATE, {"X-NuGet-ApiKey": "insider-token"}, 401),
        (_PROJECT, {}, 200),
        (_PROJECT, _basic("no-such-token", "mary"), 401),
        ("/api/v4/projects/999/packages/nuget", {}, 401),
        ("/api/v4/projects/acme%2Fopen/packages/nuget", {}, 200),
    ],
    ids=str,
)
async def test_credentials_come_as_nuget_sends_them(
    client: Client, project: str, headers: Mapping[str, str], status: int
) -> None:
    answer = await client.get(f"{project}/query", headers=headers)

    assert answer.status == status
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)


async def test_a_bad_credential_shows_in_the_service_index(client: Client) -> None:
    statuses = [
        (await client.get(f"{_PRIVATE}/index.json", headers=headers)).status
        for headers in ({}, _basic("no-such-token", "mary"), _basic("stranger-token", "nora"), _MAINTAINER)
    ]

    assert statuses == [200, 401, 404, 200]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        (_basic("reporter-token", "rita"), 403),
        (_basic("anvil-read-deploy", "puller"), 403),
        (_basic("anvil-write-deploy", "pusher"), 201),
        (_basic("anvil-maintainer-job", "gitlab-ci-token"), 201),
        ({"X-NuGet-ApiKey": "anvil-write-deploy"}, 201),
        ({"X-NuGet-ApiKey": "developer-token"}, 201),
    ],
    ids=str,
)
async def test_developers_push(client: Client, headers: Mapping[str, str], status: int) -> None:
    assert (await _push(client, packed(), to=_PRIVATE, headers=headers, field="file")).status == status


async def test_an_index_that_did_not_change_is_not_sent_again(client: Client, filled: Context) -> None:
    await _push(client, packed())
    address = f"{_PROJECT}/metadata/acme.press/index.json"
    first = await client.get(address)
    known = {"If-None-Match": first.headers["ETag"]}

    assert (await client.get(address, headers=known)).status == 304
    assert (first.headers["Cache-Control"], first.headers["ETag"][:2]) == (
        "private, no-cache",
        '"' + first.headers["ETag"][1],
    )
    await _push(client, packed(version="1.1"))
    assert (await client.get(address, headers=known)).status == 200


async def test_an_imported_package_is_shown_without_what_its_nuspec_says(client: Client, filled: Context) -> None:
    await bring_in(
        filled,
        package_type="nuget",
        name="Old.One",
        version="1.0.0",
        files=[{"file_name": "old.one.1.0.0.nupkg", "content": "bytes"}],
    )
    await bring_in(filled, package_type="nuget", name="Old.One", version="no version", files=[])

    (page,) = (await _json(client, f"{_PROJECT}/metadata/old.one/index.json"))["items"]

    assert [item["catalogEntry"]["dependencyGroups"] for item in page["items"]] == [[]]
    assert await (await client.get(_path(page["items"][0]["packageContent"]))).read() == b"bytes"


@pytest.mark.parametrize(
    ("package", "said"),
    [
        (b"no archive", "Package should be a zip archive"),
        (packed(version="v1.0"), "Version is invalid"),
        (packed(method=0, files={"large": bytes(5 * 1024 * 1024)})[:-30], "Package should be a zip archive"),
    ],
    ids=["no archive", "version", "cut off"],
)
async def test_a_package_that_breaks_a_rule_is_refused_and_leaves_nothing(
    client: Client, objects: Path, package: bytes, said: str
) -> None:
    answer = await _push(client, package)

    assert (answer.status, await answer.json()) == (400, {"message": f"Validation failed: {said}"})
    assert objects_in(objects) == set()


async def test_a_body_that_is_no_form_with_one_file_is_refused(client: Client, objects: Path) -> None:
    bare = await client.put(_PROJECT, data=packed(), headers=_DEVELOPER)
    empty = await client.put(_PROJECT, data=FormData({"a": "b"}, default_to_multipart=True), headers=_DEVELOPER)

    assert (bare.status, await bare.json()) == (400, {"error": "body should be a multipart form"})
    assert (empty.status, await empty.json()) == (400, {"error": "package is missing"})
    assert objects_in(objects) == set()
