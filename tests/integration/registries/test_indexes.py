"""The indexes of all formats: the next request shows a deletion and its undo, and no link of them is dead."""

import json
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urldefrag, urljoin

from ruamel.yaml import YAML

from service.context import Context
from tests.integration.conftest import Client
from tests.support.catalogue import delete, query, restore
from tests.support.packages import DEVELOPER
from tests.support.uploads import upload_helm, upload_maven, upload_npm, upload_nuget, upload_pypi

_PROJECT: Final = "/api/v4/projects/100/packages"
_GROUP: Final = "/api/v4/groups/10/-/packages"
_UPLOADS: Final = (upload_pypi, upload_npm, upload_maven, upload_nuget, upload_helm)
_OF_GROUPS: Final = (
    "pypi/simple/kit/",
    "npm/kit",
    "npm/-/package/kit/dist-tags",
    "maven/com/example/kit/maven-metadata.xml",
    "nuget/metadata/kit/index.json",
)
_INDEXES: Final = (
    *(f"{_GROUP}/{path}" for path in _OF_GROUPS),
    *(f"{_PROJECT}/{path}" for path in _OF_GROUPS),
    f"{_PROJECT}/nuget/download/kit/index.json",
    f"{_PROJECT}/nuget/query?q=kit",
    f"{_PROJECT}/helm/stable/index.yaml",
)
_NEWEST: Final = "1.1.0"
_HERE: Final = "http://here"


def _links(address: str, text: str) -> set[str]:
    """Return the paths that an index leads a client to, of files and of further documents."""
    if "/maven/" in address:
        found = [f"{version}/kit-{version}.jar" for version in re.findall("<version>(.+?)</version>", text)]
    elif address.endswith("dist-tags"):
        found = [f"{_PROJECT}/npm/kit/-/kit-{version}.tgz" for version in json.loads(text).values()]
    elif "/nuget/download/" in address:
        found = [f"{version}/kit.{version}.nupkg" for version in json.loads(text)["versions"]]
    elif address.endswith(".yaml"):
        entries = YAML(typ="safe", pure=True).load(text)["entries"]
        found = [url for entry in entries.get("kit", ()) for url in entry["urls"]]
    else:
        found = re.findall(r'(?:href="|"(?:@id|packageContent|tarball)": ?")(.*?)"', text)
    places = [urldefrag(urljoin(_HERE + address, link)).url for link in found]
    return {"/api/" + place.partition("/api/")[2] for place in places}


async def _followed(client: Client) -> tuple[set[str], set[str]]:
    """Return the links of all indexes together: those that are answered, and those that are not."""
    links: set[str] = set()
    for address in _INDEXES:
        answer = await client.get(address, headers=DEVELOPER)
        found = _links(address, await answer.text())
        assert found, address
        links |= found
    statuses = {link: (await client.get(link, headers=DEVELOPER)).status for link in sorted(links)}
    return {link for link in links if statuses[link] == 200}, {link for link in links if statuses[link] != 200}


async def _look(client: Client, known: Mapping[str, str]) -> tuple[dict[str, str], set[tuple[int, bool]]]:
    """Return the tags by address, and each status with whether the newest version is in the text."""
    tags, seen = {}, set()
    for address in _INDEXES:
        tag = {"If-None-Match": known[address]} if known else {}
        answer = await client.get(address, headers={**DEVELOPER, **tag})
        tags[address] = answer.headers["ETag"]
        seen.add((answer.status, _NEWEST in await answer.text()))
        assert answer.headers["Cache-Control"] == "private, no-cache", address
    return tags, seen


async def test_the_next_request_for_an_index_shows_a_deletion_and_its_undo_and_no_dead_link(
    client: Client, filled: Context
) -> None:
    for upload in _UPLOADS:
        for version in ("1.0.0", _NEWEST):
            assert (await upload(client, _PROJECT, version, DEVELOPER)).ok
    everything, nothing = await _followed(client)
    first, seen = await _look(client, {})
    assert seen == {(200, True)}
    assert (await _look(client, first))[1] == {(304, False)}

    packages = await query(filled, "SELECT id FROM package WHERE version = $1", _NEWEST)
    deletions = [await delete(filled, package["id"]) for package in packages]
    second, seen = await _look(client, first)
    assert seen == {(200, False)}
    left, dead = await _followed(client)
    assert (nothing, dead) == (set(), set())
    gone = everything - left
    assert gone == {link for link in everything if _NEWEST in link}
    assert {(await client.get(link, headers=DEVELOPER)).status for link in gone} == {404}

    for deletion in deletions:
        await restore(filled, deletion.id)
    _, seen = await _look(client, second)
    assert seen == {(200, True)}
    assert await _followed(client) == (everything, set())
