"""Sections 3.1 to 3.3: what a listing holds, and how it is searched."""

import pytest
from yarl import URL

from service.context import Context
from tests.integration.conftest import Client
from tests.support.packages import GROUP, MAINTAINER, PUBLIC, bring_in, listed, put_status, told

_BOTH = pytest.mark.parametrize("listing", [PUBLIC, GROUP])


async def _all_statuses(filled: Context) -> None:
    for status in ("default", "hidden", "processing", "error", "pending_destruction", "deprecated"):
        await put_status(filled, await bring_in(filled, name=status), status)


@_BOTH
async def test_by_default_what_is_displayable_is_listed(filled: Context, client: Client, listing: str) -> None:
    await _all_statuses(filled)

    assert await listed(await client.get(listing)) == ["default", "error", "deprecated"]
    assert await listed(await client.get(listing, headers=MAINTAINER)) == ["default", "error", "deprecated"]


@_BOTH
async def test_by_default_only_packages_with_a_version_are_listed(
    filled: Context, client: Client, listing: str
) -> None:
    await bring_in(filled, name="with")
    await bring_in(filled, name="without", version=None)

    assert await listed(await client.get(listing)) == ["with"]
    assert await listed(await client.get(f"{listing}?include_versionless=1")) == ["with", "without"]


@_BOTH
async def test_terraform_modules_are_listed_on_demand_only(filled: Context, client: Client, listing: str) -> None:
    await bring_in(filled, name="module", package_type="terraform_module")
    await bring_in(filled, name="other", package_type="helm")

    assert await listed(await client.get(listing)) == ["other"]
    assert await listed(await client.get(f"{listing}?package_name=module")) == []
    assert await listed(await client.get(f"{listing}?status=default")) == ["other"]
    assert await listed(await client.get(f"{listing}?package_type=terraform_module")) == ["module"]


@_BOTH
@pytest.mark.parametrize("status", ["default", "hidden", "processing", "error", "pending_destruction", "deprecated"])
async def test_a_status_replaces_the_default_set(filled: Context, client: Client, listing: str, status: str) -> None:
    await _all_statuses(filled)

    assert await listed(await client.get(f"{listing}?status={status}")) == [status]


@_BOTH
async def test_a_requested_deletion_is_seen_by_its_status_only(filled: Context, client: Client, listing: str) -> None:
    package_id = await bring_in(filled)
    assert (await client.delete(f"{PUBLIC}/{package_id}", headers=MAINTAINER)).status == 204

    assert await listed(await client.get(listing)) == []
    assert await listed(await client.get(f"{listing}?status=processing"), "id") == [package_id]
    await put_status(filled, package_id, "pending_destruction")
    assert await listed(await client.get(listing)) == []
    assert await listed(await client.get(f"{listing}?status=pending_destruction"), "id") == [package_id]


@_BOTH
async def test_a_blank_name_or_version_is_no_filter(filled: Context, client: Client, listing: str) -> None:
    await bring_in(filled)

    assert await listed(await client.get(f"{listing}?package_name=&package_version=")) == ["app"]


@_BOTH
async def test_a_blank_number_is_the_default(filled: Context, client: Client, listing: str) -> None:
    for blank in ("?page=&per_page=&include_versionless=", "?page&per_page&include_versionless"):
        answer = await client.get(listing + blank)
        assert await told(answer) == (200, [])
        assert (answer.headers["X-Page"], answer.headers["X-Per-Page"]) == ("1", "20")


@_BOTH
@pytest.mark.parametrize("name", ["status", "package_type", "order_by", "sort"])
async def test_a_blank_is_not_in_a_list_of_values(client: Client, listing: str, name: str) -> None:
    assert await told(await client.get(f"{listing}?{name}=")) == (
        400,
        {"error": f"{name} does not have a valid value"},
    )


@_BOTH
async def test_a_name_without_any_value_is_not_set(filled: Context, client: Client, listing: str) -> None:
    await bring_in(filled)

    for text in ("status&package_type&order_by&sort", "page&per_page&include_versionless", "sort=up&sort", "st%61tus"):
        assert await listed(await client.get(URL(f"{listing}?{text}", encoded=True))) == ["app"]
    for text in ("status&status=x", "status=&sort"):
        answer = await client.get(URL(f"{listing}?{text}", encoded=True))
        assert await told(answer) == (400, {"error": "status does not have a valid value"})


@_BOTH
async def test_white_space_splits_terms_and_every_term_must_match(
    filled: Context, client: Client, listing: str
) -> None:
    for name in ("anvil-core", "core", "anvil", "core of anvil"):
        await bring_in(filled, name=name)

    for text in ("core anvil", "  anvil \t core ", "anvil\ncore"):
        answer = await client.get(listing, params={"package_name": text})
        assert await listed(answer) == ["anvil-core", "core of anvil"]


@_BOTH
async def test_text_in_quotes_is_one_term(filled: Context, client: Client, listing: str) -> None:
    for name in ("the core of it", "core the of"):
        await bring_in(filled, name=name)

    for text, names in (
        ('"core of"', ["the core of it"]),
        ('"core of" the', ["the core of it"]),
        ('the "of"', ["the core of it", "core the of"]),
    ):
        assert await listed(await client.get(listing, params={"package_name": text})) == names


@_BOTH
async def test_any_other_quote_stands_for_itself(filled: Context, client: Client, listing: str) -> None:
    for name in ("core", 'the 5" core', 'a"b'):
        await bring_in(filled, name=name)

    for text, names in (('5" core', ['the 5" core']), ('"', ['the 5" core', 'a"b']), ('"core', []), ('""', [])):
        assert await listed(await client.get(listing, params={"package_name": text})) == names


@_BOTH
@pytest.mark.parametrize("text", ["anvil", "ANVIL", "nVi", "Anvil-Core"])
async def test_a_term_is_a_piece_of_the_name_in_any_case(
    filled: Context, client: Client, listing: str, text: str
) -> None:
    await bring_in(filled, name="My-Anvil-Core")

    assert await listed(await client.get(listing, params={"package_name": text})) == ["My-Anvil-Core"]


@_BOTH
@pytest.mark.parametrize("text", ["\u00fcBER", "\u00dcber", "\u0416\u0443\u043a"])
async def test_a_term_is_found_in_any_case_of_any_script(
    filled: Context, client: Client, listing: str, text: str
) -> None:
    for name in ("\u00dcber-\u0436\u0423\u041a", "uber"):
        await bring_in(filled, name=name)

    assert await listed(await client.get(listing, params={"package_name": text})) == ["\u00dcber-\u0436\u0423\u041a"]


@_BOTH
@pytest.mark.parametrize(("text", "name"), [("%", "per%cent"), ("_", "under_score"), ("\\", "back\\slash")])
async def test_wildcards_match_themselves(filled: Context, client: Client, listing: str, text: str, name: str) -> None:
    for each in ("per%cent", "under_score", "back\\slash", "plain"):
        await bring_in(filled, name=each)

    assert await listed(await client.get(listing, params={"package_name": text})) == [name]


@_BOTH
async def test_one_letter_is_enough(filled: Context, client: Client, listing: str) -> None:
    for name in ("axb", "abc"):
        await bring_in(filled, name=name)

    assert await listed(await client.get(f"{listing}?package_name=x")) == ["axb"]


@_BOTH
async def test_a_conan_package_is_found_by_its_bare_name(filled: Context, client: Client, listing: str) -> None:
    await bring_in(filled, package_type="conan", name="Hello", conan={"username": "mycompany", "channel": "stable"})

    found = await listed(await client.get(f"{listing}?package_name=hello"))

    assert found == ["Hello/1.0@mycompany/stable"]
    for text in ("mycompany", "stable", "Hello/1.0"):
        assert await listed(await client.get(listing, params={"package_name": text})) == []


@_BOTH
async def test_a_whole_name_finds_longer_ones_too(filled: Context, client: Client, listing: str) -> None:
    for name in ("app", "app-extra"):
        await bring_in(filled, name=name)

    for text in ("app", '"app"'):
        assert await listed(await client.get(listing, params={"package_name": text})) == ["app", "app-extra"]


@_BOTH
async def test_a_version_matches_wholly_and_in_its_case(filled: Context, client: Client, listing: str) -> None:
    for version in ("1.0", "1.0.0", "1.0-RC", "1.0-rc"):
        await bring_in(filled, version=version)

    for text, versions in (("1.0", ["1.0"]), ("1.0-rc", ["1.0-rc"]), ("1.", []), ("%", []), ("1_0", [])):
        answer = await client.get(listing, params={"package_version": text})
        assert await listed(answer, "version") == versions


@_BOTH
async def test_a_version_filter_returns_no_versionless_packages(filled: Context, client: Client, listing: str) -> None:
    await bring_in(filled, name="with", version="1.0")
    await bring_in(filled, name="without", version=None)

    answer = await client.get(f"{listing}?package_version=1.0&include_versionless=true")

    assert await listed(answer) == ["with"]
