"""twine, uv, poetry and pip as their makers ship them: they publish, install, and see a deletion and its undo."""

import os
import shutil
import subprocess
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
import pytest_asyncio
from packaging.utils import canonicalize_name

from tests.support.demo import demo_yard
from tests.support.paths import ROOT
from tests.support.servers import Servers
from tests.support.yard import Yard

_BIN: Final = ROOT / ".clients" / "python" / "bin"
_TOKEN: Final = "demo-maintainer-token"
_PATIENCE_S: Final = 120
_PROJECT: Final = "projects/orchard%2Fpress%2Fjuice/packages"
_RECORDS: Final = "projects/orchard%2Fpress%2Fjuice/deletions"
_GROUP: Final = "groups/orchard/-/packages"
_NAME: Final = "Press_Kit"
_PYPROJECT: Final = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "{name}"
version = "{version}"
description = "A press <kit>"
requires-python = ">=3.8"
[tool.hatch.build.targets.wheel]
packages = ["press_kit"]
"""
_CONSUMER: Final = """\
[project]
name = "consumer"
version = "1"
requires-python = ">=3.11"
dependencies = ["press-kit"]
[tool.poetry]
package-mode = false
[[tool.poetry.source]]
name = "yard"
url = "{index}"
priority = "primary"
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def yard(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Yard]:
    """The demo's users and projects, without packages."""
    async with demo_yard(servers, tmp_path_factory.mktemp("yard")) as made:
        yield made


@dataclass(frozen=True)
class Clients:
    """The clients, in a home of their own: no cache or configuration of this machine's user is read."""

    home: Path
    api: str

    def url(self, path: str) -> str:
        """Return the address of a path below the API, with the credential of a user in it."""
        return self.api.replace("://", f"://mira:{_TOKEN}@") + "/" + path

    def run(self, *command: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run one of the clients; it has two minutes."""
        return subprocess.run(
            [str(_BIN / command[0]), *command[1:]],
            cwd=cwd or self.home,
            env={"PATH": os.defpath, "HOME": str(self.home), "PYTHONWARNINGS": "", **environment},
            text=True,
            capture_output=True,
            check=False,
            timeout=_PATIENCE_S,
        )

    def does(self, *command: str, cwd: Path | None = None, **environment: str) -> str:
        """Run one of the clients, which has to succeed; return what it printed."""
        done = self.run(*command, cwd=cwd, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def build(self, version: str) -> Path:
        """Build a wheel and a source archive; return the folder that holds both."""
        folder = self.home / f"source-{version}"
        (folder / "press_kit").mkdir(parents=True)
        (folder / "press_kit" / "__init__.py").write_text(f"version = {version!r}\n", encoding="utf-8")
        (folder / "pyproject.toml").write_text(_PYPROJECT.format(name=_NAME, version=version), encoding="utf-8")
        self.does("hatchling", "build", cwd=folder)
        return folder / "dist"


@pytest.fixture
def clients(yard: Yard, tmp_path: Path) -> Clients:
    """The clients against that yard."""
    return Clients(tmp_path, f"{yard.base_url}/api/v4")


def _files(folder: Path) -> list[str]:
    return sorted(map(str, folder.iterdir()))


def _twine(clients: Clients, dist: Path) -> None:
    at = ("--repository-url", f"{clients.api}/{_PROJECT}/pypi")
    clients.does("twine", "upload", "--non-interactive", *at, "-u", "mira", "-p", _TOKEN, *_files(dist))


def _uv_publish(clients: Clients, dist: Path) -> None:
    at = ("--publish-url", f"{clients.api}/{_PROJECT}/pypi", "--check-url", clients.url(f"{_PROJECT}/pypi/simple"))
    clients.does("uv", "publish", "--no-config", *at, "--username", "mira", "--password", _TOKEN, *_files(dist))


def _poetry_publish(clients: Clients, dist: Path) -> None:
    environment = {
        "POETRY_REPOSITORIES_YARD_URL": f"{clients.api}/{_PROJECT}/pypi",
        "POETRY_HTTP_BASIC_YARD_USERNAME": "mira",
        "POETRY_HTTP_BASIC_YARD_PASSWORD": _TOKEN,
    }
    clients.does("poetry", "publish", "--repository", "yard", cwd=dist.parent, **environment)


def _hatch_publish(clients: Clients, dist: Path) -> None:
    at = ("--repo", f"{clients.api}/{_PROJECT}/pypi", "--user", "mira", "--auth", _TOKEN)
    clients.does("hatch", "publish", "--no-prompt", *at, *_files(dist))


def _flit_publish(clients: Clients, dist: Path) -> None:
    # flit builds what it publishes, with its own backend.
    shutil.rmtree(dist)
    pyproject = dist.parent / "pyproject.toml"
    written = pyproject.read_text(encoding="utf-8").partition("[tool.hatch")[0]
    backend = written.replace('"hatchling"', '"flit_core"').replace("hatchling.build", "flit_core.buildapi")
    pyproject.write_text(f'{backend}[tool.flit.module]\nname = "press_kit"\n', encoding="utf-8")
    environment = {
        "FLIT_INDEX_URL": f"{clients.api}/{_PROJECT}/pypi",
        "FLIT_USERNAME": "mira",
        "FLIT_PASSWORD": _TOKEN,
    }
    clients.does("flit", "publish", "--no-use-vcs", cwd=dist.parent, **environment)


def _emptied(folder: Path) -> Path:
    """Return the folder with nothing in it; what a client caches elsewhere stays."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def _pip(clients: Clients, index: str, *wanted: str) -> subprocess.CompletedProcess[str]:
    target = ("--target", str(_emptied(clients.home / "installed")))
    return clients.run("pip", "install", "--no-input", *target, "--index-url", index, *wanted)


def _uv(clients: Clients, index: str, *wanted: str) -> subprocess.CompletedProcess[str]:
    target = ("--target", str(_emptied(clients.home / "installed")), "--no-config", "--python", str(_BIN / "python"))
    return clients.run("uv", "pip", "install", *target, "--index-url", index, *wanted)


def _poetry(clients: Clients, index: str, *_wanted: str) -> subprocess.CompletedProcess[str]:
    """Let poetry resolve, lock with hashes, and install from the lock file."""
    folder = _emptied(clients.home / "consumer")
    (folder / "pyproject.toml").write_text(_CONSUMER.format(index=index), encoding="utf-8")
    environment = {"POETRY_VIRTUALENVS_IN_PROJECT": "true", "POETRY_CACHE_DIR": str(clients.home / "cache")}
    locked = clients.run("poetry", "lock", cwd=folder, **environment)
    if locked.returncode:
        return locked
    assert "sha256:" in (folder / "poetry.lock").read_text(encoding="utf-8")
    return clients.run("poetry", "sync", cwd=folder, **environment)


async def _get(clients: Clients, path: str) -> Any:
    headers = {"PRIVATE-TOKEN": _TOKEN}
    async with aiohttp.ClientSession(headers=headers) as session, session.get(f"{clients.api}/{path}") as answer:
        assert answer.status == 200
        return await answer.json()


async def _change(clients: Clients, method: str, path: str) -> Mapping[str, str]:
    headers = {"PRIVATE-TOKEN": _TOKEN}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.request(method, f"{clients.api}/{path}") as answer,
    ):
        assert answer.status in {200, 204}, await answer.text()
        return dict(answer.headers)


@pytest.mark.parametrize(
    ("publish", "install", "version"),
    [(_twine, _pip, "1.0"), (_uv_publish, _uv, "2.0rc1"), (_poetry_publish, _poetry, "3!1.0.post1")],
    ids=["twine and pip", "uv", "poetry"],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_it_publishes_installs_and_sees_a_deletion_and_its_undo(
    clients: Clients, publish: Any, install: Any, version: str
) -> None:
    index = clients.url(f"{_PROJECT}/pypi/simple/")
    wanted = f"press-kit=={version}"

    publish(clients, clients.build(version))
    (package,) = await _get(clients, f"{_PROJECT}?package_type=pypi")
    assert canonicalize_name(package["name"]) == "press-kit"
    assert package["version"] == version
    assert len(await _get(clients, f"{_PROJECT}/{package['id']}/package_files")) == 2
    installed = install(clients, index, wanted)
    assert installed.returncode == 0, installed.stdout + installed.stderr

    headers = await _change(clients, "DELETE", f"{_PROJECT}/{package['id']}")
    assert install(clients, index, wanted).returncode != 0

    deletion = headers["Deletion-Id"]
    await _change(clients, "POST", f"{_RECORDS}/{deletion}/restore")
    again = install(clients, clients.url(f"{_GROUP}/pypi/simple/"), wanted)
    assert again.returncode == 0, again.stdout + again.stderr
    await _change(clients, "DELETE", f"{_PROJECT}/{package['id']}")


@pytest.mark.parametrize(
    ("publish", "version"), [(_hatch_publish, "4.0"), (_flit_publish, "5.0")], ids=["hatch", "flit"]
)
@pytest.mark.asyncio(loop_scope="module")
async def test_other_publishers_bring_both_files(clients: Clients, publish: Any, version: str) -> None:
    publish(clients, clients.build(version))

    (package,) = await _get(clients, f"{_PROJECT}?package_type=pypi&package_version={version}")
    files = await _get(clients, f"{_PROJECT}/{package['id']}/package_files")
    assert {file["file_name"].lower() for file in files} == {
        f"press_kit-{version}-py3-none-any.whl",
        f"press_kit-{version}.tar.gz",
    }
    await _change(clients, "DELETE", f"{_PROJECT}/{package['id']}")


@pytest.mark.asyncio(loop_scope="module")
async def test_pip_installs_a_version_that_was_published_again_with_its_new_hash(clients: Clients) -> None:
    index = clients.url(f"{_PROJECT}/pypi/simple/")
    _twine(clients, clients.build("9.0"))
    (package,) = await _get(clients, f"{_PROJECT}?package_type=pypi")
    old = _hash_of_wheel(clients)
    await _change(clients, "DELETE", f"{_PROJECT}/{package['id']}")
    source = clients.home / "source-9.0"
    (source / "press_kit" / "__init__.py").write_text("version = 'new'\n", encoding="utf-8")
    clients.does("hatchling", "build", "--clean", cwd=source)
    _twine(clients, source / "dist")

    requirements = clients.home / "requirements.txt"
    requirements.write_text(f"press-kit==9.0 --hash=sha256:{old}\n", encoding="utf-8")
    assert _pip(clients, index, "--only-binary=:all:", "-r", str(requirements)).returncode != 0
    requirements.write_text(f"press-kit==9.0 --hash=sha256:{_hash_of_wheel(clients)}\n", encoding="utf-8")
    done = _pip(clients, index, "--only-binary=:all:", "-r", str(requirements))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "new" in (clients.home / "installed" / "press_kit" / "__init__.py").read_text(encoding="utf-8")


def _hash_of_wheel(clients: Clients) -> str:
    (wheel,) = (clients.home / "source-9.0" / "dist").glob("*.whl")
    return clients.does("pip", "hash", str(wheel)).rpartition("sha256:")[2].strip()
