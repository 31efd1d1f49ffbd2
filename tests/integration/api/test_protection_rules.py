"""Protection rules over HTTP, as GitLab serves them: its texts, its rights, and both levels."""

import asyncio
from collections.abc import Mapping
from email.utils import formatdate
from functools import partial
from typing import Any, Final

import pytest
from aiohttp import FormData

from service.context import Context
from service.directory_file.applying import apply_directory, parse_directory
from tests.integration.conftest import Client
from tests.support.catalogue import publish, query
from tests.support.packages import (
    DEVELOPER,
    FORBIDDEN,
    GUARDED,
    MAINTAINER,
    NO_PACKAGE,
    NO_PROJECT,
    PROTECTED,
    PUBLIC,
    UNAUTHORIZED,
    json_of,
    token,
    told,
)

_RULES: Final = f"{PUBLIC}/protection/rules"
_RULE: Final = {
    "package_name_pattern": "@acme/kit-*",
    "package_type": "npm",
    "minimum_access_level_for_push": "maintainer",
    "minimum_access_level_for_delete": "owner",
}
_PUSH: Final = "minimum_access_level_for_push"
_DELETE: Final = "minimum_access_level_for_delete"
_NO_LEVEL: Final = "A rule must have at least a minimum access role for push or delete."
_TAKEN: Final = "Package name pattern has already been taken"


def _unsavable(*reasons: str) -> tuple[int, object]:
    return 422, {"message": {"error": list(reasons)}}


def _form(fields: Mapping[str, str], *, is_multipart: bool) -> FormData:
    form = FormData(default_to_multipart=is_multipart)
    for name, value in fields.items():
        form.add_field(name, value)
    return form


async def _add(client: Client, **changes: Any) -> Any:
    answer = await client.post(_RULES, json={**_RULE, **changes}, headers=MAINTAINER)
    assert answer.status == 201, await answer.text()
    return await json_of(answer)


@pytest.mark.parametrize("is_multipart", [False, True])
async def test_a_form_is_taken_as_json_is(client: Client, *, is_multipart: bool) -> None:
    form = partial(_form, is_multipart=is_multipart)

    added = await client.post(_RULES, headers=MAINTAINER, data=form(_RULE))

    assert added.status == 201, await added.text()
    rule = await json_of(added)
    assert rule == {"id": rule["id"], "project_id": 100, **_RULE}
    changed = await client.patch(f"{_RULES}/{rule['id']}", headers=MAINTAINER, data=form({_PUSH: "owner"}))
    assert await told(changed) == (200, {**rule, _PUSH: "owner"})
    wrong = await client.post(_RULES, headers=MAINTAINER, data=form({"package_type": "npm"}))
    assert await told(wrong) == (400, {"error": "package_name_pattern is missing"})


async def test_a_rule_is_added_listed_changed_and_deleted(client: Client) -> None:
    added = await _add(client)
    assert added == {"id": added["id"], "project_id": 100, **_RULE}
    other = await _add(client, package_name_pattern="*")
    assert await told(await client.get(_RULES, headers=MAINTAINER)) == (200, [added, other])
    path = f"{_RULES}/{added['id']}"

    changed = await client.patch(path, json={_PUSH: "owner"}, headers=MAINTAINER)

    assert await told(changed) == (200, {**added, _PUSH: "owner"})
    deleted = await client.delete(path, headers=MAINTAINER)
    assert (deleted.status, await deleted.read()) == (204, b"")
    assert await told(await client.delete(path, headers=MAINTAINER)) == NO_PACKAGE
    assert await told(await client.patch(path, json={}, headers=MAINTAINER)) == NO_PACKAGE
    assert await told(await client.get(_RULES, headers=MAINTAINER)) == (200, [other])


async def test_one_of_both_levels_is_enough_and_null_takes_one_away(client: Client) -> None:
    for name, left_out in (("push-only", _DELETE), ("delete-only", _PUSH)):
        body = {**_RULE, "package_name_pattern": name}
        del body[left_out]
        added = await json_of(await client.post(_RULES, json=body, headers=MAINTAINER))
        assert added[left_out] is None
    both = await _add(client)
    path = f"{_RULES}/{both['id']}"

    assert (await json_of(await client.patch(path, json={_DELETE: None}, headers=MAINTAINER)))[_DELETE] is None
    neither = await client.patch(path, json={_PUSH: None}, headers=MAINTAINER)

    assert await told(neither) == _unsavable(_NO_LEVEL)


async def test_a_value_outside_its_list_is_refused_in_gitlabs_words(client: Client) -> None:
    cases: list[tuple[dict[str, object], str]] = [
        ({"package_type": "wheel"}, "package_type does not have a valid value"),
        ({"package_type": None}, "package_type does not have a valid value"),
        ({_PUSH: "developer"}, f"{_PUSH} does not have a valid value"),
        ({_DELETE: "maintainer"}, f"{_DELETE} does not have a valid value"),
        ({_DELETE: ""}, f"{_DELETE} does not have a valid value"),
        ({"package_name_pattern": ["a"]}, "package_name_pattern is invalid"),
        ({"package_name_pattern": "a\0"}, "package_name_pattern is invalid"),
        (
            {"package_type": 1, _PUSH: "x"},
            f"package_type does not have a valid value, {_PUSH} does not have a valid value",
        ),
    ]
    answers = [await client.post(_RULES, json={**_RULE, **changes}, headers=MAINTAINER) for changes, _ in cases]

    assert [await told(answer) for answer in answers] == [(400, {"error": sentence}) for _, sentence in cases]


async def test_what_is_missing_is_named(client: Client) -> None:
    nothing = await client.post(_RULES, json={_PUSH: "owner"}, headers=MAINTAINER)
    no_level = {"package_name_pattern": "a", "package_type": "npm"}
    neither = await client.post(_RULES, json=no_level, headers=MAINTAINER)

    assert await told(nothing) == (400, {"error": "package_name_pattern is missing, package_type is missing"})
    missing = f"{_PUSH}, {_DELETE} are missing, at least one parameter must be provided"
    assert await told(neither) == (400, {"error": missing})


async def test_a_rule_that_cannot_be_saved_is_422_with_the_reason(client: Client) -> None:
    cases: list[tuple[dict[str, object], str]] = [
        ({_PUSH: None, _DELETE: None}, _NO_LEVEL),
        ({"package_name_pattern": ""}, "Package name pattern can't be blank"),
        ({"package_name_pattern": None}, "Package name pattern can't be blank"),
        ({"package_name_pattern": "a" * 256}, "Package name pattern is too long (maximum is 255 characters)"),
        (
            {"package_name_pattern": "a b"},
            "Package name pattern should be a valid NPM package name with optional wildcard characters.",
        ),
        (
            {"package_name_pattern": "a b", "package_type": "pypi"},
            "Package name pattern should be a valid PyPI package name with optional wildcard characters.",
        ),
    ]
    answers = [await client.post(_RULES, json={**_RULE, **changes}, headers=MAINTAINER) for changes, _ in cases]

    assert [await told(answer) for answer in answers] == [_unsavable(reason) for _, reason in cases]


async def test_a_pattern_is_taken_once_for_each_type(client: Client) -> None:
    await _add(client)
    other = await _add(client, package_type="generic")

    again = await client.post(_RULES, json=_RULE, headers=MAINTAINER)
    moved = await client.patch(f"{_RULES}/{other['id']}", json={"package_type": "npm"}, headers=MAINTAINER)

    assert (await told(again), await told(moved)) == (_unsavable(_TAKEN), _unsavable(_TAKEN))


async def test_a_project_has_a_bounded_number_of_rules(filled: Context, client: Client) -> None:
    await query(
        filled,
        "INSERT INTO protection_rule (project_id, package_type, package_name_pattern, minimum_access_level_for_push)"
        " SELECT 100, 'npm', 'kit-' || n, 40 FROM generate_series(1, 1000) n",
    )

    answer = await client.post(_RULES, json=_RULE, headers=MAINTAINER)

    assert await told(answer) == _unsavable("A project can have at most 1,000 protection rules")
    assert len(await json_of(await client.get(_RULES, headers=MAINTAINER))) == 1_000


_ANVIL: Final = "/api/v4/projects/102/packages/protection/rules"


async def test_only_maintainers_see_and_change_rules(client: Client) -> None:
    cases: list[tuple[dict[str, str], str, tuple[int, object]]] = [
        ({}, _RULES, UNAUTHORIZED),
        ({}, _ANVIL, UNAUTHORIZED),
        (token("no-such-token"), _RULES, UNAUTHORIZED),
        (token("stranger-token"), _RULES, FORBIDDEN),
        (token("stranger-token"), _ANVIL, NO_PROJECT),
        (token("guest-token"), _ANVIL, FORBIDDEN),
        (token("reporter-token"), _ANVIL, FORBIDDEN),
        (DEVELOPER, _RULES, FORBIDDEN),
        ({"JOB-TOKEN": "open-maintainer-job"}, _RULES, UNAUTHORIZED),
        ({"Deploy-Token": "anvil-write-deploy"}, _ANVIL, UNAUTHORIZED),
        (MAINTAINER, "/api/v4/projects/nowhere/packages/protection/rules", NO_PROJECT),
    ]

    for headers, path, expected in cases:
        answers = [
            await client.get(path, headers=headers),
            await client.post(path, json=_RULE, headers=headers),
            await client.patch(f"{path}/1", json=_RULE, headers=headers),
            await client.delete(f"{path}/1", headers=headers),
        ]
        assert [await told(answer) for answer in answers] == [expected] * 4, (headers, path)


async def test_a_rule_of_another_project_is_not_found_and_a_wrong_number_is_no_number(client: Client) -> None:
    added = await _add(client)

    elsewhere = await client.delete(f"{_ANVIL}/{added['id']}", headers=MAINTAINER)
    wrong = await client.delete(f"{_RULES}/first", headers=MAINTAINER)

    assert await told(elsewhere) == NO_PACKAGE
    assert await told(wrong) == (400, {"error": "package_protection_rule_id is invalid"})


async def test_a_rule_that_was_changed_since_is_not_deleted(client: Client) -> None:
    path = f"{_RULES}/{(await _add(client))['id']}"

    answer = await client.delete(path, headers={**MAINTAINER, "If-Unmodified-Since": formatdate(0, usegmt=True)})

    assert await told(answer) == (412, {"message": "412 Precondition Failed"})


async def test_rules_that_come_together_are_one(filled: Context, client: Client) -> None:
    async def add() -> int:
        return (await client.post(_RULES, json=_RULE, headers=MAINTAINER)).status

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(add()) for _ in range(5)]

    assert sorted(task.result() for task in tasks) == [201, 422, 422, 422, 422]
    assert len(await query(filled, "SELECT id FROM protection_rule WHERE project_id = 100")) == 1


async def test_a_rule_over_http_protects_as_one_of_a_directory_file_does(filled: Context, client: Client) -> None:
    package_id = await publish(filled)
    rule = {"package_name_pattern": "app", "package_type": "generic", _DELETE: "owner", _PUSH: "owner"}
    assert (await client.post(_RULES, json=rule, headers=MAINTAINER)).status == 201

    deleted = await client.delete(f"{PUBLIC}/{package_id}", headers=MAINTAINER)
    pushed = await client.put(f"{PUBLIC}/generic/app/1.0/more.bin", data=b"x", headers=MAINTAINER)

    assert await told(deleted) == PROTECTED
    assert await told(pushed) == (403, {"message": "403 Forbidden - Package protected."})


async def test_a_level_that_only_a_directory_file_knows_is_answered_as_null_and_stays(
    filled: Context, client: Client
) -> None:
    await query(filled, "UPDATE protection_rule SET minimum_access_level_for_delete = 40 WHERE project_id = 104")
    path = f"{GUARDED}/protection/rules"
    first, *_ = await json_of(await client.get(path, headers=MAINTAINER))
    assert (first[_PUSH], first[_DELETE]) == (None, None)

    changed = await client.patch(f"{path}/{first['id']}", json={"package_name_pattern": "other-*"}, headers=MAINTAINER)

    assert (await json_of(changed))[_DELETE] is None
    rows = await query(filled, "SELECT * FROM protection_rule WHERE package_name_pattern = 'other-*'")
    assert [row[_DELETE] for row in rows] == [40]


async def test_a_directory_file_leaves_rules_over_http_alone_unless_it_has_the_key(
    filled: Context, client: Client
) -> None:
    kept = await _add(client)
    await _add(client, package_name_pattern="@acme/other")
    shown: list[str] = []

    async def apply(more: str) -> None:
        file = f"projects:\n- path: acme/open\n{more}"
        directory = parse_directory(file.encode(), name="acme.yaml")
        await apply_directory(filled.database, directory, review=lambda changes: shown.extend(map(str, changes)))

    await apply("  name: Open\n")
    assert shown == []
    assert len(await json_of(await client.get(_RULES, headers=MAINTAINER))) == 2
    await apply(
        "  protection_rules:\n"
        "  - {package_name_pattern: '@acme/kit-*', package_type: npm, minimum_access_level_for_push: admin}\n"
    )

    assert await json_of(await client.get(_RULES, headers=MAINTAINER)) == [{**kept, _PUSH: "admin", _DELETE: None}]
    assert shown == [
        "- protection rule npm @acme/other of project acme/open",
        f"~ protection rule npm @acme/kit-* of project acme/open: {_DELETE} owner -> none",
        f"~ protection rule npm @acme/kit-* of project acme/open: {_PUSH} maintainer -> admin",
    ]
