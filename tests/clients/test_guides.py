"""The guides of package managers, followed line by line with the managers themselves, from an empty folder.

Blocks of `console` and `sh` run in their order, and blocks with a file's name are that file. A job of CI runs in a copy
of the folder, with the variables of a job. Packages are deleted before a block that publishes: a reader follows one of
several ways.
"""

import os
import re
import shutil
import subprocess
from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
import pytest_asyncio
from ruamel.yaml import YAML

from tests.support.chart import CHECKERS
from tests.support.demo import demo_yard
from tests.support.paths import ROOT
from tests.support.servers import Servers
from tests.support.shown_outputs import FENCED
from tests.support.yard import Yard
from workers.stack import demo

_GUIDES: Final = ("python-packages", "npm", "maven", "nuget", "helm-charts")
_ADDRESS: Final = "127.0.0.1:8080"
_PROJECT: Final = "orchard/press/juice"
_PROJECT_ID: Final = 101
_HEADERS: Final = {"PRIVATE-TOKEN": "demo-maintainer-token"}
_JOB_TOKEN: Final = "job-of-the-guides"
_PATIENCE_S: Final = 120
_PUBLISHES: Final = re.compile(r"\b(upload|publish|push|deploy|charts)\b")
_ASSIGNMENT: Final = re.compile(r"(?:export )?\w+=\S+")
_CLIENTS: Final = ROOT / ".clients"
_MODULES: Final = _CLIENTS / "node" / "node_modules"
_REPOSITORY: Final = "-Dmaven.repo.local=$HOME/repository"
_PROGRAMS: Final = {
    "npm": f'node "{_MODULES}/npm/bin/npm-cli.js"',
    "pnpm": f'node "{_MODULES}/pnpm/bin/pnpm.cjs"',
    "yarn": f'node "{_MODULES}/@yarnpkg/cli-dist/bin/yarn.js"',
    "nuget": f'mono "{_MODULES}/nuget-exe/nuget-5.8.0.exe"',
    "mvn": f'/usr/bin/mvn --batch-mode "{_REPOSITORY}"',
    "helm": f'"{CHECKERS}/helm"',
}
"""Managers that have no command of their name here."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def yard(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Yard]:
    """The demo without packages, with a job in the project of the guides."""
    folder = tmp_path_factory.mktemp("yard")
    yaml = YAML(typ="safe")
    directory = yaml.load(Path(demo.__file__).with_name("demo.yaml"))
    (project,) = [one for one in directory["projects"] if one["path"] == _PROJECT]
    project["job_tokens"] = [{"user": "mira", "token": _JOB_TOKEN}]
    async with demo_yard(servers, folder) as made:
        yaml.dump(directory, folder / "jobs.yaml")
        await made.run("directory", "apply", str(folder / "jobs.yaml"), "--yes")
        yield made


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who follows a guide; the home has no cache and no configuration of this machine's user."""

    folder: Path
    home: Path
    base_url: str

    def prepare(self) -> None:
        """Make both folders, and put the managers into the home."""
        self.folder.mkdir()
        (self.home / "bin").mkdir(parents=True)
        for name, command in _PROGRAMS.items():
            program = self.home / "bin" / name
            program.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
            program.chmod(0o755)
        # Maven's plugins are not part of what a guide shows.
        shutil.copytree(_CLIENTS / "maven" / "repository", self.home / "repository", symlinks=True)

    def run(self, script: str, *, cwd: Path, **environment: str) -> None:
        """Run lines of a guide, of which each has to succeed."""
        path = (self.home / "bin", _CLIENTS / "python" / "bin", Path(shutil.which("node") or "node").parent)
        done = subprocess.run(
            ["bash", "-euc", script],
            cwd=cwd,
            env={
                "PATH": ":".join((*map(str, path), os.defpath)),
                "HOME": str(self.home),
                "CI": "true",
                "YARN_ENABLE_IMMUTABLE_INSTALLS": "false",
                "YARN_ENABLE_TELEMETRY": "false",
                **environment,
            },
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=_PATIENCE_S,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}"


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a guide."""

    language: str
    file_name: str | None
    text: str

    @property
    def publishes(self) -> bool:
        """Whether a line of it brings a package."""
        return self.file_name is None and bool(_PUBLISHES.search(self.text))

    def job(self) -> Mapping[str, Any]:
        """The job of CI in it."""
        (job,) = YAML(typ="safe").load(self.text).values()
        found: Mapping[str, Any] = job
        return found


def _blocks(guide: str, reader: Reader) -> Iterator[Block]:
    page = (ROOT / "docs" / "guides" / f"{guide}.md").read_text(encoding="utf-8")
    for found in FENCED.finditer(page.replace(_ADDRESS, reader.base_url.partition("://")[2])):
        yield Block(found[2], found[3], found[4])


async def _delete_all(session: aiohttp.ClientSession) -> None:
    packages = f"/api/v4/projects/{_PROJECT_ID}/packages"
    async with session.get(packages) as answer:
        for package in await answer.json():
            async with session.delete(f"{packages}/{package['id']}"):
                pass


def _run_job(reader: Reader, job: Mapping[str, Any]) -> None:
    checkout = reader.folder.with_name("checkout")
    shutil.copytree(reader.folder, checkout, symlinks=True)
    # The tools are here already; an image has its own.
    lines = [line for line in job["script"] if not line.startswith("pip install ")]
    variables = {name: value.replace("$CI_JOB_TOKEN", _JOB_TOKEN) for name, value in job.get("variables", {}).items()}
    reader.run(
        "\n".join(lines),
        cwd=checkout,
        CI_API_V4_URL=f"{reader.base_url}/api/v4",
        CI_PROJECT_ID=str(_PROJECT_ID),
        CI_JOB_TOKEN=_JOB_TOKEN,
        **variables,
    )


@pytest.mark.timeout(600)
@pytest.mark.parametrize("guide", _GUIDES)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_guide_can_be_followed_line_by_line(yard: Yard, tmp_path: Path, guide: str) -> None:
    reader = Reader(tmp_path / "folder", tmp_path / "home", yard.base_url)
    reader.prepare()
    assignments: list[str] = []
    async with aiohttp.ClientSession(yard.base_url, headers=_HEADERS, raise_for_status=True) as session:
        for block in _blocks(guide, reader):
            if block.file_name is not None:
                (reader.folder / block.file_name).write_text(block.text, encoding="utf-8")
                continue
            if block.publishes and block.language in {"console", "sh", "yaml"}:
                await _delete_all(session)
            if block.language == "yaml":
                _run_job(reader, block.job())
            elif block.language in {"console", "sh"}:
                reader.run("\n".join((*assignments, block.text)), cwd=reader.folder)
                assignments += [line for line in block.text.splitlines() if _ASSIGNMENT.fullmatch(line)]
        await _delete_all(session)
