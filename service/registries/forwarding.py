"""Sending reads for unknown names to a public registry, where a setting asks for it."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from aiohttp import web

from schemas.names import PackageType
from service.http.keys import CONTEXT
from service.http.operations import Answer, Media
from service.infra.postgres.database import Connection, fetch

FORWARDED: Final = Answer(
    302,
    media=Media.TEXT,
    headers=("Location",),
    description="A public registry may have the name, which is unknown here.",
)
"""The address of an unknown name in a public registry."""


async def forward_unknown(
    request: web.Request, connection: Connection, package_type: PackageType, *, names: Sequence[str], path: str
) -> None:
    """Redirect to *path* in the public registry of the type, if one is set and all of *names* are unknown.

    A read route calls this when it found nothing, after it checked that the caller may read the project or group. It
    returns when the route should answer 404 itself. A name is known when any project has or had a package of that
    type and name, also one that the caller cannot see. Nothing of the public registry is fetched or kept. *path* is not
    percent-encoded yet.

    Raises:
        web.HTTPFound: the redirect.
    """
    base = _public_registry(request, package_type)
    if base is None or ".." in path.split("/") or await _is_known(connection, package_type, names):
        return
    raise web.HTTPFound(f"{base}/{quote(path, safe='/@')}")


def _public_registry(request: web.Request, package_type: PackageType) -> str | None:
    settings = request.app[CONTEXT].settings
    urls = {
        PackageType.MAVEN: settings.maven_forwarding_url,
        PackageType.NPM: settings.npm_forwarding_url,
        PackageType.PYPI: settings.pypi_forwarding_url,
    }
    url = urls.get(package_type)
    return None if url is None else str(url).rstrip("/")


async def _is_known(connection: Connection, package_type: PackageType, names: Sequence[str]) -> bool:
    (row,) = await fetch(connection, "is_known_name", package_type=package_type, names=list(names))
    return bool(row["is_known"])
