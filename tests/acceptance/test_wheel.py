"""The wheel that images and other machines install: it has all that the pages need."""

import asyncio
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from service.settings import load_settings
from tests.support.paths import ROOT
from tests.support.servers import Servers, own_database
from tests.support.yard import environment_of
from workers.stack.state import free_port

_HTML: Final = {"Accept": "text/html"}
_PATIENCE_S: Final = 60


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The wheel of this tree, as an installer unpacks it."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    return tmp_path / "installed"


async def test_pages_come_from_the_wheel_with_their_templates_and_assets(servers: Servers, installed: Path) -> None:
    async with own_database(servers) as url:
        base = f"http://127.0.0.1:{free_port()}"
        settings = load_settings(
            environment={
                "PACKYARD_DATABASE_URL": url,
                "PACKYARD_BROKER_URL": servers.broker_url,
                "PACKYARD_STORAGE_URL": (installed / "objects").as_uri(),
                "PACKYARD_PORT": base.rpartition(":")[2],
            }
        )
        # The folder in which it starts is the first that it imports from.
        serving = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "workers.cli", "serve"), cwd=installed, env=environment_of(settings)
        )
        try:
            async with aiohttp.ClientSession(base) as session:
                pages = [await _page(session, path) for path in ("/", "/-/sign_in", "/-/event_document", "/api/docs")]
                assets = {asset: await _page(session, asset) for asset in re.findall(r'"(/-/assets/[^"]+)"', pages[0])}
        finally:
            serving.terminate()
            await serving.wait()

    assert all("</html>" in page for page in pages)
    assert {name.rpartition(".")[2] for name in assets} == {"css", "js", "svg"}
    for name, text in assets.items():
        plain = re.sub(r"\.[0-9a-f]{12}\.", ".", name.rpartition("/")[2])
        assert text == (installed / "service" / "web" / "static" / plain).read_text(encoding="utf-8")


async def _page(session: aiohttp.ClientSession, path: str) -> str:
    """Return the page, as soon as the process serves."""
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            try:
                async with session.get(path, headers=_HTML, raise_for_status=True) as answer:
                    return await answer.text()
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.1)
