"""Section 6.5: rules that keep packages from being deleted."""

import pytest

from service.context import Context
from tests.integration.conftest import Client
from tests.support.catalogue import publish, query
from tests.support.packages import GUARDED, PROTECTED, bring_in, file_ids, token, told

_JOB = {"JOB-TOKEN": "guarded-maintainer-job"}
_CASES = pytest.mark.parametrize(
    ("name", "headers", "allowed"),
    [
        ("core-a", token("maintainer-token"), False),
        ("core-a", _JOB, False),
        ("core-a", token("owner-token"), True),
        ("core-a", token("root-token"), True),
        ("my-base", token("maintainer-token"), False),
        ("my-base", token("owner-token"), False),
        ("my-base", token("root-token"), True),
        ("other", token("maintainer-token"), True),
        ("other", _JOB, True),
        ("core-base", token("owner-token"), False),
        ("core-base", token("root-token"), True),
    ],
)


@_CASES
async def test_a_package_is_deleted_by_those_whom_every_matching_rule_lets(
    filled: Context, client: Client, name: str, headers: dict[str, str], *, allowed: bool
) -> None:
    package_id = await publish(filled, name=name, project_id=104)

    answer = await client.delete(f"{GUARDED}/{package_id}", headers=headers)

    assert answer.status == 204 if allowed else await told(answer) == PROTECTED


@_CASES
async def test_a_file_is_deleted_by_those_who_may_delete_its_package(
    filled: Context, client: Client, name: str, headers: dict[str, str], *, allowed: bool
) -> None:
    package_id = await publish(filled, name=name, files=["a", "b"], project_id=104)
    (file_id, _) = await file_ids(filled, package_id)

    answer = await client.delete(f"{GUARDED}/{package_id}/package_files/{file_id}", headers=headers)

    assert answer.status == 204 if allowed else await told(answer) == PROTECTED


@pytest.mark.parametrize("name", ["CORE-A", "Core-", "core-x.y"])
async def test_a_pattern_matches_in_any_case(filled: Context, client: Client, name: str) -> None:
    package_id = await publish(filled, name=name, project_id=104)

    answer = await client.delete(f"{GUARDED}/{package_id}", headers=token("maintainer-token"))

    assert await told(answer) == PROTECTED


@pytest.mark.parametrize("name", ["core", "xcore-a", "my-base-x"])
async def test_a_pattern_matches_the_whole_name(filled: Context, client: Client, name: str) -> None:
    package_id = await publish(filled, name=name, project_id=104)

    answer = await client.delete(f"{GUARDED}/{package_id}", headers=token("maintainer-token"))

    assert answer.status == 204


@pytest.mark.parametrize("package_type", ["npm", "maven", "debian", "golang"])
async def test_a_rule_is_for_its_type_alone(filled: Context, client: Client, package_type: str) -> None:
    package_id = await bring_in(filled, project="acme/guarded", package_type=package_type, name="core-a")

    answer = await client.delete(f"{GUARDED}/{package_id}", headers=token("maintainer-token"))

    assert answer.status == 204


async def test_a_rule_is_for_its_project_alone(filled: Context, client: Client) -> None:
    package_id = await publish(filled, name="core-a")

    answer = await client.delete(f"/api/v4/projects/100/packages/{package_id}", headers=token("maintainer-token"))

    assert answer.status == 204


async def test_a_refused_deletion_changes_no_state(filled: Context, client: Client) -> None:
    package_id = await publish(filled, name="core-a", project_id=104)
    (file_id,) = await file_ids(filled, package_id)
    rows = "SELECT p.*, f.status AS file_status, f.updated_at AS file_updated_at FROM package p, package_file f"
    before = await query(filled, rows)

    for path in (f"{GUARDED}/{package_id}", f"{GUARDED}/{package_id}/package_files/{file_id}"):
        assert (await client.delete(path, headers=token("maintainer-token"))).status == 403

    assert await query(filled, rows) == before
    assert await query(filled, "SELECT id FROM outbox") == await query(filled, "SELECT id FROM deletion") == []


async def test_a_package_is_published_by_those_whom_every_matching_rule_lets(filled: Context, client: Client) -> None:
    refused, taken = "developer-token maintainer-token owner-token", "maintainer-token owner-token root-token"

    for level, below, enough in zip((40, 50, 60), refused.split(), taken.split(), strict=True):
        await query(filled, "UPDATE protection_rule SET minimum_access_level_for_push = $1", level)
        path = f"{GUARDED}/generic/core-a/{level}/a"
        answer = await client.put(path, data=b"x", headers=token(below))
        assert await told(answer) == (403, {"message": "403 Forbidden - Package protected."})
        assert (await client.put(path, data=b"x", headers=token(enough))).status == 201


async def test_a_protected_package_is_read_and_added_to_as_before(filled: Context, client: Client) -> None:
    await publish(filled, name="core-a", project_id=104)
    path = f"{GUARDED}/generic/core-a/1.0/app.bin"

    up = await client.put(path, data=b"x", headers=token("developer-token"))

    assert (up.status, (await client.get(path)).status) == (201, 200)
