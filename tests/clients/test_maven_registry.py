"""Maven as Debian ships it: it deploys, resolves releases and snapshots, and sees a deletion and its undo."""

import asyncio
import os
import shutil
import subprocess
import zipfile
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import aiohttp
import pytest
import pytest_asyncio

from tests.support.demo import demo_yard
from tests.support.paths import ROOT
from tests.support.servers import Servers
from tests.support.yard import Yard

_REPOSITORY: Final = ROOT / ".clients" / "maven" / "repository"
_POM: Final = ROOT / "tests" / "clients" / "maven" / "pom.xml"
_JAVA: Final = Path("/usr/share/java")
_TOKEN: Final = "demo-maintainer-token"
_HEADERS: Final = {"PRIVATE-TOKEN": _TOKEN}
_PATIENCE_S: Final = 120
_STORY_S: Final = 600
_PROJECT: Final = "projects/orchard%2Fpress%2Fjuice"
_IN_PROJECT: Final = f"{_PROJECT}/packages/maven"
_IN_GROUP: Final = "groups/orchard/-/packages/maven"
_KIT: Final = "com.example.press:kit"
_FOLDER: Final = "com/example/press/kit"
_SETTINGS: Final = f"""\
<settings>
  <servers>
    <server>
      <id>header</id>
      <configuration>
        <httpHeaders><property><name>Private-Token</name><value>{_TOKEN}</value></property></httpHeaders>
      </configuration>
    </server>
    <server><id>basic</id><username>mira</username><password>{_TOKEN}</password></server>
  </servers>
</settings>
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def yard(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Yard]:
    """The demo's users and projects, without packages."""
    async with demo_yard(servers, tmp_path_factory.mktemp("yard")) as made:
        yield made


@dataclass(frozen=True)
class Maven:
    """Maven with a home of its own, and a local repository that has the plugins and no more."""

    home: Path
    api: str

    @property
    def local(self) -> Path:
        """The folder of the artifact in the local repository."""
        return self.home / "repository" / _FOLDER

    async def run(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run it; wrong checksums are errors."""
        command = ("mvn", "--batch-mode", "--strict-checksums", "--settings", str(self.home / "settings.xml"))
        return await asyncio.to_thread(
            subprocess.run,
            (*command, f"-Dmaven.repo.local={self.home / 'repository'}", *arguments),
            cwd=cwd or self.home,
            env={"PATH": os.defpath, "HOME": str(self.home)},
            text=True,
            capture_output=True,
            check=False,
            timeout=_PATIENCE_S,
        )

    async def deploy(self, version: str, *, server: str = "header", text: str = "kit") -> None:
        """Build a version of the artifact, and publish it."""
        folder = self.home / f"source-{version}"
        (folder / "src" / "main" / "resources").mkdir(parents=True, exist_ok=True)
        (folder / "src" / "main" / "resources" / "kit.txt").write_text(text, encoding="utf-8")
        pom = _POM.read_text(encoding="utf-8").replace("@version@", version).replace("@server@", server)
        (folder / "pom.xml").write_text(pom.replace("@url@", f"{self.api}/{_IN_PROJECT}"), encoding="utf-8")
        done = await self.run("-Dmaven.test.skip=true", "deploy", cwd=folder)
        assert done.returncode == 0, done.stdout + done.stderr

    async def get(self, version: str, *, server: str = "header", at: str = _IN_PROJECT) -> bool:
        """Resolve the artifact, of which the local repository has nothing; return whether that went well."""
        shutil.rmtree(self.local, ignore_errors=True)
        remote = f"-DremoteRepositories={server}::::{self.api}/{at}"
        return (await self.run("dependency:get", f"-Dartifact={_KIT}:{version}", remote)).returncode == 0

    def resolved(self) -> dict[str, str]:
        """Return the text in each jar of the local repository, by the jar's name."""
        found = {}
        for jar in self.local.rglob("*.jar"):
            with zipfile.ZipFile(jar) as archive:
                found[jar.name] = archive.read("kit.txt").decode()
        return found


@pytest.fixture
def maven(yard: Yard, tmp_path: Path) -> Maven:
    """Maven against that yard."""
    shutil.copytree(_REPOSITORY, tmp_path / "repository")
    (tmp_path / "settings.xml").write_text(_SETTINGS, encoding="utf-8")
    return Maven(tmp_path, f"{yard.base_url}/api/v4")


async def _json(session: aiohttp.ClientSession, method: str, url: str) -> Any:
    async with session.request(method, url, raise_for_status=True) as answer:
        return await answer.json()


@pytest.mark.timeout(_STORY_S)
@pytest.mark.asyncio(loop_scope="module")
async def test_maven_deploys_resolves_and_sees_a_deletion_and_its_undo(maven: Maven) -> None:
    # Two builds at the same time: metadata that a client merges would lose one of the versions.
    async with asyncio.TaskGroup() as group:
        for version, server in (("1.9", "header"), ("1.10", "basic")):
            group.create_task(maven.deploy(version, server=server, text=version))

    packages = f"{maven.api}/{_PROJECT}/packages"
    async with aiohttp.ClientSession(headers=_HEADERS) as session:
        listed = await _json(session, "GET", f"{packages}?package_name=kit")
        assert {(one["name"], one["version"], one["package_type"]) for one in listed} == {
            (_FOLDER, "1.9", "maven"),
            (_FOLDER, "1.10", "maven"),
        }
        assert await maven.get("RELEASE")
        assert maven.resolved() == {"kit-1.10.jar": "1.10"}
        assert await maven.get("1.9", server="basic", at=_IN_GROUP)

        (newest,) = [one["id"] for one in listed if one["version"] == "1.10"]
        async with session.delete(f"{packages}/{newest}") as answer:
            deletion = answer.headers["Deletion-Id"]
        assert not await maven.get("1.10")
        assert await maven.get("RELEASE")
        assert maven.resolved() == {"kit-1.9.jar": "1.9"}

        await _json(session, "POST", f"{maven.api}/{_PROJECT}/deletions/{deletion}/restore")
    assert await maven.get("RELEASE", server="basic", at=_IN_GROUP)
    assert maven.resolved() == {"kit-1.10.jar": "1.10"}


@pytest.mark.timeout(_STORY_S)
@pytest.mark.asyncio(loop_scope="module")
async def test_maven_resolves_the_newest_build_of_a_snapshot(maven: Maven) -> None:
    for text in ("first", "second"):
        await maven.deploy("2.0-SNAPSHOT", text=text)

    assert await maven.get("2.0-SNAPSHOT")
    assert set(maven.resolved().values()) == {"second"}
    metadata = ET.parse(maven.local / "2.0-SNAPSHOT" / "maven-metadata-header.xml")  # noqa: S314 - our own
    assert metadata.findtext("versioning/snapshot/buildNumber") == "2"


@pytest.mark.asyncio(loop_scope="module")
async def test_metadata_order_versions_as_maven_does(yard: Yard) -> None:
    versions = [
        *("1.0-alpha-1", "1.0-beta2", "1.0-M3", "1.0-rc1", "1.0-CR2", "1.0-SNAPSHOT", "1.0", "1.0-sp1", "1.0-jre"),
        *("1.0-1", "1.0.1", "1.1.Final", "1.9", "1.10", "2.0.0.RC1", "2.0.0.RELEASE", "31.1-android", "31.1-jre"),
    ]
    api = f"{yard.base_url}/api/v4/{_IN_PROJECT}/com/example/press/order"
    async with aiohttp.ClientSession(headers=_HEADERS) as session:
        for version in reversed(versions):
            async with session.put(f"{api}/{version}/order-{version}.txt", data=b"x", raise_for_status=True):
                pass
        async with session.get(f"{api}/maven-metadata.xml", raise_for_status=True) as answer:
            metadata = ET.fromstring(await answer.text())  # noqa: S314 - our own

    shown = [found.text or "" for found in metadata.iterfind("versioning/versions/version")]
    jars = ":".join(str(_JAVA / f"{name}.jar") for name in ("maven-artifact-3.x", "commons-lang3", "plexus-utils2"))
    compare = ("java", "-cp", jars, "org.apache.maven.artifact.versioning.ComparableVersion", *shown)
    done = await asyncio.to_thread(
        subprocess.run, compare, text=True, capture_output=True, check=True, timeout=_PATIENCE_S
    )

    assert sorted(shown) == sorted(versions)
    assert [line.strip() for line in done.stdout.splitlines() if line.startswith("   ")] == [
        f"{one} < {other}" for one, other in pairwise(shown)
    ]
