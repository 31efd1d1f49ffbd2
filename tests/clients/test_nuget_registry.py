"""nuget.exe on mono: it packs and pushes, finds and installs, deletes, and sees the deletion and its undo."""

import os
import shutil
import subprocess
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

import aiohttp
import pytest
import pytest_asyncio

from tests.support.demo import demo_yard
from tests.support.paths import ROOT
from tests.support.servers import Servers
from tests.support.yard import Yard

pytestmark = pytest.mark.skipif(shutil.which("mono") is None, reason="nuget.exe needs Mono")

_NUGET: Final = ROOT / ".clients" / "node" / "node_modules" / "nuget-exe" / "nuget-5.8.0.exe"
_TOKEN: Final = "demo-maintainer-token"
_PATIENCE_S: Final = 120
_PROJECT: Final = "projects/orchard%2Fpress%2Fjuice"
_GROUP: Final = "groups/orchard"
_CONFIGURATION: Final = """<configuration>
  <packageSources>
    <clear />
    <add key="yard" value="{project}/index.json" /> <add key="group" value="{group}/index.json" />
  </packageSources>
  <packageSourceCredentials>
    <yard><add key="Username" value="mira" /> <add key="ClearTextPassword" value="{token}" /></yard>
    <group><add key="Username" value="mira" /> <add key="ClearTextPassword" value="{token}" /></group>
  </packageSourceCredentials>
</configuration>
"""
_NUSPEC: Final = """<package>
  <metadata>
    <id>{name}</id> <version>{version}</version> <authors>Mira</authors> <description>A {name}</description>
    {more}
  </metadata>
  <files> <file src="lib/*" target="lib/net45" /> </files>
</package>
"""
_DEPENDENCIES: Final = '<dependencies><dependency id="Press.Gears" version="[1.0, 2.0)" /></dependencies>'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def yard(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Yard]:
    """The demo's users and projects, without packages."""
    async with demo_yard(servers, tmp_path_factory.mktemp("yard")) as made:
        yield made


class _Nuget:
    """nuget.exe in a folder with sources; each home that it is given has caches of its own."""

    def __init__(self, folder: Path, api: str) -> None:
        self.folder = folder
        project, group = f"{api}/{_PROJECT}/packages/nuget", f"{api}/{_GROUP}/-/packages/nuget"
        written = _CONFIGURATION.format(project=project, group=group, token=_TOKEN)
        (folder / "nuget.config").write_text(written, encoding="utf-8")

    def run(self, *command: str, home: str = "home") -> subprocess.CompletedProcess[str]:
        place = self.folder / home
        place.mkdir(exist_ok=True)
        environment = {"PATH": os.defpath, "HOME": str(place), "TMPDIR": str(place)}
        return subprocess.run(
            ["mono", str(_NUGET), *command, "-NonInteractive"],
            cwd=self.folder,
            env=environment,
            text=True,
            capture_output=True,
            check=False,
            timeout=_PATIENCE_S,
        )

    def does(self, *command: str, home: str = "home") -> str:
        done = self.run(*command, home=home)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def pack(self, name: str, version: str, *options: str, more: str = "") -> None:
        (self.folder / "lib").mkdir(exist_ok=True)
        for suffix in (".dll", ".pdb"):
            (self.folder / "lib" / f"{name}{suffix}").write_text(f"{name} {version}", encoding="utf-8")
        nuspec = self.folder / f"{name}.nuspec"
        nuspec.write_text(_NUSPEC.format(name=name, version=version, more=more), encoding="utf-8")
        self.does("pack", nuspec.name, *options)

    def install(self, *options: str, home: str, source: str = "yard") -> subprocess.CompletedProcess[str]:
        """Install Acme.Press with empty caches, into a folder named as the *home*."""
        command = ("install", "Acme.Press", "-Source", source, "-OutputDirectory", f"{home}/packages", *options)
        return self.run(*command, home=home)

    def installed(self, home: str) -> set[str]:
        return {path.name for path in (self.folder / home / "packages").glob("*")}


@pytest.mark.asyncio(loop_scope="module")
async def test_nuget_installs_what_it_pushed_and_sees_its_deletion_and_undo(yard: Yard, tmp_path: Path) -> None:
    api = f"{yard.base_url}/api/v4"
    nuget = _Nuget(tmp_path, api)
    nuget.pack("Press.Gears", "1.5")
    nuget.pack("Acme.Press", "1.2.3", "-Symbols", "-SymbolPackageFormat", "snupkg", more=_DEPENDENCIES)
    bare = f"{api}/{_PROJECT}/packages/nuget/index.json"
    nuget.does("push", "Press.Gears.1.5.0.nupkg", "-Source", bare, "-ApiKey", _TOKEN)
    nuget.does("push", "Acme.Press.1.2.3.nupkg", "-Source", "yard")

    async with aiohttp.ClientSession(headers={"PRIVATE-TOKEN": _TOKEN}) as session:
        async with session.get(f"{api}/{_PROJECT}/packages", params={"package_name": "Acme.Press"}) as answer:
            (package,) = await answer.json()
        assert (package["name"], package["version"], package["package_type"]) == ("Acme.Press", "1.2.3", "nuget")
        async with session.get(f"{api}/{_PROJECT}/packages/{package['id']}/package_files") as answer:
            names = [file["file_name"] for file in await answer.json()]
        assert names == ["acme.press.1.2.3.nupkg", "acme.press.1.2.3.snupkg"]

        assert "> Acme.Press | 1.2.3" in nuget.does("search", "press", "-Source", "yard")
        for home, source in (("first", "yard"), ("of-group", "group")):
            done = nuget.install(home=home, source=source)
            assert done.returncode == 0, done.stdout + done.stderr
            assert nuget.installed(home) == {"Acme.Press.1.2.3", "Press.Gears.1.5.0"}

        deletes = ("delete", "acme.press", "1.2.3", "-Source", "yard", "-ApiKey", _TOKEN)
        assert "was deleted successfully" in nuget.does(*deletes)
        done = nuget.install("-Version", "1.2.3", home="second")
        assert (done.returncode, nuget.installed("second")) == (1, set())
        assert "'Acme.Press 1.2.3' is not found" in done.stdout + done.stderr

        async with session.get(f"{api}/{_PROJECT}/deletions") as answer:
            (deletion,) = await answer.json()
        async with session.post(f"{api}/{_PROJECT}/deletions/{deletion['id']}/restore") as answer:
            assert answer.status == 200
    done = nuget.install("-Version", "1.2.3", home="third")
    assert done.returncode == 0, done.stdout + done.stderr
    content = tmp_path / "third" / "packages" / "Acme.Press.1.2.3" / "lib" / "net45" / "Acme.Press.dll"
    assert content.read_text(encoding="utf-8") == "Acme.Press 1.2.3"
