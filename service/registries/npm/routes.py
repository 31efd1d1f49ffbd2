"""npm: publish and unpublish, and the metadata of a project, a group or the instance with its tarballs."""

from typing import Final

from aiohttp import web

from schemas.http.resources import Message
from service.access import access
from service.catalogue.guard.admission import UPLOAD_REFUSALS
from service.downloads import send_file
from service.http.body.incoming import incoming_body
from service.http.carriers import OF_PACKAGE_MANAGERS
from service.http.keys import CONTEXT
from service.http.operations import ADDRESS, FILE_BYTES, FILE_PART, MOVED, Answer, Media, Routes
from service.http.places import PlaceRoutes
from service.http.replies import reply
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
from service.registries.npm.names import possible_files
from service.registries.npm.packument import Packument, packument_of
from service.registries.npm.refusals import NO_PACKAGES, PackageExistsError, UnpublishableError
from service.registries.npm.visits import (
    CHANGING,
    FILE,
    NAME,
    NPM_PLACES,
    PROJECT,
    Visiting,
    npm_name,
    visit_to_publish,
    visit_to_write,
)

routes = Routes("npm", carriers=OF_PACKAGE_MANAGERS)
_places: Final = PlaceRoutes[Visiting](routes, *NPM_PLACES)

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
    is_deprecation = request.headers.get("npm-command") == _DEPRECATE
    found = await (visit_to_write(request, access.LEVEL_TO_DELETE) if is_deprecation else visit_to_publish(request))
    context, name = request.app[CONTEXT], request.match_info["name"]
    if is_deprecation:
        sent = await read_metadata(incoming_body(request), name=npm_name(request))
        await changing.deprecate(context.database, project_id=found.project.id, sent=sent)
        return reply(Message(message="200 OK"))
    published = await publishing.publish(
        context.database,
        context.store,
        caller=found.caller,
        project=found.project,
        name=name,
        pieces=incoming_body(request),
        announced=request.content_length,
        max_size=context.settings.npm_max_file_size,
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
    async with visiting(request) as (connection, visit):
        versions = await visit.versions(request, connection, name, is_full=not is_short)
    media = Media.NPM_INSTALL_JSON if is_short else Media.JSON
    text = packument_of(name, versions, base_of=visit.base_of)
    return web.Response(body=text.encode(), headers={"Content-Type": media.value, "Vary": "Accept"})


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


def _wants_abbreviated(request: web.Request) -> bool:
    # npm, pnpm and yarn name the abbreviated form first when they want it, and leave it out when they do not.
    return Media.NPM_INSTALL_JSON in ",".join(request.headers.getall("Accept", ()))
