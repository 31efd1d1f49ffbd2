"""The version of the schema that this code was written for, and refusing to work with an older one."""

from datetime import timedelta
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from service.errors import StartError
from service.infra.postgres.database import Database
from service.infra.postgres.pool import open_database
from service.infra.postgres.waiting import repeat_until_done

VERSIONS: Final = Path(__file__).parent / "migrations" / "versions"


def newest_version() -> str:
    """Return the version that this code was written for."""
    return max(script.stem.partition("_")[0] for script in VERSIONS.glob("*.sql"))


async def require_current_schema(database: Database) -> None:
    """Check that the database is at least at our version; a newer one keeps what we use.

    Raises:
        StartError: it was never migrated, or not far enough.
    """
    async with database.connection() as connection:
        known = await connection.fetchval("SELECT to_regclass('schema_version') IS NOT NULL")
        found = await connection.fetchval("SELECT version_num FROM schema_version") if known else None
    wanted = newest_version()
    if found is None or found < wanted:
        raise StartError(
            f"the database is at schema version {found or 'none'}, {wanted} is needed: run `packyard migrate`"
        )


async def wait_for_schema(url: str | SecretStr, *, patience: timedelta) -> str:
    """Wait with *patience* until somebody else has brought the database at *url* to our version, and return that.

    The log says why it waits.

    Raises:
        UnsuitableDatabaseError: the database is none that can be worked with.
        StartError: it was not, or the database could not be used, when patience ended.
    """

    async def find_schema() -> str:
        async with open_database(url, size=1) as database:
            await require_current_schema(database)
        return newest_version()

    return await repeat_until_done(find_schema, patience=patience, event="waiting_for_schema")
