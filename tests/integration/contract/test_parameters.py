"""Sections 1.1 and 1.2: the parameters, their types, their defaults and what they allow."""

import pytest

from schemas.names import PackageType
from schemas.statuses import PackageStatus
from service.context import Context
from tests.integration.conftest import Client
from tests.support.catalogue import publish
from tests.support.packages import (
    API,
    GROUP,
    MAINTAINER,
    PUBLIC,
    TYPES_BY_NUMBER,
    bring_in,
    bring_in_many,
    bring_in_pipelines,
    file_ids,
    json_of,
    listed,
    next_page,
    put_status,
    token,
    told,
)

_TYPES = [*TYPES_BY_NUMBER, "cargo"]
_STATUSES = ["default", "hidden", "processing", "error", "pending_destruction", "deprecated"]
_BOTH = pytest.mark.parametrize("listing", [PUBLIC, GROUP])


async def test_exclude_subgroups_leaves_out_the_groups_below(filled: Context, client: Client) -> None:
    await publish(filled, name="above")
    await publish(filled, name="below", project_id=102)

    async def names(query: str) -> list[str]:
        return await listed(await client.get(f"{GROUP}{query}", headers=MAINTAINER))

    assert await names("") == ["above", "below"]
    assert await names("?exclude_subgroups=false") == ["above", "below"]
    assert await names("?exclude_subgroups=true") == ["above"]


async def test_exclude_subgroups_is_unknown_to_a_project_and_so_ignored(client: Client) -> None:
    assert await told(await client.get(f"{PUBLIC}?exclude_subgroups=perhaps")) == (200, [])


@_BOTH
@pytest.mark.parametrize("order_by", ["created_at", "name", "version", "type"])
async def test_order_by_takes_four_keys_everywhere(client: Client, listing: str, order_by: str) -> None:
    assert await told(await client.get(f"{listing}?order_by={order_by}")) == (200, [])


async def test_order_by_project_path_is_for_groups_only(client: Client) -> None:
    assert (await client.get(f"{GROUP}?order_by=project_path")).status == 200
    assert await told(await client.get(f"{PUBLIC}?order_by=project_path")) == (
        400,
        {"error": "order_by does not have a valid value"},
    )


@_BOTH
async def test_order_by_is_created_at_by_default(filled: Context, client: Client, listing: str) -> None:
    await bring_in(filled, name="a", created_at="2022-01-01T00:00:00Z")
    await bring_in(filled, name="b", created_at="2021-01-01T00:00:00Z")

    assert await listed(await client.get(listing)) == ["b", "a"]


@_BOTH
async def test_order_by_semver_is_ours_on_top(filled: Context, client: Client, listing: str) -> None:
    for version in ("8.100.0", "8.99.0", "8.99.0-rc.1"):
        await bring_in(filled, version=version)

    assert await listed(await client.get(f"{listing}?order_by=semver"), "version") == [
        "8.99.0-rc.1",
        "8.99.0",
        "8.100.0",
    ]


@_BOTH
async def test_sort_is_asc_by_default_and_takes_desc(filled: Context, client: Client, listing: str) -> None:
    for name in ("a", "b"):
        await bring_in(filled, name=name)

    for query, names in (("", ["a", "b"]), ("&sort=asc", ["a", "b"]), ("&sort=desc", ["b", "a"])):
        assert await listed(await client.get(f"{listing}?order_by=name{query}")) == names
    assert await told(await client.get(f"{listing}?sort=up")) == (400, {"error": "sort does not have a valid value"})


@_BOTH
async def test_package_type_filters(filled: Context, client: Client, listing: str) -> None:
    await bring_in(filled, package_type="npm", name="n")
    await bring_in(filled, package_type="pypi", name="p")

    assert await listed(await client.get(listing)) == ["n", "p"]
    assert await listed(await client.get(f"{listing}?package_type=pypi")) == ["p"]


@_BOTH
async def test_package_name_filters_by_free_text(filled: Context, client: Client, listing: str) -> None:
    for name in ("anvil-core", "hammer"):
        await bring_in(filled, name=name)

    assert await listed(await client.get(f"{listing}?package_name=core")) == ["anvil-core"]


@_BOTH
async def test_package_version_filters_exactly(filled: Context, client: Client, listing: str) -> None:
    for version in ("1.0", "1.0.1"):
        await bring_in(filled, version=version)

    assert await listed(await client.get(f"{listing}?package_version=1.0"), "version") == ["1.0"]


@_BOTH
async def test_include_versionless_is_false_when_absent(filled: Context, client: Client, listing: str) -> None:
    await bring_in(filled, name="with")
    await bring_in(filled, name="without", version=None)

    assert await listed(await client.get(listing)) == ["with"]
    assert await listed(await client.get(f"{listing}?include_versionless=false")) == ["with"]
    assert await listed(await client.get(f"{listing}?include_versionless=true")) == ["with", "without"]


@_BOTH
async def test_status_filters_and_is_the_displayable_set_when_absent(
    filled: Context, client: Client, listing: str
) -> None:
    for status in _STATUSES:
        await put_status(filled, await bring_in(filled, name=status), status)

    assert await listed(await client.get(listing)) == ["default", "error", "deprecated"]
    assert await listed(await client.get(f"{listing}?status=hidden")) == ["hidden"]


@_BOTH
async def test_page_is_1_and_per_page_20_by_default(filled: Context, client: Client, listing: str) -> None:
    await bring_in_many(filled, 45)

    first, third = await client.get(listing), await client.get(f"{listing}?page=3")

    assert await listed(first) == [f"p-{number}" for number in range(1, 21)]
    assert await listed(third) == [f"p-{number}" for number in range(41, 46)]
    assert (first.headers["X-Page"], first.headers["X-Per-Page"]) == ("1", "20")


@_BOTH
async def test_per_page_sets_the_size_of_a_page(filled: Context, client: Client, listing: str) -> None:
    await bring_in_many(filled, 3)

    assert await listed(await client.get(f"{listing}?per_page=2")) == ["p-1", "p-2"]


@_BOTH
async def test_unknown_parameters_are_ignored(filled: Context, client: Client, listing: str) -> None:
    await bring_in(filled)

    assert await listed(await client.get(f"{listing}?color=red&id=7&search=x&page_size=0")) == ["app"]


_TRUE = ["1", "on", "On", "ON", "t", "true", "True", "TRUE", "T", "y", "yes", "Yes", "YES", "Y"]
_FALSE = ["0", "off", "Off", "OFF", "f", "false", "False", "FALSE", "F", "n", "no", "No", "NO", "N"]


@_BOTH
@pytest.mark.parametrize(("forms", "names"), [(_TRUE, ["app", "bare"]), (_FALSE, ["app"])])
async def test_booleans_have_many_forms(
    filled: Context, client: Client, listing: str, forms: list[str], names: list[str]
) -> None:
    await bring_in(filled)
    await bring_in(filled, name="bare", version=None)

    for form in forms:
        assert await listed(await client.get(f"{listing}?include_versionless={form}")) == names


@_BOTH
@pytest.mark.parametrize("form", ["2", "perhaps", "tRuE", "-1", "null", "1.0", "+1", "01"])
async def test_no_other_form_is_a_boolean(client: Client, listing: str, form: str) -> None:
    answer = await client.get(listing, params={"include_versionless": form})

    assert await told(answer) == (400, {"error": "include_versionless is invalid"})


async def test_a_blank_boolean_is_not_set(filled: Context, client: Client) -> None:
    await bring_in(filled)
    await bring_in(filled, name="bare", version=None)
    await publish(filled, name="below", project_id=102)

    answer = await client.get(f"{GROUP}?include_versionless=&exclude_subgroups=", headers=MAINTAINER)

    assert await listed(answer) == ["app", "below"]


@_BOTH
@pytest.mark.parametrize("form", ["x", "1.0", "1_0", "0x1", "1e2", "--1", "1 0", "\u0661", "1,2"])
@pytest.mark.parametrize("name", ["page", "per_page"])
async def test_an_integer_is_a_sign_and_digits(client: Client, listing: str, name: str, form: str) -> None:
    assert await told(await client.get(listing, params={name: form})) == (400, {"error": f"{name} is invalid"})


@_BOTH
async def test_an_integer_may_have_a_sign_and_leading_zeros(filled: Context, client: Client, listing: str) -> None:
    await bring_in_many(filled, 3)

    answer = await client.get(f"{listing}?page=%2B2&per_page=02")

    assert await listed(answer) == ["p-3"]


@_BOTH
async def test_an_array_is_no_integer(client: Client, listing: str) -> None:
    assert await told(await client.get(f"{listing}?page[]=1")) == (400, {"error": "page is invalid"})


@_BOTH
async def test_every_package_type_is_a_filter(filled: Context, client: Client, listing: str) -> None:
    for package_type in _TYPES:
        await bring_in(filled, package_type=package_type, name=f"of-{package_type}")

    assert [*PackageType] == _TYPES
    for package_type in _TYPES:
        answer = await client.get(f"{listing}?package_type={package_type}")
        assert await listed(answer, "package_type") == [package_type]


@_BOTH
@pytest.mark.parametrize("value", ["", "1", "NPM", "docker", "terraform"])
async def test_no_other_word_is_a_package_type(client: Client, listing: str, value: str) -> None:
    assert await told(await client.get(f"{listing}?package_type={value}")) == (
        400,
        {"error": "package_type does not have a valid value"},
    )


@_BOTH
async def test_every_status_is_a_filter(filled: Context, client: Client, listing: str) -> None:
    for status in _STATUSES:
        await put_status(filled, await bring_in(filled, name=f"is-{status}"), status)

    assert [*PackageStatus] == _STATUSES
    for status in _STATUSES:
        assert await listed(await client.get(f"{listing}?status={status}"), "status") == [status]


@_BOTH
@pytest.mark.parametrize("value", ["", "0", "Default", "deleted"])
async def test_no_other_word_is_a_status(client: Client, listing: str, value: str) -> None:
    assert await told(await client.get(f"{listing}?status={value}")) == (
        400,
        {"error": "status does not have a valid value"},
    )


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_package_id_is_an_integer(client: Client, method: str) -> None:
    answer = await client.request(method, f"{PUBLIC}/1x", headers=MAINTAINER)

    assert await told(answer) == (400, {"error": "package_id is invalid"})


async def test_files_are_paged(filled: Context, client: Client) -> None:
    package_id = await publish(filled, files=[f"f{number}" for number in range(5)])

    answer = await client.get(f"{PUBLIC}/{package_id}/package_files?page=2&per_page=2")

    assert await listed(answer, "file_name") == ["f2", "f3"]
    numbers = ("X-Page", "X-Per-Page", "X-Next-Page", "X-Prev-Page", "X-Total", "X-Total-Pages")
    assert [answer.headers[name] for name in numbers] == ["2", "2", "3", "1", "5", "3"]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["b", "c", "a"]),
        ("?order_by=id&sort=desc", ["a", "c", "b"]),
        ("?order_by=created_at", ["a", "b", "c"]),
        ("?order_by=created_at&sort=desc", ["c", "b", "a"]),
        ("?order_by=file_name", ["a", "b", "c"]),
        ("?sort=desc", ["a", "c", "b"]),
    ],
)
async def test_files_are_ordered_by_id_created_at_or_file_name(
    filled: Context, client: Client, query: str, names: list[str]
) -> None:
    days = {"b": 2, "c": 3, "a": 1}
    package_id = await bring_in(
        filled,
        files=[
            {"file_name": name, "content": "", "created_at": f"2022-01-0{day}T00:00:00Z"} for name, day in days.items()
        ],
    )

    answer = await client.get(f"{PUBLIC}/{package_id}/package_files{query}")

    assert await listed(answer, "file_name") == names


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("order_by=size", "order_by does not have a valid value"),
        ("order_by=", "order_by does not have a valid value"),
        ("sort=up", "sort does not have a valid value"),
        ("page=x", "page is invalid"),
        ("per_page=0", "per_page has a value not allowed"),
    ],
)
async def test_wrong_parameters_of_files_are_named(filled: Context, client: Client, query: str, error: str) -> None:
    package_id = await publish(filled)

    assert await told(await client.get(f"{PUBLIC}/{package_id}/package_files?{query}")) == (400, {"error": error})


@pytest.mark.parametrize(("method", "rest"), [("DELETE", ""), ("GET", "/download")])
async def test_both_ids_of_a_file_are_integers(filled: Context, client: Client, method: str, rest: str) -> None:
    package_id = await publish(filled)
    (file_id,) = await file_ids(filled, package_id)

    async def error(package: object, file: object) -> object:
        path = f"{PUBLIC}/{package}/package_files/{file}{rest}"
        return await told(await client.request(method, path, headers=MAINTAINER))

    assert await error("x", file_id) == (400, {"error": "package_id is invalid"})
    assert await error(package_id, "x") == (400, {"error": "package_file_id is invalid"})
    assert await error("x", "y") == (400, {"error": "package_id is invalid, package_file_id is invalid"})


async def test_pipelines_come_twenty_at_a_time_with_a_cursor_to_the_next(filled: Context, client: Client) -> None:
    package_id = await bring_in(filled)
    newest_first = (await bring_in_pipelines(filled, package_id, 25))[::-1]

    first = await client.get(f"{PUBLIC}/{package_id}/pipelines")
    place = next_page(first)
    assert place is not None
    more = await client.get(place.relative())

    assert await listed(first, "id") == newest_first[:20]
    assert "cursor" in place.query
    assert "X-Total" not in first.headers
    assert await listed(more, "id") == newest_first[20:]
    assert next_page(more) is None


async def test_pipelines_take_per_page_from_1_to_20(filled: Context, client: Client) -> None:
    package_id = await bring_in(filled)
    newest_first = (await bring_in_pipelines(filled, package_id, 3))[::-1]
    path = f"{PUBLIC}/{package_id}/pipelines"

    assert await listed(await client.get(f"{path}?per_page=1"), "id") == newest_first[:1]
    assert await listed(await client.get(f"{path}?per_page=20"), "id") == newest_first
    for wrong in ("0", "21", "-1", "100", "2147483649", "9" * 30):
        answer = await client.get(f"{path}?per_page={wrong}")
        assert await told(answer) == (400, {"error": "per_page does not have a valid value"})


async def test_pipelines_refuse_a_broken_cursor(filled: Context, client: Client) -> None:
    package_id = await bring_in(filled)

    for cursor in ("nonsense", "e30", "%00", "eyJpZCI6InkifQ"):
        answer = await client.get(f"{PUBLIC}/{package_id}/pipelines?cursor={cursor}")
        assert await told(answer) == (400, {"error": "cursor is invalid"})
    for nested in ("cursor[]=x", "cursor[a]=x"):
        answer = await client.get(f"{PUBLIC}/{package_id}/pipelines?{nested}")
        assert await told(answer) == (400, {"error": "cursor is invalid"})


async def test_pipelines_need_a_number_of_a_package_too(client: Client) -> None:
    assert await told(await client.get(f"{PUBLIC}/x/pipelines")) == (400, {"error": "package_id is invalid"})


async def test_parameters_of_a_group_that_only_members_see_work_for_them(filled: Context, client: Client) -> None:
    await publish(filled, name="vaulted", project_id=200)

    answer = await client.get(f"{API}/groups/20/packages?package_name=vault", headers=token("maintainer-token"))

    assert [package["name"] for package in await json_of(answer)] == ["vaulted"]
