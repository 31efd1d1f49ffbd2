"""Renaming users, and renaming and moving groups and projects, with a directory file."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from schemas.names import AccessLevel
from service.access.rows import find_group, find_project
from service.infra.postgres.pool import open_database
from tests.support.directories import Directory

TREE = """
users:
  - {username: alice, id: 1, tokens: [{name: n, token: t1, scopes: [api]}]}
  - {username: bob, id: 2}
  - {username: carol, id: 3}
groups:
  - {path: acme, id: 10, visibility: public, members: {alice: owner}}
  - {path: acme/labs, id: 11, visibility: internal, members: {bob: developer}}
  - {path: acme/labs/deep, id: 12}
  - {path: other, id: 20, visibility: public, members: {carol: reporter}}
projects:
  - {path: acme/tool, id: 100, members: {carol: guest}}
  - {path: acme/labs/anvil, id: 101}
  - {path: acme/labs/deep/mine, id: 102}
  - {path: other/thing, id: 200}
"""
PATHS = "SELECT id, path FROM project ORDER BY id"
ALIASES = "SELECT path, project_id FROM project_alias ORDER BY path"


@pytest.fixture
async def directory(database_url: str, tmp_path: Path) -> AsyncGenerator[Directory]:
    async with open_database(database_url) as database:
        yield Directory(database, tmp_path)


@pytest.fixture
async def tree(directory: Directory) -> Directory:
    """A directory of two trees."""
    await directory.apply(TREE)
    return directory


async def groups_of(directory: Directory) -> dict[int, tuple[str, list[int]]]:
    return {
        group_id: (path, ancestry)
        for group_id, path, ancestry in await directory.rows("SELECT id, path, ancestry FROM directory_group")
    }


async def level(directory: Directory, reference: str, user_id: int) -> tuple[int, AccessLevel]:
    async with directory.database.connection() as connection:
        project = await find_project(connection, reference, user_id)
    assert project is not None
    return project.id, project.level


async def assert_sound(directory: Directory) -> None:
    """Every path and ancestry follows from the group around it, and no old path leads to another thing."""
    wrong = """SELECT 'group', g.path FROM directory_group g LEFT JOIN directory_group p ON p.id = g.parent_id
         WHERE g.ancestry <> coalesce(p.ancestry, '{}') || g.id
            OR g.path <> concat(p.path || '/', regexp_replace(g.path, '.*/', ''))
         UNION ALL
        SELECT 'project', p.path FROM project p JOIN directory_group g ON g.id = p.group_id
         WHERE p.path <> g.path || '/' || regexp_replace(p.path, '.*/', '')
         UNION ALL
        SELECT 'alias', a.path FROM project_alias a
         WHERE lower(a.path) IN (SELECT lower(path) FROM project UNION SELECT lower(path) FROM directory_group)"""
    assert await directory.rows(wrong) == []


async def test_a_renamed_project_keeps_its_id_packages_members_and_old_path(tree: Directory) -> None:
    await tree.rows("INSERT INTO package (project_id, package_type, name) VALUES (100, 'generic', 'nail')")
    before = await tree.everything()

    counts = await tree.apply_twice("projects: [{path: acme/Hammer, id: 100}]")

    after = await tree.everything()
    assert {table for table in before if before[table] != after[table]} == {"project", "project_alias"}
    assert (counts["projects"].created, counts["projects"].updated) == (0, 1)
    assert await tree.rows("SELECT path, name FROM project WHERE id = 100") == [("acme/Hammer", "tool")]
    assert await tree.rows("SELECT p.path FROM package JOIN project p ON p.id = project_id") == [("acme/Hammer",)]
    assert await tree.rows(ALIASES) == [("acme/tool", 100)]
    assert await level(tree, "ACME/tool", 3) == (100, AccessLevel.GUEST)
    await assert_sound(tree)


async def test_a_project_goes_to_another_group_and_to_the_people_there(tree: Directory) -> None:
    await tree.apply_twice("projects: [{path: other/anvil, id: 101}]")

    assert await tree.rows("SELECT path, group_id FROM project WHERE id = 101") == [("other/anvil", 20)]
    assert await tree.rows(ALIASES) == [("acme/labs/anvil", 101)]
    assert await level(tree, "101", 2) == (101, AccessLevel.NONE)
    assert await level(tree, "101", 3) == (101, AccessLevel.REPORTER)
    await assert_sound(tree)


async def test_everything_below_a_renamed_group_goes_with_it(tree: Directory) -> None:
    counts = await tree.apply_twice("groups: [{path: apex, id: 10}]")

    assert await groups_of(tree) == {
        10: ("apex", [10]),
        11: ("apex/labs", [10, 11]),
        12: ("apex/labs/deep", [10, 11, 12]),
        20: ("other", [20]),
    }
    assert await tree.rows(PATHS) == [
        (100, "apex/tool"),
        (101, "apex/labs/anvil"),
        (102, "apex/labs/deep/mine"),
        (200, "other/thing"),
    ]
    assert await tree.rows(ALIASES) == [("acme/labs/anvil", 101), ("acme/labs/deep/mine", 102), ("acme/tool", 100)]
    assert (counts["groups"].updated, counts["projects"].updated) == (3, 3)
    await assert_sound(tree)


async def test_a_group_that_moves_brings_its_own_members_and_leaves_those_above(tree: Directory) -> None:
    await tree.apply_twice("groups: [{path: other/research, id: 11}]")

    assert await groups_of(tree) == {
        10: ("acme", [10]),
        11: ("other/research", [20, 11]),
        12: ("other/research/deep", [20, 11, 12]),
        20: ("other", [20]),
    }
    path = "other/research/deep/mine"
    assert await level(tree, path, 1) == (102, AccessLevel.NONE)
    assert await level(tree, path, 2) == (102, AccessLevel.DEVELOPER)
    assert await level(tree, path, 3) == (102, AccessLevel.REPORTER)
    assert await level(tree, "acme/labs/deep/mine", 3) == (102, AccessLevel.REPORTER)
    await assert_sound(tree)


async def test_a_group_may_become_a_root_and_a_root_may_go_below_another(tree: Directory) -> None:
    await tree.apply_twice("groups: [{path: labs, id: 11, visibility: public}, {path: labs/acme, id: 10}]")

    assert await groups_of(tree) == {
        10: ("labs/acme", [11, 10]),
        11: ("labs", [11]),
        12: ("labs/deep", [11, 12]),
        20: ("other", [20]),
    }
    assert await tree.rows(PATHS) == [
        (100, "labs/acme/tool"),
        (101, "labs/anvil"),
        (102, "labs/deep/mine"),
        (200, "other/thing"),
    ]
    await assert_sound(tree)


async def test_the_old_path_of_a_renamed_group_is_free_at_once(tree: Directory) -> None:
    counts = await tree.apply_twice(
        "groups: [{path: apex, id: 10}, {path: acme, visibility: public}]\nprojects: [{path: acme/tool}]"
    )

    assert (counts["groups"].created, counts["projects"].created) == (1, 1)
    assert await tree.rows("SELECT count(*) FROM membership m JOIN directory_group g ON g.id = group_id "
                           "WHERE g.path = 'acme'") == [(0,)]  # fmt: skip
    assert await tree.rows(ALIASES) == [("acme/labs/anvil", 101), ("acme/labs/deep/mine", 102)]
    assert (await level(tree, "acme/tool", 1))[0] > 200
    await assert_sound(tree)


async def test_what_is_named_by_id_stays_behind_when_the_group_around_it_is_renamed(tree: Directory) -> None:
    await tree.apply_twice(
        """
groups: [{path: apex, id: 10}, {path: acme, id: 30, visibility: public}, {path: acme/labs, id: 11}]
projects: [{path: acme/tool, id: 100}]
"""
    )

    assert await groups_of(tree) == {
        10: ("apex", [10]),
        11: ("acme/labs", [30, 11]),
        12: ("acme/labs/deep", [30, 11, 12]),
        20: ("other", [20]),
        30: ("acme", [30]),
    }
    assert await tree.rows("SELECT path, group_id FROM project WHERE id = 100") == [("acme/tool", 30)]
    assert await tree.rows(ALIASES) == []
    assert await level(tree, "acme/labs/anvil", 1) == (101, AccessLevel.NONE)
    await assert_sound(tree)


async def test_an_entry_without_an_id_means_what_will_have_its_path(tree: Directory) -> None:
    counts = await tree.apply_twice(
        """
groups: [{path: apex, id: 10}, {path: apex/labs, members: {carol: owner}}]
projects: [{path: apex/tool, name: Tool, job_token_allowlist: [apex/labs/deep/mine]}]
"""
    )

    assert (counts["groups"].created, counts["projects"].created) == (0, 0)
    assert await tree.rows("SELECT user_id FROM membership WHERE group_id = 11") == [(3,)]
    assert await tree.rows("SELECT name FROM project WHERE id = 100") == [("Tool",)]
    assert await tree.rows("SELECT * FROM job_token_allowance") == [(100, 102)]


async def test_names_and_paths_can_change_places(tree: Directory) -> None:
    await tree.apply_twice(
        """
users: [{username: bob, id: 1, tokens: [{name: n, token: t1, scopes: [api]}]}, {username: Alice, id: 2}]
groups: [{path: other, id: 10}, {path: acme, id: 20}]
projects: [{path: other/labs/deep/mine, id: 101}, {path: other/labs/anvil, id: 102}]
"""
    )

    assert await tree.rows("SELECT id, username FROM directory_user WHERE id < 3 ORDER BY 1") == [
        (1, "bob"),
        (2, "Alice"),
    ]
    assert await tree.rows(PATHS) == [
        (100, "other/tool"),
        (101, "other/labs/deep/mine"),
        (102, "other/labs/anvil"),
        (200, "acme/thing"),
    ]
    await assert_sound(tree)


async def test_a_project_back_at_its_old_path_leaves_none_there(tree: Directory) -> None:
    await tree.apply("projects: [{path: acme/second, id: 100}]")
    await tree.apply("projects: [{path: acme/third, id: 100}]")
    assert await tree.rows(ALIASES) == [("acme/second", 100), ("acme/tool", 100)]

    await tree.apply_twice("projects: [{path: ACME/Tool, id: 100}]")

    assert await tree.rows(ALIASES) == [("acme/second", 100), ("acme/third", 100)]
    assert await level(tree, "acme/second", 1) == (100, AccessLevel.OWNER)
    await assert_sound(tree)


@pytest.mark.parametrize(
    "text",
    [
        "projects: [{path: acme/Tool}]",
        "projects: [{path: acme/tool, id: 200}]",
        "groups: [{path: acme/TOOL}]",
        "groups: [{path: acme/tool, id: 12}]",
    ],
)
async def test_whatever_comes_to_an_old_path_takes_it(tree: Directory, text: str) -> None:
    await tree.apply("projects: [{path: acme/hammer, id: 100}]")

    await tree.apply_twice(text)

    assert ("acme/tool", 100) not in await tree.rows(ALIASES)
    await assert_sound(tree)


async def test_a_known_id_may_change_the_case_of_letters_of_its_path_alone(tree: Directory) -> None:
    counts = await tree.apply_twice("groups: [{path: ACME}, {path: acme/Labs, id: 11}]")

    assert (counts["groups"].updated, counts["groups"].unchanged) == (2, 1)
    assert (101, "acme/Labs/anvil") in await tree.rows(PATHS)
    assert await tree.rows(ALIASES) == []
    await assert_sound(tree)


async def test_a_renamed_user_keeps_tokens_and_memberships(tree: Directory) -> None:
    before = await tree.everything()

    counts = await tree.apply_twice(
        "users: [{username: alicia, id: 1, tokens: [{name: n, token: t1, scopes: [api]}]}]\n"
        "groups: [{path: acme, members: {alicia: owner}}]"
    )

    after = await tree.everything()
    assert {table for table in before if before[table] != after[table]} == {"directory_user"}
    assert (counts["users"].updated, counts["access_tokens"].unchanged) == (1, 1)
    assert await tree.refusals("groups: [{path: acme, members: {alice: owner}}]") == [
        "line 1: groups[0].members.alice: there is no user alice"
    ]


async def test_what_is_taken_is_not_given_away(tree: Directory) -> None:
    refusals = await tree.refusals(
        """\
users:
  - {username: Bob, id: 1}
groups:
  - {path: other, id: 11}
projects:
  - {path: acme/tool, id: 101}
  - {path: acme/labs, id: 102}
  - {path: other/deep, id: 200}
"""
    )

    assert refusals == [
        "line 2: users[0].id: id 1 belongs to alice, and bob has the id 2",
        "line 4: groups[0].id: id 11 belongs to acme/labs, and other has the id 20",
        "line 6: projects[0].id: id 101 belongs to acme/labs/anvil, and acme/tool has the id 100",
        "line 8: projects[2].path: other/deep is a group already",
    ]
    assert await tree.refusals("groups: [{path: acme/tool, id: 12}]") == [
        "line 1: groups[0].path: acme/tool is a project already"
    ]
    assert await tree.refusals("projects: [{path: acme/labs, id: 102}]") == [
        "line 1: projects[0].path: acme/labs is a group already"
    ]
    assert await tree.refusals("groups:\n- {path: apex, id: 10}\n- {path: apex/labs, id: 99}") == [
        "line 3: groups[1].id: apex/labs has the id 11, which cannot change"
    ]


@pytest.mark.parametrize("path", ["acme/acme", "acme/labs/acme", "ACME/labs/deep/x"])
async def test_no_group_moves_below_itself(tree: Directory, path: str) -> None:
    assert await tree.refusals(f"groups: [{{path: {path}, id: 10}}]") == [
        "line 1: groups[0].path: acme cannot move below itself"
    ]


async def test_two_groups_do_not_go_round_each_other(tree: Directory) -> None:
    assert await tree.refusals("groups:\n- {path: other/acme, id: 10}\n- {path: acme/other, id: 20}") == [
        "line 2: groups[0].path: there is no group other: it becomes acme/other",
        "line 3: groups[1].path: there is no group acme: it becomes other/acme",
    ]


async def test_a_new_group_may_take_the_place_of_one_that_goes_below_it(tree: Directory) -> None:
    await tree.apply_twice("groups: [{path: acme/old, id: 10}, {path: acme, id: 30, visibility: public}]")

    assert (await groups_of(tree))[12] == ("acme/old/labs/deep", [30, 10, 11, 12])
    await assert_sound(tree)


async def test_nothing_stays_in_a_place_that_moved_away(tree: Directory) -> None:
    assert await tree.refusals("groups:\n- {path: apex, id: 10}\nprojects:\n- {path: acme/tool, id: 100}") == [
        "line 4: projects[0].path: there is no group acme: it becomes apex"
    ]


async def test_what_moves_is_not_wider_open_than_the_group_around_it(tree: Directory) -> None:
    await tree.apply("groups: [{path: closed}]\nprojects: [{path: acme/tool, visibility: public}]")

    assert await tree.refusals("projects: [{path: closed/tool, id: 100}]") == [
        "line 1: projects[0].path: closed/tool is public, but closed around it is private"
    ]
    assert await tree.refusals("groups: [{path: closed/labs, id: 11}]") == [
        "line 1: groups[0].path: closed/labs is internal, but closed around it is private"
    ]
    await tree.apply("groups: [{path: closed/labs, id: 11, visibility: private}]")


async def test_nothing_is_carried_too_deep(tree: Directory) -> None:
    chain = ["/".join(["g"] * depth) for depth in range(1, 20)]
    await tree.apply("groups: [" + ", ".join(f"{{path: {path}, visibility: public}}" for path in chain) + "]")

    assert await tree.refusals(f"groups: [{{path: {chain[18]}/labs, id: 11}}]") == [
        f"line 1: groups[0].path: {chain[18]}/labs/deep/mine would have more than 21 segments"
    ]
    await tree.apply_twice(f"groups: [{{path: {chain[17]}/labs, id: 11}}]")


async def test_a_token_may_stand_with_the_new_name_of_its_owner(tree: Directory) -> None:
    await tree.apply("projects: [{path: acme/tool, job_tokens: [{token: j, user: alice}]}]")

    await tree.apply_twice("projects: [{path: acme/hammer, id: 100, job_tokens: [{token: j, user: alice}]}]")

    assert await tree.refusals("projects: [{path: acme/tool, job_tokens: [{token: j, user: alice}]}]") == [
        "line 1: projects[0].job_tokens[0].token: is already a token of another owner (job token of acme/hammer)"
    ]


async def test_the_subtree_of_a_moved_group_is_listed_below_its_new_root(tree: Directory) -> None:
    await tree.apply("groups: [{path: other/labs, id: 11}]")

    async with tree.database.connection() as connection:
        group = await find_group(connection, "other/labs/deep", 3)

    assert group is not None
    assert (group.id, group.level) == (12, AccessLevel.REPORTER)
