"""Packages of every kind for tests of the contract, and what an answer says in one value."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any, Final

from aiohttp import ClientResponse
from yarl import URL

from service.context import Context
from service.importing.imports import import_packages
from service.importing.lines import Line
from tests.support.browsing import Client
from tests.support.catalogue import query

EXTERNAL: Final = "https://yard.example"
API: Final = "/api/v4"
PUBLIC: Final = f"{API}/projects/100/packages"
INTERNAL: Final = f"{API}/projects/101/packages"
PRIVATE: Final = f"{API}/projects/102/packages"
SWITCHED_OFF: Final = f"{API}/projects/103/packages"
GUARDED: Final = f"{API}/projects/104/packages"
GROUP: Final = f"{API}/groups/acme/packages"
GENERIC: Final = f"{PUBLIC}/generic/app/1.0/app.bin"
PRIVATE_GENERIC: Final = f"{PRIVATE}/generic/app/1.0/app.bin"

CREATED: Final = (201, {"message": "201 Created"})
CHALLENGE: Final = 'Basic realm="GitLab Packages Registry"'
"""Asks nobody who they are, where a package is downloaded or uploaded."""
UNAUTHORIZED: Final = (401, {"message": "401 Unauthorized"})
FORBIDDEN: Final = (403, {"message": "403 Forbidden"})
NO_PROJECT: Final = (404, {"message": "404 Project Not Found"})
NO_GROUP: Final = (404, {"message": "404 Group Not Found"})
NO_PACKAGE: Final = (404, {"message": "404 Not found"})
NO_FILE: Final = (404, {"message": "404 Not Found"})
PROTECTED: Final = (403, {"message": "403 Forbidden - Package is deletion protected."})

TYPES_BY_NUMBER: Final = (
    "maven",
    "npm",
    "conan",
    "nuget",
    "pypi",
    "composer",
    "generic",
    "golang",
    "debian",
    "rubygems",
    "helm",
    "terraform_module",
    "rpm",
    "ml_model",
)
"""The types of packages in the order of their numbers, as the contract lists them."""


def token(name: str) -> dict[str, str]:
    """Return the header that carries the token; none for an anonymous caller."""
    return {"PRIVATE-TOKEN": name} if name else {}


MAINTAINER: Final = token("maintainer-token")
DEVELOPER: Final = token("developer-token")
REPORTER: Final = token("reporter-token")


def generic_place(name: str = "app", version: str = "1.0", file_name: str = "app.bin") -> URL:
    """Return the address of a generic file in the public project; all parts are encoded already."""
    return URL(f"{PUBLIC}/generic/{name}/{version}/{file_name}", encoded=True)


async def put_generic(client: Client, place: URL | str = GENERIC, data: bytes = b"x") -> ClientResponse:
    """Upload a generic file as a developer."""
    return await client.put(place, data=data, headers=DEVELOPER)


async def json_of(answer: ClientResponse) -> Any:
    """Return the body of a JSON answer."""
    assert answer.headers["Content-Type"] == "application/json"
    return await answer.json()


async def told(answer: ClientResponse) -> tuple[int, Any]:
    """Return the status and the body of a JSON answer."""
    return answer.status, await json_of(answer)


async def listed(answer: ClientResponse, key: str = "name") -> list[Any]:
    """Return one field of each element of a listing."""
    status, body = await told(answer)
    assert status == 200, body
    return [element[key] for element in body]


def next_page(answer: ClientResponse) -> URL | None:
    """Return where the answer says that the list goes on; None at its end."""
    return URL(answer.links["next"]["url"]) if "next" in answer.links else None


async def bring_in(context: Context, *, announces: bool = False, **package: Any) -> int:
    """Import one package and return its id."""
    line = {"project": "acme/open", "package_type": "npm", "name": "app", "version": "1.0", **package}
    reports = import_packages(context.database, context.store, lines=_one_line(line), folder=None, announces=announces)
    async with aclosing(reports):
        refused = [refusal.reason async for report in reports for refusal in report.refusals]
    assert refused == []
    (row,) = await query(context, "SELECT max(id) AS id FROM package")
    package_id: int = row["id"]
    return package_id


async def bring_in_many(context: Context, count: int, *, project_id: int = 100) -> None:
    """Insert that many packages p-1, p-2, …; of one second each, in the order of their numbers."""
    await query(
        context,
        "INSERT INTO package (project_id, package_type, name, version, created_at)"
        " SELECT $1, 'npm', 'p-' || n, '1.0', timestamptz '2020-01-01Z' + make_interval(secs => n)"
        " FROM generate_series(1, $2::integer) n",
        project_id,
        count,
    )


async def bring_in_pipelines(context: Context, package_id: int, count: int) -> list[int]:
    """Give the package that many pipelines, and return their ids, the oldest first."""
    rows = await query(
        context,
        "WITH made AS (INSERT INTO pipeline (iid, project_id, sha, ref, status, user_id)"
        " SELECT n, 100, 'abc', 'main', 'success', 4 FROM generate_series(1, $2::integer) n RETURNING id)"
        " INSERT INTO package_build (package_id, pipeline_id) SELECT $1, id FROM made RETURNING pipeline_id",
        package_id,
        count,
    )
    return sorted(row["pipeline_id"] for row in rows)


async def put_status(context: Context, package_id: int, status: str) -> None:
    """Say in the database that the package is in that status."""
    await query(context, "UPDATE package SET status = $2 WHERE id = $1", package_id, status)


async def put_file_status(context: Context, package_file_id: int, status: str) -> None:
    """Say in the database that the file is in that status."""
    await query(context, "UPDATE package_file SET status = $2 WHERE id = $1", package_file_id, status)


async def file_ids(context: Context, package_id: int) -> list[int]:
    """Return the ids of the package's files, in any status, in the order of their making."""
    rows = await query(context, "SELECT id FROM package_file WHERE package_id = $1 ORDER BY id", package_id)
    return [row["id"] for row in rows]


async def move_project(context: Context, project_id: int, path: str) -> str:
    """Give the project another path, as a rename does, and return its old one."""
    (row,) = await query(context, "SELECT path FROM project WHERE id = $1", project_id)
    await query(context, "INSERT INTO project_alias (path, project_id) VALUES ($1, $2)", row["path"], project_id)
    await query(context, "UPDATE project SET path = $2 WHERE id = $1", project_id, path)
    old: str = row["path"]
    return old


async def _one_line(package: Mapping[str, Any]) -> AsyncIterator[Line]:
    yield Line(1, json.dumps(package).encode(), 0)
