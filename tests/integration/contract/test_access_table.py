"""Sections 1.5 and 5.3: who may do what; 200, 204, 401, 403 and 404."""

import pytest

from service.context import Context
from tests.integration.conftest import Client
from tests.support.catalogue import publish, query
from tests.support.packages import (
    API,
    GROUP,
    INTERNAL,
    PRIVATE,
    PUBLIC,
    SWITCHED_OFF,
    file_ids,
    token,
    told,
)

_GETS = ["", "/{id}", "/{id}/package_files", "/{id}/pipelines", "/{id}/package_files/{file}/download"]
_DELETES = ["/{id}", "/{id}/package_files/{file}"]


async def _statuses(
    filled: Context, client: Client, *, project_id: int, name: str, method: str, rests: list[str]
) -> set[int]:
    """Ask for each of these of a package of the project, and return the statuses of the answers."""
    found: set[int] = set()
    for number, rest in enumerate(rests):
        package_id = await publish(filled, name=method, version=f"{number}", project_id=project_id)
        (file_id,) = await file_ids(filled, package_id)
        path = f"{API}/projects/{project_id}/packages{rest.format(id=package_id, file=file_id)}"
        answer = await client.request(method, path, headers=token(name))
        found.add(answer.status)
    return found


@pytest.mark.parametrize(
    ("name", "public_get", "public_delete", "private_get", "private_delete"),
    [
        ("", 200, 403, 404, 404),
        ("nonsense", 401, 401, 401, 401),
        ("stranger-token", 200, 403, 404, 404),
        ("guest-token", 200, 403, 403, 403),
        ("reporter-token", 200, 403, 200, 403),
        ("developer-token", 200, 403, 200, 403),
        ("maintainer-token", 200, 204, 200, 204),
        ("owner-token", 200, 204, 200, 204),
        ("root-token", 200, 204, 200, 204),
    ],
)
async def test_the_table_of_callers(
    filled: Context,
    client: Client,
    name: str,
    public_get: int,
    public_delete: int,
    private_get: int,
    private_delete: int,
) -> None:
    async def statuses(project_id: int, method: str, rests: list[str]) -> set[int]:
        return await _statuses(filled, client, project_id=project_id, name=name, method=method, rests=rests)

    assert await statuses(100, "GET", _GETS) == {public_get}
    assert await statuses(100, "DELETE", _DELETES) == {public_delete}
    assert await statuses(102, "GET", _GETS) == {private_get}
    assert await statuses(102, "DELETE", _DELETES) == {private_delete}


@pytest.mark.parametrize("name", ["", "stranger-token", "guest-token", "maintainer-token", "owner-token", "root-token"])
async def test_packages_turned_off_are_forbidden_to_all_who_see_the_project(client: Client, name: str) -> None:
    for method, path in (("GET", SWITCHED_OFF), ("GET", f"{SWITCHED_OFF}/1"), ("DELETE", f"{SWITCHED_OFF}/1")):
        answer = await client.request(method, path, headers=token(name))
        assert await told(answer) == (403, {"message": "403 Forbidden"})


@pytest.mark.parametrize(("name", "status"), [("", 404), ("stranger-token", 404), ("reporter-token", 403)])
async def test_packages_turned_off_in_a_private_project(
    filled: Context, client: Client, name: str, status: int
) -> None:
    await query(filled, "UPDATE project SET packages_enabled = false WHERE id = 102")

    for method, path in (("GET", PRIVATE), ("GET", f"{PRIVATE}/1"), ("DELETE", f"{PRIVATE}/1")):
        assert (await client.request(method, path, headers=token(name))).status == status


@pytest.mark.parametrize("path", [PUBLIC, PRIVATE, INTERNAL, f"{PRIVATE}/1", f"{API}/projects/999/packages", GROUP])
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
async def test_nobody_is_ever_answered_401(client: Client, method: str, path: str) -> None:
    answer = await client.request(method, path)

    assert answer.status != 401
    assert "WWW-Authenticate" not in answer.headers


@pytest.mark.parametrize(
    ("name", "get", "delete"),
    [
        ("", 404, 404),
        ("stranger-token", 200, 403),
        ("guest-token", 200, 403),
        ("maintainer-token", 200, 204),
        ("external-token", 404, 404),
    ],
)
async def test_an_internal_project_is_public_to_users_and_private_to_nobody(
    filled: Context, client: Client, name: str, get: int, delete: int
) -> None:
    got = await _statuses(filled, client, project_id=101, name=name, method="GET", rests=_GETS)
    gone = await _statuses(filled, client, project_id=101, name=name, method="DELETE", rests=_DELETES)

    assert (got, gone) == ({get}, {delete})


@pytest.mark.parametrize(
    ("path", "readers"),
    [
        (PUBLIC, ["", "external-token", "stranger-token", "guest-token", "reporter-token", "root-token"]),
        (INTERNAL, ["stranger-token", "guest-token", "reporter-token", "root-token"]),
        (PRIVATE, ["insider-token", "reporter-token", "developer-token", "maintainer-token", "root-token"]),
    ],
)
async def test_the_level_to_read(client: Client, path: str, readers: list[str]) -> None:
    everybody = ["", "external-token", "stranger-token", "guest-token", "insider-token", "reporter-token"]
    everybody += ["developer-token", "maintainer-token", "root-token"]

    statuses = {name: (await client.get(path, headers=token(name))).status for name in everybody}

    assert {name for name in everybody if statuses[name] == 200} >= set(readers)
    if path == PRIVATE:
        assert {name for name in everybody if statuses[name] == 200} == set(readers)
        assert statuses["guest-token"] == 403
    if path == INTERNAL:
        assert (statuses[""], statuses["external-token"]) == (404, 404)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("stranger-token", 403),
        ("guest-token", 403),
        ("reporter-token", 403),
        ("developer-token", 201),
        ("maintainer-token", 201),
        ("owner-token", 201),
        ("root-token", 201),
    ],
)
async def test_the_level_to_upload_is_developer(client: Client, name: str, status: int) -> None:
    assert (await client.put(f"{PUBLIC}/generic/a/1/b", data=b"x", headers=token(name))).status == status


@pytest.mark.parametrize("rest", _DELETES)
@pytest.mark.parametrize(("name", "status"), [("developer-token", 403), ("maintainer-token", 204)])
async def test_the_level_to_delete_is_maintainer_for_packages_and_files(
    filled: Context, client: Client, rest: str, name: str, status: int
) -> None:
    gone = await _statuses(filled, client, project_id=100, name=name, method="DELETE", rests=[rest])

    assert gone == {status}


async def test_a_member_of_the_project_alone_reads_it(filled: Context, client: Client) -> None:
    assert await _statuses(filled, client, project_id=102, name="insider-token", method="GET", rests=_GETS) == {200}
