"""Section 1.4: what an error says, to the letter."""

import asyncio

import pytest

from service.context import Context
from tests.integration.conftest import Client
from tests.integration.contract.conftest import ClientWith
from tests.support.catalogue import publish, query
from tests.support.packages import (
    API,
    DEVELOPER,
    EXTERNAL,
    FORBIDDEN,
    GENERIC,
    GROUP,
    GUARDED,
    MAINTAINER,
    NO_FILE,
    NO_GROUP,
    NO_PACKAGE,
    NO_PROJECT,
    PRIVATE,
    PROTECTED,
    PUBLIC,
    SWITCHED_OFF,
    UNAUTHORIZED,
    bring_in,
    file_ids,
    json_of,
    move_project,
    put_status,
    token,
    told,
)


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", f"{PUBLIC}?order_by=size", "order_by"),
        ("GET", f"{GROUP}?order_by=size", "order_by"),
        ("GET", f"{PUBLIC}?order_by=", "order_by"),
        ("GET", f"{PUBLIC}?sort=", "sort"),
        ("GET", f"{GROUP}?sort=ASC", "sort"),
        ("GET", f"{PUBLIC}?package_type=docker", "package_type"),
        ("GET", f"{PUBLIC}?status=bogus", "status"),
        ("PUT", f"{GENERIC}?select=package", "select"),
        ("PUT", f"{GENERIC}?status=error", "status"),
        ("GET", f"{PUBLIC}/1/pipelines?per_page=21", "per_page"),
    ],
)
async def test_a_value_outside_the_list_is_named(client: Client, method: str, path: str, name: str) -> None:
    answer = await client.request(method, path, headers=MAINTAINER)

    assert await told(answer) == (400, {"error": f"{name} does not have a valid value"})


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", f"{PUBLIC}/x", "package_id"),
        ("DELETE", f"{PUBLIC}/1/package_files/x", "package_file_id"),
        ("GET", f"{PUBLIC}?page=x", "page"),
        ("GET", f"{PUBLIC}?per_page=x", "per_page"),
        ("GET", f"{GROUP}?exclude_subgroups=x", "exclude_subgroups"),
        ("GET", f"{PUBLIC}?include_versionless=x", "include_versionless"),
        ("PUT", GENERIC.replace("/app/", "/a!/"), "package_name"),
        ("PUT", GENERIC.replace("/1.0/", "/1!/"), "package_version"),
        ("PUT", GENERIC.replace("app.bin", "app!"), "file_name"),
    ],
)
async def test_a_value_that_is_not_of_its_type_is_named(client: Client, method: str, path: str, name: str) -> None:
    answer = await client.request(method, path, headers=MAINTAINER)

    assert await told(answer) == (400, {"error": f"{name} is invalid"})


@pytest.mark.parametrize("listing", [PUBLIC, GROUP])
async def test_per_page_0_is_a_value_not_allowed(client: Client, listing: str) -> None:
    for zero in ("0", "00", "-0"):
        answer = await client.get(f"{listing}?per_page={zero}")
        assert await told(answer) == (400, {"error": "per_page has a value not allowed"})


async def test_several_failures_are_one_text_in_the_order_of_the_parameters(client: Client) -> None:
    everything = "status=x&include_versionless=x&package_type=x&sort=x&order_by=x&exclude_subgroups=x&per_page=x&page=x"

    of_group, of_project = [await json_of(await client.get(f"{listing}?{everything}")) for listing in (GROUP, PUBLIC)]

    sentences = [
        "exclude_subgroups is invalid",
        "page is invalid",
        "per_page is invalid",
        "order_by does not have a valid value",
        "sort does not have a valid value",
        "package_type does not have a valid value",
        "include_versionless is invalid",
        "status does not have a valid value",
    ]
    assert of_group == {"error": ", ".join(sentences)}
    sentences.remove("exclude_subgroups is invalid")
    assert of_project == {"error": ", ".join(sentences)}


async def test_the_same_failure_is_told_once(client: Client) -> None:
    answer = await client.get(f"{PUBLIC}?sort=up&sort=down")

    assert await told(answer) == (400, {"error": "sort does not have a valid value"})


async def test_a_bad_request_of_the_application_has_its_reason(client_with: ClientWith) -> None:
    async with client_with(generic_max_file_size=3) as client:
        answer = await client.put(GENERIC, data=b"four", headers=DEVELOPER)

        assert await told(answer) == (400, {"message": "400 Bad request - File is too large"})


@pytest.mark.parametrize("path", [PUBLIC, GROUP, PRIVATE, f"{PUBLIC}/1", GENERIC])
async def test_an_unknown_token_is_401(client: Client, path: str) -> None:
    assert await told(await client.get(path, headers=token("nonsense"))) == UNAUTHORIZED


async def test_a_route_that_demands_a_user_is_401_to_nobody(client: Client) -> None:
    assert await told(await client.put(GENERIC, data=b"x")) == UNAUTHORIZED


async def test_an_expired_token_is_told_so(client: Client) -> None:
    answer = await client.get(PUBLIC, headers=token("maintainer-expired-token"))

    assert await told(answer) == (
        401,
        {
            "error": "invalid_token",
            "error_description": "Token is expired. You can either do re-authorization or token refresh.",
        },
    )


async def test_a_token_that_is_expired_and_revoked_is_told_the_former(filled: Context, client: Client) -> None:
    await query(filled, "UPDATE access_token SET revoked_at = now() WHERE name = 'old'")

    answer = await client.get(PUBLIC, headers=token("maintainer-expired-token"))

    assert (await json_of(answer))["error_description"].startswith("Token is expired.")


async def test_a_revoked_token_is_told_so(filled: Context, client: Client) -> None:
    await query(filled, "UPDATE access_token SET revoked_at = now() WHERE name = 'taken back'")

    answer = await client.get(PUBLIC, headers=token("maintainer-revoked-token"))

    assert await told(answer) == (
        401,
        {
            "error": "invalid_token",
            "error_description": "Token was revoked. You have to re-authorize from the user.",
        },
    )


async def test_who_sees_the_project_but_not_its_packages_is_forbidden(client: Client) -> None:
    assert await told(await client.get(PRIVATE, headers=token("guest-token"))) == FORBIDDEN


async def test_packages_turned_off_for_the_project_are_forbidden(client: Client) -> None:
    assert await told(await client.get(SWITCHED_OFF)) == FORBIDDEN


async def test_an_anonymous_delete_on_a_public_project_is_forbidden(filled: Context, client: Client) -> None:
    package_id = await publish(filled)

    assert await told(await client.delete(f"{PUBLIC}/{package_id}")) == FORBIDDEN


async def test_deletion_protection_is_told_alike_for_a_package_and_a_file(filled: Context, client: Client) -> None:
    package_id = await publish(filled, name="core-a", project_id=104)
    (file_id,) = await file_ids(filled, package_id)

    for path in (f"{GUARDED}/{package_id}", f"{GUARDED}/{package_id}/package_files/{file_id}"):
        assert await told(await client.delete(path, headers=MAINTAINER)) == PROTECTED


async def test_a_token_that_lacks_a_scope_is_told_which(filled: Context, client: Client) -> None:
    package_id = await publish(filled)

    status, body = await told(await client.delete(f"{PUBLIC}/{package_id}", headers=token("maintainer-reading-token")))

    assert status == 403
    assert "api" in body.pop("scope").split()
    assert body == {
        "error": "insufficient_scope",
        "error_description": "The request requires higher privileges than provided by the access token.",
    }


async def test_a_job_of_another_project_is_told_from_where_to_where(client: Client) -> None:
    answer = await client.get(PRIVATE, headers={"JOB-TOKEN": "open-maintainer-job"})

    assert await told(answer) == (
        403,
        {"message": "403 Forbidden - Authentication by CI/CD job token not allowed from acme/open to acme/labs/anvil."},
    )


@pytest.mark.parametrize("project", ["999", "102", "acme%2Fnowhere", "abc"])
async def test_an_unknown_or_invisible_project_is_not_found(client: Client, project: str) -> None:
    assert await told(await client.get(f"{API}/projects/{project}/packages")) == NO_PROJECT


@pytest.mark.parametrize("group", ["999", "20", "nowhere", "acme%2Flabs"])
async def test_an_unknown_or_invisible_group_is_not_found(client: Client, group: str) -> None:
    assert await told(await client.get(f"{API}/groups/{group}/packages")) == NO_GROUP


@pytest.mark.parametrize("rest", ["", "/package_files", "/pipelines", "/package_files/1/download"])
async def test_a_package_that_is_not_found_has_a_small_f(filled: Context, client: Client, rest: str) -> None:
    elsewhere, hidden = await publish(filled, project_id=101), await publish(filled, name="hidden")
    await put_status(filled, hidden, "hidden")

    for package_id in (999, elsewhere, hidden):
        assert await told(await client.get(f"{PUBLIC}/{package_id}{rest}")) == NO_PACKAGE


@pytest.mark.parametrize(("method", "rest"), [("DELETE", ""), ("GET", "/download")])
async def test_a_file_that_is_not_found_has_a_capital_f(
    filled: Context, client: Client, method: str, rest: str
) -> None:
    package_id = await publish(filled)

    path = f"{PUBLIC}/{package_id}/package_files/999{rest}"

    assert await told(await client.request(method, path, headers=MAINTAINER)) == NO_FILE


async def test_packages_off_for_the_instance_have_a_capital_f(client_with: ClientWith) -> None:
    async with client_with(packages_enabled=False) as client:
        paths = [PUBLIC, GROUP, f"{PUBLIC}/1", f"{PUBLIC}/1/package_files", f"{PUBLIC}/1/pipelines", GENERIC]
        paths.append(f"{PUBLIC}/1/package_files/1/download")
        answers = [await client.get(path, headers=MAINTAINER) for path in paths]
        answers += [
            await client.delete(f"{PUBLIC}/1", headers=MAINTAINER),
            await client.delete(f"{PUBLIC}/1/package_files/1", headers=MAINTAINER),
            await client.put(GENERIC, data=b"x", headers=MAINTAINER),
        ]

        assert [await told(answer) for answer in answers] == [NO_FILE] * len(answers)


async def test_a_package_in_error_is_shown_as_in_april_2022(filled: Context, client: Client) -> None:
    package_id = await publish(filled)
    await put_status(filled, package_id, "error")

    status, body = await told(await client.get(f"{PUBLIC}/{package_id}"))

    assert (status, body["status"]) == (200, "error")
    assert body["_links"]["web_path"] == f"/acme/open/-/packages/{package_id}"


async def test_pipelines_of_a_package_in_error_are_not_found_twice(filled: Context, client: Client) -> None:
    package_id = await publish(filled)
    await put_status(filled, package_id, "error")

    answer = await client.get(f"{PUBLIC}/{package_id}/pipelines")

    assert await told(answer) == (404, {"message": "404 Package not found Not Found"})


@pytest.mark.parametrize("path", ["", "/nothing", "/projects/100/package", "/projects/100/packages/1/files"])
async def test_no_such_route_is_told_under_error(client: Client, path: str) -> None:
    assert await told(await client.get(API + path)) == (404, {"error": "404 Not Found"})


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", PUBLIC, {"GET", "HEAD"}),
        ("POST", f"{PUBLIC}/1", {"GET", "HEAD", "DELETE"}),
        ("GET", f"{PUBLIC}/1/package_files/1", {"DELETE"}),
        ("DELETE", GENERIC, {"GET", "HEAD", "PUT"}),
    ],
)
async def test_a_wrong_verb_is_told_which_are_right(client: Client, method: str, path: str, allowed: set[str]) -> None:
    answer = await client.request(method, path, headers=MAINTAINER)

    assert await told(answer) == (405, {"error": "405 Not Allowed"})
    assert set(answer.headers["Allow"].replace(" ", "").split(",")) - {"OPTIONS"} == allowed


async def test_an_old_path_can_only_be_read(filled: Context, client: Client) -> None:
    old = (await move_project(filled, 100, "acme/renamed")).replace("/", "%2F")

    answers = [
        await client.delete(f"{API}/projects/{old}/packages/1", headers=MAINTAINER),
        await client.delete(f"{API}/projects/{old}/packages/1/package_files/1", headers=MAINTAINER),
        await client.put(f"{API}/projects/{old}/packages/generic/app/1.0/a", data=b"x", headers=MAINTAINER),
    ]

    for answer in answers:
        assert await told(answer) == (
            405,
            {"message": "Non GET methods are not allowed for moved projects"},
        )


async def test_two_deletions_at_once_are_204_and_404_never_409(filled: Context, client: Client) -> None:
    package_id = await publish(filled)

    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(client.delete(f"{PUBLIC}/{package_id}", headers=MAINTAINER)) for _ in range(8)]

    assert sorted(task.result().status for task in asking) == [204] + [404] * 7


@pytest.mark.parametrize(
    ("since", "status"),
    [
        ("Mon, 01 Jan 2018 00:00:00 GMT", 412),
        ("Fri, 01 Jan 2100 00:00:00 GMT", 204),
        ("yesterday", 204),
        ("", 204),
    ],
)
async def test_a_package_that_changed_since_is_not_deleted(
    filled: Context, client: Client, since: str, status: int
) -> None:
    package_id = await publish(filled)

    answer = await client.delete(f"{PUBLIC}/{package_id}", headers={**MAINTAINER, "If-Unmodified-Since": since})

    assert answer.status == status
    if status == 412:
        assert await json_of(answer) == {"message": "412 Precondition Failed"}


async def test_who_asks_too_often_is_told_when_to_come_again(client_with: ClientWith) -> None:
    async with client_with(rate_limit=2) as client:
        for _ in range(2):
            assert (await client.get(PUBLIC)).status == 200
        answer = await client.get(PUBLIC)

        assert answer.status == 429
        assert "Retry later" in await answer.text()
        assert int(answer.headers["Retry-After"]) > 0
        names = ("Limit", "Name", "Observed", "Remaining", "Reset", "ResetTime")
        assert all(f"RateLimit-{name}" in answer.headers for name in names)
        assert (answer.headers["RateLimit-Limit"], answer.headers["RateLimit-Remaining"]) == ("2", "0")


@pytest.mark.usefixtures("database_of_its_own")
async def test_what_nobody_foresaw_is_500_without_its_cause(filled: Context, client: Client) -> None:
    await query(filled, "ALTER TABLE package RENAME TO mislaid")

    assert await told(await client.get(PUBLIC)) == (500, {"message": "500 Internal Server Error"})


async def test_an_old_path_says_where_to_go_in_plain_text(filled: Context, client: Client) -> None:
    old = (await move_project(filled, 100, "acme/renamed")).replace("/", "%2F")

    answer = await client.get(f"{API}/projects/{old}/packages", allow_redirects=False)

    place = f"{EXTERNAL}{PUBLIC}"
    assert (answer.status, answer.headers["Location"]) == (301, place)
    assert answer.content_type == "text/plain"
    assert await answer.text() == f"This resource has been moved permanently to {place}"


async def test_nothing_ever_says_package_not_found_with_capitals(filled: Context, client: Client) -> None:
    broken = await bring_in(filled)
    await put_status(filled, broken, "error")
    paths = ["999", "999/package_files", "999/pipelines", "999/package_files/1/download", f"{broken}/pipelines"]
    answers = [await client.get(f"{PUBLIC}/{path}") for path in paths]
    answers += [
        await client.delete(f"{PUBLIC}/999", headers=MAINTAINER),
        await client.delete(f"{PUBLIC}/999/package_files/1", headers=MAINTAINER),
    ]

    for answer in answers:
        assert answer.status == 404
        assert "404 Package Not Found" not in await answer.text()


async def test_a_blocked_users_token_is_forbidden_with_the_reason(client: Client) -> None:
    answer = await client.get(PUBLIC, headers=token("blocked-token"))

    assert await told(answer) == (403, {"message": "403 Forbidden - Your account has been blocked."})
