"""Helm as its makers ship it: it packs a chart, finds, pulls and renders it, and sees a deletion and its undo."""

import os
import subprocess
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

import aiohttp
import pytest
import pytest_asyncio

from tests.support.chart import CHECKERS
from tests.support.demo import demo_yard
from tests.support.servers import Servers
from tests.support.yard import Yard

_TOKEN: Final = "demo-maintainer-token"
_PATIENCE_S: Final = 60
_PROJECT: Final = "projects/orchard%2Fpress%2Fjuice"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def yard(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Yard]:
    """The demo's users and projects, without packages."""
    async with demo_yard(servers, tmp_path_factory.mktemp("yard")) as made:
        yield made


def _run(home: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.defpath, "HOME": str(home)}
    return subprocess.run(
        command, cwd=home, env=environment, text=True, capture_output=True, check=False, timeout=_PATIENCE_S
    )


def _does(home: Path, *command: str) -> str:
    done = _run(home, *command)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.asyncio(loop_scope="module")
async def test_helm_finds_pulls_and_renders_a_chart_and_sees_its_deletion_and_undo(yard: Yard, tmp_path: Path) -> None:
    helm, api = str(CHECKERS / "helm"), f"{yard.base_url}/api/v4"
    repository = f"{api}/{_PROJECT}/packages/helm"
    _does(tmp_path, helm, "create", "press")
    _does(tmp_path, helm, "package", "press", "--version", "1.2.3", "--app-version", "1.0")
    push = ("-F", "chart=@press-1.2.3.tgz", "--user", f"mira:{_TOKEN}", f"{repository}/api/stable/charts")
    assert "201 Created" in _does(tmp_path, "curl", "-sS", "--fail-with-body", *push)

    credentials = ("--username", "mira", "--password", _TOKEN)
    _does(tmp_path, helm, "repo", "add", "yard", f"{repository}/stable", *credentials)
    assert "yard/press" in _does(tmp_path, helm, "search", "repo", "press")
    (tmp_path / "pulled").mkdir()
    _does(tmp_path, helm, "pull", "yard/press", "--version", "1.2.3", "--destination", "pulled")
    assert (tmp_path / "pulled" / "press-1.2.3.tgz").read_bytes() == (tmp_path / "press-1.2.3.tgz").read_bytes()
    assert "kind: Deployment" in _does(tmp_path, helm, "template", "yard/press")

    headers = {"PRIVATE-TOKEN": _TOKEN}
    async with aiohttp.ClientSession(headers=headers) as session:
        async with session.get(f"{api}/{_PROJECT}/packages") as answer:
            (package,) = await answer.json()
        assert (package["name"], package["version"], package["package_type"]) == ("press", "1.2.3", "helm")
        async with session.delete(f"{api}/{_PROJECT}/packages/{package['id']}") as answer:
            deletion = answer.headers["Deletion-Id"]
        _does(tmp_path, helm, "repo", "update")
        assert "yard/press" not in _does(tmp_path, helm, "search", "repo", "press")
        assert _run(tmp_path, helm, "pull", "yard/press", "--version", "1.2.3").returncode != 0

        async with session.post(f"{api}/{_PROJECT}/deletions/{deletion}/restore") as answer:
            assert answer.status == 200
    _does(tmp_path, helm, "repo", "update")
    assert "kind: Deployment" in _does(tmp_path, helm, "template", "yard/press", "--version", "1.2.3")
