"""The indexes of all formats, for a client that has one already: its next request shows a deletion and its undo."""

from collections.abc import Mapping
from typing import Final

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


async def test_a_client_that_has_an_index_sees_a_deletion_and_its_undo_at_its_next_request(
    client: Client, filled: Context
) -> None:
    for upload in _UPLOADS:
        for version in ("1.0.0", _NEWEST):
            assert (await upload(client, _PROJECT, version, DEVELOPER)).ok
    first, seen = await _look(client, {})
    assert seen == {(200, True)}
    assert (await _look(client, first))[1] == {(304, False)}

    packages = await query(filled, "SELECT id FROM package WHERE version = $1", _NEWEST)
    deletions = [await delete(filled, package["id"]) for package in packages]
    second, seen = await _look(client, first)
    assert seen == {(200, False)}

    for deletion in deletions:
        await restore(filled, deletion.id)
    _, seen = await _look(client, second)
    assert seen == {(200, True)}
