"""Style sheet, scripts and icon of the pages: under names that hold their digest, so that they never get stale."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from aiohttp import web

from service.refusals import PageNotFoundError
from service.web.frame.routing import PageRoutes

ASSETS: Final = "/-/assets"
"""The address below which they are served."""

routes = PageRoutes()

_FOLDER: Final = Path(__file__).parents[1] / "static"
_TYPES: Final = MappingProxyType({".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"})
_DIGEST_LENGTH: Final = 12
_FOR_EVER: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file that pages load."""

    body: bytes
    media: str
    served_as: str
    """Its name with the digest of its content."""


@cache
def assets() -> MappingProxyType[str, Asset]:
    """Return all of them by their plain names; they are read once."""
    return MappingProxyType({path.name: _asset(path) for path in _FOLDER.iterdir() if path.suffix in _TYPES})


def asset_path(name: str) -> str:
    """Return the path under which the asset of that plain name is served."""
    return f"{ASSETS}/{assets()[name].served_as}"


@routes.resource(ASSETS + "/{name}")
async def show_asset(request: web.Request) -> web.Response:
    """Answer with the asset, which may be kept for ever."""
    found = _by_served_name().get(request.match_info["name"])
    if found is None:
        raise PageNotFoundError
    return web.Response(
        body=found.body, content_type=found.media, charset="utf-8", headers={"Cache-Control": _FOR_EVER}
    )


@routes.resource("/favicon.ico")
async def show_icon(_request: web.Request) -> web.Response:
    """Answer with the icon to browsers that ask for it at its traditional address."""
    icon = assets()["icon.svg"]
    return web.Response(body=icon.body, content_type=icon.media, headers={"Cache-Control": "public, max-age=86400"})


@cache
def _by_served_name() -> MappingProxyType[str, Asset]:
    return MappingProxyType({asset.served_as: asset for asset in assets().values()})


def _asset(path: Path) -> Asset:
    body = path.read_bytes()
    digest = hashlib.sha256(body).hexdigest()[:_DIGEST_LENGTH]
    return Asset(body, _TYPES[path.suffix], f"{path.stem}.{digest}{path.suffix}")
