"""Section 3.5: which projects a group's listing covers."""

import pytest

from service.context import Context
from tests.integration.conftest import Client
from tests.support.catalogue import publish, query
from tests.support.packages import API, FORBIDDEN, GROUP, NO_GROUP, listed, token, told

_ALL = ("open", "inside", "anvil")
_PLACES = {"open": 100, "inside": 101, "anvil": 102}


@pytest.fixture
async def one_each(filled: Context) -> None:
    """One package in each project below acme, of its project's name; and one elsewhere."""
    for name, project_id in _PLACES.items():
        await publish(filled, name=name, project_id=project_id)
    await publish(filled, name="elsewhere", project_id=200)


async def _names(client: Client, name: str, path: str = GROUP) -> list[str]:
    return await listed(await client.get(f"{path}?order_by=created_at", headers=token(name)))


@pytest.mark.usefixtures("one_each")
async def test_a_group_covers_itself_and_every_group_below(filled: Context, client: Client) -> None:
    await query(
        filled,
        "INSERT INTO directory_group (id, parent_id, ancestry, path, name, visibility)"
        " VALUES (12, 11, '{10, 11, 12}', 'acme/labs/deep', 'Deep', 'private')",
    )
    await query(
        filled,
        "INSERT INTO project (id, group_id, path, name, visibility)"
        " VALUES (110, 12, 'acme/labs/deep/down', 'Down', 'private')",
    )
    await query(
        filled,
        "INSERT INTO package (project_id, package_type, name, version) VALUES (110, 'npm', 'down', '1')",
    )

    assert await _names(client, "reporter-token") == [*_ALL, "down"]
    assert await _names(client, "reporter-token", f"{API}/groups/11/packages") == ["anvil", "down"]


@pytest.mark.usefixtures("one_each")
async def test_exclude_subgroups_covers_the_groups_own_projects(client: Client) -> None:
    answer = await client.get(f"{GROUP}?exclude_subgroups=true", headers=token("reporter-token"))

    assert await listed(answer) == ["open", "inside"]


@pytest.mark.usefixtures("one_each")
@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("", ["open"]),
        ("external-token", ["open"]),
        ("stranger-token", ["open", "inside"]),
        ("guest-token", ["open", "inside"]),
        ("reporter-token", ["open", "inside", "anvil"]),
        ("insider-token", ["open", "inside", "anvil"]),
        ("owner-token", ["open", "inside", "anvil"]),
        ("root-token", ["open", "inside", "anvil"]),
    ],
)
async def test_each_caller_gets_what_he_may_read(client: Client, name: str, names: list[str]) -> None:
    assert await _names(client, name) == names


async def test_an_admin_gets_all_of_a_private_group(filled: Context, client: Client) -> None:
    for project_id in (200, 201):
        await publish(filled, name=f"in-{project_id}", project_id=project_id)

    assert sorted(await _names(client, "root-token", f"{API}/groups/secret/packages")) == ["in-200", "in-201"]


@pytest.mark.usefixtures("one_each")
async def test_a_project_whose_packages_were_turned_off_is_still_listed(filled: Context, client: Client) -> None:
    await query(filled, "UPDATE project SET packages_enabled = false WHERE id = 101")

    assert await _names(client, "reporter-token") == list(_ALL)


@pytest.mark.parametrize("name", ["guest-token"])
async def test_a_guest_of_a_private_group_is_forbidden(client: Client, name: str) -> None:
    answer = await client.get(f"{API}/groups/acme%2Flabs/packages", headers=token(name))

    assert await told(answer) == FORBIDDEN


async def test_a_guest_of_a_private_group_is_forbidden_though_he_owns_a_project_inside(client: Client) -> None:
    answer = await client.get(f"{API}/groups/secret/packages", headers=token("guest-owner-token"))

    assert await told(answer) == FORBIDDEN


async def test_a_member_of_one_project_inside_gets_that_projects_packages(filled: Context, client: Client) -> None:
    await publish(filled, name="anvil", project_id=102)

    assert await _names(client, "insider-token", f"{API}/groups/acme%2Flabs/packages") == ["anvil"]


@pytest.mark.parametrize("group", ["acme%2Flabs", "secret", "house"])
async def test_nobody_sees_a_private_or_internal_group(client: Client, group: str) -> None:
    assert await told(await client.get(f"{API}/groups/{group}/packages")) == NO_GROUP


@pytest.mark.parametrize(
    ("group", "name", "status"),
    [
        ("secret", "stranger-token", 404),
        ("acme%2Flabs", "stranger-token", 404),
        ("acme%2Flabs", "reporter-token", 200),
        ("secret", "maintainer-token", 200),
        ("secret", "root-token", 200),
        ("house", "stranger-token", 200),
        ("house", "external-token", 404),
        ("acme", "external-token", 200),
    ],
)
async def test_who_gets_into_a_group(client: Client, group: str, name: str, status: int) -> None:
    assert (await client.get(f"{API}/groups/{group}/packages", headers=token(name))).status == status


@pytest.mark.usefixtures("one_each")
async def test_nobody_gets_public_projects_of_a_public_group_only(client: Client) -> None:
    assert await _names(client, "") == ["open"]
