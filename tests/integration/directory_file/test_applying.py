"""Applying directory files to a real database."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from service.digests import token_digest
from service.directory_file.applying import apply_directory, read_directory
from service.infra.postgres.pool import open_database
from tests.support.directories import Directory
from tests.unit.schemas.test_directory_file import EXAMPLE

OTHERS = "users: [{username: bob, id: 2}, {username: carol, id: 3}, {username: dave, id: 4}]\n"


@pytest.fixture
async def directory(database_url: str, tmp_path: Path) -> AsyncGenerator[Directory]:
    async with open_database(database_url) as database:
        yield Directory(database, tmp_path)


async def test_the_documented_example_says_who_may_do_what(directory: Directory) -> None:
    await directory.apply(OTHERS)

    await directory.apply(EXAMPLE)

    assert await directory.rows(
        "SELECT id, path, ancestry[1], visibility, name FROM directory_group ORDER BY path"
    ) == [
        (10, "acme", 10, "public", "Acme"),
        (11, "acme/labs", 10, "private", "labs"),
    ]
    assert await directory.rows("SELECT id, group_id, path, name FROM project") == [
        (100, 11, "acme/labs/anvil", "Anvil")
    ]
    members = """SELECT u.username, g.path, p.path, m.access_level FROM membership m JOIN directory_user u
        ON u.id = m.user_id LEFT JOIN directory_group g ON g.id = m.group_id LEFT JOIN project p ON p.id = m.project_id
        ORDER BY 1"""
    assert await directory.rows(members) == [
        ("alice", "acme", None, 40),
        ("bob", "acme", None, 10),
        ("carol", "acme/labs", None, 20),
        ("dave", None, "acme/labs/anvil", 30),
    ]
    assert await directory.rows("SELECT digest, scopes FROM access_token") == [
        (token_digest("alice-secret-token-0001"), ["api"])
    ]
    assert await directory.rows("SELECT digest, pipeline_id FROM job_token") == [(token_digest("anvil-job-0001"), 47)]
    rules = "SELECT package_type, package_name_pattern, minimum_access_level_for_delete FROM protection_rule"
    assert await directory.rows(rules) == [("npm", "anvil-*", 50)]


async def test_no_token_is_stored_as_it_was_written(directory: Directory) -> None:
    await directory.apply(OTHERS)
    await directory.apply(EXAMPLE)

    everything = repr(await directory.everything())

    for token in ("alice-secret-token-0001", "anvil-deploy-0001", "anvil-job-0001"):
        assert token not in everything


async def test_applying_a_second_time_writes_nothing(directory: Directory) -> None:
    await directory.apply(OTHERS)
    await directory.apply(EXAMPLE)
    before = await directory.everything()

    counts = await directory.apply(EXAMPLE)

    assert await directory.everything() == before
    assert all((done.created, done.updated, done.removed) == (0, 0, 0) for done in counts.values())


async def test_what_the_file_does_not_name_stays(directory: Directory) -> None:
    await directory.apply(OTHERS)
    await directory.apply(EXAMPLE)
    before = await directory.everything()

    await directory.apply("groups: [{path: other}]\nprojects: [{path: acme/labs/anvil}]")

    after = await directory.everything()
    assert after["directory_group"][:2] == before["directory_group"]
    assert {**after, "directory_group": []} == {**before, "directory_group": []}


async def test_a_user_is_exactly_what_the_file_says(directory: Directory) -> None:
    await directory.apply(
        "users: [{username: eve, admin: true, state: blocked, tokens: [{name: n, token: t1, scopes: [api]}]}]"
    )

    counts = await directory.apply("users: [{username: Eve}]")

    assert (counts["users"].updated, counts["access_tokens"].removed) == (1, 1)
    assert await directory.rows("SELECT admin, state FROM directory_user") == [(False, "active")]


async def test_a_token_that_is_left_out_is_revoked_and_good_again_when_it_is_back(directory: Directory) -> None:
    both = (
        "users: [{username: eve, tokens: [{name: a, token: t1, scopes: [api]}, {name: b, token: t2, scopes: [api]}]}]"
    )
    one = "users: [{username: eve, tokens: [{name: b, token: t2, scopes: [read_api], expires_at: 2030-01-01}]}]"
    query = "SELECT name, scopes[1], expires_at::text, revoked_at IS NULL FROM access_token ORDER BY name"
    await directory.apply(both)

    await directory.apply(one)
    assert await directory.rows(query) == [("a", "api", None, False), ("b", "read_api", "2030-01-01", True)]

    await directory.apply(both)
    assert await directory.rows(query) == [("a", "api", None, True), ("b", "api", None, True)]


async def test_a_projects_tokens_rules_and_members_are_what_the_file_lists(directory: Directory) -> None:
    await directory.apply(OTHERS)
    await directory.apply(EXAMPLE)

    counts = await directory.apply(
        """
projects:
  - path: acme/labs/anvil
    members: {bob: owner, dave: guest}
    deploy_tokens: [{name: new, username: new, token: t9, scopes: [write_package_registry]}]
    job_tokens: []
    protection_rules: []
"""
    )

    changed = {kind: (done.created, done.updated, done.removed) for kind, done in counts.items()}
    assert changed["members"] == (1, 1, 0)
    assert changed["deploy_tokens"] == (1, 0, 1)
    assert changed["job_tokens"] == (0, 0, 1)
    assert changed["protection_rules"] == (0, 0, 1)
    assert await directory.rows("SELECT count(*) FROM membership WHERE group_id IS NOT NULL") == [(3,)]


async def test_groups_may_come_in_any_order(directory: Directory) -> None:
    await directory.apply("groups: [{path: a/b/c}, {path: a}, {path: a/b}]\nprojects: [{path: a/b/c/p}]")

    rows = await directory.rows(
        "SELECT path, cardinality(ancestry), ancestry[cardinality(ancestry)] = id FROM directory_group"
    )
    assert sorted(rows) == [("a", 1, True), ("a/b", 2, True), ("a/b/c", 3, True)]


async def test_a_parent_in_the_database_is_found_in_any_case_of_letters(directory: Directory) -> None:
    await directory.apply("groups: [{path: Acme}]")

    await directory.apply("groups: [{path: acme/Labs}]\nprojects: [{path: ACME/labs/p}]")

    assert await directory.rows("SELECT path FROM project") == [("Acme/Labs/p",)]


async def test_everything_that_contradicts_the_database_is_reported_with_its_line(directory: Directory) -> None:
    await directory.apply(
        """
users: [{username: alice, id: 5, tokens: [{name: n, token: s3cret, scopes: [api]}]}]
groups: [{path: acme}]
projects:
  - path: acme/tool
    job_tokens: [{token: j0b, user: alice, pipeline: {id: 9, status: success, ref: main, sha: aa}}]
"""
    )

    refusals = await directory.refusals(
        """\
users:
  - {username: bob, tokens: [{name: n, token: s3cret, scopes: [api]}]}
  - {username: alice, id: 6}
groups:
  - {path: nowhere/labs, members: {nobody: guest}}
  - {path: acme/tool}
projects:
  - path: acme/other
    job_tokens: [{token: j0b, user: alice, pipeline: {id: 9, status: success, ref: main, sha: aa}}]
"""
    )

    assert refusals == [
        "line 2: users[0].tokens[0].token: is already a token of another owner (user alice)",
        "line 3: users[1].id: alice has the id 5, which cannot change",
        "line 5: groups[0].path: there is no group nowhere",
        "line 5: groups[0].members.nobody: there is no user nobody",
        "line 6: groups[1].path: acme/tool is a project already",
        "line 9: projects[0].job_tokens[0].token: is already a token of another owner (job token of acme/tool)",
        "line 9: projects[0].job_tokens[0].pipeline.id: pipeline 9 belongs to another project",
    ]


async def test_nothing_is_wider_open_than_the_group_around_it(directory: Directory) -> None:
    refusals = await directory.refusals("groups: [{path: a}]\nprojects:\n  - {path: a/p, visibility: internal}")
    assert refusals == ["line 3: projects[0].path: a/p is internal, but a around it is private"]

    await directory.apply("groups: [{path: a, visibility: public}]\nprojects: [{path: a/p, visibility: internal}]")
    refusals = await directory.refusals("groups: [{path: a, visibility: private}]")
    assert refusals == ["line 1: groups[0].path: a/p is internal, but a around it is private"]


async def test_ids_that_are_given_out_stay_clear_of_chosen_ones(directory: Directory) -> None:
    await directory.apply("users: [{username: a, id: 3}, {username: b}, {username: c, id: 20000}]")
    await directory.apply("users: [{username: d}, {username: e, id: 7}]")
    await directory.apply("users: [{username: f}]")

    ids = dict(await directory.rows("SELECT username, id FROM directory_user"))
    assert (ids["a"], ids["c"], ids["e"]) == (3, 20_000, 7)
    assert 20_000 < ids["b"] < ids["d"] < ids["f"]


async def duplicates(directory: Directory) -> list[tuple[bool | None, str | None]]:
    query = """SELECT generic_duplicates_allowed, generic_duplicate_exception_regex,
        nuget_duplicates_allowed, nuget_duplicate_exception_regex,
        maven_duplicates_allowed, maven_duplicate_exception_regex FROM directory_group"""
    ((allowed, exception, *others),) = await directory.rows(query)
    assert others == [allowed, exception] * 2
    return [(allowed, exception)]


async def test_what_a_group_says_of_duplicates_stays_when_left_out_and_goes_with_null(directory: Directory) -> None:
    group = "groups: [{path: acme, %s}]"
    both = "generic_duplicates_allowed: {0}, nuget_duplicates_allowed: {0}, maven_duplicates_allowed: {0}"
    types = ("generic", "nuget", "maven")
    patterns = ", ".join(f"{name}_duplicate_exception_regex: {{0}}" for name in types)
    await directory.apply_twice(group % f"{both.format('false')}, {patterns.format(repr('.*-snap'))}")
    assert await duplicates(directory) == [(False, ".*-snap")]

    await directory.apply_twice(group % f"name: Acme, {patterns.format(repr(''))}")
    assert await duplicates(directory) == [(False, "")]

    counts = await directory.apply_twice(group % f"{both.format('null')}, {patterns.format('~')}")
    assert await duplicates(directory) == [(None, None)]
    assert counts["groups"].updated == 1


async def test_the_projects_whose_jobs_may_come_in_are_those_that_the_file_lists(directory: Directory) -> None:
    query = """SELECT p.path, s.path FROM job_token_allowance a
        JOIN project p ON p.id = a.project_id JOIN project s ON s.id = a.source_project_id ORDER BY 1, 2"""
    await directory.apply_twice(
        "groups: [{path: a}]\n"
        "projects: [{path: a/one, job_token_allowlist: [a/two, A/Three]}, {path: a/two}, {path: a/three}]"
    )
    assert await directory.rows(query) == [("a/one", "a/three"), ("a/one", "a/two")]

    await directory.apply_twice("projects: [{path: a/one, name: One}]")
    assert len(await directory.rows(query)) == 2

    counts = await directory.apply_twice("projects: [{path: a/one, job_token_allowlist: [a/three, a/one]}]")
    done = counts["job_token_allowances"]
    assert (done.created, done.unchanged, done.removed) == (1, 1, 1)
    assert await directory.rows(query) == [("a/one", "a/one"), ("a/one", "a/three")]

    await directory.apply_twice("projects: [{path: a/one, job_token_allowlist: []}]")
    assert await directory.rows(query) == []


async def test_a_project_whose_jobs_may_come_in_must_be_there(directory: Directory) -> None:
    refusals = await directory.refusals(
        "groups: [{path: a}]\nprojects:\n- path: a/one\n  job_token_allowlist:\n  - a/one\n  - a/two\n"
    )
    assert refusals == ["line 6: projects[0].job_token_allowlist[1]: there is no project a/two"]


async def test_every_scope_that_is_known_is_stored(directory: Directory) -> None:
    scopes = ["api", "read_api", "read_user", "read_repository", "write_repository", "read_registry", "write_registry"]

    await directory.apply_twice(
        f"users: [{{username: eve, tokens: [{{name: n, token: t, scopes: [{', '.join(scopes)}]}}]}}]"
    )

    assert await directory.rows("SELECT scopes FROM access_token") == [(scopes,)]


async def test_a_pipeline_is_brought_up_to_date(directory: Directory) -> None:
    text = """
users: [{username: alice}]
groups: [{path: acme}]
projects:
  - path: acme/tool
    job_tokens: [{token: j0b, user: alice, pipeline: {id: 9, iid: 4, status: running, ref: main, sha: aa}}]
"""
    await directory.apply(text)

    await directory.apply(text.replace("running", "success").replace(" iid: 4,", ""))

    query = "SELECT id, iid, status, source, user_id IS NOT NULL FROM pipeline"
    assert await directory.rows(query) == [(9, 4, "success", "push", True)]


async def test_two_at_once_come_one_after_the_other(directory: Directory, tmp_path: Path) -> None:
    path = tmp_path / "two.yaml"
    path.write_text("users: [" + ", ".join(f"{{username: user{i}}}" for i in range(200)) + "]")
    written = read_directory(path)

    async with asyncio.TaskGroup() as group:
        runs = [group.create_task(apply_directory(directory.database, written)) for _ in range(4)]

    assert sorted(run.result()["users"].created for run in runs) == [0, 0, 0, 200]


async def run_command(file: Path, database_url: str, storage_url: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "workers.cli", "directory", "apply", str(file)),
        env={
            "PACKYARD_DATABASE_URL": database_url,
            "PACKYARD_BROKER_URL": "amqp://127.0.0.1/",
            "PACKYARD_STORAGE_URL": storage_url,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_the_command_says_what_it_did(database_url: str, storage_url: str, tmp_path: Path) -> None:
    file = tmp_path / "d.yaml"
    file.write_text("users: [{username: alice, tokens: [{name: n, token: s3cret, scopes: [api]}]}]")

    status, out, err = await run_command(file, database_url, storage_url)

    assert (status, err) == (0, "")
    assert out.splitlines()[:2] == [
        "users: 1 created, 0 updated, 0 unchanged",
        "access tokens: 1 created, 0 updated, 0 unchanged",
    ]


async def test_the_command_names_each_wrong_line_and_fails(database_url: str, storage_url: str, tmp_path: Path) -> None:
    file = tmp_path / "d.yaml"
    file.write_text("users:\n" + "  - {username: alice, colour: red}\n" * 25)

    status, out, err = await run_command(file, database_url, storage_url)

    assert (status, out) == (1, "")
    lines = err.splitlines()
    assert lines[0] == f"{file}, line 2: users[0].colour: unknown key"
    assert lines[20:] == [f"{file}: and 5 more"]


async def test_a_database_that_is_away_is_named_in_one_line(storage_url: str, tmp_path: Path) -> None:
    file = tmp_path / "d.yaml"
    file.write_text("users: []")

    status, _, err = await run_command(file, "postgresql://packyard@127.0.0.1:1/none", storage_url)

    assert status == 1
    assert err.startswith("packyard: PACKYARD_DATABASE_URL: cannot connect to the database: ")
    assert err.count("\n") == 1
