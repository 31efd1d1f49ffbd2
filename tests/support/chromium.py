"""Chromium of the distribution, driven by Playwright: windows of one size and colour scheme, watched for errors."""

import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

ROOT: Final = Path(__file__).parents[2]
Scheme: TypeAlias = Literal["light", "dark"]
SCHEMES: Final[tuple[Scheme, ...]] = ("light", "dark")
WIDTHS: Final = (1280, 390)

_AXE: Final = ROOT / ".clients" / "node" / "node_modules" / "axe-core" / "axe.min.js"
_TWO_FRAMES: Final = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
_RULES: Final = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@dataclass
class Window:
    """One window: its page, and the errors that its console showed."""

    page: Page
    base_url: str
    errors: list[str] = field(default_factory=list)

    async def open(self, path: str) -> int:
        """Open a page of ours; return its status."""
        answer = await self.page.goto(self.base_url + path)
        assert answer is not None
        return answer.status

    async def sign_in(self, token: str) -> None:
        """Sign in through the form."""
        await self.open("/-/sign_in")
        await self.page.get_by_label("Personal access token").fill(token)
        await self.page.locator("main").get_by_role("button", name="Sign in").click()
        await self.page.wait_for_url(self.base_url + "/")

    async def violations(self) -> list[str]:
        """Return what axe finds on the page in light and in dark: each rule with the first element that breaks it."""
        await self.page.evaluate(_AXE.read_text(encoding="utf-8"))
        problems: list[str] = []
        for scheme in SCHEMES:
            await self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            # A script follows the scheme with the next frame. A colour must not fade, or axe sees one on its way.
            await self.page.evaluate(_TWO_FRAMES)
            found: dict[str, Any] = await self.page.evaluate("rules => axe.run(document, rules)", _RULES)
            problems += [
                f"{self.page.url} {scheme} {violation['id']}: {violation['nodes'][0]['html'][:200]}"
                for violation in found["violations"]
            ]
        return problems

    async def overflow(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        width: int = await self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        return max(0, width)


@asynccontextmanager
async def chromium() -> AsyncGenerator[Browser]:
    """Give the browser of this machine; a test without one is skipped where there is no apt to install it."""
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("there is no chromium on this machine")
    async with async_playwright() as playwright:
        # A root user has no sandbox; the pages are ours.
        browser = await playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        await browser.close()


@asynccontextmanager
async def window(
    browser: Browser,
    base_url: str,
    *,
    scheme: Scheme = "light",
    width: int = 1280,
    scripts: bool = True,
) -> AsyncGenerator[Window]:
    """Give a window with a profile of its own; it fails at the end if its console showed an error."""
    context = await browser.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 900}, java_script_enabled=scripts, locale="en-GB"
    )
    made = Window(await context.new_page(), base_url)

    def note(message: ConsoleMessage) -> None:
        # A page that answers 404 on purpose is named by the console, too.
        if message.type == "error" and "Failed to load resource" not in message.text:
            made.errors.append(f"{made.page.url}: {message.text}")

    made.page.on("console", note)
    made.page.on("pageerror", lambda error: made.errors.append(f"{made.page.url}: {error}"))
    yield made
    await context.close()
    assert made.errors == []
