"""Reads for unknown names go to a public registry where a setting asks for it, and never for a name of our own."""

from collections.abc import AsyncGenerator
from typing import Final

import pytest
from aiohttp.test_utils import TestClient, TestServer
from pydantic import HttpUrl

from service.app import create_app
from service.context import Context
from tests.integration.conftest import Client
from tests.support.catalogue import query
from tests.support.packages import DEVELOPER, bring_in
from tests.support.stepwise import with_settings

_PROJECT: Final = "/api/v4/projects/100/packages/pypi"
_PRIVATE: Final = "/api/v4/projects/102/packages/pypi"
_GROUP: Final = "/api/v4/groups/10/-/packages/pypi"
_PUBLIC: Final = "https://index.example/simple"
_REGISTRIES: Final = {
    "pypi": _PUBLIC,
    "npm": "https://registry.example",
    "maven": "https://repository.example/maven2/",
}


@pytest.fixture
async def forwarding(filled: Context) -> AsyncGenerator[Client]:
    """A client of an API that forwards reads for unknown names."""
    urls = {f"{name}_forwarding_url": HttpUrl(url) for name, url in _REGISTRIES.items()}
    context = with_settings(filled, **urls)
    async with TestClient(TestServer(create_app(context))) as opened:
        yield opened


@pytest.mark.parametrize(
    ("path", "name"),
    [(f"{_PROJECT}/simple/Some.Name", "some-name"), (f"{_GROUP}/simple/a%2Fb%3Fc/", "a/b%3Fc")],
)
async def test_an_unknown_name_is_redirected_and_the_redirect_is_not_kept(
    forwarding: Client, path: str, name: str
) -> None:
    answer = await forwarding.get(path, headers=DEVELOPER, allow_redirects=False)

    assert (answer.status, answer.headers["Location"]) == (302, f"{_PUBLIC}/{name}/")
    assert answer.headers["Cache-Control"] == "no-store"


async def test_nothing_is_forwarded_by_default(client: Client) -> None:
    answer = await client.get(f"{_PROJECT}/simple/unknown/")

    assert (answer.status, await answer.json()) == (404, {"message": "404 Package Not Found"})


async def test_a_name_that_any_project_has_or_had_is_never_forwarded(forwarding: Client, filled: Context) -> None:
    await bring_in(filled, project="secret/vault", package_type="pypi", name="Our_Secret", version="1.0")
    gone = await bring_in(filled, package_type="pypi", name="long.gone", version="1.0")
    await query(filled, "DELETE FROM package WHERE id = $1", gone)
    await bring_in(filled, package_type="npm", name="only-npm", version="1.0.0")

    statuses = {
        name: (await forwarding.get(f"{_PROJECT}/simple/{name}/", allow_redirects=False)).status
        for name in ("our-secret", "Long_Gone", "only-npm")
    }

    assert statuses == {"our-secret": 404, "Long_Gone": 404, "only-npm": 302}


@pytest.mark.parametrize(
    ("path", "status"), [(_PRIVATE, 401), ("/api/v4/groups/20/-/packages/pypi", 401), (_GROUP, 401)]
)
async def test_a_caller_who_may_read_more_with_a_credential_is_not_redirected(
    forwarding: Client, path: str, status: int
) -> None:
    answer = await forwarding.get(f"{path}/simple/unknown/", allow_redirects=False)

    assert answer.status == status


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("npm/unknown", "https://registry.example/unknown"),
        ("npm/@scope%2Funknown", "https://registry.example/@scope/unknown"),
        ("maven/org/x/1.0/x-1.0.pom", "https://repository.example/maven2/org/x/1.0/x-1.0.pom"),
        ("maven/org/x/maven-metadata.xml", "https://repository.example/maven2/org/x/maven-metadata.xml"),
    ],
)
async def test_npm_and_maven_are_forwarded_as_well(forwarding: Client, path: str, location: str) -> None:
    answer = await forwarding.get(f"/api/v4/projects/100/packages/{path}", allow_redirects=False)

    assert (answer.status, answer.headers.get("Location")) == (302, location)


async def test_names_of_npm_and_maven_are_known_in_any_case(forwarding: Client, filled: Context) -> None:
    await bring_in(filled, project="secret/vault", package_type="npm", name="Acme-App", version="1.0.0")
    await bring_in(filled, project="secret/vault", package_type="maven", name="com/acme/app", version="1.0")

    for path in ("npm/acme-app", "maven/com/acme/app/2.0/app-2.0.pom", "maven/com/acme/App/maven-metadata.xml"):
        answer = await forwarding.get(f"/api/v4/projects/100/packages/{path}", allow_redirects=False)
        assert (path, answer.status) == (path, 404)
