"""The matrix of access: callers by credential, projects by visibility, and the same answers for each format."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import pytest

from tests.integration.conftest import Client
from tests.support.uploads import (
    Upload,
    upload_generic,
    upload_helm,
    upload_maven,
    upload_npm,
    upload_nuget,
    upload_pypi,
)

_PRIVATE: Final = 102
_PROJECTS: Final = (100, 101, _PRIVATE)
"""A public, an internal and a private one, in the same public group."""
_SUCCESSES: Final = frozenset({200, 201})
_Headers: TypeAlias = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Format:
    """A format: how a version is published, and what is read then; both below the address of a project's packages."""

    publish: Upload
    path: str
    refuses_unknown_basic: bool = False
    """Whether an unknown password is refused in a public project, too."""


_FORMATS: Final = {
    "pypi": Format(upload_pypi, "pypi/simple/kit/"),
    "npm": Format(upload_npm, "npm/kit", refuses_unknown_basic=True),
    "maven": Format(upload_maven, "maven/com/example/kit/maven-metadata.xml"),
    "helm": Format(upload_helm, "helm/stable/index.yaml", refuses_unknown_basic=True),
    "nuget": Format(upload_nuget, "nuget/metadata/kit/index.json", refuses_unknown_basic=True),
    "generic": Format(upload_generic, "generic/kit/1.0.0/kit.bin"),
}


def _basic(password: str, user: str = "anybody") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def _token(token: str) -> dict[str, str]:
    return {"PRIVATE-TOKEN": token}


_CREDENTIALS: Final[Mapping[str, tuple[_Headers, tuple[int, ...], tuple[int, ...]]]] = {
    "nobody": ({}, (200, 401, 401), (401, 401, 401)),
    "unknown token": (_token("no-such-token"), (401, 401, 401), (401, 401, 401)),
    "expired token": (_token("maintainer-expired-token"), (401, 401, 401), (401, 401, 401)),
    "blocked user": (_token("blocked-token"), (403, 403, 403), (403, 403, 403)),
    "stranger": (_token("stranger-token"), (200, 200, 404), (403, 403, 404)),
    "external user": (_token("external-token"), (200, 404, 404), (403, 404, 404)),
    "guest": (_token("guest-token"), (200, 200, 403), (403, 403, 403)),
    "reporter": (_token("reporter-token"), (200, 200, 200), (403, 403, 403)),
    "reading token": (_token("maintainer-reading-token"), (200, 200, 200), (403, 403, 403)),
    "developer": (_token("developer-token"), (200, 200, 200), (200, 200, 200)),
    "bearer": ({"Authorization": "Bearer developer-token"}, (200, 200, 200), (200, 200, 200)),
    "basic": (_basic("developer-token"), (200, 200, 200), (200, 200, 200)),
    "job": ({"JOB-TOKEN": "anvil-maintainer-job"}, (200, 200, 200), (403, 403, 200)),
    "basic job": (_basic("anvil-maintainer-job", "gitlab-ci-token"), (200, 200, 200), (403, 403, 200)),
    "reading deploy token": ({"Deploy-Token": "anvil-read-deploy"}, (200, 404, 200), (403, 404, 403)),
    "basic deploy token": (_basic("anvil-read-deploy", "puller"), (200, 404, 200), (403, 404, 403)),
    "writing deploy token": ({"Deploy-Token": "anvil-write-deploy"}, (200, 404, 200), (403, 404, 200)),
}
"""Headers, and the statuses of reading and publishing in a public, an internal and a private project.

The tokens of jobs and deploy tokens belong to the private project. 200 is any success.
"""


@pytest.mark.parametrize("format_name", _FORMATS)
async def test_each_credential_may_do_the_same_in_every_format(client: Client, format_name: str) -> None:
    tried = _FORMATS[format_name]
    bases = [f"/api/v4/projects/{project_id}/packages" for project_id in _PROJECTS]
    for base in bases:
        assert (await tried.publish(client, base, "1.0.0", _token("maintainer-token"))).status in _SUCCESSES

    found = {}
    for number, (name, (headers, _, _)) in enumerate(_CREDENTIALS.items()):
        reading = [(await client.get(f"{base}/{tried.path}", headers=headers)).status for base in bases]
        publishing = [(await tried.publish(client, base, f"1.1.{number}", headers)).status for base in bases]
        found[name] = tuple(reading), tuple(200 if status in _SUCCESSES else status for status in publishing)

    assert found == {name: (reading, publishing) for name, (_, reading, publishing) in _CREDENTIALS.items()}


@pytest.mark.parametrize("format_name", _FORMATS)
async def test_a_password_that_is_unknown_or_no_longer_good_opens_nothing(client: Client, format_name: str) -> None:
    tried = _FORMATS[format_name]
    bases = [f"/api/v4/projects/{project_id}/packages" for project_id in _PROJECTS]
    for base in bases:
        assert (await tried.publish(client, base, "1.0.0", _token("maintainer-token"))).status in _SUCCESSES

    for bad in (_basic("no-such-token"), _basic("maintainer-expired-token"), _basic("anvil-read-deploy", "other")):
        reading = [(await client.get(f"{base}/{tried.path}", headers=bad)).status for base in bases]
        assert reading == [401 if tried.refuses_unknown_basic else 200, 401, 401]


@pytest.mark.parametrize("format_name", ["pypi", "npm", "maven", "nuget"])
async def test_a_deploy_token_is_of_no_use_at_a_groups_address(client: Client, format_name: str) -> None:
    tried = _FORMATS[format_name]
    base = f"/api/v4/projects/{_PRIVATE}/packages"
    assert (await tried.publish(client, base, "1.0.0", _token("maintainer-token"))).status in _SUCCESSES
    address = f"/api/v4/groups/10/-/packages/{tried.path}"

    assert (await client.get(address, headers=_token("maintainer-token"))).status == 200
    assert (await client.get(address, headers={"Deploy-Token": "anvil-read-deploy"})).status in {401, 404}
