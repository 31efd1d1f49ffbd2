"""Requests that no client means: odd values are answered with 4xx, and each wrong part is named."""

import pytest
from yarl import URL

from tests.integration.conftest import Client
from tests.support.packages import json_of, token


async def test_every_answer_carries_the_security_headers_and_a_request_id(client: Client) -> None:
    given = await client.get("/-/live", headers={"X-Request-Id": "my-request"})
    made = await client.get("/api/v4/nothing", headers={"X-Request-Id": "not a plain id\u00e9"})

    assert given.headers["X-Request-Id"] == "my-request"
    assert len(made.headers["X-Request-Id"]) == 32
    assert {made.headers["X-Frame-Options"], made.headers["X-Content-Type-Options"]} == {"SAMEORIGIN", "nosniff"}


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("DELETE", "/api/v4/projects/100/packages/1?reason=%00", token("maintainer-token"), 400),
        ("GET", f"/api/v4/projects/{'9' * 5_000}/packages", {}, 404),
        ("GET", f"/api/v4/groups/{'9' * 5_000}/packages", {}, 404),
        ("GET", "/api/v4/projects/100/packages?package_name=%FF%00", {}, 400),
        ("GET", "/api/v4/projects/%FF/packages", {}, 404),
        ("GET", "/api/v4/projects/100/packages", token("t\u00f6ken"), 401),
        (
            "DELETE",
            "/api/v4/projects/100/packages/1",
            {**token("maintainer-token"), "If-Unmodified-Since": "Mon, 01 Jan 99999999999 00:00:00 GMT"},
            404,
        ),
    ],
)
async def test_odd_input_is_answered_with_4xx(
    client: Client, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    answer = await client.request(method, URL(path, encoded=True), headers=headers)

    assert answer.status == status


@pytest.mark.parametrize(
    "query_string",
    [
        "package_name=a&package_name=%00",
        "package_version=%00",
        "pagination=keyset&cursor=eyJvcmRlciI6ImNyZWF0ZWRfYXQuYXNjIiwidmFsdWUiOiI5OTk5LTEyLTMxVDIzOjU5OjU5LTIzOjU5IiwiaWQiOjF9",
        "package_name=" + "+".join(f"word{number}" for number in range(51)),
    ],
)
async def test_values_that_the_database_could_not_take_are_400(client: Client, query_string: str) -> None:
    assert (await client.get(f"/api/v4/projects/100/packages?{query_string}")).status == 400


async def test_every_wrong_part_of_an_upload_is_named(client: Client) -> None:
    answer = await client.put(
        URL("/api/v4/projects/100/packages/generic/se~l/1../f~?status=x&select=y", encoded=True),
        data=b"x",
        headers=token("developer-token"),
    )

    assert await json_of(answer) == {
        "error": "package_name is invalid, package_version is invalid, file_name is invalid,"
        " status does not have a valid value, select does not have a valid value"
    }
