"""Sections 5.1 and 5.2: which credentials count where, and what their scopes allow."""

import base64

import pytest

from service.context import Context
from tests.integration.conftest import Client
from tests.support.catalogue import publish, query
from tests.support.packages import (
    API,
    FORBIDDEN,
    GENERIC,
    GROUP,
    INTERNAL,
    NO_GROUP,
    NO_PROJECT,
    PRIVATE,
    PRIVATE_GENERIC,
    PUBLIC,
    UNAUTHORIZED,
    file_ids,
    json_of,
    put_status,
    token,
    told,
)

_PRIVATE_GROUP = f"{API}/groups/acme%2Flabs/packages"
_ROUTES = pytest.mark.parametrize("path", [PRIVATE, _PRIVATE_GROUP, PRIVATE_GENERIC])
_CARRIERS = pytest.mark.parametrize("carrier", ["PRIVATE-TOKEN", "Authorization", "private_token", "access_token"])


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def _carried(carrier: str, name: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the headers and the parameters of a request that shows the token this way."""
    if carrier == "PRIVATE-TOKEN":
        return {carrier: name}, {}
    if carrier == "Authorization":
        return {carrier: f"Bearer {name}"}, {}
    return {}, {carrier: name}


@pytest.fixture(autouse=True)
async def anvil(filled: Context) -> int:
    """A package of the private project."""
    return await publish(filled, project_id=102)


@_CARRIERS
@_ROUTES
async def test_a_personal_token_is_carried_in_four_ways(client: Client, path: str, carrier: str) -> None:
    headers, parameters = _carried(carrier, "reporter-token")

    assert (await client.get(path, headers=headers, params=parameters)).status == 200


@_CARRIERS
@_ROUTES
async def test_a_bad_token_is_401_however_it_is_carried(client: Client, path: str, carrier: str) -> None:
    headers, parameters = _carried(carrier, "nonsense")

    answer = await client.get(path, headers=headers, params=parameters)

    assert await told(answer) == UNAUTHORIZED


@_CARRIERS
async def test_a_token_deletes_and_uploads_however_it_is_carried(client: Client, anvil: int, carrier: str) -> None:
    headers, parameters = _carried(carrier, "maintainer-token")

    up = await client.put(PRIVATE_GENERIC, data=b"x", headers=headers, params=parameters)
    gone = await client.delete(f"{PRIVATE}/{anvil}", headers=headers, params=parameters)

    assert (up.status, gone.status) == (201, 204)


async def test_a_token_in_a_deletions_form_counts(client: Client, anvil: int) -> None:
    answer = await client.delete(f"{PRIVATE}/{anvil}", data={"private_token": "maintainer-token"})

    assert answer.status == 204


@pytest.mark.parametrize("headers", [{"PRIVATE-TOKEN": ""}, {"Authorization": ""}, {"Authorization": "Bearer"}])
async def test_a_blank_token_is_no_token(client: Client, headers: dict[str, str]) -> None:
    assert (await client.get(PUBLIC, headers=headers)).status == 200
    assert await told(await client.get(PRIVATE, headers=headers)) == NO_PROJECT


@pytest.mark.parametrize(
    "rest", ["", "/{id}", "/{id}/package_files", "/{id}/pipelines", "/{id}/package_files/{file}/download"]
)
@pytest.mark.parametrize("carrier", ["JOB-TOKEN", "job_token"])
async def test_a_job_token_reads_its_own_project(
    filled: Context, client: Client, anvil: int, rest: str, carrier: str
) -> None:
    (file_id,) = await file_ids(filled, anvil)
    shown = {carrier: "anvil-maintainer-job"}
    headers, parameters = (shown, {}) if carrier == "JOB-TOKEN" else ({}, shown)

    answer = await client.get(PRIVATE + rest.format(id=anvil, file=file_id), headers=headers, params=parameters)

    assert answer.status == 200


async def test_a_job_token_deletes_with_the_rights_of_its_user(filled: Context, client: Client) -> None:
    mine, files = await publish(filled), await publish(filled, version="2.0", files=["a", "b"])
    (file_id, _) = await file_ids(filled, files)

    refused = await client.delete(f"{PUBLIC}/{mine}", headers={"JOB-TOKEN": "open-developer-job"})
    package = await client.delete(f"{PUBLIC}/{mine}", headers={"JOB-TOKEN": "open-maintainer-job"})
    file = await client.delete(f"{PUBLIC}/{files}/package_files/{file_id}", params={"job_token": "open-maintainer-job"})

    assert await told(refused) == FORBIDDEN
    assert (package.status, file.status) == (204, 204)


@pytest.mark.parametrize("carrier", ["JOB-TOKEN", "job_token"])
@pytest.mark.parametrize("path", [PUBLIC, PRIVATE, GENERIC, PRIVATE_GENERIC])
async def test_a_bad_job_token_is_401(client: Client, path: str, carrier: str) -> None:
    shown = {carrier: "nonsense"}
    headers, parameters = (shown, {}) if carrier == "JOB-TOKEN" else ({}, shown)

    assert await told(await client.get(path, headers=headers, params=parameters)) == UNAUTHORIZED


@pytest.mark.parametrize("shown", ["anvil-maintainer-job", "nonsense"])
async def test_a_job_token_is_not_read_on_a_groups_route(client: Client, shown: str) -> None:
    for headers, parameters in (({"JOB-TOKEN": shown}, {}), ({}, {"job_token": shown})):
        private = await client.get(_PRIVATE_GROUP, headers=headers, params=parameters)
        public = await client.get(GROUP, headers=headers, params=parameters)
        assert await told(private) == NO_GROUP
        assert await told(public) == (200, [])


@pytest.mark.parametrize("job", ["open-developer-job", "open-stranger-job", "anvil-maintainer-job"])
async def test_a_job_reads_other_projects_that_are_public_or_internal(
    filled: Context, client: Client, job: str
) -> None:
    await publish(filled)

    for path in (PUBLIC, INTERNAL, GENERIC):
        assert (await client.get(path, headers={"JOB-TOKEN": job})).status == 200


@pytest.mark.parametrize("path", [PRIVATE, PRIVATE_GENERIC])
async def test_a_job_is_refused_by_another_private_project_that_its_user_sees(client: Client, path: str) -> None:
    answer = await client.get(path, headers={"JOB-TOKEN": "open-maintainer-job"})

    assert await told(answer) == (
        403,
        {"message": "403 Forbidden - Authentication by CI/CD job token not allowed from acme/open to acme/labs/anvil."},
    )


@pytest.mark.parametrize("path", [PRIVATE, PRIVATE_GENERIC])
async def test_a_job_does_not_find_a_project_that_its_user_does_not_see(client: Client, path: str) -> None:
    assert await told(await client.get(path, headers={"JOB-TOKEN": "open-stranger-job"})) == NO_PROJECT


async def test_a_job_does_not_write_to_another_project(filled: Context, client: Client) -> None:
    package_id = await publish(filled)
    headers = {"JOB-TOKEN": "anvil-maintainer-job"}
    refused = {
        "message": "403 Forbidden - Authentication by CI/CD job token not allowed from acme/labs/anvil to acme/open."
    }

    assert await told(await client.delete(f"{PUBLIC}/{package_id}", headers=headers)) == (403, refused)
    assert await told(await client.put(GENERIC, data=b"x", headers=headers)) == (403, refused)


async def test_a_project_may_let_the_jobs_of_another_in(filled: Context, client: Client, anvil: int) -> None:
    await query(filled, "INSERT INTO job_token_allowance (project_id, source_project_id) VALUES (102, 100)")
    headers = {"JOB-TOKEN": "open-maintainer-job"}

    assert (await client.get(PRIVATE, headers=headers)).status == 200
    assert (await client.get(PRIVATE_GENERIC, headers=headers)).status == 200
    assert (await client.put(PRIVATE_GENERIC, data=b"x", headers=headers)).status == 201
    assert (await client.delete(f"{PRIVATE}/{anvil}", headers=headers)).status == 204
    stranger = await client.get(PRIVATE, headers={"JOB-TOKEN": "open-stranger-job"})
    assert await told(stranger) == NO_PROJECT


async def test_a_job_token_uploads_and_downloads(client: Client) -> None:
    headers = {"JOB-TOKEN": "open-developer-job"}

    up = await client.put(GENERIC, data=b"built", headers=headers)
    down = await client.get(GENERIC, params={"job_token": "open-developer-job"})

    assert (up.status, await down.read()) == (201, b"built")


@pytest.mark.parametrize("path", [PRIVATE, _PRIVATE_GROUP])
@pytest.mark.parametrize(
    "headers",
    [
        basic("rita", "reporter-token"),
        basic("anybody", "nonsense"),
        basic("puller", "anvil-read-deploy"),
        basic("gitlab-ci-token", "anvil-maintainer-job"),
        {"Deploy-Token": "anvil-read-deploy"},
        {"Deploy-Token": "nonsense"},
    ],
)
async def test_basic_and_deploy_tokens_are_not_read_by_the_packages_api(
    client: Client, path: str, headers: dict[str, str]
) -> None:
    answer = await client.get(path, headers=headers)

    assert await told(answer) == (NO_PROJECT if path == PRIVATE else NO_GROUP)
    for public in (PUBLIC, GROUP):
        assert (await client.get(public, headers=headers)).status == 200


async def test_a_deploy_token_deletes_nothing(client: Client, anvil: int) -> None:
    for headers in ({"Deploy-Token": "anvil-write-deploy"}, basic("pusher", "anvil-write-deploy")):
        assert await told(await client.delete(f"{PRIVATE}/{anvil}", headers=headers)) == NO_PROJECT


@pytest.mark.parametrize("user", ["rita", "anybody", "gitlab-ci", "x"])
async def test_basic_with_any_user_and_a_personal_token_works_on_generic(client: Client, user: str) -> None:
    down = await client.get(PRIVATE_GENERIC, headers=basic(user, "reporter-token"))
    up = await client.put(PRIVATE_GENERIC, data=b"x", headers=basic(user, "developer-token"))

    assert (down.status, up.status) == (200, 201)


async def test_basic_with_a_job_token_works_on_generic(client: Client) -> None:
    headers = basic("gitlab-ci-token", "anvil-maintainer-job")

    assert (await client.get(PRIVATE_GENERIC, headers=headers)).status == 200
    assert (await client.put(PRIVATE_GENERIC, data=b"x", headers=headers)).status == 201


@pytest.mark.parametrize("headers", [{"Deploy-Token": "anvil-read-deploy"}, basic("puller", "anvil-read-deploy")])
async def test_a_reading_deploy_token_downloads_and_does_not_upload(client: Client, headers: dict[str, str]) -> None:
    assert (await client.get(PRIVATE_GENERIC, headers=headers)).status == 200
    assert await told(await client.put(PRIVATE_GENERIC, data=b"x", headers=headers)) == FORBIDDEN


@pytest.mark.parametrize("headers", [{"Deploy-Token": "anvil-write-deploy"}, basic("pusher", "anvil-write-deploy")])
async def test_a_writing_deploy_token_uploads_and_downloads(client: Client, headers: dict[str, str]) -> None:
    assert (await client.put(PRIVATE_GENERIC, data=b"new", headers=headers)).status == 201
    assert await (await client.get(PRIVATE_GENERIC, headers=headers)).read() == b"new"


async def test_a_deploy_token_of_another_project_sees_what_nobody_sees(filled: Context, client: Client) -> None:
    await publish(filled)
    headers = {"Deploy-Token": "open-read-deploy"}

    assert await told(await client.get(PRIVATE_GENERIC, headers=headers)) == NO_PROJECT
    other = {"Deploy-Token": "anvil-read-deploy"}
    assert (await client.get(GENERIC, headers=other)).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Deploy-Token": "nonsense"},
        basic("rita", "nonsense"),
        basic("somebody else", "anvil-read-deploy"),
        basic("gitlab-ci-token", "nonsense"),
    ],
)
async def test_a_bad_deploy_token_or_bad_basic_is_nobody(
    filled: Context, client: Client, headers: dict[str, str]
) -> None:
    await publish(filled)

    assert (await client.get(GENERIC, headers=headers)).status == 200
    assert (await client.get(PRIVATE_GENERIC, headers=headers)).status == 401
    assert (await client.put(GENERIC, data=b"x", headers=headers)).status == 401


async def test_an_expired_or_revoked_deploy_token_is_nobody(filled: Context, client: Client) -> None:
    headers = {"Deploy-Token": "anvil-read-deploy"}
    await query(filled, "UPDATE deploy_token SET expires_at = '2020-01-01'")
    assert (await client.get(PRIVATE_GENERIC, headers=headers)).status == 401
    await query(filled, "UPDATE deploy_token SET expires_at = NULL, revoked_at = now()")
    assert (await client.get(PRIVATE_GENERIC, headers=headers)).status == 401


async def test_a_revoked_job_token_is_401(filled: Context, client: Client) -> None:
    await query(filled, "UPDATE job_token SET revoked_at = now()")

    answer = await client.get(PRIVATE, headers={"JOB-TOKEN": "anvil-maintainer-job"})

    assert answer.status == 401


@pytest.mark.parametrize(
    "rest", ["", "/{id}", "/{id}/package_files", "/{id}/pipelines", "/{id}/package_files/{file}/download"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_reading_scope_is_for_get_and_head(
    filled: Context, client: Client, anvil: int, method: str, rest: str
) -> None:
    (file_id,) = await file_ids(filled, anvil)
    path = PRIVATE + rest.format(id=anvil, file=file_id)

    answer = await client.request(method, path, headers=token("maintainer-reading-token"))

    assert answer.status == 200


async def test_a_reading_scope_is_not_for_delete_and_put(filled: Context, client: Client, anvil: int) -> None:
    headers = token("maintainer-reading-token")
    (file_id,) = await file_ids(filled, anvil)

    for answer in (
        await client.delete(f"{PRIVATE}/{anvil}", headers=headers),
        await client.delete(f"{PRIVATE}/{anvil}/package_files/{file_id}", headers=headers),
        await client.put(PRIVATE_GENERIC, data=b"x", headers=headers),
    ):
        assert answer.status == 403
        assert (await json_of(answer))["error"] == "insufficient_scope"


async def test_the_api_scope_is_for_everything(client: Client, anvil: int) -> None:
    headers = token("maintainer-token")

    assert (await client.get(PRIVATE, headers=headers)).status == 200
    assert (await client.put(PRIVATE_GENERIC, data=b"x", headers=headers)).status == 201
    assert (await client.delete(f"{PRIVATE}/{anvil}", headers=headers)).status == 204


async def test_a_token_of_a_blocked_user_is_refused_everywhere(client: Client) -> None:
    for path in (PUBLIC, GROUP, GENERIC):
        answer = await client.get(path, headers=token("blocked-token"))
        assert await told(answer) == (403, {"message": "403 Forbidden - Your account has been blocked."})


async def test_what_a_job_may_not_see_it_may_not_see_in_any_status(filled: Context, client: Client, anvil: int) -> None:
    await put_status(filled, anvil, "hidden")

    answer = await client.get(f"{PRIVATE}/{anvil}", headers={"JOB-TOKEN": "anvil-maintainer-job"})

    assert await told(answer) == (404, {"message": "404 Not found"})
