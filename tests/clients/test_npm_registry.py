"""npm, pnpm and yarn as their makers ship them: they publish, install, tag, and see a deletion and its undo."""

import json
import os
import shutil
import subprocess
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
import pytest_asyncio

from tests.support.demo import demo_yard
from tests.support.paths import ROOT
from tests.support.servers import Servers
from tests.support.yard import Yard

_MODULES: Final = ROOT / ".clients" / "node" / "node_modules"
_SCRIPTS: Final = {
    "npm": "npm/bin/npm-cli.js",
    "pnpm": "pnpm/bin/pnpm.cjs",
    "yarn": "yarn/bin/yarn.js",
    "berry": "@yarnpkg/cli-dist/bin/yarn.js",
}
"""The programs by short names; berry is yarn 4."""
_TOKEN: Final = "demo-maintainer-token"
_PATIENCE_S: Final = 120
_PACKAGES: Final = "projects/orchard%2Fpress%2Fjuice/packages"
_RECORDS: Final = "projects/orchard%2Fpress%2Fjuice/deletions"
_YARNRC: Final = """\
npmScopes:
  orchard:
    npmRegistryServer: "{server}"
    npmPublishRegistry: "{server}"
    npmAuthToken: "{token}"
    npmAlwaysAuth: true
npmPreapprovedPackages:
  - "@orchard/*"
unsafeHttpWhitelist:
  - "127.0.0.1"
nodeLinker: node-modules
enableGlobalCache: false
enableImmutableInstalls: false
enableTelemetry: false
"""
_PROJECT: Final = f"{_PACKAGES}/npm/"
_GROUP: Final = "groups/orchard/-/packages/npm/"
_INSTANCE: Final = "packages/npm/"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def yard(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Yard]:
    """The demo's users and projects, without packages."""
    async with demo_yard(servers, tmp_path_factory.mktemp("yard")) as made:
        yield made


@dataclass(frozen=True)
class NodeClients:
    """The clients, in a home of their own: no cache or configuration of this machine's user is read."""

    home: Path
    api: str

    def run(self, client: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run one of the clients; it has two minutes."""
        node = shutil.which("node")
        assert node is not None
        return subprocess.run(
            [node, str(_MODULES / _SCRIPTS[client]), *arguments],
            cwd=cwd,
            # All caches are below the folder, so that each folder begins without one.
            env={"PATH": f"{Path(node).parent}:{_MODULES / '.bin'}:{os.defpath}", "HOME": str(cwd), "CI": "true"},
            text=True,
            capture_output=True,
            check=False,
            timeout=_PATIENCE_S,
        )

    def does(self, client: str, *arguments: str, cwd: Path) -> str:
        """Run one of the clients, which has to succeed; return what it printed."""
        done = self.run(client, *arguments, cwd=cwd)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def folder(self, name: str, at: str, /, **manifest: Any) -> Path:
        """Make a folder with a package.json that reads scoped packages from that address; it is empty otherwise."""
        folder = self.home / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        written = {"name": name, "version": "1.0.0", "license": "MIT", **manifest}
        (folder / "package.json").write_text(json.dumps(written), encoding="utf-8")
        host = self.api.partition(":")[2]
        (folder / ".npmrc").write_text(
            f"@orchard:registry={self.api}/{at}\nregistry={self.api}/{at}\nupdate-notifier=false\n"
            f"{host}/{at}:_authToken={_TOKEN}\n{host}/:_authToken={_TOKEN}\n",
            encoding="utf-8",
        )
        (folder / ".yarnrc.yml").write_text(
            _YARNRC.format(server=f"{self.api}/{at.rstrip('/')}", token=_TOKEN),
            encoding="utf-8",
        )
        (folder / "yarn.lock").touch()
        return folder


@pytest.fixture
def clients(yard: Yard, tmp_path: Path) -> NodeClients:
    """The clients against that yard."""
    return NodeClients(tmp_path, f"{yard.base_url}/api/v4")


async def _get(clients: NodeClients, path: str) -> Any:
    headers = {"PRIVATE-TOKEN": _TOKEN}
    async with aiohttp.ClientSession(headers=headers) as session, session.get(f"{clients.api}/{path}") as answer:
        assert answer.status == 200
        return await answer.json()


async def _change(clients: NodeClients, method: str, path: str) -> Mapping[str, str]:
    headers = {"PRIVATE-TOKEN": _TOKEN}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.request(method, f"{clients.api}/{path}") as answer,
    ):
        assert answer.status in {200, 204}, await answer.text()
        return dict(answer.headers)


def _source(clients: NodeClients, name: str, version: str) -> Path:
    folder = clients.folder("source", _PROJECT, name=name, version=version, main="index.js", files=["index.js"])
    (folder / "index.js").write_text(f"module.exports = {version!r}\n", encoding="utf-8")
    return folder


def _installed(folder: Path, name: str) -> str:
    return (folder / "node_modules" / name / "index.js").read_text(encoding="utf-8")


_PUBLISHING: Final = {
    "npm": ("publish",),
    "pnpm": ("publish", "--no-git-checks"),
    "yarn": ("publish", "--non-interactive"),
    "berry": ("npm", "publish"),
}
_ADDING: Final = {
    "npm": ("install",),
    "pnpm": ("add",),
    "yarn": ("add", "--non-interactive"),
    "berry": ("add",),
}


@pytest.mark.parametrize("client", _SCRIPTS)
@pytest.mark.asyncio(loop_scope="module")
async def test_it_publishes_installs_and_sees_a_deletion_and_its_undo(clients: NodeClients, client: str) -> None:
    name = f"@orchard/press-{client}"

    def add(at: str) -> Callable[[], subprocess.CompletedProcess[str]]:
        folder = clients.folder("consumer", at)
        return lambda: clients.run(client, *_ADDING[client], f"{name}@1.2.3", cwd=folder)

    source = _source(clients, name, "1.2.3")
    if client == "berry":
        clients.does(client, "install", cwd=source)
    clients.does(client, *_PUBLISHING[client], cwd=source)
    (package,) = await _get(clients, f"{_PACKAGES}?package_name={name}&package_type=npm")
    assert (package["name"], package["version"]) == (name, "1.2.3")
    for at in (_PROJECT, _INSTANCE):
        done = add(at)()
        assert done.returncode == 0, done.stdout + done.stderr
        assert "1.2.3" in _installed(clients.home / "consumer", name)

    headers = await _change(clients, "DELETE", f"{_PACKAGES}/{package['id']}")
    assert add(_PROJECT)().returncode != 0

    await _change(clients, "POST", f"{_RECORDS}/{headers['Deletion-Id']}/restore")
    again = add(_GROUP)()
    assert again.returncode == 0, again.stdout + again.stderr
    assert "1.2.3" in _installed(clients.home / "consumer", name)


@pytest.mark.asyncio(loop_scope="module")
async def test_npm_tags_deprecates_and_unpublishes(clients: NodeClients) -> None:
    name = "@orchard/tagged"
    for version in ("1.0.0", "1.1.0", "2.0.0-rc.1"):
        clients.does("npm", "publish", "--tag", "next", cwd=_source(clients, name, version))
    folder = clients.folder("consumer", _PROJECT)

    def npm(*arguments: str) -> str:
        return clients.does("npm", *arguments, cwd=folder)

    assert npm("whoami", "--registry", f"{clients.api}/{_PROJECT}").strip() == "mira"
    assert npm("view", name, "version").strip() == "1.1.0"
    npm("dist-tag", "add", f"{name}@1.0.0", "stable")
    assert sorted(npm("dist-tag", "ls", name).split("\n")[:-1]) == [
        "latest: 1.1.0",
        "next: 2.0.0-rc.1",
        "stable: 1.0.0",
    ]
    npm("install", f"{name}@stable")
    assert "1.0.0" in _installed(folder, name)
    npm("dist-tag", "rm", name, "stable")
    assert "stable" not in npm("dist-tag", "ls", name)

    npm("deprecate", f"{name}@1.0.0", "use 1.1")
    assert npm("view", f"{name}@1.0.0", "deprecated").strip() == "use 1.1"
    packages = await _get(clients, f"{_PACKAGES}?package_name={name}")
    assert {each["version"]: each["status"] for each in packages}["1.0.0"] == "deprecated"
    npm("deprecate", f"{name}@1.0.0", "")
    assert npm("view", f"{name}@1.0.0", "deprecated").strip() == ""

    npm("unpublish", f"{name}@1.1.0")
    assert json.loads(npm("view", name, "versions", "--json")) == ["1.0.0", "2.0.0-rc.1"]
    assert clients.run("npm", "install", f"{name}@1.1.0", cwd=folder).returncode != 0
    (deletion,) = [each for each in await _get(clients, _RECORDS) if each["package"]["name"] == name]
    assert deletion["package"]["version"] == "1.1.0"
    refused = clients.run("npm", "unpublish", f"{name}@1.0.0", cwd=clients.folder("elsewhere", _GROUP))
    assert refused.returncode != 0
    assert "Unpublish at the address of the project" in refused.stderr
    npm("unpublish", name, "--force")
    assert await _get(clients, f"{_PACKAGES}?package_name={name}") == []


@pytest.mark.asyncio(loop_scope="module")
async def test_npm_installs_the_new_bytes_of_a_version_that_was_published_again(clients: NodeClients) -> None:
    name = "@orchard/again"
    clients.does("npm", "publish", cwd=_source(clients, name, "1.0.0"))
    folder = clients.folder("consumer", _PROJECT)
    clients.does("npm", "install", name, cwd=folder)
    (package,) = await _get(clients, f"{_PACKAGES}?package_name={name}")
    await _change(clients, "DELETE", f"{_PACKAGES}/{package['id']}")

    source = _source(clients, name, "1.0.0")
    (source / "index.js").write_text("module.exports = 'new'\n", encoding="utf-8")
    clients.does("npm", "publish", cwd=source)
    again = clients.run("npm", "publish", cwd=source)
    assert again.returncode != 0

    # The cache stays, and what it has of the version has another digest now.
    for left in ("node_modules", "package-lock.json"):
        shutil.rmtree(folder / left) if (folder / left).is_dir() else (folder / left).unlink()
    clients.does("npm", "install", name, cwd=folder)
    assert "new" in _installed(folder, name)
