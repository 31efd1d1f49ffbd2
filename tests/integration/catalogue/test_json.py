"""The JSON that the database writes is that of the resources, to the letter."""

from collections.abc import Mapping
from typing import Any, Final

import pytest
from pydantic import BaseModel, TypeAdapter
from pydantic_core import from_json, to_json

from schemas.http.resources import Package, PackageFile
from service.context import Context
from service.http.replies import dumped
from tests.integration.conftest import Client
from tests.support.catalogue import query

_PACKAGES: Final = "/api/v4/projects/100/packages"
_MAINTAINER: Final = {"PRIVATE-TOKEN": "maintainer-token"}
_ODD: Final = 'a"b\\c/d\b\f\n\r\t\x01\x1f\x7f <é>\u2028😀&\u00ad{}[]:,%s$1'

_FILL: Final = """
WITH made AS (
    INSERT INTO package (project_id, package_type, name, version, status, conan_username, conan_channel, creator_id,
                         created_at, last_downloaded_at)
    VALUES (100, 'npm', $1, '1', 'default', NULL, NULL, 3, '2019-11-27T03:37:38.711999Z', NULL),
           (100, 'npm', $1, $1, 'error', NULL, NULL, NULL, '0999-12-31T23:59:59.999999Z', '2020-02-29T00:00:00Z'),
           (100, 'npm', $1, '2', 'deprecated', NULL, NULL, 3, '9999-12-31T23:59:59.5+05:30', now()),
           (100, 'npm', 'versionless', NULL, 'default', NULL, NULL, 3, now(), NULL),
           (100, 'conan', $1, '1.0', 'default', NULL, NULL, 3, now(), NULL),
           (100, 'conan', 'bare', $1, 'default', $1, 'stable', 3, now(), NULL),
           (100, 'terraform_module', 'module', '1.0', 'default', NULL, NULL, 3, now(), NULL),
           (102, 'generic', 'private', '1.0', 'default', NULL, NULL, 3, now(), NULL)
    RETURNING id, created_at
), tagged AS (
    INSERT INTO package_tag (package_id, name, created_at)
    SELECT id, name, '2019-11-27T03:37:38Z' FROM made CROSS JOIN unnest(ARRAY[$1, 'latest']) name WHERE id % 2 = 0
), filed AS (
    INSERT INTO package_file (package_id, file_name, size, md5, sha1, sha256, storage_key, created_at)
    SELECT id, n || $1, n * 4000000000, CASE n WHEN 1 THEN decode(repeat('0f', 16), 'hex') END,
           CASE n WHEN 1 THEN decode(repeat('a0', 20), 'hex') END, sha256('x'), 'key/' || id || '/' || n, created_at
      FROM made CROSS JOIN generate_series(1, 2) n
    RETURNING id, package_id
), built AS (
    INSERT INTO pipeline (id, iid, project_id, sha, ref, status, source, user_id, created_at, updated_at)
    VALUES (900, 7, 100, $1, $1, 'success', 'push', 3, '2016-08-11T11:28:34.085Z', '2016-08-11T11:28:34.0009Z'),
           (899, 8, 102, 'f00', 'main', 'failed', 'web', NULL, now(), now())
    RETURNING id
), package_built AS (
    INSERT INTO package_build (package_id, pipeline_id) SELECT made.id, built.id FROM made CROSS JOIN built
     WHERE made.id % 3 > 0
)
INSERT INTO package_file_build (package_file_id, pipeline_id)
SELECT filed.id, built.id FROM filed CROSS JOIN built WHERE filed.id % 2 = 0
"""

pytestmark = pytest.mark.usefixtures("database_of_its_own")


@pytest.fixture
async def ids(filled: Context) -> list[int]:
    """Packages whose every value is as odd as it may be."""
    await query(filled, "UPDATE directory_user SET name = $1 WHERE id = 3", _ODD)
    await query(filled, _FILL, _ODD)
    return [row["id"] for row in await query(filled, "SELECT id FROM package WHERE project_id = 100 ORDER BY id")]


async def _bytes(client: Client, path: str) -> bytes:
    answer = await client.get(path, headers=_MAINTAINER)
    assert answer.status == 200, path
    return await answer.read()


def _written_by(shape: Any, raw: bytes) -> bytes:
    return to_json(dumped(TypeAdapter(shape).validate_json(raw)))


def _keys(value: object, kind: type[BaseModel]) -> set[str]:
    rows = value if isinstance(value, list) else [value]
    return {key for row in rows if isinstance(row, Mapping) for key in row} & _names(kind)


def _names(kind: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in kind.model_fields.items()}


async def test_every_value_is_written_as_the_resources_write_it(client: Client, ids: list[int]) -> None:
    everything = "per_page=100&include_versionless=true"
    seen: set[str] = set()
    for address in (
        f"{_PACKAGES}?{everything}",
        f"{_PACKAGES}?package_type=terraform_module",
        f"/api/v4/groups/acme/packages?{everything}",
    ):
        raw = await _bytes(client, address)
        seen |= _keys(from_json(raw), Package)
        assert raw == _written_by(list[Package], raw)
    for package_id in ids:
        raw = await _bytes(client, f"{_PACKAGES}/{package_id}")
        seen |= _keys(from_json(raw), Package)
        assert raw == _written_by(Package, raw)

    assert seen == _names(Package)


async def test_every_value_of_a_file_is_written_as_the_resources_write_it(client: Client, ids: list[int]) -> None:
    seen: set[str] = set()
    for package_id in ids:
        raw = await _bytes(client, f"{_PACKAGES}/{package_id}/package_files")
        seen |= _keys(from_json(raw), PackageFile)
        assert raw == _written_by(list[PackageFile], raw)

    assert seen == _names(PackageFile)


async def test_the_values_are_those_of_the_rows(client: Client, ids: list[int]) -> None:
    package = from_json(await _bytes(client, f"{_PACKAGES}/{ids[1]}"))
    files = from_json(await _bytes(client, f"{_PACKAGES}/{ids[1]}/package_files"))

    assert (package["name"], package["version"], package["status"]) == (_ODD, _ODD, "error")
    assert (package["created_at"], package["last_downloaded_at"]) == (
        "0999-12-31T23:59:59.999Z",
        "2020-02-29T00:00:00.000Z",
    )
    assert [version["version"] for version in package["versions"]] == ["1", "2"]
    assert [(file["file_name"], file["size"], file["file_md5"]) for file in files] == [
        (f"1{_ODD}", 4_000_000_000, "0f" * 16),
        (f"2{_ODD}", 8_000_000_000, None),
    ]
