"""The version of the schema that this code was written for, and refusing to work with an older one."""

from pathlib import Path
from typing import Final

from service.errors import StartError
from service.infra.database import Database

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
