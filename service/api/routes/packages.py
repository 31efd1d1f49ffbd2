"""Packages and their files: list, show, delete."""

from functools import partial
from typing import Final

from aiohttp import web

from schemas.http.deletion_parameters import DeletionParameters
from schemas.http.deletion_resources import DeletionResource
from schemas.http.package_parameters import (
    FileListing,
    GroupPackageListing,
    PackageListing,
    PipelineListing,
    ProjectPackageListing,
)
from schemas.http.resources import Package, PackageFile, Pipeline
from service.access import access
from service.api.entities.packages import pipeline_entity
from service.catalogue import json_reading, packages
from service.catalogue.rows.package_pages import Page
from service.deletions import accept
from service.deletions.viewing import views
from service.deletions.viewing.entities import deletion_entity
from service.downloads import send_file
from service.http import (
    CONTEXT,
    GROUP_REFUSALS,
    MOVED,
    OF_PROJECT,
    PERSONAL,
    PROJECT_REFUSALS,
    Answer,
    Routes,
    by_cursor,
    external_url,
    one,
    page_of,
    project_visit,
    read_path,
    read_query,
    read_request,
    reply,
    reply_page,
    reply_part,
)
from service.http.operations import ADDRESS, DELETION_ACCEPTED, FILE_BYTES, FILE_PART
from service.http.parameters import prefers_async, read_unmodified_since
from service.http.reading_visits import read_in_group, read_in_project
from service.http.replies import JsonText, no_content
from service.origins import headers_to, origin_of_visit
from service.refusals import (
    DeletionHeldError,
    DeletionProtectedError,
    FileNotFoundInPackageError,
    MovedProjectWriteError,
    NotFoundError,
    PackageNotPresentableError,
    PreconditionFailedError,
)

routes = Routes("Packages", carriers=OF_PROJECT)

_PROJECT: Final = "/api/v4/projects/{id}/packages"
_PACKAGE: Final = _PROJECT + "/{package_id:(?!bulk_delete$)[^/]+}"
_FILES: Final = _PROJECT + "/{package_id}/package_files"
_FILE: Final = _FILES + "/{package_file_id}"

_ACCEPTED: Final = (
    DELETION_ACCEPTED,
    Answer(202, DeletionResource, headers=(*DELETION_ACCEPTED.headers, "Preference-Applied")),
)
_DELETING: Final = (
    *PROJECT_REFUSALS,
    NotFoundError,
    DeletionHeldError("an audit is under way"),
    DeletionProtectedError,
    MovedProjectWriteError,
    PreconditionFailedError,
)


@routes.get(
    _PROJECT,
    query=ProjectPackageListing,
    answers=(page_of(Package), MOVED),
    refusals=PROJECT_REFUSALS,
    is_frequent=True,
)
async def list_project_packages(request: web.Request) -> web.Response:
    """List a project's packages."""
    _, query, page = await read_in_project(
        request,
        lambda: json_reading.checked(read_query(request, ProjectPackageListing)),
        partial(json_reading.list_in_project, base=external_url(request)),
        cost_of=json_reading.cost_of,
    )
    return _reply_listed(request, page, query)


@routes.get(
    "/api/v4/groups/{id}/packages",
    query=GroupPackageListing,
    answers=page_of(Package),
    refusals=GROUP_REFUSALS,
    carriers=PERSONAL,
)
async def list_group_packages(request: web.Request) -> web.Response:
    """List the packages of a group's projects."""
    query, page = await read_in_group(
        request,
        lambda: json_reading.checked(read_query(request, GroupPackageListing)),
        partial(json_reading.list_in_projects, base=external_url(request)),
        cost_of=json_reading.cost_of,
        cost_in=json_reading.cost_in,
    )
    return _reply_listed(request, page, query)


@routes.get(_PACKAGE, answers=(one(Package), MOVED), refusals=(*PROJECT_REFUSALS, NotFoundError), is_frequent=True)
async def show_package(request: web.Request) -> web.Response:
    """Show one package with its other versions."""
    _, _, package = await read_in_project(
        request, lambda: read_path(request, "package_id"), partial(json_reading.show, base=external_url(request))
    )
    return reply(JsonText(package))


@routes.get(
    _FILES,
    query=FileListing,
    answers=(page_of(PackageFile), MOVED),
    refusals=(*PROJECT_REFUSALS, NotFoundError),
    is_frequent=True,
)
async def list_package_files(request: web.Request) -> web.Response:
    """List a package's files."""
    _, (query, _), page = await read_in_project(
        request,
        lambda: read_request(request, FileListing, "package_id"),
        partial(json_reading.list_files, base=external_url(request)),
    )
    return reply_page(request, JsonText(page.body), page, query)


@routes.get(
    _PROJECT + "/{package_id}/pipelines",
    query=PipelineListing,
    answers=(Answer(200, list[Pipeline], headers=("Link",)), MOVED),
    refusals=(*PROJECT_REFUSALS, NotFoundError, PackageNotPresentableError),
)
async def list_package_pipelines(request: web.Request) -> web.Response:
    """List the pipelines that built a package, newest first."""
    async with project_visit(request) as (connection, found):
        query, (package_id,) = read_request(request, PipelineListing, "package_id")
        page = await packages.list_pipelines(connection, found.project, package_id, query)
    base = external_url(request)
    return reply_part(request, [pipeline_entity(row, base) for row in page.pipelines], query, by_cursor(page.cursors))


@routes.get(
    _FILE + "/download",
    answers=(FILE_BYTES, FILE_PART, ADDRESS, MOVED),
    refusals=(*PROJECT_REFUSALS, NotFoundError, FileNotFoundInPackageError),
)
async def download_package_file(request: web.Request) -> web.StreamResponse:
    """Download one file of a package."""
    async with project_visit(request) as (connection, found):
        package_id, package_file_id = read_path(request, "package_id", "package_file_id")
        file = await packages.find_file(connection, found.project, package_id, package_file_id)
    return await send_file(request, file)


@routes.delete(_PACKAGE, query=DeletionParameters, answers=_ACCEPTED, refusals=_DELETING)
async def delete_package(request: web.Request) -> web.Response:
    """Accept the deletion of a package; the work happens later, elsewhere."""
    async with project_visit(request) as (connection, found):
        query, (package_id,) = read_request(request, DeletionParameters, "package_id")
        await access.require_level(connection, found.caller, found.project, access.LEVEL_TO_DELETE)
    deletion = await accept.delete_package(
        request.app[CONTEXT].deletions,
        origin_of_visit(request, found, reason=query.reason),
        project_id=found.project.id,
        package_id=package_id,
        unmodified_since=read_unmodified_since(request),
    )
    return await _accepted(request, deletion)


@routes.delete(_FILE, query=DeletionParameters, answers=_ACCEPTED, refusals=(*_DELETING, FileNotFoundInPackageError))
async def delete_package_file(request: web.Request) -> web.Response:
    """Accept the deletion of one file of a package."""
    async with project_visit(request) as (connection, found):
        query, (package_id, package_file_id) = read_request(
            request, DeletionParameters, "package_id", "package_file_id"
        )
        await access.require_level(connection, found.caller, found.project, access.LEVEL_TO_DELETE)
    deletion = await accept.delete_package_file(
        request.app[CONTEXT].deletions,
        origin_of_visit(request, found, reason=query.reason),
        project_id=found.project.id,
        package_id=package_id,
        package_file_id=package_file_id,
        unmodified_since=read_unmodified_since(request),
    )
    return await _accepted(request, deletion)


def _reply_listed(request: web.Request, page: Page, query: PackageListing) -> web.Response:
    body, cursor = JsonText(page.body), json_reading.next_cursor(query, page)
    if query.is_keyset and query.cursor:
        return reply_part(request, body, query, by_cursor({"next": cursor}))
    return reply_page(request, body, page, query, next_cursor=cursor)


async def _accepted(request: web.Request, deletion: accept.AcceptedDeletion) -> web.Response:
    headers = headers_to(request, deletion)
    if not prefers_async(request):
        return no_content(headers)
    async with request.app[CONTEXT].database.connection() as connection:
        view = await views.show(connection, [deletion.project_id], deletion.id)
    headers["Preference-Applied"] = "respond-async"
    base = external_url(request)
    return reply(deletion_entity(view, base=base, level=access.LEVEL_TO_UNDO), status=202, headers=headers)
