"""Packages and their files: list, show, delete."""

from aiohttp import web

from schemas.names import AccessLevel
from schemas.queries import GroupPackageListing, Paging, ProjectPackageListing
from service import access, deletions, packages
from service.api.callers import group_visit, project_visit, visit
from service.api.entities import file_entity, package_entity, version_entity
from service.api.keys import CONTEXT, LOG_FIELDS
from service.api.links import external_url
from service.api.paging import reply_page
from service.api.parameters import read_id, read_page_query, read_unmodified_since
from service.api.replies import no_content, reply
from service.infra.deletion_rows import Deletion

routes = web.RouteTableDef()

_PROJECT = "/api/v4/projects/{id}/packages"
_PACKAGE = _PROJECT + "/{package_id}"
_FILES = _PACKAGE + "/package_files"


@routes.get(_PROJECT)
async def list_project_packages(request: web.Request) -> web.Response:
    """List a project's packages."""
    async with project_visit(request) as (connection, found):
        query = read_page_query(request, ProjectPackageListing)
        page = await packages.list_in_project(connection, found.project, query)
    may_delete = access.level_in(found.caller, found.project) >= AccessLevel.MAINTAINER
    base = external_url(request)
    entities = [
        package_entity(row, base=base, project_path=found.project.path, may_delete=may_delete) for row in page.rows
    ]
    return reply_page(request, entities, page, query)


@routes.get("/api/v4/groups/{id}/packages")
async def list_group_packages(request: web.Request) -> web.Response:
    """List the packages of a group's projects."""
    async with group_visit(request) as (connection, caller, group):
        query = read_page_query(request, GroupPackageListing)
        page = await packages.list_in_group(connection, caller, group, query)
    base = external_url(request)
    entities = [
        package_entity(
            row,
            base=base,
            project_path=project.path,
            may_delete=caller.is_admin or project.level >= AccessLevel.MAINTAINER,
            project_id=project.id,
        ).model_copy(update={"project_path": project.path})
        for row in page.slice.rows
        for project in [page.projects[row["project_id"]]]
    ]
    return reply_page(request, entities, page.slice, query)


@routes.get(_PACKAGE)
async def show_package(request: web.Request) -> web.Response:
    """Show one package with its other versions."""
    async with project_visit(request) as (connection, found):
        package, others = await packages.show(connection, found.project, read_id(request, "package_id"))
    base = external_url(request)
    entity = package_entity(
        package,
        base=base,
        project_path=found.project.path,
        may_delete=access.level_in(found.caller, found.project) >= AccessLevel.MAINTAINER,
        versions=[version_entity(other, base=base) for other in others],
    )
    return reply(entity)


@routes.get(_FILES)
async def list_package_files(request: web.Request) -> web.Response:
    """List a package's files."""
    async with project_visit(request) as (connection, found):
        package_id = read_id(request, "package_id")
        query = read_page_query(request, Paging)
        page = await packages.list_files(connection, found.project, package_id, query)
    base = external_url(request)
    return reply_page(request, [file_entity(row, base=base) for row in page.rows], page, query)


@routes.delete(_PACKAGE)
async def delete_package(request: web.Request) -> web.Response:
    """Accept the deletion of a package; the work happens later, elsewhere."""
    found = await visit(request, level=AccessLevel.MAINTAINER)
    context = request.app[CONTEXT]
    deletion = await deletions.delete_package(
        context.database,
        found.origin(request),
        project_id=found.project.id,
        root_group_id=found.project.root_group_id,
        package_id=read_id(request, "package_id"),
        unmodified_since=read_unmodified_since(request),
        resend=context.settings.resend,
    )
    return _accepted(request, deletion)


@routes.delete(_FILES + "/{package_file_id}")
async def delete_package_file(request: web.Request) -> web.Response:
    """Accept the deletion of one file of a package."""
    found = await visit(request, level=AccessLevel.MAINTAINER)
    context = request.app[CONTEXT]
    deletion = await deletions.delete_package_file(
        context.database,
        found.origin(request),
        project_id=found.project.id,
        root_group_id=found.project.root_group_id,
        package_id=read_id(request, "package_id"),
        package_file_id=read_id(request, "package_file_id"),
        unmodified_since=read_unmodified_since(request),
        resend=context.settings.resend,
    )
    return _accepted(request, deletion)


def _accepted(request: web.Request, deletion: Deletion) -> web.Response:
    request[LOG_FIELDS]["deletion_id"] = str(deletion.id)
    return no_content({"Deletion-Id": str(deletion.id)})
