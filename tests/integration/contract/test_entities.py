"""Section 2: the fields of a package, a version, a file and a pipeline."""

import hashlib
import re
from datetime import datetime
from typing import Any, Final

import pytest

from service.context import Context
from tests.integration.conftest import Client
from tests.integration.contract.conftest import ClientWith
from tests.support.catalogue import publish, query
from tests.support.packages import (
    API,
    EXTERNAL,
    GENERIC,
    GROUP,
    MAINTAINER,
    PRIVATE,
    PUBLIC,
    REPORTER,
    bring_in,
    json_of,
    listed,
    put_status,
    token,
)

_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_PIPELINE: Final[dict[str, Any]] = {
    "id": 123,
    "iid": 7,
    "status": "pending",
    "ref": "main",
    "sha": "a91957a858320c0e17f3a0eca7cfacbff50ea29a",
    "source": "push",
    "created_at": "2016-08-11T11:28:34.085Z",
    "updated_at": "2016-08-11T11:32:35.169Z",
    "user": "dave",
}
_PIPELINE_SHOWN: Final[dict[str, Any]] = {
    "id": 123,
    "iid": 7,
    "project_id": 100,
    "sha": "a91957a858320c0e17f3a0eca7cfacbff50ea29a",
    "ref": "main",
    "status": "pending",
    "source": "push",
    "created_at": "2016-08-11T11:28:34.085Z",
    "updated_at": "2016-08-11T11:32:35.169Z",
    "web_url": f"{EXTERNAL}/acme/open/-/pipelines/123",
}
_ALWAYS: Final = {
    "id",
    "name",
    "version",
    "package_type",
    "status",
    "_links",
    "created_at",
    "last_downloaded_at",
    "creator_id",
    "tags",
}


async def _shown(client: Client, package_id: int, headers: dict[str, str] | None = None) -> Any:
    return await json_of(await client.get(f"{PUBLIC}/{package_id}", headers=headers))


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("2019-11-27T03:37:38.711Z", "2019-11-27T03:37:38.711Z"),
        ("2019-11-27T03:37:38Z", "2019-11-27T03:37:38.000Z"),
        ("2019-11-27T03:37:38.711999Z", "2019-11-27T03:37:38.711Z"),
        ("2019-11-27T03:37:38.5+05:30", "2019-11-26T22:07:38.500Z"),
    ],
)
async def test_a_timestamp_has_three_digits_of_a_second_and_z(
    filled: Context, client: Client, given: str, shown: str
) -> None:
    package_id = await bring_in(filled, created_at=given)

    assert (await _shown(client, package_id))["created_at"] == shown


async def test_a_package_has_these_keys_and_types(filled: Context, client: Client) -> None:
    package_id = await publish(filled)

    package = await _shown(client, package_id)

    assert set(package) == _ALWAYS | {"versions"}
    assert (package["id"], package["name"], package["version"]) == (package_id, "app", "1.0")
    assert (package["package_type"], package["status"], package["creator_id"]) == ("generic", "default", 3)
    assert _INSTANT.fullmatch(package["created_at"])
    assert package["tags"] == package["versions"] == []


async def test_the_name_of_a_conan_package_is_its_recipe(filled: Context, client: Client) -> None:
    package_id = await bring_in(
        filled,
        package_type="conan",
        name="Hello",
        version="0.1",
        conan={"username": "mycompany", "channel": "stable"},
    )

    for package in (await _shown(client, package_id), (await json_of(await client.get(PUBLIC)))[0]):
        assert package["name"] == "Hello/0.1@mycompany/stable"
        assert package["conan_package_name"] == "Hello"


async def test_only_a_conan_package_has_a_conan_name(filled: Context, client: Client) -> None:
    package_id = await bring_in(filled, package_type="npm")

    assert "conan_package_name" not in await _shown(client, package_id)


async def test_a_versionless_package_has_the_version_null(filled: Context, client: Client) -> None:
    package_id = await bring_in(filled, version=None)

    package = await _shown(client, package_id)

    assert "version" in package
    assert package["version"] is None


@pytest.mark.parametrize("status", ["default", "error", "deprecated"])
async def test_the_web_path_is_there_whatever_the_status(filled: Context, client: Client, status: str) -> None:
    package_id = await bring_in(filled)
    await put_status(filled, package_id, status)

    package = await _shown(client, package_id)

    assert package["status"] == status
    assert package["_links"] == {"web_path": f"/acme/open/-/packages/{package_id}"}


@pytest.mark.parametrize("status", ["hidden", "processing", "pending_destruction"])
async def test_the_web_path_is_there_in_lists_of_other_statuses(filled: Context, client: Client, status: str) -> None:
    package_id = await bring_in(filled)
    await put_status(filled, package_id, status)

    (links,) = await listed(await client.get(f"{PUBLIC}?status={status}"), "_links")

    assert links["web_path"] == f"/acme/open/-/packages/{package_id}"


async def test_the_web_path_has_the_full_path_of_the_project(filled: Context, client: Client) -> None:
    package_id = await publish(filled, project_id=102)

    package = await json_of(await client.get(f"{PRIVATE}/{package_id}", headers=REPORTER))

    assert package["_links"]["web_path"] == f"/acme/labs/anvil/-/packages/{package_id}"


async def test_the_web_path_of_a_terraform_module_is_another(filled: Context, client: Client) -> None:
    package_id = await bring_in(filled, package_type="terraform_module")

    package = await _shown(client, package_id)

    assert package["_links"]["web_path"] == f"/acme/open/-/infrastructure_registry/{package_id}"


async def test_the_delete_path_is_absolute_with_the_numeric_id(filled: Context, client: Client) -> None:
    package_id = await bring_in(filled)
    place = f"{EXTERNAL}{PUBLIC}/{package_id}"

    one = await client.get(f"{API}/projects/acme%2Fopen/packages/{package_id}", headers=MAINTAINER)
    of_project = await client.get(PUBLIC, headers=MAINTAINER)
    of_group = await client.get(GROUP, headers=MAINTAINER)

    assert (await json_of(one))["_links"]["delete_api_path"] == place
    for answer in (of_project, of_group):
        assert (await listed(answer, "_links"))[0]["delete_api_path"] == place


@pytest.mark.parametrize("name", ["", "stranger-token", "guest-token", "reporter-token", "developer-token"])
async def test_who_may_not_delete_gets_no_delete_path(filled: Context, client: Client, name: str) -> None:
    package_id = await bring_in(filled)

    one = await _shown(client, package_id, token(name))
    lists = [await client.get(path, headers=token(name)) for path in (PUBLIC, GROUP)]

    assert "delete_api_path" not in one["_links"]
    for answer in lists:
        assert "delete_api_path" not in (await listed(answer, "_links"))[0]


async def test_in_a_groups_list_the_delete_path_depends_on_the_project(filled: Context, client: Client) -> None:
    await publish(filled, name="open")
    await publish(filled, name="anvil", project_id=102)
    await query(filled, "INSERT INTO membership (user_id, project_id, access_level) VALUES (5, 102, 40)")

    packages = await json_of(await client.get(GROUP, headers=REPORTER))

    assert {package["name"]: "delete_api_path" in package["_links"] for package in packages} == {
        "open": False,
        "anvil": True,
    }


async def test_last_downloaded_at_is_null_until_somebody_does(filled: Context, client: Client) -> None:
    package_id = await publish(filled)

    before = await _shown(client, package_id)
    await (await client.get(GENERIC)).read()
    after = await _shown(client, package_id)

    assert "last_downloaded_at" in before
    assert before["last_downloaded_at"] is None
    assert _INSTANT.fullmatch(after["last_downloaded_at"])


@pytest.mark.parametrize(("creator", "shown"), [("dave", 4), (None, None)])
async def test_the_creator_is_a_number_or_null(
    filled: Context, client: Client, creator: str | None, shown: int | None
) -> None:
    package_id = await bring_in(filled, creator=creator)

    assert (await _shown(client, package_id))["creator_id"] == shown


async def test_project_id_and_path_are_in_a_groups_list_only(filled: Context, client: Client) -> None:
    package_id = await publish(filled, project_id=102)

    (of_group,) = await json_of(await client.get(GROUP, headers=REPORTER))
    (of_project,) = await json_of(await client.get(PRIVATE, headers=REPORTER))
    one = await json_of(await client.get(f"{PRIVATE}/{package_id}", headers=REPORTER))

    assert (of_group["project_id"], of_group["project_path"]) == (102, "acme/labs/anvil")
    for package in (of_project, one):
        assert not {"project_id", "project_path"} & set(package)


@pytest.mark.parametrize("package_type", ["npm", "nuget"])
async def test_tags_are_raw_records(filled: Context, client: Client, package_type: str) -> None:
    package_id = await bring_in(filled, package_type=package_type, tags=["latest", "beta"])

    for package in (await _shown(client, package_id), (await json_of(await client.get(PUBLIC)))[0]):
        assert {tag["name"] for tag in package["tags"]} == {"latest", "beta"}
        for tag in package["tags"]:
            assert set(tag) == {"id", "package_id", "project_id", "name", "created_at", "updated_at"}
            assert (tag["package_id"], tag["project_id"]) == (package_id, 100)
            assert _INSTANT.fullmatch(tag["created_at"])
            assert _INSTANT.fullmatch(tag["updated_at"])


async def test_a_package_that_nothing_built_has_no_pipeline_keys(filled: Context, client: Client) -> None:
    package_id = await bring_in(filled)

    for package in (await _shown(client, package_id), (await json_of(await client.get(PUBLIC)))[0]):
        assert not {"pipeline", "pipelines"} & set(package)


async def test_pipeline_is_the_first_build_and_pipelines_are_all(filled: Context, client: Client) -> None:
    package_id = await bring_in(filled, pipelines=[_PIPELINE, {**_PIPELINE, "id": 124, "iid": 8}])

    for package in (await _shown(client, package_id), (await json_of(await client.get(PUBLIC)))[0]):
        assert package["pipeline"]["id"] == 123
        assert [pipeline["id"] for pipeline in package["pipelines"]] == [123, 124]


async def test_versions_are_in_a_single_package_only(filled: Context, client: Client) -> None:
    package_id = await bring_in(filled)
    await bring_in(filled, version="2.0")

    assert [version["version"] for version in (await _shown(client, package_id))["versions"]] == ["2.0"]
    for path in (PUBLIC, GROUP):
        assert all("versions" not in package for package in await json_of(await client.get(path)))


async def test_lists_and_single_packages_have_what_clients_require(filled: Context, client: Client) -> None:
    package_id = await bring_in(filled)
    required = {"name", "version", "package_type", "_links"}

    assert required | {"versions"} <= set(await _shown(client, package_id))
    assert required <= set((await json_of(await client.get(PUBLIC)))[0])
    assert required | {"project_id", "project_path"} <= set((await json_of(await client.get(GROUP)))[0])


async def test_a_version_has_these_keys(filled: Context, client: Client) -> None:
    package_id = await bring_in(filled, version="1.0")
    other = await bring_in(
        filled, version="2.0", created_at="2020-01-02T03:04:05.678Z", tags=["latest"], pipelines=[_PIPELINE]
    )
    bare = await bring_in(filled, version="3.0")

    built, plain = (await _shown(client, package_id))["versions"]

    assert set(built) == {"id", "version", "created_at", "tags", "pipeline"}
    assert (built["id"], built["version"], built["created_at"]) == (other, "2.0", "2020-01-02T03:04:05.678Z")
    assert [(tag["name"], tag["project_id"]) for tag in built["tags"]] == [("latest", 100)]
    assert built["pipeline"]["id"] == 123
    assert set(plain) == {"id", "version", "created_at", "tags"}
    assert (plain["id"], plain["tags"]) == (bare, [])


async def test_versions_are_of_the_same_project_name_and_type_and_another_version(
    filled: Context, client: Client
) -> None:
    package_id = await bring_in(filled, version="1.0")
    await bring_in(filled, version="1.0", package_type="pypi")
    await bring_in(filled, version="2.0", package_type="pypi")
    await bring_in(filled, version="3.0", name="apple")
    await bring_in(filled, version="4.0", project="acme/inside")
    same = await bring_in(filled, version="5.0")

    assert [version["id"] for version in (await _shown(client, package_id))["versions"]] == [same]


async def test_versions_are_those_in_displayable_statuses(filled: Context, client: Client) -> None:
    package_id = await bring_in(filled, version="0")
    for status in ("default", "hidden", "processing", "error", "pending_destruction", "deprecated"):
        await put_status(filled, await bring_in(filled, version=status), status)

    versions = (await _shown(client, package_id))["versions"]

    assert [version["version"] for version in versions] == ["default", "deprecated", "error"]


async def test_versions_are_ordered_as_plain_text_and_all_there(filled: Context, client: Client) -> None:
    package_id = await bring_in(filled, version="0")
    for version in ("8.99.0", "10.0", "8.100.0", "9"):
        await bring_in(filled, version=version)
    await query(
        filled,
        "INSERT INTO package (project_id, package_type, name, version)"
        " SELECT 100, 'npm', 'app', 'z' || n FROM generate_series(100, 249) n",
    )

    versions = [version["version"] for version in (await _shown(client, package_id))["versions"]]

    assert versions == ["10.0", "8.100.0", "8.99.0", "9", *(f"z{number}" for number in range(100, 250))]


async def test_a_file_has_these_keys_and_types(filled: Context, client: Client) -> None:
    package_id = await bring_in(
        filled, files=[{"file_name": "a.tgz", "content": "abc", "created_at": "2018-11-07T15:25:52.199Z"}]
    )

    (file,) = await json_of(await client.get(f"{PUBLIC}/{package_id}/package_files"))

    assert file == {
        "id": file["id"],
        "package_id": package_id,
        "created_at": "2018-11-07T15:25:52.199Z",
        "file_name": "a.tgz",
        "size": 3,
        "file_md5": hashlib.md5(b"abc", usedforsecurity=False).hexdigest(),
        "file_sha1": hashlib.sha1(b"abc", usedforsecurity=False).hexdigest(),
        "file_sha256": hashlib.sha256(b"abc").hexdigest(),
    }
    assert isinstance(file["id"], int)


async def test_a_file_without_md5_and_sha1_has_them_null(filled: Context, client: Client) -> None:
    package_id = await publish(filled)
    await query(filled, "UPDATE package_file SET md5 = NULL, sha1 = NULL")

    (file,) = await json_of(await client.get(f"{PUBLIC}/{package_id}/package_files"))

    assert (file["file_md5"], file["file_sha1"]) == (None, None)
    assert file["file_sha256"] == hashlib.sha256(b"bytes").hexdigest()


async def test_a_file_shows_the_pipelines_that_built_it(filled: Context, client: Client) -> None:
    package_id = await bring_in(
        filled,
        pipelines=[_PIPELINE],
        files=[
            {"file_name": "a", "content": "", "pipelines": [123]},
            {"file_name": "b", "content": ""},
        ],
    )

    built, plain = await json_of(await client.get(f"{PUBLIC}/{package_id}/package_files"))

    assert [pipeline["id"] for pipeline in built["pipelines"]] == [123]
    assert "pipelines" not in plain


async def test_a_pipeline_has_these_keys_and_its_user(filled: Context, client: Client) -> None:
    package_id = await bring_in(
        filled, pipelines=[_PIPELINE], files=[{"file_name": "a", "content": "", "pipelines": [123]}]
    )

    package = await _shown(client, package_id)
    (file,) = await json_of(await client.get(f"{PUBLIC}/{package_id}/package_files"))
    (alone,) = await json_of(await client.get(f"{PUBLIC}/{package_id}/pipelines"))

    for pipeline in (package["pipeline"], *package["pipelines"], *file["pipelines"], alone):
        user = pipeline.pop("user")
        assert pipeline == _PIPELINE_SHOWN
        assert (user["id"], user["username"], user["name"]) == (4, "dave", "Dave Developer")
        assert (user["state"], user["avatar_url"], user["web_url"]) == ("active", None, f"{EXTERNAL}/dave")
        assert user["locked"] is False


async def test_a_pipeline_whose_user_is_gone_has_the_user_null(filled: Context, client: Client) -> None:
    package_id = await bring_in(filled, pipelines=[{**_PIPELINE, "user": None}])

    assert (await _shown(client, package_id))["pipeline"]["user"] is None


async def test_links_begin_as_the_request_did_when_no_address_is_set(filled: Context, client_with: ClientWith) -> None:
    package_id = await bring_in(filled)
    async with client_with(external_url=None) as client:
        package = await _shown(client, package_id, MAINTAINER)

        place = str(client.make_url(f"{PUBLIC}/{package_id}"))
        assert package["_links"]["delete_api_path"] == place


async def test_a_fresh_package_was_created_now(filled: Context, client: Client) -> None:
    before = await query(filled, "SELECT date_trunc('milliseconds', clock_timestamp()) AS now")
    package_id = await publish(filled)

    created_at = datetime.fromisoformat((await _shown(client, package_id))["created_at"])

    assert created_at >= before[0]["now"]
