"""Noting which packages are downloaded: gathered in memory, and written together beside the requests."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from service.infra import package_rows
from service.infra.database import Database, DatabaseUnavailableError

_PERIOD: Final = timedelta(seconds=2)
_MOST: Final = 10_000
"""Packages that are kept in memory; with a database that is away for long, those that were noted first go."""

log = structlog.get_logger()


class DownloadNotes:
    """The notes of one process; what it has not written when it is killed, of two seconds at most, is lost."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._moments: dict[int, datetime] = {}

    def note(self, package_id: int) -> None:
        """Note that a file of the package is downloaded now."""
        self._moments.pop(package_id, None)
        self._moments[package_id] = datetime.now(UTC)
        if len(self._moments) > _MOST:
            del self._moments[next(iter(self._moments))]

    async def write(self) -> None:
        """Write what was noted since the last time; what the database does not take now is kept for the next time."""
        moments, self._moments = self._moments, {}
        if not moments:
            return
        try:
            async with self._database.connection() as connection:
                await package_rows.note_downloads(connection, moments)
        except DatabaseUnavailableError as error:
            log.warning("downloads_not_noted", packages=len(moments), reason=repr(error))
            self._moments = moments | self._moments

    async def keep_writing(self) -> None:
        """Write every two seconds, until it is cancelled."""
        while True:
            await asyncio.sleep(_PERIOD.total_seconds())
            await self.write()
