"""Section 4: how projects, groups, packages and files are named."""

import pytest
from yarl import URL

from service.context import Context
from tests.integration.conftest import Client
from tests.support.catalogue import publish, query
from tests.support.packages import (
    API,
    DEVELOPER,
    EXTERNAL,
    FORBIDDEN,
    GROUP,
    MAINTAINER,
    NO_FILE,
    NO_GROUP,
    NO_PACKAGE,
    NO_PROJECT,
    PRIVATE,
    PUBLIC,
    file_ids,
    listed,
    move_project,
    put_status,
    token,
    told,
)


def _project(identifier: str, rest: str = "") -> URL:
    return URL(f"{API}/projects/{identifier}/packages{rest}", encoded=True)


@pytest.mark.parametrize("identifier", ["100", "0100", "acme%2Fopen", "acme%2fopen", "ACME%2FOpen", "%61cme%2Fopen"])
async def test_a_project_is_a_number_or_a_full_path_in_any_case(
    filled: Context, client: Client, identifier: str
) -> None:
    await publish(filled)

    assert await listed(await client.get(_project(identifier))) == ["app"]


@pytest.mark.parametrize(
    "identifier", ["abc", "open", "acme", "-100", "100x", "acme%2Fopen%2F", "acme%252Fopen", "10.0"]
)
async def test_what_is_neither_finds_no_project(client: Client, identifier: str) -> None:
    assert await told(await client.get(_project(identifier), headers=MAINTAINER)) == NO_PROJECT


@pytest.mark.parametrize("identifier", ["acme%2Flabs%2Fanvil", "Acme%2FLabs%2FAnvil", "102"])
async def test_a_project_deep_down_has_a_long_path(filled: Context, client: Client, identifier: str) -> None:
    await publish(filled, project_id=102)

    assert await listed(await client.get(_project(identifier), headers=MAINTAINER)) == ["app"]


@pytest.mark.parametrize("identifier", ["10", "acme", "ACME"])
async def test_a_group_is_a_number_or_a_path_and_a_top_level_one_has_no_slash(
    filled: Context, client: Client, identifier: str
) -> None:
    await publish(filled)

    assert await listed(await client.get(f"{API}/groups/{identifier}/packages")) == ["app"]


@pytest.mark.parametrize("identifier", ["11", "acme%2Flabs", "Acme%2FLABS"])
async def test_a_subgroup_is_a_number_or_a_full_path(filled: Context, client: Client, identifier: str) -> None:
    await publish(filled, project_id=102)

    answer = await client.get(URL(f"{API}/groups/{identifier}/packages", encoded=True), headers=MAINTAINER)

    assert await listed(answer) == ["app"]


@pytest.mark.parametrize("path", ["projects/acme/open", "groups/acme/labs"])
async def test_an_unencoded_slash_makes_another_route(client: Client, path: str) -> None:
    answer = await client.get(f"{API}/{path}/packages", headers=MAINTAINER)

    assert await told(answer) == (404, {"error": "404 Not Found"})


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "rest",
    ["", "?per_page=1&sort=desc", "/1", "/1/package_files", "/1/pipelines", "/1/package_files/1/download",
     "/generic/app/1.0/a.bin"],
)  # fmt: skip
async def test_an_old_path_leads_on_to_the_number(filled: Context, client: Client, method: str, rest: str) -> None:
    old = (await move_project(filled, 100, "acme/renamed")).replace("/", "%2F")

    answer = await client.request(method, _project(old, rest), headers=DEVELOPER, allow_redirects=False)

    assert answer.status == 301
    assert answer.headers["Location"] == f"{EXTERNAL}{PUBLIC}{rest}"


async def test_an_old_path_is_read_in_any_case(filled: Context, client: Client) -> None:
    await move_project(filled, 100, "acme/renamed")

    answer = await client.get(_project("Acme%2FOPEN"), allow_redirects=False)

    assert answer.status == 301


async def test_an_old_path_cannot_be_written_through(filled: Context, client: Client) -> None:
    package_id = await publish(filled)
    old = (await move_project(filled, 100, "acme/renamed")).replace("/", "%2F")

    for method, rest in (
        ("DELETE", f"/{package_id}"),
        ("DELETE", f"/{package_id}/package_files/1"),
        ("PUT", "/generic/a/1/b"),
    ):
        answer = await client.request(method, _project(old, rest), headers=MAINTAINER, allow_redirects=False)
        assert await told(answer) == (405, {"message": "Non GET methods are not allowed for moved projects"})


async def test_outsiders_learn_nothing_of_an_old_path(filled: Context, client: Client) -> None:
    old = (await move_project(filled, 102, "acme/labs/renamed")).replace("/", "%2F")

    for headers in ({}, token("stranger-token")):
        assert await told(await client.get(_project(old), headers=headers, allow_redirects=False)) == NO_PROJECT
        assert await told(await client.delete(_project(old, "/1"), headers=headers)) == NO_PROJECT
    member = await client.get(_project(old), headers=MAINTAINER, allow_redirects=False)
    assert member.headers["Location"] == f"{EXTERNAL}{PRIVATE}"


async def test_a_number_and_the_new_path_never_redirect(filled: Context, client: Client) -> None:
    await publish(filled)
    await move_project(filled, 100, "acme/renamed")

    for identifier in ("100", "acme%2Frenamed"):
        answer = await client.get(_project(identifier), allow_redirects=False)
        assert await listed(answer) == ["app"]


async def test_a_project_that_took_the_old_path_is_what_it_names(filled: Context, client: Client) -> None:
    await publish(filled, project_id=101)
    await move_project(filled, 100, "acme/renamed")
    await query(filled, "UPDATE project SET path = 'acme/open' WHERE id = 101")

    answer = await client.get(_project("acme%2Fopen"), headers=MAINTAINER, allow_redirects=False)

    assert await listed(answer) == ["app"]


async def test_a_renamed_group_is_not_found_under_its_old_path(filled: Context, client: Client) -> None:
    await query(filled, "UPDATE directory_group SET path = 'acme2' WHERE id = 10")

    assert await told(await client.get(GROUP, headers=MAINTAINER)) == NO_GROUP
    assert (await client.get(f"{API}/groups/acme2/packages")).status == 200


@pytest.mark.parametrize("wrong", ["abc", "1x", "1.0", "0x1", "1_0", "%20", "1%2F2", "%D9%A1"])
async def test_an_id_that_is_no_number_is_400_for_those_who_get_in(client: Client, wrong: str) -> None:
    one = await client.get(_project("100", f"/{wrong}"), headers=MAINTAINER)
    files = await client.get(_project("100", f"/{wrong}/package_files"), headers=MAINTAINER)
    file = await client.delete(_project("100", f"/1/package_files/{wrong}"), headers=MAINTAINER)

    assert await told(one) == (400, {"error": "package_id is invalid"})
    assert await told(files) == (400, {"error": "package_id is invalid"})
    assert await told(file) == (400, {"error": "package_file_id is invalid"})


async def test_an_id_that_is_no_number_is_404_or_403_for_those_who_do_not(client: Client) -> None:
    assert await told(await client.get(f"{PRIVATE}/abc")) == NO_PROJECT
    assert await told(await client.get(f"{PRIVATE}/abc", headers=token("guest-token"))) == FORBIDDEN


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("package_id", ["0", "-1", "999999", "9223372036854775808", "9" * 60])
async def test_a_package_that_is_not_there_is_not_found(client: Client, method: str, package_id: str) -> None:
    answer = await client.request(method, f"{PUBLIC}/{package_id}", headers=MAINTAINER)

    assert await told(answer) == NO_PACKAGE


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_a_package_of_another_project_is_not_found(filled: Context, client: Client, method: str) -> None:
    elsewhere = await publish(filled, project_id=101)

    answer = await client.request(method, f"{PUBLIC}/{elsewhere}", headers=MAINTAINER)

    assert await told(answer) == NO_PACKAGE


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("status", ["hidden", "processing", "pending_destruction"])
async def test_a_package_that_is_not_displayable_is_not_found(
    filled: Context, client: Client, method: str, status: str
) -> None:
    package_id = await publish(filled)
    await put_status(filled, package_id, status)

    answer = await client.request(method, f"{PUBLIC}/{package_id}", headers=MAINTAINER)

    assert await told(answer) == NO_PACKAGE


@pytest.mark.parametrize(("method", "rest"), [("DELETE", ""), ("GET", "/download")])
async def test_a_file_of_another_package_is_not_found(filled: Context, client: Client, method: str, rest: str) -> None:
    package_id, other = await publish(filled), await publish(filled, version="2.0")
    (file_id,) = await file_ids(filled, other)

    for wrong in (file_id, 0, -1, 999999, "9" * 60):
        path = f"{PUBLIC}/{package_id}/package_files/{wrong}{rest}"
        assert await told(await client.request(method, path, headers=MAINTAINER)) == NO_FILE
