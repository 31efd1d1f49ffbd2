"""The pages of packages and their files: what there is, and downloads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import hdrs, web

from schemas.http.package_parameters import FileListing
from schemas.names import PackageType
from schemas.statuses import DISPLAYABLE, INSTALLABLE
from service.access.rows import Project
from service.catalogue import overview, packages
from service.catalogue.overview import Person, SiblingVersion
from service.deletions.viewing import overview as deletion_overview
from service.downloads import send_file
from service.http.addresses import external_url
from service.infra.postgres.database import Connection, Record
from service.infra.postgres.pages import Slice
from service.refusals import NotFoundError
from service.web.deletions import Rights, rights_of
from service.web.frame.rendering import render, see_other
from service.web.frame.routing import PROJECT, PageRoutes
from service.web.installing import Installable, Instruction, instructions
from service.web.parameters import read_listing, read_number, with_parameters
from service.web.prospects import find_prospect
from service.web.views import file_view, package_view, pipeline_views, project_place
from service.web.visits import project_visit

routes = PageRoutes()

PACKAGE: Final = PROJECT + "/-/{room:packages|infrastructure_registry}/{package_id:[0-9]+}"
FILE: Final = PROJECT + "/-/package_files/{package_file_id:[0-9]+}"

_VERSIONS: Final = 10
_FILES: Final = 50
_INERT: Final = "default-src 'none'; sandbox"
"""A file is data of somebody else's; opened in a browser by whatever means, it can do nothing."""


@dataclass(frozen=True, slots=True)
class Pages:
    """The addresses of the other pages of a list."""

    total: int | None
    previous_address: str | None
    next_address: str | None


@routes.page(PACKAGE)
async def show_package(request: web.Request) -> web.Response:
    """Show a package; one that is being deleted leads to its deletion."""
    package_id = read_number(request, "package_id")
    async with project_visit(request) as (connection, found):
        try:
            package = await packages.find(connection, found.project, package_id)
        except NotFoundError:
            return await _lead_to_deletion(request, connection, found.project, package_id)
        listing = read_listing(request, FileListing, per_page=_FILES)
        files = await packages.list_files(connection, found.project, package_id, listing)
        others = await _versions(connection, found.project, package)
        creator = await _creator(connection, package)
        prospect = await find_prospect(request, connection, found, package)
    return render(
        request,
        "package.html",
        place=project_place(found.project),
        package=package_view(package, project_path=found.project.path),
        pipelines=pipeline_views(package),
        files=[file_view(row) for row in files.rows],
        instructions=_instructions(request, found.project, package, files),
        pages=_pages(request, listing, files),
        others=others,
        creator=creator,
        prospect=prospect,
        has_fate=package["status"] in DISPLAYABLE,
        may_delete=rights_of(found.caller, found.level) >= Rights.CHANGE,
    )


@routes.resource(FILE + "/download")
async def download_file(request: web.Request) -> web.StreamResponse:
    """Send a file to a browser, which stores it and never shows it."""
    file_id = read_number(request, "package_file_id")
    async with project_visit(request) as (connection, found):
        package_id = await overview.package_of_file(connection, file_id)
        file = await packages.find_file(connection, found.project, package_id or 0, file_id)
    return await send_file(request, file, headers={"Content-Security-Policy": _INERT, hdrs.VARY: hdrs.COOKIE})


async def _lead_to_deletion(
    request: web.Request, connection: Connection, project: Project, package_id: int
) -> web.Response:
    deletion_id = await deletion_overview.under_way(connection, project_id=project.id, package_id=package_id)
    if deletion_id is None:
        raise NotFoundError
    return see_other(request, f"/{project.path}/-/deletions/{deletion_id}")


async def _versions(connection: Connection, project: Project, package: Record) -> Sequence[SiblingVersion]:
    return await overview.newest_versions(
        connection,
        project_id=project.id,
        package_type=PackageType(package["package_type"]),
        name=package["name"],
        limit=_VERSIONS,
    )


async def _creator(connection: Connection, package: Record) -> Person | None:
    creator_id: int | None = package["creator_id"]
    found = await overview.people(connection, [creator_id] if creator_id else [])
    return found.get(creator_id or 0)


def _instructions(request: web.Request, project: Project, package: Record, files: Slice) -> Sequence[Instruction]:
    if package["version"] is None or package["status"] not in INSTALLABLE:
        return ()
    file_name = files.rows[0]["file_name"] if files.rows else ""
    base = f"{external_url(request)}/api/v4/projects/{project.id}/packages"
    installable = Installable(base, package["name"], package["version"], file_name)
    return instructions(PackageType(package["package_type"]), installable)


def _pages(request: web.Request, listing: FileListing, files: Slice) -> Pages:
    return Pages(
        files.total,
        with_parameters(request, page=listing.page - 1) if listing.page > 1 else None,
        with_parameters(request, page=listing.page + 1) if files.has_more else None,
    )
