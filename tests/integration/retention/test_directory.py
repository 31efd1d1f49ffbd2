"""Rules of retention in a directory file: a list that is given is complete, one that is left out changes nothing."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from service.context import Context
from service.directory_file.applying import apply_directory, parse_directory
from service.directory_file.changes import Change
from service.retention import rules
from service.retention.rules import INSTANCE, RulePlace
from tests.support.directories import Directory

_FILE: Final = """
retention_rules:
  - {name: releases, kind: keep, release: release}
groups:
  - path: acme
    retention_rules:
      - {name: old, kind: delete, package_types: [npm], younger_than: 30d, keep_latest: 5, schedule: "0 3 * * *"}
projects:
  - path: acme/open
    retention_rules: [{name: idle, kind: delete, downloaded_within: 90d}]
"""


_RULES: Final = "SELECT name, id, version FROM retention_rule"


@pytest.fixture
def directory(context: Context, tmp_path: Path) -> Directory:
    return Directory(context.database, tmp_path)


async def test_rules_are_matched_by_name_and_left_alone_where_the_key_is_left_out(directory: Directory) -> None:
    assert (await directory.apply_twice(_FILE))["retention_rules"].created == 3
    before = {row[0]: row[1:] for row in await directory.rows(_RULES)}

    counts = await directory.apply(_FILE.replace("30d", "40d").replace("[{name: idle", "[{name: other"))
    done = counts["retention_rules"]
    assert (done.created, done.updated, done.removed, done.unchanged) == (1, 1, 1, 1)
    after = {row[0]: row[1:] for row in await directory.rows(_RULES)}
    assert (before["old"], after["old"]) == ((before["old"][0], 1), (before["old"][0], 2))
    assert after.keys() == {"old", "other", "releases"}

    await directory.apply("groups: [{path: acme, name: Acme again}]")
    assert {row[0]: row[1:] for row in await directory.rows(_RULES)} == after
    ((group_id,),) = await directory.rows("SELECT id FROM directory_group")
    async with directory.database.connection() as connection:
        (instance,) = await rules.list_rules(connection, INSTANCE)
        (group,) = await rules.list_rules(connection, RulePlace(group_id=group_id))
    assert (instance.rule.name, group.rule.name, group.next_run_at is not None) == ("releases", "old", True)


async def test_changes_of_rules_are_shown_by_name(directory: Directory) -> None:
    await directory.apply(_FILE)
    shown: list[str] = []

    def note(changes: Sequence[Change]) -> None:
        shown.extend(str(change) for change in changes)

    text = _FILE.replace("keep_latest: 5", "keep_latest: 2").replace(
        "[{name: idle, kind: delete, downloaded_within: 90d}]", "[]"
    )
    await apply_directory(directory.database, parse_directory(text.encode(), name="file"), review=note)

    assert shown == [
        "- retention rule idle of project acme/open",
        "~ retention rule old of group acme: keep_latest 5 -> 2",
    ]


async def test_a_wrong_rule_is_named_with_its_line(directory: Directory) -> None:
    assert await directory.refusals("retention_rules:\n  - {name: all, kind: delete}\n") == [
        "line 2: retention_rules[0]: should have a condition or an exception: as it is, it is about everything"
    ]
    twice = "retention_rules:\n  - {name: a, kind: keep, release: release}\n  - {name: a, kind: keep, tags: ['*']}\n"
    assert await directory.refusals(twice) == ["line 3: retention_rules[1].name: is already at retention_rules[0].name"]
