"""The directory file: what is accepted, and how what is wrong is named."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.files.directory import DirectoryFile
from schemas.files.directory_checks import reserved_names
from service.directory_file.applying import DirectoryFileError, read_directory
from service.directory_file.yaml_lines import YamlError, read_yaml
from service.errors import StartError

EXAMPLE = """\
users:
  - username: alice
    id: 1                      # ids are optional everywhere
    name: Alice Liddell
    admin: false
    external: false
    state: active              # active | blocked
    tokens:
      - {name: laptop, token: alice-secret-token-0001, scopes: [api], expires_at: 2030-01-01}
groups:
  - {path: acme, id: 10, name: Acme, visibility: public, members: {alice: maintainer, bob: guest}}
  - {path: acme/labs, visibility: private, members: {carol: reporter}}
projects:
  - path: acme/labs/anvil
    id: 100
    name: Anvil
    visibility: private        # public | internal | private
    members: {dave: developer}
    packages_enabled: true
    deploy_tokens:
      - {name: puller, username: puller, token: anvil-deploy-0001, scopes: [read_package_registry]}
    job_tokens:
      - {token: anvil-job-0001, user: dave, pipeline: {id: 47, status: success, ref: main, sha: 2f1b3c…}}
    protection_rules:
      - {package_name_pattern: "anvil-*", package_type: npm, minimum_access_level_for_delete: owner}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "directory.yaml"


def read(path: Path, text: str) -> DirectoryFile:
    path.write_text(text, encoding="utf-8")
    return read_directory(path).file


def problems(path: Path, text: str) -> list[str]:
    with pytest.raises(DirectoryFileError) as refused:
        read(path, text)
    return [f"line {line}: {problem.sentence()}" for line, problem in refused.value.problems]


def test_the_documented_example_is_accepted(path: Path) -> None:
    file = read(path, EXAMPLE)

    assert [user.username for user in file.users] == ["alice"]
    assert [group.path for group in file.groups] == ["acme", "acme/labs"]
    assert file.projects[0].job_tokens is not None
    assert file.projects[0].job_tokens[0].pipeline is not None
    assert file.projects[0].job_tokens[0].pipeline.sha == "2f1b3c…"


def test_a_token_is_not_in_what_is_printed_of_the_file(path: Path) -> None:
    assert "secret" not in repr(read(path, EXAMPLE))


def test_an_unknown_key_is_named_with_its_line(path: Path) -> None:
    assert problems(path, "users:\n  - username: alice\n    admn: true\n") == ["line 3: users[0].admn: unknown key"]


def test_every_problem_is_reported(path: Path) -> None:
    text = "users:\n  - id: 0\ngroups:\n  - path: a b\n    visibility: open\nteams: []\n"

    assert problems(path, text) == [
        "line 2: users[0].username: is missing",
        "line 2: users[0].id: should be greater than or equal to 1",
        "line 4: groups[0].path: should be segments of letters, digits, `_`, `-` and `.`, with `/` between them",
        "line 5: groups[0].visibility: should be 'public', 'internal' or 'private'",
        "line 6: teams: unknown key",
    ]


def test_a_key_that_stands_twice_is_refused(path: Path) -> None:
    text = "users:\n  - username: alice\n    username: bob\n"

    assert problems(path, text) == ["line 3: users[0].username: the key is here twice"]


def test_an_alias_is_refused_before_it_can_grow(path: Path) -> None:
    bomb = "users: &a [x, x]\ngroups: &b [*a, *a]\nprojects: [*b, *b]\n"

    assert "line 2: groups[0]: aliases are not allowed" in problems(path, bomb)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("users: []\n---\nusers: []\n", "line 2: not YAML: but found another document"),
        ("users: !!python/object x\n", "line 1: users: tags are not allowed"),
        ("users:\n  - {username: alice\n", "line 3: not YAML: expected ',' or '}', but got '<stream end>'"),
        ("users: []\ngroups: \x07\n", "line 2: not YAML: a character that is not allowed"),
        ('users:\n  - username: "a\\0"\n', "line 2: users[0].username: holds a character that is not allowed"),
        ('users:\n  - username: "\\ud800"\n', "line 2: users[0].username: holds a character that is not allowed"),
        ("users: " + "[" * 100 + "]" * 100, "line 1: users" + "[0]" * 50 + ": nested too deeply"),
        ("", "line 1: should be a mapping"),
        ("users:\n", "line 1: users: should be a list"),
        ("- users\n", "line 1: should be a mapping"),
    ],
)
def test_what_is_no_directory_is_refused_in_one_line(path: Path, text: str, problem: str) -> None:
    assert problems(path, text) == [problem]


def test_a_file_that_is_not_there_or_not_text_stops_with_one_line(path: Path) -> None:
    with pytest.raises(StartError, match="no such file"):
        read_directory(path)
    path.write_bytes(b"users: \xff\n")
    with pytest.raises(StartError, match="is not UTF-8 text"):
        read_directory(path)


def test_a_name_made_of_digits_stays_what_was_written(path: Path) -> None:
    text = EXAMPLE.replace("alice", "007").replace("2f1b3c…", "12e4567")
    file = read(path, text)

    assert file.users[0].username == "007"
    assert file.projects[0].job_tokens is not None
    assert file.projects[0].job_tokens[0].pipeline is not None
    assert file.projects[0].job_tokens[0].pipeline.sha == "12e4567"


def test_a_number_is_not_taken_for_a_date(path: Path) -> None:
    text = "users:\n  - username: a\n    tokens: [{name: n, token: t, scopes: [api], expires_at: 20300101}]\n"

    assert problems(path, text) == ["line 3: users[0].tokens[0].expires_at: should be a date such as 2030-01-31"]


@pytest.mark.parametrize(
    "token",
    [
        "{name: n, token: t0ken-secret x, scopes: [api]}",  # a blank in it
        "{name: n, token t0ken-secret, scopes: [api]}",  # no colon
        "t0ken-secret",
        "{name: n, token: *t0ken-secret, scopes: [api]}",
        "{name: n, token: t0ken-secret, scopes: [write]}",
        "{name: n, t0ken-secret: token, t0ken-secret: token}",
    ],
)
def test_a_token_is_never_repeated_in_a_message(path: Path, token: str) -> None:
    found = problems(path, f"users:\n  - username: alice\n    tokens:\n      - {token}\n")

    assert found
    assert "t0ken-secret" not in "".join(found)
    assert all(problem.startswith("line 4: ") for problem in found)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("users: [{username: alice}, {username: Alice}]", "users[1].username: is already at users[0].username"),
        ("users: [{username: a, id: 1}, {username: b, id: 1}]", "users[1].id: is already at users[0].id"),
        ("groups: [{path: a}, {path: A}]", "groups[1].path: is already at groups[0].path"),
        (
            "groups: [{path: a}, {path: a/b}]\nprojects: [{path: a/b}]",
            "projects[0].path: is already at groups[1].path",
        ),
        (
            "groups: [{path: a, members: {x: guest, X: owner}}]",
            "groups[0].members.X: is already at groups[0].members.x",
        ),
        (
            (
                "users:\n- {username: a, tokens: [{name: n, token: t, scopes: [api]}]}\n"
                "- {username: b, tokens: [{name: n, token: t, scopes: [api]}]}"
            ),
            "users[1].tokens[0].token: is already at users[0].tokens[0].token",
        ),
        (
            (
                "projects:\n- path: a/b\n  protection_rules:\n"
                "  - {package_name_pattern: x, package_type: npm, minimum_access_level_for_delete: owner}\n"
                "  - {package_name_pattern: x, package_type: npm, minimum_access_level_for_delete: admin}\n"
            ),
            "projects[0].protection_rules[1]: is already at projects[0].protection_rules[0]",
        ),
        (
            "projects: [{path: a/b, job_token_allowlist: [a/c, A/C]}]",
            "projects[0].job_token_allowlist[1]: is already at projects[0].job_token_allowlist[0]",
        ),
        (
            (
                "projects:\n- path: a/b\n  job_tokens:\n"
                "  - {token: t1, user: a, pipeline: {id: 1, status: success, ref: main, sha: aa}}\n"
                "  - {token: t2, user: a, pipeline: {id: 1, status: failed, ref: main, sha: aa}}\n"
            ),
            "projects[0].job_tokens[1].pipeline.id: is another pipeline at projects[0].job_tokens[0].pipeline",
        ),
    ],
)
def test_what_can_stand_once_only_is_refused_the_second_time(path: Path, text: str, problem: str) -> None:
    assert [found.partition(": ")[2] for found in problems(path, text)] == [problem]


@pytest.mark.parametrize(
    ("pattern", "rule"),
    [
        ("(", "should be a regular expression: missing ), unterminated subpattern"),
        ("*", "should be a regular expression: nothing to repeat"),
        ("a{99999999999999999999}", "should be a regular expression: too much of it"),
        ("(" * 120 + ")" * 120, ""),
        ("[[a]", ""),
        ("", ""),
        ("a" * 255, ""),
        ("a" * 256, "should have at most 255 characters"),
    ],
)
def test_an_exception_from_the_rule_on_duplicates_is_a_regular_expression(path: Path, pattern: str, rule: str) -> None:
    text = f"groups:\n- path: a\n  generic_duplicate_exception_regex: '{pattern}'\n"

    if rule:
        assert problems(path, text) == [f"line 3: groups[0].generic_duplicate_exception_regex: {rule}"]
    else:
        assert read(path, text).groups[0].generic_duplicate_exception_regex == pattern


def test_a_scope_that_is_not_known_is_refused_with_those_that_are(path: Path) -> None:
    text = "users:\n- username: a\n  tokens:\n  - {name: n, token: t, scopes: [api, sudo]}\n"

    (problem,) = problems(path, text)

    assert problem.startswith("line 4: users[0].tokens[0].scopes[1]: should be 'api', 'read_api', 'read_user', ")
    assert problem.endswith("'read_repository', 'write_repository', 'read_registry' or 'write_registry'")


@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*!|>'\"%@#,? \n\t\0\ud800~0")))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        data = read_yaml(text).data
    except YamlError as error:
        refused = error
    else:
        assert data is None or isinstance(data, str | list | dict)
        return
    assert all(1 <= line <= text.count("\n") + 1 for line, _ in refused.problems)


def test_names_that_pages_need_are_found_in_users_and_root_groups_alone() -> None:
    file = DirectoryFile.model_validate(
        {
            "users": [{"username": "API"}, {"username": "mary"}],
            "groups": [{"path": "groups"}, {"path": "acme/users"}],
            "projects": [{"path": "users/first"}],
        }
    )

    assert reserved_names(file) == ["API", "groups", "users"]
