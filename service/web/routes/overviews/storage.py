"""The pages of storage: what is stored, what waits to be freed, what was freed, and what the last check found."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from aiohttp import web

from schemas.checks import CheckReport
from service.access.callers import Caller
from service.catalogue import growth, overview, statistics
from service.catalogue.growth import DayFigures
from service.catalogue.overview import LargeProject
from service.catalogue.rows.statistics import StatisticsRow
from service.deletions.viewing import overview as deletion_overview
from service.deletions.viewing.overview import WaitingBytes
from service.http.keys import CONTEXT
from service.infra.postgres.database import Connection
from service.settings import Settings
from service.storage_check import rows as checking_rows
from service.storage_check.schedule import next_after
from service.web.deletions import readable_places
from service.web.frame import plots
from service.web.frame.plots import Rectangle
from service.web.frame.rendering import render
from service.web.frame.routing import GROUP, PROJECT, PageRoutes
from service.web.listings import Totals, totals_of
from service.web.scopes import scope_visit
from service.web.views import PlaceView
from service.web.visits import visit

routes = PageRoutes()

_PAGE: Final = "/-/storage"
_DAYS: Final = 90
_LARGEST: Final = 50


@dataclass(frozen=True, slots=True)
class StoragePlot:
    """The figures of the last days, drawn: what is stored, what lists show of it, and what was freed."""

    days: Sequence[DayFigures]

    @property
    def top(self) -> int:
        """The bytes at the top of the levels."""
        return plots.round_top([day.physical_bytes for day in self.days])

    @property
    def stored(self) -> str:
        """The area of the bytes in storage."""
        return plots.area([day.physical_bytes for day in self.days], self.top)

    @property
    def shown(self) -> str:
        """The line of the bytes that lists show."""
        return plots.steps([day.logical_bytes for day in self.days], self.top)

    @property
    def freed(self) -> int:
        """The bytes that were freed in all these days."""
        return sum(day.freed_bytes for day in self.days)

    @property
    def freed_top(self) -> int:
        """The bytes at the top of the bars."""
        return plots.round_top([day.freed_bytes for day in self.days])

    @property
    def freed_bars(self) -> Sequence[Rectangle]:
        """A bar for each day in which something was freed."""
        return plots.bars([day.freed_bytes for day in self.days], self.freed_top)


@dataclass(frozen=True, slots=True)
class StorageView:
    """The storage of some projects."""

    totals: Totals
    types: Sequence[StatisticsRow]
    projects: Sequence[LargeProject]
    """The projects with the most bytes."""
    waiting: Sequence[WaitingBytes]
    plot: StoragePlot

    @property
    def excess_bytes(self) -> int:
        """The bytes in storage that lists do not show: hidden, or waiting to be freed."""
        return max(0, self.totals.physical_bytes - self.totals.logical_bytes)


@dataclass(frozen=True, slots=True)
class CheckView:
    """The checks of the storage, for administrators."""

    report: CheckReport | None
    next_at: datetime | None
    """When the next one is due; None: never."""
    paths: Mapping[int, str]
    """The paths of projects with findings."""


@routes.page(_PAGE)
async def show_everywhere(request: web.Request) -> web.Response:
    """Show the storage of all projects that the caller may read, and for administrators the checks."""
    async with visit(request) as (connection, caller):
        places = await readable_places(connection, caller)
        storage = await _storage(connection, places)
        paths = {number: place.path for number, place in places.items()}
        check = await _check(connection, caller, request.app[CONTEXT].settings, paths)
    return _page(request, storage, place=None, check=check)


@routes.page(PROJECT + _PAGE)
@routes.page(GROUP + _PAGE)
async def show_place(request: web.Request) -> web.Response:
    """Show the storage of a project, or of all projects below a group."""
    async with scope_visit(request) as (connection, scope):
        storage = await _storage(connection, scope.levels)
    return _page(request, storage, place=scope.place, check=None)


def _page(
    request: web.Request, storage: StorageView, *, place: PlaceView | None, check: CheckView | None
) -> web.Response:
    return render(request, "storage.html", place=place, storage=storage, check=check, counted=deletion_overview.COUNTED)


async def _storage(connection: Connection, project_ids: Collection[int]) -> StorageView:
    figures = await statistics.of_projects(connection, project_ids)
    totals = totals_of(figures)
    now = (totals.packages, totals.logical_bytes, totals.physical_bytes)
    return StorageView(
        totals=totals,
        types=sorted(figures, key=lambda row: -row.physical_bytes),
        projects=await overview.largest_projects(connection, project_ids, limit=_LARGEST),
        waiting=await deletion_overview.waiting(connection, project_ids),
        plot=StoragePlot(await growth.last_days(connection, project_ids, days=_DAYS, now=now)),
    )


async def _check(
    connection: Connection, caller: Caller, settings: Settings, paths: Mapping[int, str]
) -> CheckView | None:
    if not caller.is_admin:
        return None
    last, _ = await checking_rows.last_check(connection)
    report = await checking_rows.last_report(connection)
    return CheckView(report, next_after(last, settings.check_times), paths)
