"""Screenshots of the pages for README and docs, made anew from a running demo: `make screenshots PORT=8080`.

`python -m tests.support.screenshots URL` signs in with the demo's owner token, deletes a package that has a grace, and
writes docs/images. Nothing is left deleted: the deletion is undone in the end.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any, Final, Literal

import aiohttp

from tests.support.chromium import ROOT, SCHEMES, Window, chromium, window

_FOLDER: Final = ROOT / "docs" / "images"
_TOKEN: Final = "demo-owner-token"
_HEADERS: Final = {"PRIVATE-TOKEN": _TOKEN}
_GRACED: Final = "orchard%2Fpress%2Fjuice"
_PATIENCE_S: Final = 20


async def make_screenshots(url: str) -> None:
    """Take a picture of each page in both schemes.

    Raises:
        AssertionError: the demo's packages are not there.
    """
    _FOLDER.mkdir(exist_ok=True)
    async with aiohttp.ClientSession(url, headers=_HEADERS) as session:
        package = await _first(session, "/api/v4/projects/orchard%2Fapples/packages?package_type=npm&sort=desc")
        doomed = await _first(session, f"/api/v4/projects/{_GRACED}/packages?package_name=squeeze&sort=desc")
        deletion_id = await _delete(session, doomed["id"])
        pages = {
            "project": "/orchard/apples?package_type=npm&order_by=semver",
            "package": package["_links"]["web_path"],
            "deletion": f"/orchard/press/juice/-/deletions/{deletion_id}",
            "storage": "/-/storage",
            "events": "/orchard/press/juice/-/events",
            "bulk-delete": "/orchard/apples/-/bulk_delete?package_name=apple&keep_latest_per_name=2",
        }
        async with chromium() as browser:
            for scheme in SCHEMES:
                async with window(browser, url, scheme=scheme) as opened:
                    await opened.sign_in(_TOKEN)
                    await _take_all(opened, pages, scheme)
        await session.post(f"/api/v4/projects/{_GRACED}/deletions/{deletion_id}/restore", json={})


async def _take_all(opened: Window, pages: dict[str, str], scheme: Literal["light", "dark"]) -> None:
    for name, path in pages.items():
        assert await opened.open(path) == 200, path
        height = await opened.page.evaluate("document.querySelector('main').getBoundingClientRect().bottom")
        await opened.page.screenshot(
            path=_FOLDER / f"{name}-{scheme}.png", clip={"x": 0, "y": 0, "width": 1280, "height": min(height, 760)}
        )


async def _first(session: aiohttp.ClientSession, path: str) -> dict[str, Any]:
    async with session.get(path) as answer:
        found: list[dict[str, Any]] = await answer.json()
    assert found, f"{path} is empty: is this the demo?"
    return found[0]


async def _delete(session: aiohttp.ClientSession, package_id: int) -> str:
    path = f"/api/v4/projects/{_GRACED}/packages/{package_id}?reason=superseded+by+2.1"
    async with session.delete(path) as answer:
        assert answer.status == 204, await answer.text()
        deletion_id = answer.headers["Deletion-Id"]
    async with asyncio.timeout(_PATIENCE_S):
        while await _state(session, deletion_id) != "grace":
            await asyncio.sleep(0.2)
    return deletion_id


async def _state(session: aiohttp.ClientSession, deletion_id: str) -> str:
    async with session.get(f"/api/v4/projects/{_GRACED}/deletions/{deletion_id}") as answer:
        return str((await answer.json())["state"])


if __name__ == "__main__":
    asyncio.run(make_screenshots(sys.argv[1]))
    sys.stdout.write("".join(f"{path.relative_to(Path.cwd())}\n" for path in sorted(_FOLDER.glob("*.png"))))
