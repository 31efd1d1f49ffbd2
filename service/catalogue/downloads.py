"""Noting which packages are downloaded: gathered in memory, and written together beside the requests.

Only the first download of a package is written in its request. A client that just downloaded it therefore never reads
that it was never downloaded.
"""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from service.catalogue.rows import packages as package_rows
from service.concurrency import repeat
from service.infra.postgres.database import Database, DatabaseUnavailableError

_PERIOD: Final = timedelta(seconds=2)
_MOST: Final = 10_000
"""Packages that are kept in memory; with a database that is away for long, those that were noted first go."""

log = structlog.get_logger()


class DownloadNotes:
    """The notes of one process; what it has not written when it is killed, of two seconds at most, is lost."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._moments: dict[int, datetime] = {}
        self._writing: set[asyncio.Task[None]] = set()

    def note(self, package_id: int) -> datetime:
        """Note that a file of the package is downloaded now, and return when that is."""
        now = datetime.now(UTC)
        self._moments.pop(package_id, None)
        self._moments[package_id] = now
        if len(self._moments) > _MOST:
            del self._moments[next(iter(self._moments))]
        return now

    async def note_first(self, package_id: int) -> None:
        """Note the first download of a package, and write it immediately, unless its row is locked."""
        writing = asyncio.create_task(self._write_first(package_id, self.note(package_id)))
        self._writing.add(writing)
        writing.add_done_callback(self._writing.discard)
        # A client that goes away ends its request, but not what is being written.
        await asyncio.shield(writing)

    async def _write_first(self, package_id: int, now: datetime) -> None:
        # The moment is written again with the others, so a failure here does not matter.
        with suppress(*DatabaseUnavailableError):
            async with self._database.connection() as connection:
                await package_rows.note_first_download(connection, package_id, now)

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
        await repeat(self.write, every_s=_PERIOD.total_seconds(), name="noting of downloads")
