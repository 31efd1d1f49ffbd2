"""GitLab clients as their makers ship them, at the things that their users do with packages.

Each driver beside this file does one topic and prints what its client gave it; `make clients` installs the clients.
"""

import hashlib
import json
import re
import subprocess
import sys
import tarfile
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from tests.support.demo import demo_yard
from tests.support.paths import ROOT
from tests.support.servers import Servers
from tests.support.yard import Yard
from workers.stack.processes import inherited

_DRIVERS: Final = Path(__file__).parent
_PYTHON: Final = ROOT / ".clients" / "python" / "bin"
_SOURCE: Final = ROOT / ".clients" / "python-gitlab"
_NODE: Final = ROOT / ".clients" / "node"
_TOKEN: Final = "demo-maintainer-token"
_PATIENCE_S: Final = 200

_CASKS: Final = [f"cask-{number:03}" for number in range(250)]
_PROJECTS: Final = ["cellar/cider", "orchard/apples", "orchard/archive", "orchard/press/juice"]
_CONTENT: Final = "what the file says"
_SHA256: Final = hashlib.sha256(_CONTENT.encode()).hexdigest()

_FILTERED: Final = {
    "none": ["@orchard/peel 1.0.0", "bruised 1.0", "press 1.0", "press 2.0"],
    "type": ["@orchard/peel 1.0.0"],
    "name": ["press 1.0", "press 2.0"],
    "version": ["press 2.0"],
    "hidden": ["core 1.0"],
    "error": ["bruised 1.0"],
    "nothing": [],
    "of the group": ["orchard/press/juice @orchard/peel"],
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def yard(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Yard]:
    """A yard whose project cellar/cider has 250 packages, and orchard/press/juice some of each kind."""
    async with demo_yard(servers, tmp_path_factory.mktemp("yard"), packages=_packages()) as made:
        yield made


def _packages() -> list[dict[str, Any]]:
    casks = [{"project": "cellar/cider", "package_type": "generic", "name": name, "version": "1.0"} for name in _CASKS]
    juice = {"project": "orchard/press/juice", "package_type": "generic", "version": "1.0"}
    pipeline = {"id": 47, "iid": 1, "status": "success", "ref": "main", "sha": "2f1b3c", "user": "dave"}
    files = [{"file_name": name, "content": _CONTENT} for name in ("press.txt", "notes.txt")]
    return [
        *casks,
        {**juice, "name": "press"},
        {**juice, "name": "press", "version": "2.0", "pipelines": [pipeline], "files": files},
        {**juice, "name": "@orchard/peel", "version": "1.0.0", "package_type": "npm"},
        {**juice, "name": "core", "status": "hidden"},
        {**juice, "name": "bruised", "status": "error"},
    ]


class PythonGitlab:
    """python-gitlab, the library."""

    def __init__(self, yard: Yard, folder: Path) -> None:
        self._arguments = [yard.base_url, _TOKEN, str(folder)]
        self._folder = folder

    def does(self, topic: str) -> Any:
        """Do *topic*; a warning of the client fails it."""
        program = [_PYTHON / "python", "-W", "error::UserWarning", _DRIVERS / "drive_python_gitlab.py"]
        return _json(_run([*map(str, program), *self._arguments, topic], self._folder))


class Gitbeaker:
    """@gitbeaker/rest. The driver comes in by standard input, so that it finds the package where it runs."""

    def __init__(self, yard: Yard) -> None:
        self._arguments = [yard.base_url, _TOKEN]

    def does(self, topic: str) -> Any:
        """Do *topic*."""
        driver = (_DRIVERS / "drive_gitbeaker.mjs").read_text(encoding="utf-8")
        # Node 18 warns of what the client does inside: it uses what was experimental then.
        program = ["node", "--no-warnings", "--input-type=module", "-"]
        return _json(_run([*program, *self._arguments, topic], _NODE, text=driver))


class GitlabCommand:
    """The command `gitlab` of python-gitlab, set up by the environment alone."""

    def __init__(self, yard: Yard, folder: Path) -> None:
        self._yard = yard
        self._folder = folder

    def does(self, *arguments: str) -> Any:
        """Return what the command printed as JSON."""
        return _json(self._run("-o", "json", *arguments))

    def prints(self, *arguments: str) -> str:
        """Return what the command printed."""
        done = self._run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def says(self, *arguments: str, token: str = _TOKEN) -> str:
        """Return the command's complaint."""
        done = self._run(*arguments, token=token)
        assert done.returncode == 1, done
        return done.stderr.strip()

    def _run(self, *arguments: str, token: str = _TOKEN) -> "subprocess.CompletedProcess[str]":
        environment = {"GITLAB_URL": self._yard.base_url, "GITLAB_PRIVATE_TOKEN": token}
        return _run([str(_PYTHON / "gitlab"), *arguments], self._folder, environment=environment)


@pytest.fixture
def python_gitlab(yard: Yard, tmp_path: Path) -> PythonGitlab:
    return PythonGitlab(yard, tmp_path)


@pytest.fixture
def gitbeaker(yard: Yard) -> Gitbeaker:
    return Gitbeaker(yard)


@pytest.fixture
def command(yard: Yard, tmp_path: Path) -> GitlabCommand:
    return GitlabCommand(yard, tmp_path)


def test_python_gitlab_logs_in(python_gitlab: PythonGitlab) -> None:
    found = python_gitlab.does("identity")
    assert found["user"] == [3, "mira", "Mira Maintainer", "active"]
    assert found["with a bearer token"] == "mira"
    assert found["version"][0].isdecimal()
    assert found["revision"] != "unknown"
    assert found["wrong token"] == ["GitlabAuthenticationError", 401, "401 Unauthorized"]


def test_python_gitlab_finds_projects_and_groups(python_gitlab: PythonGitlab) -> None:
    assert python_gitlab.does("places") == {
        "project": [101, "orchard/press/juice", "public"],
        "project by id": "orchard/press/juice",
        "projects": _PROJECTS,
        "group": [11, "orchard/press"],
        "group by id": "orchard/press",
        "no project": ["GitlabGetError", 404, "404 Project Not Found"],
        "no group": ["GitlabGetError", 404, "404 Group Not Found"],
    }


def test_python_gitlab_pages_through_all_packages(python_gitlab: PythonGitlab) -> None:
    assert python_gitlab.does("pages") == {
        "all at once": _CASKS,
        "one by one": _CASKS,
        "a hundred a page": [250, 3, 100, 250],
        "the last page": _CASKS[200:],
        "downwards": _CASKS[::-1],
        "with keyset asked for": _CASKS,
        "of the group, all at once": _CASKS,
        "of the group, one by one": _CASKS,
    }


def test_python_gitlab_filters_packages(python_gitlab: PythonGitlab) -> None:
    wrong = ["GitlabListError", 400, "status does not have a valid value"]
    assert python_gitlab.does("filters") == {**_FILTERED, "wrong": wrong}


def test_python_gitlab_reads_a_package(python_gitlab: PythonGitlab) -> None:
    assert python_gitlab.does("reading") == {
        "package": ["press", "2.0", "generic", "default"],
        "other versions": ["1.0"],
        "files": [["press.txt", len(_CONTENT), _SHA256], ["notes.txt", len(_CONTENT), _SHA256]],
        "files, one by one": ["press.txt", "notes.txt"],
        "pipelines": [[47, "main", "dave"]],
        "pipelines, one by one": [47],
        "no package": ["GitlabGetError", 404, "404 Not found"],
    }


def test_python_gitlab_gets_back_what_it_uploaded(python_gitlab: PythonGitlab) -> None:
    found = python_gitlab.does("uploading")
    few = hashlib.sha256(b"few").hexdigest()
    assert found == {
        "answer": "201 Created",
        "record": [3, few, True],
        "sent": found["sent"],
        "streamed": found["sent"],
        "iterated": found["sent"],
        "at once": "few",
        "files": {"of-a-path.bin": found["sent"], "of-a-file.bin": found["sent"], "of-bytes.bin": few},
        "no file": ["GitlabGetError", 404, "404 Not found"],
        "wrong name": ["GitlabUploadError", 400, "package_name is invalid"],
    }


def test_python_gitlab_deletes_packages_and_files(python_gitlab: PythonGitlab) -> None:
    assert python_gitlab.does("deleting") == {
        "files left": ["third.txt"],
        "file again": ["GitlabDeleteError", 404, "404 Not Found"],
        "listed": [],
        "shown": ["GitlabGetError", 404, "404 Not found"],
        "files": ["GitlabListError", 404, "404 Not found"],
        "downloaded": ["GitlabGetError", 404, "404 Not found"],
        "package again": ["GitlabDeleteError", 404, "404 Not found"],
        "without the right": ["GitlabDeleteError", 403, "403 Forbidden"],
        "kept": "kept-by-python-gitlab",
    }


@pytest.mark.timeout(300)
def test_python_gitlabs_own_tests_of_packages_and_protection_rules_pass(yard: Yard, tmp_path: Path) -> None:
    (source,) = _SOURCE.glob("python_gitlab-*.tar.gz")
    with tarfile.open(source) as archive:
        name = f"{source.name.removesuffix('.tar.gz')}/tests/functional/api/test_packages.py"
        archive.extract(name, tmp_path, filter="data")
    (site_packages,) = (_PYTHON.parent / "lib").glob("python3.*/site-packages")

    options = ["--service-url", yard.base_url, "--service-token", _TOKEN, "--rootdir", str(tmp_path), "-c", "/dev/null"]
    plugins = ["-p", "functional_fixtures", "-p", "no:cacheprovider"]

    done = _run(
        [sys.executable, "-m", "pytest", "-q", *plugins, *options, str(tmp_path / name)],
        tmp_path,
        environment={"PYTHONPATH": f"{site_packages}:{_DRIVERS}"},
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^\d+ passed", done.stdout, re.MULTILINE), done.stdout
    assert "skipped" not in done.stdout


def test_the_gitlab_command_reads(command: GitlabCommand) -> None:
    of_cider = ["project-package", "list", "--project-id", "cellar/cider"]
    assert command.does("current-user", "get")["username"] == "mira"
    assert command.does("project", "get", "--id", "orchard/press/juice")["id"] == 101
    assert [package["name"] for package in command.does(*of_cider, "--get-all")] == _CASKS
    third = command.does(*of_cider, "--per-page", "100", "--page", "3", "--no-get-all")
    assert [package["name"] for package in third] == _CASKS[200:]

    (listed,) = command.does("group-package", "list", "--group-id", "orchard", "--package-version", "2.0", "--get-all")
    of_press = ["--project-id", "101", "--package-id", str(listed["id"])]
    shown = command.does("project-package", "get", "--project-id", "101", "--id", str(listed["id"]))
    assert (shown["name"], shown["version"]) == ("press", "2.0")
    files = command.does("project-package-file", "list", *of_press, "--get-all")
    assert [file["file_sha256"] for file in files] == [_SHA256, _SHA256]
    assert [one["id"] for one in command.does("project-package-pipeline", "list", *of_press, "--get-all")] == [47]

    assert command.says(*of_cider, token="not-a-token") == "401: 401 Unauthorized"
    no_package = command.says("project-package", "get", "--project-id", "101", "--id", "999999999")
    assert no_package == "Impossible to get object (404: 404 Not found)"


def test_the_gitlab_command_uploads_downloads_and_deletes(command: GitlabCommand, tmp_path: Path) -> None:
    (tmp_path / "sent.txt").write_text(_CONTENT, encoding="utf-8")
    target = ["--project-id", "100", "--package-name", "by-command", "--package-version", "1.0"]
    for file_name in ("one.txt", "two.txt"):
        sent = command.does("generic-package", "upload", *target, "--file-name", file_name, "--path", "sent.txt")
        assert sent["message"] == "201 Created"
    assert command.prints("generic-package", "download", *target, "--file-name", "one.txt") == _CONTENT

    (listed,) = command.does(
        "project-package", "list", "--project-id", "100", "--package-name", "by-command", "--get-all"
    )
    one_package = ["--project-id", "100", "--id", str(listed["id"])]
    list_files = ["project-package-file", "list", "--project-id", "100", "--package-id", str(listed["id"]), "--get-all"]
    one, _ = command.does(*list_files)
    of_file = ["--project-id", "100", "--package-id", str(listed["id"]), "--id", str(one["id"])]
    assert not command.prints("project-package-file", "delete", *of_file)
    assert [file["file_name"] for file in command.does(*list_files)] == ["two.txt"]

    assert not command.prints("project-package", "delete", *one_package)
    again = command.says("project-package", "delete", *one_package)
    assert again == "Impossible to destroy object (404: 404 Not found)"
    assert command.says("project-package", "get", *one_package) == "Impossible to get object (404: 404 Not found)"


def test_gitbeaker_logs_in(gitbeaker: Gitbeaker) -> None:
    refused = ["GitbeakerRequestError", 401, "401 Unauthorized"]
    assert gitbeaker.does("identity") == {
        "user": [3, "mira", "Mira Maintainer", "active"],
        "with a bearer token": "mira",
        "wrong token": refused,
        "wrong token, listing": refused,
    }


def test_gitbeaker_finds_projects_and_groups(gitbeaker: Gitbeaker) -> None:
    assert gitbeaker.does("places") == {
        "project": [101, "orchard/press/juice", "public"],
        "project by id": "orchard/press/juice",
        "projects": _PROJECTS,
        "projects by keyset": ["orchard/apples", "orchard/press/juice", "cellar/cider", "orchard/archive"],
        "group": [11, "orchard/press"],
        "no project": ["GitbeakerRequestError", 404, "404 Project Not Found"],
        "no group": ["GitbeakerRequestError", 404, "404 Group Not Found"],
    }


def test_gitbeaker_pages_through_all_packages(gitbeaker: Gitbeaker) -> None:
    assert gitbeaker.does("pages") == {
        "all": _CASKS,
        "a hundred a page": _CASKS,
        "two pages at most": _CASKS[:60],
        "the last page": _CASKS[200:],
        "about the last page": {
            "total": 250,
            "next": None,
            "current": 3,
            "previous": 2,
            "perPage": 100,
            "totalPages": 3,
        },
        "downwards": _CASKS[::-1],
        "with keyset asked for": _CASKS,
        "of the group": _CASKS,
    }


def test_gitbeaker_filters_packages(gitbeaker: Gitbeaker) -> None:
    wrong = ["GitbeakerRequestError", 400, "status does not have a valid value"]
    assert gitbeaker.does("filters") == {**_FILTERED, "wrong": wrong}


def test_gitbeaker_reads_a_package(gitbeaker: Gitbeaker) -> None:
    assert gitbeaker.does("reading") == {
        "package": ["press", "2.0", "generic", "default"],
        "other versions": ["1.0"],
        "files": [["press.txt", len(_CONTENT), _SHA256], ["notes.txt", len(_CONTENT), _SHA256]],
        "files in camel case": ["press.txt", "notes.txt"],
        "no package": ["GitbeakerRequestError", 404, "404 Not found"],
    }


def test_gitbeaker_gets_back_what_it_published(gitbeaker: Gitbeaker) -> None:
    found = gitbeaker.does("uploading")
    assert found["around it"] > 0
    assert len(set(found["checksums"])) == 1
    assert found == {
        "answer": "201 Created",
        "holds what was sent": True,
        "around it": found["around it"],
        "file": ["big.bin", True],
        "checksums": found["checksums"],
        "no file": ["GitbeakerRequestError", 404, "404 Not found"],
    }


def test_gitbeaker_deletes_packages_and_files(gitbeaker: Gitbeaker) -> None:
    not_found = ["GitbeakerRequestError", 404, "404 Not found"]
    assert gitbeaker.does("deleting") == {
        "files left": ["second.txt"],
        "file again": ["GitbeakerRequestError", 404, "404 Not Found"],
        "without the right": ["GitbeakerRequestError", 403, "403 Forbidden"],
        "removed": 204,
        "listed": [],
        "shown": not_found,
        "files": not_found,
        "package again": not_found,
    }


def _json(done: "subprocess.CompletedProcess[str]") -> Any:
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return json.loads(done.stdout)


def _run(
    command: list[str], folder: Path, *, text: str = "", environment: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    assert _PYTHON.exists(), "the clients are missing: `make clients` installs them"
    assert _NODE.exists(), "the clients are missing: `make clients` installs them"
    return subprocess.run(
        command,
        # Nothing of the person's own set-up: no configuration file, no token, no proxy.
        env={"PATH": inherited()["PATH"], "HOME": str(folder), **(environment or {})},
        cwd=folder,
        input=text,
        check=False,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
    )
