"""Package managers as their makers ship them, each reduced to two acts: publish some text, and install it."""

import gzip
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from tests.support.chart import CHECKERS
from tests.support.distributions import distribution
from tests.support.paths import ROOT

NAME: Final = "soaked"
VERSION: Final = "1.0.0"

_NPM: Final = ROOT / ".clients" / "node" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_PATIENCE_S: Final = 120


class ClientFailedError(Exception):
    """A client ended with an error."""


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
class Place:
    """Where a client works: a folder of its own, the address of a project's packages, and a token."""

    folder: Path
    packages: str
    token: str

    def fresh(self, name: str) -> Path:
        """Return an empty folder."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def run(self, *command: str | Path, cwd: Path) -> int:
        """Run a client whose home is *cwd*; return its exit status."""
        return self._run(*command, cwd=cwd).returncode

    def does(self, *command: str | Path, cwd: Path) -> None:
        """Run a client, which has to succeed."""
        done = self._run(*command, cwd=cwd)
        if done.returncode:
            raise ClientFailedError(
                f"{command[0]} ended with {done.returncode}: {(done.stdout + done.stderr)[-1_000:]}"
            )

    def _run(self, *command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
        node = Path(shutil.which("node") or "node").parent
        return subprocess.run(
            [str(part) for part in command],
            cwd=cwd,
            env={"PATH": f"{node}:{os.defpath}", "HOME": str(cwd)},
            text=True,
            capture_output=True,
            check=False,
            timeout=_PATIENCE_S,
        )


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


def managers(folder: Path, packages: str, token: str) -> list[Manager]:
    """Return each package manager, with a folder of its own."""
    return [
        Uv(Place(folder / "uv", packages, token)),
        Npm(Place(folder / "npm", packages, token)),
        Helm(Place(folder / "helm", packages, token)),
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
