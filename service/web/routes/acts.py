"""Acts on packages and deletions, each a form: delete, undo, try again, end a grace."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from aiohttp import web

from schemas.names import AccessLevel
from service.access import access
from service.access.rows import Project
from service.catalogue import overview, packages
from service.deletions import accept
from service.deletions.deletion import Deletions
from service.deletions.undoing import requeue
from service.deletions.undoing import restore as undoing
from service.deletions.undoing.acts import DeletionChange
from service.deletions.viewing import overview as deletion_overview
from service.deletions.viewing import views
from service.http.keys import CONTEXT, LOG_FIELDS
from service.http.visits import Visit
from service.origins import actor_of, origin_of_visit
from service.refusals import ConflictError, DeletionHeldError, FileNotFoundInPackageError, ForbiddenError, NotFoundError
from service.web.deletions import deletion_view, rights_of
from service.web.frame.rendering import render, see_other
from service.web.frame.routing import PageRoutes
from service.web.parameters import read_number, read_uuid, reason_of
from service.web.prospects import find_file_prospect, find_prospect
from service.web.routes.deletions import DELETION
from service.web.routes.packages import FILE, PACKAGE
from service.web.views import package_view, project_place
from service.web.visits import project_to_change, project_visit, sent_form

routes = PageRoutes()


@dataclass(frozen=True, slots=True)
class Notice:
    """A line above a page, after an act that was refused."""

    tone: str
    words: str


@routes.page(PACKAGE + "/delete")
async def ask_to_delete_package(request: web.Request) -> web.Response:
    """Show what the deletion of a package would do, with the form that asks for it."""
    async with project_visit(request) as (connection, found):
        package = await packages.find(connection, found.project, read_number(request, "package_id"))
        prospect = await find_prospect(request, connection, found, package)
    if prospect is None:
        raise ForbiddenError
    view = package_view(package, project_path=found.project.path)
    return render(
        request, "delete.html", place=project_place(found.project), package=view, file=None, prospect=prospect
    )


@routes.page(FILE + "/delete")
async def ask_to_delete_file(request: web.Request) -> web.Response:
    """Show what the deletion of one file would do, with the form that asks for it."""
    file_id = read_number(request, "package_file_id")
    async with project_visit(request) as (connection, found):
        package_id = await overview.package_of_file(connection, file_id) or 0
        package = await packages.find(connection, found.project, package_id)
        file = await packages.find_file(connection, found.project, package_id, file_id)
        prospect = await find_file_prospect(request, connection, found, package, file)
    if prospect is None:
        raise ForbiddenError
    view = package_view(package, project_path=found.project.path)
    return render(
        request,
        "delete.html",
        place=project_place(found.project),
        package=view,
        file={"id": file["id"], "name": file["file_name"]},
        prospect=prospect,
    )


@routes.form(PACKAGE + "/delete")
async def delete_package(request: web.Request) -> web.Response:
    """Accept the deletion of a package, and show it; a form that comes twice leads to the same deletion."""
    caller, fields = await sent_form(request)
    found = await project_to_change(request, caller, access.LEVEL_TO_DELETE)
    context, package_id = request.app[CONTEXT], read_number(request, "package_id")
    try:
        deletion = await accept.delete_package(
            context.deletions,
            origin_of_visit(request, found, reason=reason_of(fields)),
            project_id=found.project.id,
            package_id=package_id,
            unmodified_since=None,
        )
    except NotFoundError:
        async with context.database.connection() as connection:
            earlier = await deletion_overview.under_way(connection, project_id=found.project.id, package_id=package_id)
        if earlier is None:
            raise
        return _to_deletion(request, found.project, earlier)
    return _to_deletion(request, found.project, deletion.id)


@routes.form(FILE + "/delete")
async def delete_file(request: web.Request) -> web.Response:
    """Accept the deletion of one file, and show it."""
    caller, fields = await sent_form(request)
    found = await project_to_change(request, caller, access.LEVEL_TO_DELETE)
    context, file_id = request.app[CONTEXT], read_number(request, "package_file_id")
    async with context.database.connection() as connection:
        package_id = await overview.package_of_file(connection, file_id) or 0
    try:
        deletion = await accept.delete_package_file(
            context.deletions,
            origin_of_visit(request, found, reason=reason_of(fields)),
            project_id=found.project.id,
            package_id=package_id,
            package_file_id=file_id,
            unmodified_since=None,
        )
    except FileNotFoundInPackageError:
        async with context.database.connection() as connection:
            earlier = await deletion_overview.of_file_under_way(
                connection, project_id=found.project.id, package_file_id=file_id
            )
        if earlier is None:
            raise
        return _to_deletion(request, found.project, earlier)
    return _to_deletion(request, found.project, deletion.id)


@routes.form(DELETION + "/restore")
async def restore(request: web.Request) -> web.Response:
    """Undo a deletion, and show it."""
    return await _act(request, access.LEVEL_TO_UNDO, undoing.restore)


@routes.form(DELETION + "/retry")
async def retry(request: web.Request) -> web.Response:
    """Begin a failed deletion anew, and show it."""
    return await _act(request, access.LEVEL_TO_UNDO, requeue.retry)


@routes.form(DELETION + "/destroy_now")
async def destroy_now(request: web.Request) -> web.Response:
    """End the grace of a deletion, and show it."""
    return await _act(request, access.LEVEL_TO_END_GRACE, requeue.destroy_now)


async def _act(
    request: web.Request, level: AccessLevel, act: Callable[[Deletions, DeletionChange], Awaitable[object]]
) -> web.Response:
    caller, _ = await sent_form(request)
    found = await project_to_change(request, caller, level)
    deletion_id = read_uuid(request, "deletion_id")
    request[LOG_FIELDS]["deletion_id"] = str(deletion_id)
    change = DeletionChange(deletion_id, actor_of(request, found.caller), found.project.id, found.level)
    try:
        await act(request.app[CONTEXT].deletions, change)
    except (ConflictError, DeletionHeldError) as error:
        words = next(iter(error.body().values()))
        return await _show_refusal(request, found, deletion_id, words, status=error.status)
    return _to_deletion(request, found.project, deletion_id)


async def _show_refusal(
    request: web.Request, found: Visit, deletion_id: UUID, words: str, *, status: int
) -> web.Response:
    async with request.app[CONTEXT].database.connection() as connection:
        details = await views.show(connection, [found.project.id], deletion_id)
    view = deletion_view(details, project_path=found.project.path, rights=rights_of(found.caller, found.level))
    return render(
        request,
        "deletion.html",
        status=status,
        place=project_place(found.project),
        deletion=view,
        notice=Notice("bad", words),
    )


def _to_deletion(request: web.Request, project: Project, deletion_id: UUID) -> web.Response:
    return see_other(request, f"/{project.path}/-/deletions/{deletion_id}#now")
