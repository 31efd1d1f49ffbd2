"""The contents of the pages, and their readers; nothing of the API changes for them."""

import html
import re
from contextlib import AsyncExitStack
from typing import Final

import pytest
from aiohttp.test_utils import TestClient, TestServer

from schemas.statuses import PackageStatus
from service.app import create_app
from service.context import Context
from service.http.keys import READS
from service.infra.postgres.expensive_reads import MOST_EXPENSIVE, Cost
from tests.support.browsing import Browser, browsing
from tests.support.catalogue import delete, publish, query
from tests.support.packages import MAINTAINER, bring_in, put_status
from tests.support.stepwise import with_settings

_MARKUP: Final = '<script>alert("x")</script>'


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/json, text/html;q=0.9", ""])
@pytest.mark.parametrize("path", ["/", "/acme/open", "/groups/acme", "/-/deletions", "/-/sign_in", "/nothing/here"])
async def test_clients_that_do_not_prefer_html_get_what_they_got_before(
    stranger: Browser, path: str, accept: str
) -> None:
    answer = await stranger.get(path, Accept=accept)

    assert (answer.status, answer.text) == (404, '{"error":"404 Not Found"}')
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    "path", ["/api", "/api/v4", "/api/v4/nothing", "/api/v4/projects/acme%2Fopen", "/api/v4/version", "/-/live"]
)
async def test_the_api_answers_browsers_as_everybody_else(stranger: Browser, path: str) -> None:
    browser, client = await stranger.get(path), await stranger.get(path, Accept="*/*")

    assert (browser.status, browser.text) == (client.status, client.text)
    assert browser.headers["Content-Type"] == client.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("path", ["/", "/acme/open", "/groups/acme", "/-/deletions", "/acme/open/-/deletions"])
async def test_every_page_has_the_strict_policy_and_is_kept_by_nobody(stranger: Browser, path: str) -> None:
    page = await stranger.get(path)

    assert (page.status, page.headers["Cache-Control"], page.headers["Vary"]) == (200, "no-store", "Accept, Cookie")
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert page.text.count("<h1") == 1


async def test_an_asset_has_its_digest_in_its_name_and_may_be_kept_for_ever(stranger: Browser) -> None:
    sheet = next(part for part in (await stranger.get("/")).text.split('"') if part.endswith(".css"))
    found = await stranger.get(sheet, Accept="text/css,*/*;q=0.1")

    assert (found.status, found.headers["Content-Type"]) == (200, "text/css; charset=utf-8")
    assert found.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert (await stranger.get("/-/assets/site.css")).status == 404


async def test_each_web_path_of_the_api_leads_to_a_page_of_the_package(filled: Context, maintainer: Browser) -> None:
    package_id = await publish(filled, name="tool", version="2.0", files=("tool.tgz", "notes.txt"))
    listed = await maintainer.get("/api/v4/projects/100/packages?package_name=tool", Accept="*/*", **MAINTAINER)
    (web_path,) = {part for part in listed.text.split('"') if part.startswith("/acme/open/-/")}
    page = await maintainer.get(web_path)
    module = await bring_in(filled, package_type="terraform_module", name="net/aws")

    assert (await maintainer.get(f"/acme/open/-/infrastructure_registry/{module}")).status == 200
    assert web_path == f"/acme/open/-/packages/{package_id}"
    assert page.status == 200
    for words in ("tool 2.0", "available", "tool.tgz", "notes.txt", "2 files", "Mary Maintainer"):
        assert words in page.words


@pytest.mark.parametrize(
    "token", ["", "guest-token", "stranger-token", "external-token", "insider-token", "guest-owner-token", "root-token"]
)
async def test_a_page_is_there_exactly_where_the_api_lists_packages(filled: Context, token: str) -> None:
    places = [
        "acme/open",
        "acme/inside",
        "acme/labs/anvil",
        "acme/off",
        "secret/vault",
        "secret/hers",
        "house/hall",
        "a/b",
    ]
    async with browsing(filled, external_url=None) as browser:
        if token:
            await browser.sign_in(token)
        headers = {"PRIVATE-TOKEN": token} if token else {}
        addresses = [f"/api/v4/projects/{path.replace('/', '%2F')}/packages" for path in places]
        answers = [await browser.get(address, Accept="*/*", **headers) for address in addresses]
        pages = [await browser.get(f"/{path}") for path in places]

    assert [page.status for page in pages] == [200 if answer.status == 200 else 404 for answer in answers]


async def test_a_page_that_is_hidden_looks_as_one_that_is_not_there(stranger: Browser) -> None:
    hidden, missing = await stranger.get("/secret/vault"), await stranger.get("/secret/other")

    assert hidden.status == missing.status == 404
    assert hidden.text.replace("vault", "other") == missing.text.replace(
        missing.headers["X-Request-Id"], hidden.headers["X-Request-Id"]
    )


async def test_the_home_page_names_no_figures_of_packages_that_the_reader_may_not_read(filled: Context) -> None:
    await publish(filled, project_id=200, content=b"x" * 4_321)
    async with browsing(filled, external_url=None) as browser:
        await browser.sign_in("guest-owner-token")
        page = await browser.get("/")

    assert "secret/vault" in page.words
    assert "4.3 kB" not in page.words


async def test_groups_have_the_figures_of_what_their_reader_may_read(
    filled: Context, stranger: Browser, maintainer: Browser
) -> None:
    await publish(filled, content=b"x" * 1_000)
    await publish(filled, project_id=102, content=b"x" * 2_000)

    assert "acme 1 package · 1.0 kB" in (await stranger.get("/")).words
    assert "acme 2 packages · 3.0 kB" in (await maintainer.get("/")).words
    assert "labs/ Labs · group · 2.0 kB 1 2.0 kB" in (await maintainer.get("/groups/acme")).words


async def test_a_moved_project_leads_on(filled: Context, stranger: Browser) -> None:
    await query(filled, "INSERT INTO project_alias (path, project_id) VALUES ('acme/before', 100)")
    answer = await stranger.get("/acme/before/-/deletions?state=failed")

    assert (answer.status, answer.headers["Location"]) == (301, "/acme/open/-/deletions?state=failed")


async def test_a_package_that_is_being_deleted_leads_to_its_deletion(filled: Context, stranger: Browser) -> None:
    package_id = await publish(filled, name="going")
    deletion = await delete(filled, package_id)
    answer = await stranger.get(f"/acme/open/-/packages/{package_id}")

    assert (answer.status, answer.headers["Location"]) == (303, f"/acme/open/-/deletions/{deletion.id}")
    assert "Queued" in (await stranger.get(answer.headers["Location"])).words


async def test_a_download_is_stored_and_never_shown(filled: Context, maintainer: Browser) -> None:
    package_id = await publish(
        filled, name="site", files=("index.html",), content=b"<script>1</script>", project_id=200
    )
    page = await maintainer.get(f"/secret/vault/-/packages/{package_id}")
    path = next(part for part in page.text.split('"') if part.endswith("/download"))
    file = await maintainer.get(path)
    async with browsing(filled, external_url=None) as other:
        refused = await other.get(path)

    assert (file.status, file.text) == (200, "<script>1</script>")
    assert file.headers["Content-Type"] == "application/octet-stream"
    assert file.headers["Content-Disposition"] == 'attachment; filename="index.html"'
    assert file.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in file.headers["Content-Security-Policy"]
    assert refused.status == 404


@pytest.mark.parametrize("number", ["0", "99999999999999999999999999", "9223372036854775808", "007"])
async def test_numbers_that_no_row_can_have_are_not_found(stranger: Browser, number: str) -> None:
    for path in (f"/acme/open/-/packages/{number}", f"/acme/open/-/package_files/{number}/download"):
        assert (await stranger.get(path)).status == 404
    assert (await stranger.get("/acme/open/-/deletions/0-0-0")).status == 404


@pytest.mark.parametrize(
    "query_text", ["status=nonsense&sort=up&order_by=colour&cursor=x&per_page=0", "package_type=%00", "cursor=%FF"]
)
async def test_parameters_that_mean_nothing_count_for_nothing(
    filled: Context, stranger: Browser, query_text: str
) -> None:
    await publish(filled, name="still-here")
    page = await stranger.get(f"/acme/open?{query_text}")

    assert (page.status, "still-here" in page.words) == (200, True)


async def test_names_of_others_are_text_and_never_markup(filled: Context, maintainer: Browser) -> None:
    package_id = await publish(filled, name="plain", status=PackageStatus.DEFAULT)
    await query(filled, "UPDATE package SET name = $2, version = $2 WHERE id = $1", package_id, _MARKUP)
    await query(filled, "UPDATE package_file SET file_name = $2 WHERE package_id = $1", package_id, f"\u202e{_MARKUP}")
    path = f"/acme/open/-/packages/{package_id}"
    shown = [(await maintainer.get(page)).text for page in ("/acme/open", path, f"{path}/delete")]
    answer = await maintainer.submit(path, f"{path}/delete", reason=_MARKUP)
    shown += [(await maintainer.get(page)).text for page in (answer.headers["Location"], "/-/deletions", "/")]

    for text in shown:
        assert _MARKUP not in text
        assert "&lt;script&gt;" in text


@pytest.mark.usefixtures("database_of_its_own")
async def test_a_database_that_is_away_is_a_page_that_says_so(filled: Context, stranger: Browser) -> None:
    await query(filled, "ALTER TABLE project RENAME TO project_away")
    await query(
        filled,
        """CREATE FUNCTION refuse() RETURNS boolean LANGUAGE plpgsql AS $$
           BEGIN RAISE EXCEPTION 'gone' USING ERRCODE = '57P03'; END $$""",
    )
    await query(filled, "CREATE VIEW project AS SELECT * FROM project_away WHERE refuse()")
    page = await stranger.get("/acme/open")

    assert (page.status, page.headers["Retry-After"]) == (503, "5")
    assert "Accepted deletions are safe" in page.words


async def test_the_page_of_a_pipeline_is_there_for_those_who_see_a_package_of_it(
    filled: Context, maintainer: Browser
) -> None:
    package_id = await publish(filled, name="built", project_id=200)
    await query(
        filled,
        "INSERT INTO pipeline (id, iid, project_id, sha, ref, status, user_id)"
        " VALUES (901, 1, 200, 'abc', 'main', 'success', 3)",
    )
    hidden = (await maintainer.get("/secret/vault/-/pipelines/901")).status
    await query(filled, "INSERT INTO package_build (package_id, pipeline_id) VALUES ($1, 901)", package_id)
    package = await maintainer.get(f"/secret/vault/-/packages/{package_id}")
    page = await maintainer.get("/secret/vault/-/pipelines/901")
    async with browsing(filled, external_url=None) as stranger:
        refused = (await stranger.get("/secret/vault/-/pipelines/901")).status

    assert (hidden, refused) == (404, 404)
    assert 'href="/secret/vault/-/pipelines/901"' in package.text
    for words in ("Pipeline 901", "built", "main", "mary"):
        assert words in page.words


async def test_searches_of_pages_take_the_turns_that_those_of_the_api_have(filled: Context) -> None:
    app = create_app(with_settings(filled, external_url=None))
    async with AsyncExitStack() as turns, TestClient(TestServer(app)) as client:
        for _ in range(MOST_EXPENSIVE):
            await turns.enter_async_context(app[READS].connection(Cost.EXPENSIVE))
        browser = Browser(client)
        for path in ("/acme/open", "/groups/acme"):
            search = await browser.get(f"{path}?package_name=app")
            assert (search.status, search.headers["Retry-After"]) == (503, "5")
            assert "That was refused other searches are under way" in search.words
            assert (await browser.get(path)).status == 200
        home = await browser.get("/?search=app")
        assert (home.status, "search of packages takes too long" in home.words) == (200, True)


async def test_a_search_from_home_finds_the_packages_that_its_reader_may_read(
    filled: Context, stranger: Browser, maintainer: Browser
) -> None:
    await publish(filled, name="pear-press")
    await publish(filled, name="pear-vault", project_id=102)
    for number in range(6):
        await publish(filled, name="plum", version=f"1.{number}")
    found = [(await browser.get("/?search=pear")).words for browser in (stranger, maintainer)]
    listed = [(await browser.get("/-/packages?package_name=pear")).words for browser in (stranger, maintainer)]
    many, none = await stranger.get("/?search=plum"), await stranger.get("/?search=nothing-like-it")

    for words in (*found, *listed):
        assert "pear-press acme/open" in words
    assert ["pear-vault" in words for words in (*found, *listed)] == [False, True, False, True]
    assert 'href="/-/packages?package_name=plum">All that match' in many.text
    assert "These are the newest 5; there are more." in many.words
    assert "No package has such a name." in none.words
    assert "All that match" not in none.words
    assert "there are more" not in found[0]


@pytest.mark.usefixtures("database_of_its_own")
async def test_a_search_that_takes_too_long_leaves_the_rest_of_home(filled: Context, stranger: Browser) -> None:
    await publish(filled, name="open")
    await query(filled, "ALTER TABLE package_name RENAME TO package_name_away")
    await query(
        filled,
        """CREATE FUNCTION refuse() RETURNS boolean LANGUAGE plpgsql AS $$
           BEGIN RAISE EXCEPTION 'canceling statement due to statement timeout' USING ERRCODE = '57014'; END $$""",
    )
    await query(filled, "CREATE VIEW package_name AS SELECT * FROM package_name_away WHERE refuse()")
    page = await stranger.get("/?search=open")

    assert page.status == 200
    assert "The search of packages takes too long now." in page.words
    assert "acme/open" in page.words


async def test_the_packages_of_all_projects_are_paged_by_cursor(filled: Context, stranger: Browser) -> None:
    for number in range(3):
        await publish(filled, name="plum", version=f"1.{number}")
    seen, address = list[str](), "/-/packages?per_page=2"
    while address:
        page = await stranger.get(address)
        seen += re.findall(r"<bdi>(1\.[0-9])</bdi>", page.text)
        following = re.search(r'href="([^"]+)" rel="next"', page.text)
        address = f"/-/packages{html.unescape(following[1])}" if following else ""

    assert seen == ["1.2", "1.1", "1.0"]


async def test_home_shows_a_failed_deletion_once(filled: Context, stranger: Browser) -> None:
    for name in ("broken", "going"):
        await delete(filled, await publish(filled, name=name))
    await query(
        filled,
        "UPDATE deletion SET state = 'failed', finished_at = now(), last_error = 'x' WHERE package_name = 'broken'",
    )
    page = await stranger.get("/")

    assert page.words.count("broken") == page.words.count("going") == 1


async def test_projects_are_in_the_order_of_the_paths_that_are_shown(filled: Context, maintainer: Browser) -> None:
    await query(filled, "UPDATE project SET path = 'acme/zebra' WHERE id = 100")
    await query(filled, "UPDATE project SET path = 'secret/aardvark' WHERE id = 200")
    page = await maintainer.get("/")
    paths = re.findall(r'<a class="name" href="/([^"/]+/[^"]+)">', page.text.partition("newest-title")[0])

    assert paths == sorted(paths)
    assert {"acme/zebra", "secret/aardvark"} <= set(paths)


async def test_a_package_shows_how_to_install_it_from_here(maintainer: Browser, filled: Context) -> None:
    package_id = await bring_in(filled, project="secret/vault", package_type="pypi", name="a-kit", version="1.0")
    page = await maintainer.get(f"/secret/vault/-/packages/{package_id}")

    assert re.search(
        r"pip install --index-url http://\S+/api/v4/projects/200/packages/pypi/simple a-kit==1.0", page.text
    )
    assert "needs a token" in page.text

    await put_status(filled, package_id, "error")
    assert "pip install" not in (await maintainer.get(f"/secret/vault/-/packages/{package_id}")).text
