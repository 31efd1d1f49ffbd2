"""Section 1.3: which check comes first when several fail."""

import pytest

from service.context import Context
from tests.integration.conftest import Client
from tests.integration.contract.conftest import ClientWith
from tests.support.catalogue import publish, status_of
from tests.support.packages import (
    DEVELOPER,
    FORBIDDEN,
    GUARDED,
    MAINTAINER,
    NO_FILE,
    NO_PACKAGE,
    NO_PROJECT,
    PRIVATE,
    PROTECTED,
    PUBLIC,
    SWITCHED_OFF,
    UNAUTHORIZED,
    file_ids,
    token,
    told,
)

_LONG_AGO = {"If-Unmodified-Since": "Mon, 01 Jan 2018 00:00:00 GMT"}


@pytest.mark.parametrize("path", [PUBLIC, PRIVATE, "/api/v4/projects/999/packages", f"{PUBLIC}?status=bogus"])
async def test_a_bad_token_comes_before_everything(client: Client, path: str) -> None:
    assert await told(await client.get(path, headers=token("nonsense"))) == UNAUTHORIZED


async def test_the_switch_of_the_instance_comes_before_visibility_and_validation(client_with: ClientWith) -> None:
    async with client_with(packages_enabled=False) as client:
        answers = [
            await client.get(path, headers=token(name))
            for path in (f"{PUBLIC}?status=bogus", PRIVATE, "/api/v4/projects/999/packages")
            for name in ("", "maintainer-token")
        ]
        bad = await client.get(PUBLIC, headers=token("nonsense"))

        assert [await told(answer) for answer in answers] == [(404, {"message": "404 Not Found"})] * 6
        assert await told(bad) == UNAUTHORIZED


async def test_visibility_comes_before_validation(client: Client) -> None:
    for path in (f"{PRIVATE}?status=bogus", f"{PRIVATE}/x", f"{PRIVATE}/1/package_files/x/download"):
        assert await told(await client.get(path)) == NO_PROJECT


async def test_the_permission_to_read_comes_before_validation(client: Client) -> None:
    for path, name in ((f"{PRIVATE}?status=bogus", "guest-token"), (f"{SWITCHED_OFF}?page=x", "owner-token")):
        assert await told(await client.get(path, headers=token(name))) == FORBIDDEN


async def test_validation_comes_before_the_look_up(client: Client) -> None:
    answer = await client.get(f"{PUBLIC}/999/package_files?order_by=size")

    assert await told(answer) == (400, {"error": "order_by does not have a valid value"})


@pytest.mark.parametrize("rest", ["x", "x/package_files/y"])
async def test_validation_comes_before_the_permission_to_delete(client: Client, rest: str) -> None:
    assert (await client.delete(f"{PUBLIC}/{rest}", headers=DEVELOPER)).status == 400


@pytest.mark.parametrize("rest", ["999", "999/package_files/1"])
async def test_the_permission_to_delete_comes_before_the_look_up(client: Client, rest: str) -> None:
    assert await told(await client.delete(f"{PUBLIC}/{rest}", headers=DEVELOPER)) == FORBIDDEN


async def test_the_look_up_comes_before_protection(filled: Context, client: Client) -> None:
    package_id = await publish(filled, name="core-a", project_id=104)

    for path in (f"{GUARDED}/999", f"{PUBLIC}/{package_id}"):
        assert await told(await client.delete(path, headers=MAINTAINER)) == NO_PACKAGE


async def test_protection_comes_before_the_look_up_of_the_file(filled: Context, client: Client) -> None:
    package_id = await publish(filled, name="core-a", project_id=104)

    answer = await client.delete(f"{GUARDED}/{package_id}/package_files/999", headers=MAINTAINER)

    assert await told(answer) == PROTECTED


async def test_protection_comes_before_the_precondition(filled: Context, client: Client) -> None:
    package_id = await publish(filled, name="core-a", project_id=104)

    answer = await client.delete(f"{GUARDED}/{package_id}", headers={**MAINTAINER, **_LONG_AGO})

    assert await told(answer) == PROTECTED


async def test_the_look_up_comes_before_the_precondition(filled: Context, client: Client) -> None:
    package_id = await publish(filled)
    headers = {**MAINTAINER, **_LONG_AGO}

    assert await told(await client.delete(f"{PUBLIC}/999", headers=headers)) == NO_PACKAGE
    answer = await client.delete(f"{PUBLIC}/{package_id}/package_files/999", headers=headers)
    assert await told(answer) == NO_FILE


async def test_the_precondition_comes_last(filled: Context, client: Client) -> None:
    package_id = await publish(filled)
    (file_id,) = await file_ids(filled, package_id)

    for path in (f"{PUBLIC}/{package_id}", f"{PUBLIC}/{package_id}/package_files/{file_id}"):
        answer = await client.delete(path, headers={**MAINTAINER, **_LONG_AGO})
        assert await told(answer) == (412, {"message": "412 Precondition Failed"})
    assert await status_of(filled, package_id) == "default"
