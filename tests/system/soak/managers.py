"""Package managers as their makers ship them, each reduced to two acts: publish some text, and install it."""

import gzip
import io
import json
import shutil
import sys
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from tests.support.chart import CHECKERS
from tests.support.distributions import distribution
from tests.support.nupkgs import packed
from tests.support.paths import ROOT
from tests.system.soak.places import Place

NAME: Final = "soaked"
VERSION: Final = "1.0.0"

_NPM: Final = ROOT / ".clients" / "node" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_NUGET: Final = ("mono", ROOT / ".clients" / "node" / "node_modules" / "nuget-exe" / "nuget-5.8.0.exe")
_NUGET_SETTINGS: Final = """<configuration>
  <packageSources><clear /> <add key="yard" value="{source}" /></packageSources>
  <packageSourceCredentials>
    <yard><add key="Username" value="me" /> <add key="ClearTextPassword" value="{token}" /></yard>
  </packageSourceCredentials>
</configuration>
"""
_PLUGINS: Final = ROOT / ".clients" / "maven" / "repository"
_DEPLOY: Final = "org.apache.maven.plugins:maven-deploy-plugin:3.1.3:deploy-file"
_GET: Final = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:get"
_COORDINATES: Final = ("-DgroupId=com.example", f"-DartifactId={NAME}", f"-Dversion={VERSION}", "-Dpackaging=txt")
_MAVEN_SETTINGS: Final = """<settings>
  <mirrors><mirror><id>yard</id><mirrorOf>*</mirrorOf><url>{url}</url></mirror></mirrors>
  <servers><server><id>yard</id><username>me</username><password>{token}</password></server></servers>
</settings>
"""


class Manager(Protocol):
    """A package manager."""

    @property
    def package_type(self) -> str:
        """The type of its packages."""
        ...

    def publish(self, text: str) -> None:
        """Publish the one package and version with that text in it.

        Raises:
            ClientFailedError: the client says so.
        """
        ...

    def install(self) -> str | None:
        """Install it where nothing is kept of before, and return its text; None when the client finds none."""
        ...


@dataclass(frozen=True, slots=True)
class Uv:
    """uv, which publishes a wheel and installs it with its hash."""

    place: Place
    package_type: str = "pypi"

    def publish(self, text: str) -> None:
        """Publish a wheel."""
        folder = self.place.fresh("publish")
        wheel = folder / f"{NAME}-{VERSION}-py3-none-any.whl"
        wheel.write_bytes(distribution(wheel.name, content=text.encode()))
        options = ("--no-config", "--publish-url", f"{self.place.packages}/pypi", "--username", "me")
        self.place.does(_uv(), "publish", *options, "--password", self.place.token, wheel, cwd=folder)

    def install(self) -> str | None:
        """Install it with an empty cache."""
        folder = self.place.fresh("install")
        options = ("--no-cache", "--no-config", "--no-deps", "--python", sys.executable, "--target", folder / "made")
        index = self.place.packages.replace("://", f"://me:{self.place.token}@") + "/pypi/simple"
        done = self.place.run(_uv(), "pip", "install", *options, "--index-url", index, f"{NAME}=={VERSION}", cwd=folder)
        return None if done else (folder / "made" / "a.py").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Npm:
    """npm, which installs by the integrity in the metadata."""

    place: Place
    package_type: str = "npm"

    def publish(self, text: str) -> None:
        """Publish a tarball."""
        folder = self._folder("publish", {"name": NAME, "version": VERSION, "license": "MIT"})
        (folder / "a.js").write_text(text, encoding="utf-8")
        self.place.does("node", _NPM, "publish", "--provenance=false", cwd=folder)

    def install(self) -> str | None:
        """Install it with an empty cache."""
        folder = self._folder("install", {"name": "consumer", "version": "1.0.0"})
        done = self.place.run("node", _NPM, "install", "--no-audit", "--no-fund", f"{NAME}@{VERSION}", cwd=folder)
        return None if done else (folder / "node_modules" / NAME / "a.js").read_text(encoding="utf-8")

    def _folder(self, name: str, manifest: Mapping[str, str]) -> Path:
        folder = self.place.fresh(name)
        (folder / "package.json").write_text(json.dumps(manifest), encoding="utf-8")
        registry = f"{self.place.packages}/npm/"
        access = f"{registry.partition(':')[2]}:_authToken={self.place.token}"
        settings = f"registry={registry}\n{access}\nupdate-notifier=false\nfetch-retries=0\n"
        (folder / ".npmrc").write_text(settings, encoding="utf-8")
        return folder


@dataclass(frozen=True, slots=True)
class Helm:
    """Helm, which pulls a chart that curl pushed."""

    place: Place
    package_type: str = "helm"

    def publish(self, text: str) -> None:
        """Push a chart."""
        folder = self.place.fresh("publish")
        (folder / "chart.tgz").write_bytes(_chart(text))
        address = f"{self.place.packages}/helm/api/stable/charts"
        options = ("-sS", "--fail-with-body", "--user", f"me:{self.place.token}", "-F", "chart=@chart.tgz")
        self.place.does("curl", *options, address, cwd=folder)

    def install(self) -> str | None:
        """Pull it with an empty cache."""
        folder = self.place.fresh("install")
        options = ("--repo", f"{self.place.packages}/helm/stable", "--username", "me", "--password", self.place.token)
        pulled = ("pull", NAME, "--version", VERSION, "--untar", *options)
        done = self.place.run(CHECKERS / "helm", *pulled, cwd=folder)
        return None if done else (folder / NAME / "text").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Maven:
    """Maven, whose local repository has its plugins, and nothing of the package before an install."""

    place: Place
    package_type: str = "maven"

    def publish(self, text: str) -> None:
        """Deploy a file."""
        folder = self.place.fresh("publish")
        (folder / "made.txt").write_text(text, encoding="utf-8")
        target = (f"-Durl={self.place.packages}/maven", "-DrepositoryId=yard", "-DgeneratePom=true")
        self.place.does(*self._maven(), _DEPLOY, "-Dfile=made.txt", *target, *_COORDINATES, cwd=folder)

    def install(self) -> str | None:
        """Resolve it."""
        folder = self.place.fresh("install")
        known = self._repository() / "com" / "example"
        shutil.rmtree(known, ignore_errors=True)
        wanted = f"-Dartifact=com.example:{NAME}:{VERSION}:txt"
        remote = (f"-DremoteRepositories=yard::::{self.place.packages}/maven", "-Dtransitive=false")
        done = self.place.run(*self._maven(), _GET, wanted, *remote, cwd=folder)
        found = known / NAME / VERSION / f"{NAME}-{VERSION}.txt"
        return None if done else found.read_text(encoding="utf-8")

    def _maven(self) -> Sequence[str]:
        settings = self.place.folder / "settings.xml"
        # Nothing comes from elsewhere: a failed request would go on to the central repository. With -llr, plugins
        # in the local repository count wherever they came from.
        written = _MAVEN_SETTINGS.format(url=f"{self.place.packages}/maven", token=self.place.token)
        settings.write_text(written, encoding="utf-8")
        return ("mvn", "-B", "-C", "-llr", "-s", str(settings), f"-Dmaven.repo.local={self._repository()}")

    def _repository(self) -> Path:
        repository = self.place.folder / "repository"
        if not repository.exists():
            shutil.copytree(_PLUGINS, repository)
        return repository


@dataclass(frozen=True, slots=True)
class Nuget:
    """nuget.exe on Mono, each time with a home in which nothing is cached."""

    place: Place
    package_type: str = "nuget"

    def publish(self, text: str) -> None:
        """Push a package."""
        folder = self._folder("publish")
        package = folder / f"{NAME}.{VERSION}.nupkg"
        package.write_bytes(packed(NAME, VERSION, files={"content/made.txt": text.encode()}))
        self.place.does(*_NUGET, "push", package.name, "-Source", "yard", "-NonInteractive", cwd=folder)

    def install(self) -> str | None:
        """Install it."""
        folder = self._folder("install")
        options = ("-Version", VERSION, "-Source", "yard", "-OutputDirectory", "made", "-NonInteractive")
        done = self.place.run(*_NUGET, "install", NAME, *options, cwd=folder)
        found = folder / "made" / f"{NAME}.{VERSION}" / "content" / "made.txt"
        return None if done else found.read_text(encoding="utf-8")

    def _folder(self, name: str) -> Path:
        folder = self.place.fresh(name)
        source = f"{self.place.packages}/nuget/index.json"
        written = _NUGET_SETTINGS.format(source=source, token=self.place.token)
        (folder / "nuget.config").write_text(written, encoding="utf-8")
        return folder


def managers(folder: Path, packages: str, token: str) -> list[Manager]:
    """Return each package manager, with a folder of its own."""
    return [
        Uv(Place(folder / "uv", packages, token)),
        Npm(Place(folder / "npm", packages, token)),
        Helm(Place(folder / "helm", packages, token)),
        Maven(Place(folder / "maven", packages, token)),
        Nuget(Place(folder / "nuget", packages, token)),
    ]


def _uv() -> Path:
    return Path(sys.executable).with_name("uv")


def _chart(text: str) -> bytes:
    made = io.BytesIO()
    described = f"apiVersion: v2\nname: {NAME}\nversion: {VERSION}\n"
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, content in {"Chart.yaml": described, "text": text}.items():
            header = tarfile.TarInfo(f"{NAME}/{name}")
            header.size = len(content.encode())
            archive.addfile(header, io.BytesIO(content.encode()))
    return gzip.compress(made.getvalue())
