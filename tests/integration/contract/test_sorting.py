"""Section 3.4: the order of a listing."""

import pytest

from service.context import Context
from tests.integration.conftest import Client
from tests.support.catalogue import publish, query
from tests.support.packages import GROUP, MAINTAINER, PUBLIC, REPORTER, TYPES_BY_NUMBER, bring_in, listed

_BOTH = pytest.mark.parametrize("listing", [PUBLIC, GROUP])


@_BOTH
async def test_created_at_is_the_time_of_creation_not_of_the_row(filled: Context, client: Client, listing: str) -> None:
    for name, day in (("b", 2), ("c", 3), ("a", 1)):
        await bring_in(filled, name=name, created_at=f"2022-01-0{day}T00:00:00Z")

    assert await listed(await client.get(f"{listing}?order_by=created_at")) == ["a", "b", "c"]
    assert await listed(await client.get(f"{listing}?order_by=created_at&sort=desc")) == ["c", "b", "a"]


@_BOTH
async def test_the_default_is_created_at_ascending(filled: Context, client: Client, listing: str) -> None:
    for name, day in (("b", 2), ("a", 3), ("c", 1)):
        await bring_in(filled, name=name, created_at=f"2022-01-0{day}T00:00:00Z")

    assert await listed(await client.get(listing)) == ["c", "b", "a"]


@_BOTH
@pytest.mark.parametrize("order_by", ["created_at", "name", "version", "type"])
async def test_equal_keys_keep_one_order_over_all_pages(
    filled: Context, client: Client, listing: str, order_by: str
) -> None:
    await query(
        filled,
        "INSERT INTO package (project_id, package_type, name, version, created_at, status)"
        " SELECT 100, 'npm', 'same', '1.0', timestamptz '2020-01-01Z', 'error' FROM generate_series(1, 25)",
    )

    seen = [
        package_id
        for page in range(1, 6)
        for package_id in await listed(await client.get(f"{listing}?order_by={order_by}&per_page=5&page={page}"), "id")
    ]

    assert len(set(seen)) == 25


@_BOTH
async def test_name_is_text(filled: Context, client: Client, listing: str) -> None:
    for name in ("pear", "apple", "fig"):
        await bring_in(filled, name=name)

    assert await listed(await client.get(f"{listing}?order_by=name")) == ["apple", "fig", "pear"]
    assert await listed(await client.get(f"{listing}?order_by=name&sort=desc")) == ["pear", "fig", "apple"]


@_BOTH
async def test_version_is_plain_text_not_semver(filled: Context, client: Client, listing: str) -> None:
    for version in ("8.99.0", "10.0.0", "8.100.0"):
        await bring_in(filled, version=version)

    ascending = ["10.0.0", "8.100.0", "8.99.0"]

    assert await listed(await client.get(f"{listing}?order_by=version"), "version") == ascending
    assert await listed(await client.get(f"{listing}?order_by=version&sort=desc"), "version") == ascending[::-1]


@_BOTH
async def test_versionless_is_last_ascending_and_first_descending(
    filled: Context, client: Client, listing: str
) -> None:
    await bring_in(filled, name="without", version=None)
    for version in ("1.0", "2.0"):
        await bring_in(filled, version=version)
    path = f"{listing}?order_by=version&include_versionless=true"

    assert await listed(await client.get(path), "version") == ["1.0", "2.0", None]
    assert await listed(await client.get(f"{path}&sort=desc"), "version") == [None, "2.0", "1.0"]


@_BOTH
async def test_type_is_the_number_of_the_type(filled: Context, client: Client, listing: str) -> None:
    shown = [package_type for package_type in TYPES_BY_NUMBER if package_type != "terraform_module"]
    for package_type in sorted(shown):
        await bring_in(filled, package_type=package_type)

    assert await listed(await client.get(f"{listing}?order_by=type"), "package_type") == shown
    assert await listed(await client.get(f"{listing}?order_by=type&sort=desc"), "package_type") == shown[::-1]


async def test_project_path_is_the_last_segment(filled: Context, client: Client) -> None:
    for project_id in (100, 101, 102):
        await publish(filled, project_id=project_id)
    path = f"{GROUP}?order_by=project_path"

    # acme/labs/anvil, acme/inside, acme/open: by the full path, inside would be the first.
    ascending = ["acme/labs/anvil", "acme/inside", "acme/open"]

    assert await listed(await client.get(path, headers=REPORTER), "project_path") == ascending
    assert await listed(await client.get(f"{path}&sort=desc", headers=REPORTER), "project_path") == ascending[::-1]


async def test_within_a_project_path_ids_go_the_way_of_sort(filled: Context, client: Client) -> None:
    ids = [await publish(filled, version=version, project_id=project) for project in (100, 101) for version in "12"]
    path = f"{GROUP}?order_by=project_path"

    ascending = [ids[2], ids[3], ids[0], ids[1]]

    assert await listed(await client.get(path, headers=MAINTAINER), "id") == ascending
    assert await listed(await client.get(f"{path}&sort=desc", headers=MAINTAINER), "id") == ascending[::-1]


async def test_files_go_by_ascending_id(filled: Context, client: Client) -> None:
    package_id = await publish(filled, files=["c", "a", "b"])
    await query(filled, "UPDATE package_file SET created_at = now() - id * interval '1 hour'")

    answer = await client.get(f"{PUBLIC}/{package_id}/package_files")

    assert await listed(answer, "file_name") == ["c", "a", "b"]
