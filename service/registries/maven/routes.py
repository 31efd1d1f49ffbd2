"""Maven: publish at a path of a project's repository."""

from typing import Final

from aiohttp import web

from schemas.http.resources import Message
from schemas.names import PackageType
from service.catalogue.guard.admission import UPLOAD_REFUSALS, require_may_publish
from service.catalogue.uploads import UploadBody
from service.http import CONTEXT, PROJECT_REFUSALS, Answer, Media, Routes, project_visit, read_path, reply
from service.http.body.checksums import read_checksums
from service.http.body.incoming import incoming_body
from service.http.carriers import OF_PACKAGE_MANAGERS
from service.refusals import (
    BadParametersError,
    BadRequestError,
    ConflictError,
    MovedProjectWriteError,
    NotFoundError,
    PreconditionFailedError,
    UnauthorizedError,
    ValidationFailedError,
)
from service.registries.maven import accepting, publishing
from service.registries.maven.coordinates import (
    ALGORITHM_RULE,
    FILE_NAME_RULE,
    METADATA_FILE,
    PATH_RULE,
    Coordinates,
)
from service.registries.publishers import Publisher

routes = Routes("Maven", carriers=OF_PACKAGE_MANAGERS)

_FOLDER: Final = "/api/v4/projects/{id}/packages/maven/{path:(?s:.+)}"
_PUBLISHING: Final = (
    *PROJECT_REFUSALS,
    *UPLOAD_REFUSALS,
    UnauthorizedError,
    MovedProjectWriteError,
    BadRequestError("File is too large"),
    BadRequestError("Checksum does not match (sha256)"),
)
_KEEPING: Final = (*_PUBLISHING, ValidationFailedError("Name is too long"), ConflictError("Resource lock"))
_ACCEPTED: Final = Answer(200, Message)
_NAME_RULES: Final = {"path": PATH_RULE, "file_name": FILE_NAME_RULE}
_ANY: Final = "*"


@routes.put(
    f"{_FOLDER}/{METADATA_FILE}",
    answers=_ACCEPTED,
    refusals=_KEEPING,
    takes_bytes=True,
    path_rules={"path": PATH_RULE},
)
async def publish_maven_metadata(request: web.Request) -> web.Response:
    """Accept metadata, which are kept only for the plugins of a group that they name.

    The service makes metadata from the packages that are there.
    """
    publisher, coordinates = await _visit(request, METADATA_FILE, may_store=False)
    await accepting.accept_metadata(publisher, coordinates, _body(request))
    return reply(Message(message="200 OK"))


@routes.put(
    f"{_FOLDER}/{{file_name}}.{{algorithm:{ALGORITHM_RULE}}}",
    answers=(_ACCEPTED, Answer(204, media=Media.EMPTY)),
    refusals=(*_PUBLISHING, NotFoundError, ConflictError("Checksum does not match (sha1)")),
    takes_bytes=True,
    path_rules={**_NAME_RULES, "algorithm": ALGORITHM_RULE},
)
async def compare_maven_checksum(request: web.Request) -> web.Response:
    """Compare a checksum with the file that was published before; it is not kept."""
    file_name, algorithm = request.match_info["file_name"], request.match_info["algorithm"]
    publisher, coordinates = await _visit(request, file_name, may_store=False)
    await accepting.accept_checksum(publisher, coordinates, file_name, algorithm, _body(request))
    # GitLab compares SHA-1 only, and answers so.
    return web.Response(status=204) if algorithm == "sha1" else reply(Message(message="200 OK"))


@routes.put(
    f"{_FOLDER}/{{file_name}}",
    answers=_ACCEPTED,
    refusals=(*_KEEPING, PreconditionFailedError),
    takes_bytes=True,
    path_rules=_NAME_RULES,
)
async def publish_maven_file(request: web.Request) -> web.Response:
    """Store the body as a new file of the version in the path; a pom has to name what its path names."""
    file_name = request.match_info["file_name"]
    publisher, coordinates = await _visit(request, file_name, size=request.content_length)
    is_new = request.headers.get("If-None-Match", "").strip() == _ANY
    limit = request.app[CONTEXT].settings.maven_max_file_size
    await publishing.publish_file(publisher, coordinates, file_name, _body(request, limit), is_new=is_new)
    return reply(Message(message="200 OK"))


async def _visit(
    request: web.Request, file_name: str, *, size: int | None = None, may_store: bool = True
) -> tuple[Publisher, Coordinates]:
    """Return a caller that may publish, and the package to which a file of that name belongs."""
    async with project_visit(request, credential_required=True) as (connection, found):
        read_path(request)
        coordinates = _coordinates(request, file_name)
        await require_may_publish(
            connection,
            found.caller,
            found.project,
            PackageType.MAVEN,
            name=coordinates.name,
            size=size,
            may_store=may_store,
        )
    return Publisher.of_visit(request, found), coordinates


def _body(request: web.Request, max_size: int = 0) -> UploadBody:
    return UploadBody(
        incoming_body(request),
        announced=request.content_length,
        checksums=read_checksums(request),
        max_size=max_size,
    )


def _coordinates(request: web.Request, file_name: str) -> Coordinates:
    path = request.match_info["path"]
    found = Coordinates.of_metadata(path) if file_name == METADATA_FILE else Coordinates.of_file(path)
    if found is None:
        raise BadParametersError("path is invalid")
    return found
