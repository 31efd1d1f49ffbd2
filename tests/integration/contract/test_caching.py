"""A cache between us and a client may keep nothing that it would give to anybody else."""

import re
from collections.abc import Mapping
from typing import Final

from service.app import ROUTES
from service.context import Context
from service.http.operations import Operation
from tests.integration.conftest import Client
from tests.support.catalogue import publish, query
from tests.support.packages import MAINTAINER, file_ids

_FOR_ITS_CALLER: Final = "max-age=0, private, must-revalidate"
_FILE_FOR_ITS_CALLER: Final = "private, max-age=0, must-revalidate"
_INDEX_FOR_ITS_CALLER: Final = "private, no-cache"
_READABLE: Final = {200, 206, 304}
_OLD_PATH: Final = "/api/v4/projects/acme%2Folder/packages"
_ID: Final = "01920000-0000-7000-8000-000000000000"
_PLACE: Final = re.compile(r"\{(\w+)(?::(?:[^{}]|\{[^{}]*\})*)?\}")


def _cache_control(operation: Operation) -> str:
    if operation.is_index:
        return _INDEX_FOR_ITS_CALLER
    return _FILE_FOR_ITS_CALLER if operation.gives_bytes else _FOR_ITS_CALLER


def _filled(path: str, values: Mapping[str, object]) -> str:
    return _PLACE.sub(lambda place: str(values.get(place[1], _ID)), path)


async def test_a_readable_answer_is_its_callers_alone_and_no_other_is_kept(filled: Context, client: Client) -> None:
    package_id = await publish(filled)
    (file_id,) = await file_ids(filled, package_id)
    await query(filled, "INSERT INTO project_alias (path, project_id) VALUES ('acme/older', 100)")
    generic = {"package_name": "app", "package_version": "1.0", "path": "d", "file_name": "app.bin"}
    values = {"id": 100, "package_id": package_id, "package_file_id": file_id, "asset": "start.js", **generic}
    conditions: list[dict[str, str]] = [{}, {"If-None-Match": "*"}, {"Range": "bytes=0-1"}, {"Range": "bytes=9999-"}]
    asked = [
        (method, _filled(operation.path, values), {**credential, **condition}, _cache_control(operation))
        for operation in (operation for routes in ROUTES for operation in routes.operations)
        for method in ((operation.method, "HEAD") if operation.method == "GET" else (operation.method,))
        for credential in ({}, MAINTAINER, {"PRIVATE-TOKEN": "nobodys-token"})
        for condition in (conditions if method == "GET" else [{}])
    ]
    others = (("GET", _OLD_PATH), ("GET", "/api/v4/nothing"), ("PATCH", "/api/v4/version"))
    asked += [(method, path, {}, _FOR_ITS_CALLER) for method, path in others]
    seen: set[int] = set()

    for method, path, headers, cache_control in asked:
        async with client.request(method, path, headers=headers, allow_redirects=False) as answer:
            is_readable = answer.status in _READABLE and method in {"GET", "HEAD"} and path.startswith("/api/")
            expected = cache_control if is_readable else "no-store"
            assert answer.headers["Cache-Control"] == expected, (method, path, headers, answer.status)
            seen.add(answer.status)

    assert seen >= {200, 206, 301, 304, 400, 401, 403, 404, 405, 416}
