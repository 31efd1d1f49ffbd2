"""The version of the schema: bringing the database to it, and refusing to work with another."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.exc import SQLAlchemyError

from service.errors import StartError
from service.infra.database import Database

_FOLDER: Final = Path(__file__).parent / "migrations"


def migrate(url: str) -> str:
    """Bring the database at *url* to the newest version and return that version.

    Raises:
        StartError: the database cannot be reached, or a statement failed; nothing has changed then.
    """
    config = _config()
    config.attributes["url"] = "postgresql+psycopg://" + url.partition("://")[2]
    try:
        command.upgrade(config, "head")
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).partition("\n")[0]
        raise StartError(f"PACKYARD_DATABASE_URL: cannot migrate: {reason}") from error
    return newest_version()


def newest_version() -> str:
    """Return the version that this code was written for."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


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


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.set_main_option("path_separator", "os")
    return config
