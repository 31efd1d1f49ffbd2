"""npm: publish and unpublish, and the metadata of a project, a group or the instance with its tarballs."""

from typing import Final
from urllib.parse import quote

from aiohttp import ETag, web

from schemas.http.resources import Message
from schemas.names import PackageType
from service.access import access
from service.catalogue.guard.admission import UPLOAD_REFUSALS
from service.downloads import send_file
from service.http.body.incoming import incoming_body
from service.http.carriers import OF_PACKAGE_MANAGERS
from service.http.keys import CONTEXT
from service.http.operations import ADDRESS, FILE_BYTES, FILE_PART, MOVED, Answer, Media, Routes
from service.http.places import PlaceRoutes
from service.http.replies import reply
from service.http.serving.caching import known_tags
from service.http.visits import PROJECT_REFUSALS, project_visit
from service.refusals import (
    BadRequestError,
    ConflictError,
    PackageNameNotFoundError,
    ValidationFailedError,
)
from service.registries.forwarding import FORWARDED
from service.registries.npm import changing, publishing, rows
from service.registries.npm.documents import read_metadata
from service.registries.npm.names import is_name, possible_files
from service.registries.npm.packument import Packument
from service.registries.npm.packument_text import WantedPackument, read_packument
from service.registries.npm.refusals import NO_PACKAGES, PackageExistsError, UnpublishableError
from service.registries.npm.visits import CHANGING, FILE, NAME, NPM_PLACES, PROJECT, Visiting, npm_name, visit_to_write
from service.registries.publishers import publisher_of

routes = Routes("npm", carriers=OF_PACKAGE_MANAGERS)
_places: Final = PlaceRoutes[Visiting](routes, *NPM_PLACES)

_VARY: Final = {"Vary": "Accept"}
_DEPRECATE: Final = "deprecate"

_METADATA: Final = (Answer(200, Packument), Answer(200, Packument, Media.NPM_INSTALL_JSON), FORWARDED)
_DONE: Final = Answer(200, Message)
_PUBLISHING: Final = (
    *CHANGING,
    *UPLOAD_REFUSALS,
    UnpublishableError("Version is empty."),
    ValidationFailedError("Version should follow SemVer: https://semver.org"),
    BadRequestError("Checksum does not match (sha512)"),
    PackageExistsError,
    ConflictError("Resource lock"),
)


@routes.put(
    f"{PROJECT}/{NAME}",
    answers=_DONE,
    refusals=_PUBLISHING,
    takes_bytes=True,
    upload_media=Media.JSON,
    refuses_unknown=True,
    repeats_refusals=True,
)
async def publish_npm_package(request: web.Request) -> web.Response:
    """Publish a version: the JSON with the tarball in `_attachments`, as npm sends it.

    With the header `npm-command: deprecate`, the body is the metadata of the package. Each version in it that has a
    text in `deprecated` is deprecated; an empty text ends that.
    """
    if request.headers.get("npm-command") == _DEPRECATE:
        return await _deprecate(request)
    publisher = await publisher_of(request, PackageType.NPM, name=request.match_info["name"])
    published = await publishing.publish(
        publisher,
        request.match_info["name"],
        incoming_body(request),
        announced=request.content_length,
        max_size=request.app[CONTEXT].settings.npm_max_file_size,
    )
    return reply(Message(message=f"{published.name}@{published.version} is published"))


@_places.get(
    f"/{NAME}",
    answers=_METADATA,
    refusals=(NO_PACKAGES,),
    is_index=True,
    refuses_unknown=True,
    repeats_refusals=True,
)
async def show_npm_metadata_of_place(request: web.Request, visiting: Visiting) -> web.Response:
    """Show the versions of a package in a place; the newest counts where two have the same version.

    The `Accept` of npm's installations gives an abbreviated form.
    """
    name = request.match_info["name"]
    is_short = _wants_abbreviated(request)
    # Our own tags are ASCII, and the database refuses some other characters.
    known = [tag for tag in known_tags(request) if tag.isascii()]
    async with visiting(request) as (connection, visit):
        base = f"{visit.base}/{quote(name, safe='@/+')}"
        wanted = WantedPackument(name, is_whole=not is_short, base=base, known=known)
        found = await read_packument(connection, visit.project_ids, wanted) if is_name(name) else None
        if found is None:
            await visit.refuse_unknown(request, connection, name)
    media = Media.NPM_INSTALL_JSON if is_short else Media.JSON
    if found.text is None:
        response = web.Response(status=304, headers=_VARY)
    else:
        response = web.Response(body=found.text, headers={"Content-Type": media.value, **_VARY})
    response.etag = ETag(found.tag)
    return response


@routes.get(
    f"{PROJECT}/{NAME}/-/{FILE}",
    answers=(FILE_BYTES, FILE_PART, ADDRESS, MOVED),
    refusals=(*PROJECT_REFUSALS, PackageNameNotFoundError),
    refuses_unknown=True,
    repeats_refusals=True,
)
async def download_npm_tarball(request: web.Request) -> web.StreamResponse:
    """Download the tarball of a version; its name may be with or without the scope."""
    async with project_visit(request) as (connection, found):
        name, file_name = npm_name(request), request.match_info["file_name"]
        file = await rows.find_file(
            connection, project_id=found.project.id, name=name, file_names=possible_files(name, file_name)
        )
    if file is None:
        raise PackageNameNotFoundError
    return await send_file(request, file)


async def _deprecate(request: web.Request) -> web.Response:
    found = await visit_to_write(request, access.LEVEL_TO_DELETE)
    sent = await read_metadata(incoming_body(request), name=npm_name(request))
    await changing.deprecate(request.app[CONTEXT].database, project_id=found.project.id, sent=sent)
    return reply(Message(message="200 OK"))


def _wants_abbreviated(request: web.Request) -> bool:
    # npm, pnpm and yarn name the abbreviated form first when they want it, and leave it out when they do not.
    return Media.NPM_INSTALL_JSON in ",".join(request.headers.getall("Accept", ()))
