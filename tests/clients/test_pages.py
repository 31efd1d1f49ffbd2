"""The pages in Chromium: walks of a person, every page in both schemes and widths, and all of it without scripts."""

import re
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.support.chromium import WIDTHS, Window, chromium, window
from tests.support.demo import demo_yard
from tests.support.servers import Servers
from tests.support.yard import Yard

pytestmark = pytest.mark.asyncio(loop_scope="module")

_MAINTAINER: Final = "demo-maintainer-token"
_OWNER: Final = "demo-owner-token"
_ROOT: Final = "demo-root-token"
_SOON_MS: Final = 20_000
_A_BATCH: Final = r"/orchard/[a-z/]+/-/deletion_batches/[0-9a-f-]{36}"
_OF_ADMINISTRATORS: Final = (
    "/-/storage",
    "/-/operations",
    "/-/directory",
    "/-/events",
    "/groups/orchard/-/events?project=no/such",
)
_HARD_FILE: Final = {"file_name": "\u202e<b>gnp.exe", "content": "x"}
_HARD_NAME: Final = 'cask <script>alert("x")</script> ' + "long-" * 40


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncGenerator[Browser]:
    async with chromium() as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def yard(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Yard]:
    """The demo's directory with some packages: orchard/press/juice has a grace of two minutes, orchard/apples none."""
    async with demo_yard(servers, tmp_path_factory.mktemp("pages"), packages=_packages()) as made:
        yield made


def _packages() -> list[dict[str, Any]]:
    files = [{"file_name": f"part-{number:02}.bin", "content": f"part {number}"} for number in range(3)]
    pipeline = {"id": 47, "iid": 1, "status": "success", "ref": "main", "sha": "2f1b3c", "user": "dave"}
    apples = {"project": "orchard/apples", "package_type": "generic", "version": "1.0", "creator": "dave"}
    juice = {**apples, "project": "orchard/press/juice", "files": files}
    return [
        *({**apples, "name": "cask", "version": f"1.{number}", "files": files} for number in range(30)),
        {**apples, "name": "crate", "tags": ["stable"], "pipelines": [pipeline], "files": files},
        {**apples, "package_type": "npm", "name": _HARD_NAME[:255], "files": [_HARD_FILE]},
        {**apples, "name": "doomed", "files": files},
        {**apples, "name": "late"},
        {**apples, "name": "plain", "files": files},
        {**juice, "name": "press"},
        {**juice, "name": "press", "version": "2.0"},
        {**juice, "name": "pulp"},
    ]


async def _find(opened: Window, project: str, name: str) -> None:
    """Search a package in its project, and open it."""
    await opened.open(f"/{project}")
    await opened.page.get_by_role("searchbox").fill(name)
    await opened.page.get_by_role("button", name="Show").click()
    await opened.page.get_by_role("table").get_by_role("link", name=name).first.click()
    await expect(opened.page.get_by_role("heading", level=1)).to_contain_text(name)


async def test_a_person_finds_a_package_deletes_it_and_takes_that_back(yard: Yard, browser: Browser) -> None:
    async with window(browser, yard.base_url) as opened:
        page = opened.page
        await opened.sign_in(_MAINTAINER)
        await page.get_by_role("searchbox").fill("pulp")
        await page.keyboard.press("Enter")
        await page.get_by_role("table").get_by_role("link", name="pulp").click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("pulp")
        await page.get_by_role("link", name="Delete", exact=True).click()
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("3 files")
        await expect(dialog).to_contain_text("can be undone until")
        await dialog.get_by_label("Reason").fill("a walk")
        await dialog.get_by_role("button", name="Delete").click()
        live = page.locator("#live")
        await expect(page.locator("#now")).to_be_focused()
        # The worker marks the package while the page is open: nobody loads it again.
        await expect(live).to_contain_text("left to undo it", timeout=_SOON_MS)
        await expect(live).to_contain_text("a walk")
        await expect(live.locator("[data-ends]")).to_have_text(re.compile(r"^1 min \d+ sec$"))
        requested = page.locator("time[data-relative]").first
        await requested.evaluate("time => time.dateTime = new Date(Date.now() - 3 * 3600_000).toISOString()")
        await expect(requested).to_have_text("3 hours ago")
        await page.get_by_role("button", name="Undo").click()
        await expect(live).to_contain_text("The package is back as it was")
        await expect(page.locator("#now")).to_be_focused()
        await page.locator(".who summary").click()
        await page.keyboard.press("Escape")
        await expect(page.locator(".who summary")).to_be_focused()
        await expect(page.get_by_role("button", name="Sign out", exact=True)).to_be_hidden()
        await page.get_by_role("link", name="Open the package").click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("pulp")


async def test_a_deletion_is_followed_to_its_last_byte_also_when_api_and_worker_are_killed(
    yard: Yard, browser: Browser
) -> None:
    async with window(browser, yard.base_url) as opened:
        page = opened.page
        await opened.sign_in(_OWNER)
        await yard.kill("work")
        await _find(opened, "orchard/apples", "doomed")
        await page.get_by_role("link", name="Delete", exact=True).click()
        await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        await expect(page.locator("#live")).to_contain_text("Waits for a worker")
        await yard.kill("serve")
        await yard.start("serve")
        await yard.start("work")
        await expect(page.locator("#live")).to_contain_text("This cannot be undone", timeout=3 * _SOON_MS)
        opened.errors[:] = [error for error in opened.errors if "ERR_" not in error]


async def test_a_failed_deletion_says_why_and_an_owner_tries_it_again(yard: Yard, browser: Browser) -> None:
    async with window(browser, yard.base_url) as opened:
        page = opened.page
        await opened.sign_in(_MAINTAINER)
        await yard.kill("work")
        await _find(opened, "orchard/apples", "late")
        await page.get_by_role("link", name="Delete", exact=True).click()
        await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        live = page.locator("#live")
        await expect(live).to_contain_text("Waits for a worker")
        # A hidden tab closes its stream; the news are there when it is shown again.
        async with page.expect_event("requestfailed", lambda request: request.url.endswith("/live")):
            await _set_hidden(page, is_hidden=True)
        await _protect(opened, "late")
        await yard.start("work")
        await _set_hidden(page, is_hidden=False)
        await expect(live).to_contain_text("Package is deletion protected.", timeout=_SOON_MS)
        await expect(live).to_contain_text("ask somebody with that role")
        await live.get_by_role("link", name="Show the rules").click()
        await expect(page.locator("main")).to_contain_text("late")
    async with window(browser, yard.base_url, width=390) as opened:
        await opened.sign_in(_OWNER)
        await opened.page.get_by_role("link", name="late 1.0").click()
        await opened.page.get_by_role("button", name="Try again").click()
        await expect(opened.page.locator("#live")).to_contain_text("This cannot be undone", timeout=_SOON_MS)


async def _set_hidden(page: Page, *, is_hidden: bool) -> None:
    """Let the page think that its tab is hidden, which a browser without a screen never says."""
    script = """hidden => {
        Object.defineProperty(document, "hidden", {get: () => hidden, configurable: true});
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    await page.evaluate(script, is_hidden)


async def _protect(opened: Window, name: str) -> None:
    address = f"{opened.base_url}/api/v4/projects/orchard%2Fapples/packages/protection/rules"
    rule = {"package_name_pattern": name, "package_type": "generic", "minimum_access_level_for_delete": "owner"}
    answer = await opened.page.request.post(address, headers={"PRIVATE-TOKEN": _OWNER}, data=rule)
    assert answer.status == 201, await answer.text()


async def test_an_owner_ends_a_grace_by_keyboard_alone(yard: Yard, browser: Browser) -> None:
    async with window(browser, yard.base_url) as opened:
        page = opened.page
        await opened.sign_in(_OWNER)
        await opened.open("/orchard/press/juice")
        await page.keyboard.press("/")
        await page.keyboard.type("press")
        await page.keyboard.press("Enter")
        await page.wait_for_url(re.compile("package_name=press"))
        await page.keyboard.press("j")
        await page.keyboard.press("Enter")
        await page.wait_for_url(re.compile("/-/packages/"))
        await page.get_by_role("link", name="Delete", exact=True).focus()
        await page.keyboard.press("Enter")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        destroy = page.get_by_role("button", name="Destroy now")
        await expect(destroy).to_be_visible(timeout=_SOON_MS)
        await destroy.focus()
        await page.keyboard.press("Enter")
        await expect(page.locator("#live")).to_contain_text("This cannot be undone", timeout=_SOON_MS)


async def test_many_are_deleted_as_they_were_shown_and_followed_to_the_end(yard: Yard, browser: Browser) -> None:
    async with window(browser, yard.base_url) as opened:
        page = opened.page
        await opened.sign_in(_MAINTAINER)
        await opened.open("/orchard/apples")
        await page.get_by_role("link", name="Delete many").click()
        await page.get_by_label("Name contains").fill("cask")
        await page.get_by_label("Type").select_option("generic")
        await page.get_by_label("Number of newest to keep of each name").fill("5")
        await page.get_by_role("button", name="Show what would go").click()
        await expect(page.locator("main")).to_contain_text("25 packages would go")
        await page.get_by_label("Reason").fill("only the newest")
        await page.get_by_role("button", name="Delete 25 packages").click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("Deletion of 25 packages")
        # The page reads itself again until the last one is gone.
        await expect(page.locator("#live h2").first).to_have_text("Over", timeout=3 * _SOON_MS)
        await expect(page.locator(".key")).to_contain_text("destroyed 25")


async def _publish(opened: Window, name: str) -> None:
    address = f"{opened.base_url}/api/v4/projects/orchard%2Fapples/packages/generic/{name}/1.0/part.bin"
    answer = await opened.page.request.put(address, headers={"PRIVATE-TOKEN": _OWNER}, data="x")
    assert answer.status == 201


async def test_events_appear_while_the_list_is_open_unless_it_is_paused(yard: Yard, browser: Browser) -> None:
    async with window(browser, yard.base_url) as opened:
        page = opened.page
        await opened.sign_in(_MAINTAINER)
        await opened.open("/orchard/apples")
        await page.locator("main").get_by_role("link", name="Events").click()
        await expect(page.get_by_role("status")).to_have_text("New ones appear by themselves")
        await _publish(opened, "appears")
        newest = page.locator("#tail tr").first
        await expect(newest).to_contain_text("appears", timeout=_SOON_MS)
        await newest.get_by_text("CloudEvent").click()
        await expect(newest.locator("pre")).to_contain_text("io.packyard.package.published.v1")
        await page.get_by_role("button", name="Pause").click()
        await _publish(opened, "waits")
        await page.get_by_label("Type of event").select_option("package.published")
        await expect(page.locator("#tail")).not_to_contain_text("waits")
        await page.get_by_role("button", name="Continue").click()
        await expect(newest).to_contain_text("waits", timeout=_SOON_MS)
        await newest.get_by_role("link", name="waits").click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("waits")
    async with window(browser, yard.base_url, scripts=False) as opened:
        await opened.sign_in(_MAINTAINER)
        await opened.open("/-/events")
        await opened.page.get_by_label("Path of a project").fill("orchard/apples")
        await opened.page.get_by_role("button", name="Show").click()
        await expect(opened.page.get_by_role("table")).to_contain_text("waits")
        await opened.open("/-/events?before=2")
        await expect(opened.page.get_by_role("heading", level=2).first).to_have_text("Older events")


async def test_a_maintainer_adds_a_webhook_and_changes_it(yard: Yard, browser: Browser) -> None:
    async with window(browser, yard.base_url) as opened:
        page = opened.page
        await opened.sign_in(_MAINTAINER)
        await opened.open("/orchard/apples")
        await page.get_by_role("link", name="Webhooks").click()
        await page.get_by_label("Address").fill("https://1.1.1.1/hook")
        await page.get_by_role("button", name="Add the webhook").click()
        await expect(page.locator("main")).to_contain_text("whsec_")
        await page.get_by_role("button", name="Send a test").click()
        await expect(page.get_by_role("table")).to_contain_text("webhook.tested")
        await page.get_by_label("Name").fill("mirror " + "long-" * 40)
        await page.get_by_label("package.destroyed", exact=True).check()
        await page.get_by_label("Further headers").fill("X-Team: core")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("status")).to_have_text("Saved.")
        await expect(page.get_by_role("heading", level=1)).to_contain_text("mirror")
        await expect(page.get_by_label("package.destroyed", exact=True)).to_be_checked()


async def test_all_of_it_works_without_scripts(yard: Yard, browser: Browser) -> None:
    async with window(browser, yard.base_url, scripts=False) as opened:
        page = opened.page
        await opened.sign_in(_MAINTAINER)
        await _find(opened, "orchard/press/juice", "press")
        await page.get_by_role("link", name="Delete", exact=True).click()
        await page.get_by_label("Reason").fill("no script")
        await page.locator("main").get_by_role("button", name="Delete").click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("Deletion of press")
        await page.get_by_role("button", name="Undo").click()
        await expect(page.locator("#live")).to_contain_text("The package is back as it was")
        await expect(page.locator("#now")).to_be_focused()
        await opened.open("/-/deletions")
        await page.get_by_role("link", name=re.compile("restored")).first.click()
        await expect(page.get_by_role("table")).to_contain_text("press")
        async with page.expect_download() as download:
            await _find(opened, "orchard/apples", "plain")
            await page.get_by_role("link", name="Download part-00.bin").click()
        assert Path(await (await download.value).path()).read_text(encoding="utf-8") == "part 0"
        await page.locator(".who summary").click()
        await page.get_by_role("button", name="Sign out", exact=True).click()
        await expect(page.locator(".who")).to_contain_text("Sign in")


@pytest.mark.parametrize("width", WIDTHS)
async def test_every_page_is_accessible_and_fits_in_each_scheme_and_width(
    yard: Yard, browser: Browser, width: int
) -> None:
    async with window(browser, yard.base_url, width=width) as opened:
        await opened.open("/-/sign_in")
        found = await _judged(opened)
        await opened.sign_in(_OWNER)
        for path in await _pages(opened):
            status = await opened.open(path)
            assert status in {200, 404}, path
            found += await _judged(opened)

    assert found == []


@pytest.mark.parametrize("width", WIDTHS)
async def test_pages_of_administrators_and_those_of_events_are_accessible_too(
    yard: Yard, browser: Browser, width: int
) -> None:
    async with window(browser, yard.base_url, width=width) as opened:
        await opened.sign_in(_ROOT)
        found: list[str] = []
        hooks = await _addresses(opened, "/orchard/apples/-/hooks", r"/orchard/apples/-/hooks/[0-9]+")
        assert hooks
        for path in (*_OF_ADMINISTRATORS, *hooks):
            assert await opened.open(path) == 200, path
            found += await _judged(opened)

    assert found == []


async def test_the_document_of_the_api_is_readable_but_for_one_element_of_swagger_ui(
    yard: Yard, browser: Browser
) -> None:
    async with window(browser, yard.base_url, width=390) as opened:
        await opened.open("/api/docs")
        await expect(opened.page.locator(".opblock").first).to_be_visible(timeout=_SOON_MS)
        await expect(opened.page.locator("#servers")).to_have_attribute("aria-label", "Server")
        found = await _judged(opened)

    # Swagger UI has a main landmark of its own, which the script turns into a region.
    assert [problem for problem in found if " aria-allowed-role: <main id=" not in problem] == []


async def test_operations_read_themselves_again_and_storage_works_without_scripts(yard: Yard, browser: Browser) -> None:
    async with window(browser, yard.base_url) as opened:
        await opened.sign_in(_ROOT)
        await opened.open("/-/operations")
        # The relay reports every five seconds, and the page shows it without being loaded again.
        reported = opened.page.locator(".panel header time").first
        first = await reported.get_attribute("datetime")
        await expect(reported).not_to_have_attribute("datetime", first or "", timeout=_SOON_MS)
        await expect(opened.page.locator("main")).to_contain_text("packyard.delete.bulk")
    async with window(browser, yard.base_url, scripts=False) as opened:
        await opened.sign_in(_ROOT)
        await opened.open("/-/storage")
        await opened.page.get_by_text("The numbers of each day").click()
        await expect(opened.page.get_by_role("table").first).to_contain_text(re.compile(r"\d B"))


async def _judged(opened: Window) -> list[str]:
    overflow = await opened.overflow()
    wide = [f"{opened.page.url} is {overflow} px too wide"] if overflow else []
    foot = await opened.page.evaluate("document.querySelector('.foot')?.getBoundingClientRect().bottom - innerHeight")
    floating = [f"{opened.page.url} has {-foot} px below its footer"] if foot is not None and foot < -1 else []
    return [*await opened.violations(), *wide, *floating]


async def _pages(opened: Window) -> list[str]:
    """Return the address of a page of each kind."""
    packages = await _packages_of(opened)
    deletions = await _addresses(opened, "/-/deletions", r"/orchard/[a-z/]+/-/deletions/[0-9a-f-]{36}")
    batches = [address for deletion in deletions for address in await _addresses(opened, deletion, _A_BATCH)]
    return [
        "/",
        "/?search=c",
        "/-/packages?package_name=c",
        "/groups/orchard",
        "/orchard/apples",
        "/orchard/apples?package_name=nothing",
        *packages,
        f"{packages[0]}/delete",
        "/orchard/apples/-/bulk_delete?package_name=c",
        "/-/deletions",
        "/-/deletions?state=failed",
        "/orchard/apples/-/deletions",
        "/-/storage",
        "/groups/orchard/-/storage",
        "/orchard/press/juice/-/directory",
        "/orchard/apples/-/hooks",
        "/-/event_document",
        "/dave",
        *deletions[:1],
        *batches[:1],
        "/no/such",
        "/-/sign_in",
    ]


async def _addresses(opened: Window, path: str, pattern: str) -> list[str]:
    """Return the addresses on a page that match."""
    await opened.open(path)
    return list(dict.fromkeys(re.findall(pattern, await opened.page.content())))


async def _packages_of(opened: Window) -> list[str]:
    addresses: list[str] = []
    for name in ("crate", "<script>"):
        await opened.open("/orchard/apples")
        await opened.page.get_by_role("searchbox").fill(name)
        await opened.page.get_by_role("button", name="Show").click()
        await opened.page.wait_for_url(re.compile("package_name="))
        found = await opened.page.locator("a.name").first.get_attribute("href")
        assert found is not None
        addresses.append(found)
    return addresses
