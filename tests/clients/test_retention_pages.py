"""The pages of retention in Chromium: a rule from its first word to its undone run, and each page in light and dark."""

import json
import re
from collections.abc import AsyncGenerator
from typing import Any, Final

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.support.chromium import WIDTHS, chromium, window
from tests.support.demo import demo_yard
from tests.support.servers import Servers
from tests.support.yard import Yard

pytestmark = pytest.mark.asyncio(loop_scope="module")

_MAINTAINER: Final = "demo-maintainer-token"
_RULES: Final = "/orchard/apples/-/retention"
_SOON_MS: Final = 20_000
_MANY: Final[dict[str, Any]] = {"name": "old mash", "kind": "delete", "name_patterns": ["mash"], "younger_than": "30d"}
_KEEP: Final[dict[str, Any]] = {"name": "<b>named</b>", "kind": "keep", "version_patterns": ["1.9.*"]}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncGenerator[Browser]:
    async with chromium() as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def yard(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Yard]:
    """The demo's directory with old packages: seven prereleases of cider, a release, and 110 versions of mash."""
    async with demo_yard(servers, tmp_path_factory.mktemp("retention"), packages=_packages()) as made:
        yield made


def _packages() -> list[dict[str, Any]]:
    old = {
        "project": "orchard/apples",
        "package_type": "npm",
        "created_at": "2024-01-01T00:00:00Z",
        "files": [{"file_name": "f.tgz", "content": "x"}],
    }
    return [
        *({**old, "name": "cider", "version": f"1.0.0-rc.{number}"} for number in range(1, 8)),
        {**old, "name": "cider", "version": "0.9.0"},
        *({**old, "name": "mash", "version": f"1.{number}.0"} for number in range(110)),
    ]


async def _asked(yard: Yard, path: str, body: dict[str, Any]) -> dict[str, Any]:
    address = f"{yard.base_url}/api/v4/projects/orchard%2Fapples/{path}"
    async with (
        aiohttp.ClientSession(headers={"PRIVATE-TOKEN": _MAINTAINER}) as session,
        session.post(address, json=body) as answer,
    ):
        found: dict[str, Any] = await answer.json()
        assert answer.status < 300, found
        return found


async def _finished(page: Page) -> None:
    """Load the page of a run again until it has ended."""
    for _ in range(100):
        if "finished" in (await page.locator("#live").inner_text()):
            return
        await page.wait_for_timeout(200)
        await page.reload()
    raise AssertionError(await page.locator("#live").inner_text())


async def test_a_rule_is_written_shown_run_and_undone_without_scripts_and_its_next_run_takes_nothing(
    yard: Yard, browser: Browser
) -> None:
    async with window(browser, yard.base_url, scripts=False) as opened:
        page = opened.page
        main = page.locator("main")
        await opened.sign_in(_MAINTAINER)
        await opened.open("/orchard/apples")
        await page.get_by_role("link", name="Retention").click()
        await page.get_by_role("link", name="Write a rule").click()
        await page.get_by_label("Name", exact=True).fill("old prereleases")
        await page.get_by_label("npm").check()
        await page.get_by_label("Names").fill("cider")
        await page.get_by_label("Releases").select_option("prerelease")
        await page.get_by_label("Younger than").fill("30d")
        await page.get_by_label("Among the latest of each name").fill("5")
        await page.get_by_role("button", name="Show what it would do").click()
        await expect(main).to_contain_text("2 packages would go")
        await page.get_by_role("button", name="Save the rule").click()
        await expect(main).to_contain_text("deletes npm prereleases named cider older than 30 days, but the last 5")
        await expect(main).to_contain_text("its next run may delete")
        await page.get_by_role("button", name="Run it now").click()
        await _finished(page)
        await expect(main).to_contain_text("1.0.0-rc.1")
        async with page.expect_download() as download:
            await page.get_by_role("link", name="CSV").click()
        assert (await download.value).suggested_filename.endswith(".csv")
        await page.get_by_role("button", name="Undo the run").click()
        await expect(main).to_contain_text("2 deletions were undone")
        await page.get_by_role("link", name="Resume it there").click()
        await page.get_by_role("button", name="Resume").click()
        await page.get_by_role("button", name="Run it now").click()
        await _finished(page)
        await expect(main).to_contain_text("it was restored from this rule")
        await expect(main).to_contain_text("0 packages, 0 B")


@pytest.mark.parametrize("width", WIDTHS)
async def test_every_page_of_retention_is_accessible_and_fits_in_each_look(
    yard: Yard, browser: Browser, width: int
) -> None:
    name = f"{_MANY['name']} {width}"
    rule = await _asked(yard, "retention_rules", {**_MANY, "name": name})
    await _asked(yard, "retention_rules", {**_KEEP, "name": f"{_KEEP['name']} {width}"})
    await _asked(yard, "retention/preview", {"rule_id": rule["id"]})
    run = await _asked(yard, "retention/runs", {"rule_id": rule["id"]})
    found: list[str] = []
    async with window(browser, yard.base_url, width=width) as opened:
        await opened.sign_in(_MAINTAINER)
        await opened.open(f"{_RULES}/runs/{run['id']}")
        # The page reads itself again until the scheduler has planned the run.
        await expect(opened.page.locator("#live")).to_contain_text("wait for approval", timeout=_SOON_MS)
        found += await opened.violations()
        await opened.open(f"{_RULES}/preview?rule_id={rule['id']}")
        package = await opened.page.locator("a.name").first.get_attribute("href")
        unsaved = json.dumps({**_MANY, "name": "<script>", "keep_latest": 3})
        for path in (
            _RULES,
            f"{_RULES}/new",
            f"{_RULES}/rules/{rule['id']}",
            f"{_RULES}/preview?rule_id={rule['id']}",
            f"{_RULES}/preview?rule={unsaved}",
            f"{_RULES}/new?rule=%7B%22keep_latest%22:0%7D",
            f"{_RULES}/runs",
            f"{package}/retention",
        ):
            assert await opened.open(path) == 200, path
            overflow = await opened.overflow()
            found += [*await opened.violations(), *([f"{path} is {overflow} px too wide"] if overflow else [])]
        await opened.open(f"{_RULES}/runs/{run['id']}")
        await opened.page.get_by_role("button", name=re.compile("Refuse")).click()
        await expect(opened.page.locator("main")).to_contain_text("refused")
        found += await opened.violations()

    assert found == []
