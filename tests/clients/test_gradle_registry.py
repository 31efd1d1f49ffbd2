"""Gradle as Debian ships it: it resolves a range of versions and a snapshot, and sees a deletion and its undo.

It does not publish here: Debian builds its `maven-publish` without a transport for HTTP.
"""

import subprocess
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
import pytest
import pytest_asyncio

from tests.support.demo import demo_yard
from tests.support.servers import Servers
from tests.support.yard import Yard

_TOKEN: Final = "demo-maintainer-token"
_PATIENCE_S: Final = 120
_PROJECT: Final = "projects/orchard%2Fpress%2Fjuice"
_IN_GROUP: Final = "groups/orchard/-/packages/maven"
_REPOSITORY: Final = """\
maven {
    url '@url@'
    credentials { username 'mira'; password '@token@' }
    authentication { basic(BasicAuthentication) }
}
"""
_BUILD: Final = """\
repositories { @repository@ }
configurations { range; snapshot }
dependencies {
    range 'com.example.press:grape:[1.0,2.0)'
    snapshot 'com.example.press:grape:3.0-SNAPSHOT'
}
task show { doLast { configurations.@configuration@.each { println "resolved ${it.name} ${it.text}" } } }
"""
_POM: Final = """\
<project><modelVersion>4.0.0</modelVersion>
<groupId>com.example.press</groupId><artifactId>grape</artifactId><version>@version@</version></project>
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def yard(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Yard]:
    """The demo's users and projects, without packages."""
    async with demo_yard(servers, tmp_path_factory.mktemp("yard")) as made:
        yield made


@dataclass(frozen=True)
class Gradle:
    """Gradle with a home of its own."""

    home: Path
    api: str

    def resolve(self, configuration: str) -> list[str]:
        """Return name and text of the files to which the group leads, which is asked anew."""
        repository = _REPOSITORY.replace("@url@", f"{self.api}/{_IN_GROUP}").replace("@token@", _TOKEN)
        build = _BUILD.replace("@repository@", repository).replace("@configuration@", configuration)
        (self.home / "settings.gradle").write_text("rootProject.name = 'consumer'\n", encoding="utf-8")
        (self.home / "build.gradle").write_text(build, encoding="utf-8")
        options = ("--no-daemon", "--quiet", "--gradle-user-home", str(self.home / "gradle"), "--refresh-dependencies")
        done = subprocess.run(
            ("gradle", *options, "show"),
            cwd=self.home,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.home)},
            text=True,
            capture_output=True,
            check=False,
            timeout=_PATIENCE_S,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return [line.removeprefix("resolved ") for line in done.stdout.splitlines() if line.startswith("resolved ")]


async def _publish(session: aiohttp.ClientSession, api: str, version: str, build: str = "") -> None:
    base = f"{api}/{_PROJECT}/packages/maven/com/example/press/grape/{version}/grape-{build or version}"
    for ending, text in ((".jar", build or version), (".pom", _POM.replace("@version@", version))):
        async with session.put(f"{base}{ending}", data=text.encode()):
            pass


@pytest.mark.timeout(600)
@pytest.mark.asyncio(loop_scope="module")
async def test_gradle_resolves_and_sees_a_deletion_and_its_undo(yard: Yard, tmp_path: Path) -> None:
    gradle = Gradle(tmp_path, f"{yard.base_url}/api/v4")
    project = f"{gradle.api}/{_PROJECT}"
    async with aiohttp.ClientSession(headers={"PRIVATE-TOKEN": _TOKEN}, raise_for_status=True) as session:
        for version in ("1.9", "1.10"):
            await _publish(session, gradle.api, version)
        for build in ("3.0-20261129.113535-1", "3.0-20261129.120000-2"):
            await _publish(session, gradle.api, "3.0-SNAPSHOT", build)
        async with session.get(f"{project}/packages?package_name=grape") as answer:
            (newest,) = [one["id"] for one in await answer.json() if one["version"] == "1.10"]

        assert gradle.resolve("range") == ["grape-1.10.jar 1.10"]
        assert gradle.resolve("snapshot") == ["grape-3.0-SNAPSHOT.jar 3.0-20261129.120000-2"]

        async with session.delete(f"{project}/packages/{newest}") as answer:
            deletion = answer.headers["Deletion-Id"]
        assert gradle.resolve("range") == ["grape-1.9.jar 1.9"]

        async with session.post(f"{project}/deletions/{deletion}/restore"):
            pass
        assert gradle.resolve("range") == ["grape-1.10.jar 1.10"]
