"""npm unpublish: the deletion of versions, accepted as every other deletion is."""

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from schemas.http.resources import Message
from service.access import access
from service.deletions.accept import AcceptedDeletion
from service.http.body.incoming import incoming_body
from service.http.carriers import OF_PACKAGE_MANAGERS
from service.http.keys import CONTEXT, LOG_FIELDS
from service.http.operations import Answer, Media, Routes
from service.http.places import PlaceRoutes
from service.http.replies import reply
from service.origins import origin_of_visit
from service.refusals import (
    ConflictError,
    DeletionHeldError,
    DeletionProtectedError,
    ForbiddenHereError,
    PackageNameNotFoundError,
)
from service.registries.npm import changing, rows
from service.registries.npm.documents import read_metadata
from service.registries.npm.names import possible_files
from service.registries.npm.visits import (
    CHANGING,
    FILE,
    NAME,
    NPM_PLACES,
    PROJECT,
    REVISION,
    Visiting,
    npm_name,
    visit_to_write,
)

routes = Routes("npm", carriers=OF_PACKAGE_MANAGERS)
_elsewhere: Final = PlaceRoutes[Visiting](routes, *NPM_PLACES[1:])

_ELSEWHERE: Final = ForbiddenHereError("Unpublish at the address of the project")
_DONE: Final = Answer(200, Message)
_UNPUBLISHING: Final = (
    *CHANGING,
    PackageNameNotFoundError,
    DeletionHeldError("an audit is under way"),
    DeletionProtectedError,
    ConflictError("the package has changed: try again"),
)


@routes.put(
    f"{PROJECT}/{NAME}{REVISION}",
    answers=_DONE,
    refusals=_UNPUBLISHING,
    takes_bytes=True,
    upload_media=Media.JSON,
    refuses_unknown=True,
    repeats_refusals=True,
)
async def unpublish_npm_versions(request: web.Request) -> web.Response:
    """Accept the deletion of the versions that the metadata in the body lack; `_rev` of the metadata is in the path."""
    found = await visit_to_write(request, access.LEVEL_TO_DELETE)
    sent = await read_metadata(incoming_body(request), name=npm_name(request))
    accepted = await changing.unpublish_missing(
        request.app[CONTEXT].deletions,
        origin_of_visit(request, found, reason=None),
        project=found.project,
        revision=request.match_info["revision"],
        sent=sent,
    )
    return _reply_accepted(request, accepted)


@routes.delete(
    f"{PROJECT}/{NAME}{REVISION}",
    answers=_DONE,
    refusals=_UNPUBLISHING,
    refuses_unknown=True,
    repeats_refusals=True,
)
async def unpublish_npm_package(request: web.Request) -> web.Response:
    """Accept the deletion of all versions of a package; `_rev` of its metadata is in the path."""
    found = await visit_to_write(request, access.LEVEL_TO_DELETE)
    accepted = await changing.unpublish_all(
        request.app[CONTEXT].deletions,
        origin_of_visit(request, found, reason=None),
        project=found.project,
        revision=request.match_info["revision"],
        name=npm_name(request),
    )
    return _reply_accepted(request, accepted)


@routes.delete(
    f"{PROJECT}/{NAME}/-/{FILE}{REVISION}",
    answers=_DONE,
    refusals=_UNPUBLISHING,
    refuses_unknown=True,
    repeats_refusals=True,
)
async def unpublish_npm_tarball(request: web.Request) -> web.Response:
    """Accept the deletion of the version that has the tarball.

    npm asks for it last, when the version is gone already: then it is 404, which npm takes for success.
    """
    found = await visit_to_write(request, access.LEVEL_TO_DELETE)
    context, name = request.app[CONTEXT], npm_name(request)
    file_names = possible_files(name, request.match_info["file_name"])
    async with context.database.connection() as connection:
        file = await rows.find_file(connection, project_id=found.project.id, name=name, file_names=file_names)
    if file is None:
        raise PackageNameNotFoundError
    deletion = await changing.unpublish(
        context.deletions,
        origin_of_visit(request, found, reason=None),
        project=found.project,
        package_id=file["package_id"],
    )
    return _reply_accepted(request, [deletion])


@_elsewhere.put(f"/{NAME}{REVISION}", answers=(), refusals=(_ELSEWHERE,), is_hidden=True, repeats_refusals=True)
@_elsewhere.delete(f"/{NAME}{REVISION}", answers=(), refusals=(_ELSEWHERE,), is_hidden=True, repeats_refusals=True)
async def refuse_unpublish_in_place(request: web.Request, visiting: Visiting) -> web.Response:
    """Refuse to unpublish at the address of a place: npm takes a 404 for success."""
    async with visiting(request):
        raise _ELSEWHERE


def _reply_accepted(request: web.Request, accepted: Sequence[AcceptedDeletion]) -> web.Response:
    request[LOG_FIELDS]["deletion_ids"] = [str(deletion.id) for deletion in accepted]
    return reply(Message(message="200 OK"))
