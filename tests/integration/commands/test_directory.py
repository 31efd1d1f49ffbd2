"""`packyard directory apply`: what it shows before it takes anything away, and when it asks."""

import re
from pathlib import Path
from typing import Final

import pytest

from service.context import Context
from service.directory_file.applying import apply_directory, read_directory
from tests.support.catalogue import query
from tests.support.commands import Commands
from tests.support.paths import ROOT
from workers.stack import demo

_DEMO: Final = Path(demo.__file__).with_name("demo.yaml")
_GUIDE: Final = re.compile(r"```yaml acme.yaml\n(users:.*?)```", re.DOTALL)
_APPLY: Final = ("directory", "apply")

_BEFORE: Final = """
users:
  - {username: root, id: 1, admin: true, tokens: [{name: laptop, token: t1, scopes: [api]}]}
  - {username: dave, id: 2, tokens: [{name: desk, token: t2, scopes: [api]}]}
groups:
  - {path: orchard, id: 10, visibility: public, members: {root: owner, dave: maintainer}}
  - {path: orchard/press, id: 11, members: {dave: developer}}
projects:
  - path: orchard/press/juice
    id: 100
    protection_rules: [{package_name_pattern: a, package_type: npm, minimum_access_level_for_delete: owner}]
"""
_AFTER: Final = """
users:
  - {username: root, id: 1, admin: true, external: true, tokens: [{name: desk, token: t3, scopes: [api]}]}
  - {username: dave, id: 2, state: blocked, tokens: [{name: desk, token: t2, scopes: [read_api]}]}
  - {username: new}
groups:
  - {path: acme, id: 10, visibility: internal, members: {root: maintainer, new: guest}, grace_period: 7d}
projects:
  - {path: acme/press/juice, id: 100, packages_enabled: false, deletion_hold: an audit, protection_rules: []}
"""
_DIFF: Final = """\
! blocks user dave
! lowers group orchard: visibility public -> internal
! lowers member root of group orchard: role owner -> maintainer
! makes user root external, without rights in internal projects
! puts project orchard/press/juice on hold: an audit
! revokes token laptop of root
! switches packages off in project orchard/press/juice
- member dave of group orchard
- protection rule npm a of project orchard/press/juice
~ group orchard -> acme (id 10)
~ group orchard/press -> acme/press (id 11)
~ project orchard/press/juice -> acme/press/juice (id 100)
~ token desk of dave: scopes api -> read_api
~ group orchard: grace_period none -> 7 days
+ member new of group acme (role guest)
+ token desk of root (scopes api)
+ user new (state active)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "directory.yaml"


async def _everything(context: Context) -> list[tuple[object, ...]]:
    """Return all that a file could change; xmin is the transaction that wrote a row."""
    tables = ("directory_user", "directory_group", "project", "membership", "access_token", "protection_rule")
    select = " UNION ALL ".join(f"SELECT xmin::text, t::text FROM {table} t" for table in tables)  # noqa: S608 - fixed names
    return [tuple(row) for row in await query(context, select)]


async def _apply(context: Context, file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    await apply_directory(context.database, read_directory(file))


async def test_a_dry_run_names_each_change_and_makes_none(context: Context, packyard: Commands, file: Path) -> None:
    await _apply(context, file, _BEFORE)
    file.write_text(_AFTER, encoding="utf-8")
    before = await _everything(context)

    ended = await packyard.done(*_APPLY, file, "--dry-run")

    assert sorted(ended.out.splitlines()) == sorted(_DIFF.splitlines())
    assert [line[0] for line in ended.out.splitlines()] == [line[0] for line in _DIFF.splitlines()]
    assert await _everything(context) == before


async def test_what_a_dry_run_shows_is_what_is_done_then(context: Context, packyard: Commands, file: Path) -> None:
    await _apply(context, file, _BEFORE)
    file.write_text(_AFTER, encoding="utf-8")

    await packyard.refused(*_APPLY, file, status=1, line="packyard: nothing is changed: nobody can be asked here")
    await packyard.done(*_APPLY, file, "--yes")

    assert (await packyard.done(*_APPLY, file, "--dry-run")).out == "nothing would change\n"
    assert (await packyard.done(*_APPLY, file)).out.startswith("users: 0 created, 0 updated, 3 unchanged\n")


@pytest.mark.parametrize(("answer", "status"), [("y\n", 0), ("n\n", 1)])
async def test_at_a_terminal_it_shows_what_goes_and_asks(
    context: Context, packyard: Commands, file: Path, answer: str, status: int
) -> None:
    await _apply(context, file, _BEFORE)
    file.write_text(_AFTER, encoding="utf-8")
    before = await _everything(context)

    terminal = await packyard.at_terminal(*_APPLY, file)
    await terminal.until_shown("Apply these changes? [y/N]")
    assert _DIFF.splitlines()[0] in terminal.shown
    assert await _everything(context) == before
    terminal.answer(answer)

    assert await terminal.end() == status
    assert (await _everything(context) == before) is (status == 1)


async def test_what_changed_while_a_person_thought_is_shown_and_asked_again(
    context: Context, packyard: Commands, file: Path
) -> None:
    await _apply(context, file, _BEFORE)
    file.write_text(_AFTER, encoding="utf-8")
    terminal = await packyard.at_terminal(*_APPLY, file)
    await terminal.until_shown("Apply these changes? [y/N]")

    await query(context, "INSERT INTO directory_user (id, username, name) VALUES (77, 'late', 'Late')")
    await query(context, "INSERT INTO membership (user_id, group_id, access_level) VALUES (77, 10, 10)")
    terminal.answer("y\n")
    await terminal.until_shown("- member late of group orchard")
    terminal.answer("n\n")

    assert await terminal.end() == 1
    assert await query(context, "SELECT FROM directory_group WHERE path = 'acme'") == []


async def test_the_last_admin_who_can_log_in_goes_only_with_force(
    context: Context, packyard: Commands, file: Path
) -> None:
    await _apply(context, file, _BEFORE)
    file.write_text("users: [{username: root, id: 1, admin: true}]", encoding="utf-8")
    before = await _everything(context)

    shown = await packyard.done(*_APPLY, file, "--dry-run")
    await packyard.refused(*_APPLY, file, "--yes", status=1, line="packyard: the file leaves no active admin")

    assert shown.out.startswith("! leaves no active admin with a token\n")
    assert await _everything(context) == before
    await packyard.done(*_APPLY, file, "--yes", "--force")
    assert await query(context, "SELECT FROM access_token WHERE revoked_at IS NULL AND user_id = 1") == []


async def test_standard_input_is_read_as_a_file_and_asks_nobody(
    context: Context, packyard: Commands, file: Path
) -> None:
    await packyard.done(*_APPLY, "-", given=_BEFORE)

    refused = await packyard.run(*_APPLY, "-", given=_AFTER)
    wrong = await packyard.run(*_APPLY, "-", given="users:\n  - {username: x, usrname: x}\n")

    assert (refused.status, refused.out) == (1, "")
    assert refused.err.splitlines()[-1].startswith("packyard: nothing is changed: nobody can be asked here")
    assert wrong.err.startswith("standard input, line 2: users[0].usrname: unknown key")
    assert [row["path"] for row in await query(context, "SELECT path FROM project")] == ["orchard/press/juice"]


async def test_a_directory_is_applied_without_the_object_store(context: Context, packyard: Commands) -> None:
    away = {"PACKYARD_STORAGE_URL": "s3://away", "PACKYARD_STORAGE_ENDPOINT": "http://127.0.0.1:1"}

    done = await packyard.run(*_APPLY, "-", given=_BEFORE, changed=away)

    assert (done.status, done.err) == (0, "")
    assert [row["path"] for row in await query(context, "SELECT path FROM project")] == ["orchard/press/juice"]


async def test_the_example_of_the_guide_takes_nothing_from_the_demo(
    context: Context, packyard: Commands, file: Path
) -> None:
    await _apply(context, file, _DEMO.read_text(encoding="utf-8"))
    found = _GUIDE.search((ROOT / "docs" / "guides" / "directory-file.md").read_text(encoding="utf-8"))
    assert found
    file.write_text(found[1], encoding="utf-8")

    changes = (await packyard.done(*_APPLY, file, "--dry-run")).out.splitlines()

    assert len(changes) >= 5
    assert [change for change in changes if not change.startswith("+ ")] == []
