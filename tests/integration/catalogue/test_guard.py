"""The guard of uploads: every route that adds a file passes it, before the bytes come and when the rows are written."""

import ast
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from schemas.names import AccessLevel, PackageType
from service.app import ROUTES
from service.catalogue.guard import admission, protection
from service.context import Context
from tests.integration.conftest import Client
from tests.support.catalogue import objects_in, query
from tests.support.packages import DEVELOPER, MAINTAINER, PUBLIC, json_of, token
from tests.support.uploads import UPLOADS

_SERVICE: Final = Path(admission.__file__).parents[2]
_ADDS_NO_FILE: Final = frozenset(
    {
        "compare_maven_checksum",
        "set_npm_tag_in_project",
        "set_npm_tag_in_group",
        "set_npm_tag",
        "unpublish_npm_versions",
    }
)
"""The handlers that read bytes, but keep none of them."""
_EVERYTHING: Final = (
    "INSERT INTO protection_rule (project_id, package_type, package_name_pattern, minimum_access_level_for_push)"
    " SELECT 100, unnest(ARRAY['generic', 'pypi', 'npm', 'maven', 'helm', 'nuget']), '*', 50"
)
_PROTECTED: Final = "403 Forbidden - Package protected."


def test_each_route_that_takes_bytes_is_an_upload_or_keeps_none() -> None:
    takers = {
        operation.handler.__name__
        for routes in ROUTES
        for operation in routes.operations
        if operation.takes_bytes and operation.method != "DELETE"
    }

    assert takers == UPLOADS.keys() | _ADDS_NO_FILE


def test_a_row_of_a_file_is_written_in_one_place_only_which_asks_the_guard() -> None:
    callers = {
        (file.relative_to(_SERVICE).as_posix(), function.name)
        for file in _SERVICE.rglob("*.py")
        if "insert_file" in (text := file.read_text(encoding="utf-8"))
        for function in ast.walk(ast.parse(text))
        if isinstance(function, ast.AsyncFunctionDef)
        and any(isinstance(node, ast.Attribute) and node.attr == "insert_file" for node in ast.walk(function))
    }

    assert callers == {("catalogue/uploads.py", "add_file")}


@pytest.mark.parametrize("moment", ["before the bytes", "with the rows"])
async def test_no_upload_of_a_protected_name_leaves_a_row_or_a_byte(
    filled: Context, client: Client, objects: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    # Symbols need their package.
    assert (await UPLOADS["push_nuget_package"](client, PUBLIC, "1.0.0", DEVELOPER)).status == 201
    await query(filled, _EVERYTHING)
    before = await query(filled, "SELECT id FROM package_file"), objects_in(objects)
    if moment == "with the rows":
        monkeypatch.setattr(admission, "_foresee", _foresee_nothing)

    for handler, upload in UPLOADS.items():
        answer = await upload(client, PUBLIC, "1.0.0", MAINTAINER)
        assert (answer.status, (await json_of(answer))["message"]) == (403, _PROTECTED), handler
    assert (await query(filled, "SELECT id FROM package_file"), objects_in(objects)) == before

    for handler, upload in UPLOADS.items():
        assert (await upload(client, PUBLIC, "1.0.0", token("owner-token"))).status in {200, 201}, handler


async def _foresee_nothing(*_: object, **__: object) -> None:
    """Find nothing wrong, as when a rule comes while the bytes are on their way."""


async def test_a_checksum_of_a_protected_name_is_refused_as_its_file_is(filled: Context, client: Client) -> None:
    await query(filled, _EVERYTHING)

    answer = await client.put(f"{PUBLIC}/maven/com/example/kit/1/kit-1.jar.sha1", data=b"0" * 40, headers=MAINTAINER)

    assert (answer.status, (await json_of(answer))["message"]) == (403, _PROTECTED)


async def test_a_rule_that_comes_while_bytes_are_sent_refuses_them(filled: Context, client: Client) -> None:
    async def bytes_and_a_rule() -> AsyncIterator[bytes]:
        yield b"first"
        await query(filled, _EVERYTHING)
        yield b"last"

    answer = await client.put(f"{PUBLIC}/generic/kit/1.0/kit.bin", data=bytes_and_a_rule(), headers=DEVELOPER)

    assert (answer.status, await json_of(answer)) == (403, {"message": _PROTECTED})
    assert await query(filled, "SELECT id FROM package") == []


async def test_a_name_is_protected_under_each_of_its_spellings(filled: Context) -> None:
    await query(
        filled,
        "INSERT INTO protection_rule (project_id, package_type, package_name_pattern, minimum_access_level_for_push)"
        " SELECT 100, unnest(ARRAY['pypi', 'nuget', 'generic']), 'foo-bar*', 50",
    )
    cases = [
        (PackageType.PYPI, "Foo_Bar.baz", True),
        (PackageType.NUGET, "FOO-bar", True),
        (PackageType.GENERIC, "foo-bar", True),
        (PackageType.GENERIC, "foo_bar", False),
        (PackageType.NPM, "foo-bar", False),
    ]

    async with filled.database.connection() as connection:
        for package_type, name, is_protected in cases:
            assert is_protected == await protection.is_push_protected(
                connection, project_id=100, package_type=package_type, name=name, level=AccessLevel.MAINTAINER
            ), (package_type, name)


async def test_a_deploy_token_never_publishes_a_protected_name_and_a_job_has_the_level_of_its_user(
    filled: Context, client: Client
) -> None:
    await query(
        filled,
        "INSERT INTO protection_rule (project_id, package_type, package_name_pattern, minimum_access_level_for_push)"
        " VALUES (102, 'generic', 'kit', 40)",
    )
    credentials = {"Deploy-Token": "anvil-write-deploy"}, {"JOB-TOKEN": "anvil-maintainer-job"}

    answers = [
        await UPLOADS["upload_generic_file"](client, "/api/v4/projects/102/packages", "1.0", headers)
        for headers in credentials
    ]

    assert [answer.status for answer in answers] == [403, 201]
