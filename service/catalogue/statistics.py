"""The figures of projects: what their listings show, and what is still in storage."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from datetime import timedelta
from typing import Final

from service.catalogue.rows import statistics as statistic_rows
from service.catalogue.rows.statistics import Miscount, StatisticsRow
from service.infra.postgres.database import Connection, Database

DAYS_KEPT: Final = timedelta(days=400)
"""How long the figures of a day are kept: a year, and some days to compare it with."""

_PAGE: Final = 500
_MOST_PROJECTS: Final = 10_000


async def of_projects(connection: Connection, project_ids: Iterable[int]) -> list[StatisticsRow]:
    """Return the figures of the projects, added up: one row for each type of package."""
    return await statistic_rows.statistics(connection, list(project_ids))


async def fold(database: Database, *, limit: int) -> int:
    """Add changes to the figures that they are about; return how many there were."""
    async with database.connection() as connection:
        return await statistic_rows.fold(connection, limit=limit)


async def prune_days(connection: Connection, *, limit: int) -> int:
    """Remove at most *limit* figures of days that are older than `DAYS_KEPT`; return how many."""
    return await statistic_rows.prune_days(connection, kept=DAYS_KEPT, limit=limit)


async def miscounts(database: Database, *, mend: bool) -> AsyncGenerator[Sequence[Miscount]]:
    """Give figures that are not what rows say, those of packages first; with *mend*, each is right afterwards."""
    position = 0
    while True:
        async with database.connection() as connection:
            packages = await statistic_rows.miscounted_packages(connection, after=position, limit=_PAGE)
        if not packages:
            break
        for miscount in packages if mend else ():
            async with database.transaction() as connection:
                await statistic_rows.count_package_anew(connection, miscount.package_id or 0)
        yield packages
        position = packages[-1].package_id or 0
    async with database.connection() as connection:
        projects, _ = await statistic_rows.miscounted_projects(connection, mend=mend, limit=_MOST_PROJECTS)
    yield projects
