"""Bringing a database to the newest version of the schema."""

from datetime import timedelta
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy.exc import SQLAlchemyError

from service import event_loop
from service.errors import DatabaseAwayError, StartError
from service.infra.postgres.public_rights import reason_with_role
from service.infra.postgres.schema_version import newest_version
from service.infra.postgres.sessions.connecting import open_session
from service.infra.postgres.sessions.suitability import require_suitable


def migrate(url: str, *, target: str = "head", patience: timedelta = timedelta(minutes=10)) -> str:
    """Bring the database at *url* to the newest version, or to *target*, and return the newest.

    While another process does so, it is waited for with *patience*.

    Raises:
        UnsuitableDatabaseError: the database is none that can be worked with.
        StartError: the other one does not end; or the database cannot be reached; or a statement failed, and what it
            belongs to can be repeated.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["patience_s"] = patience.total_seconds()
    # The other driver would take the first host that takes writes, be it an old primary.
    config.attributes["url"] = event_loop.run(_prove(url))
    try:
        command.upgrade(config, target)
    except SQLAlchemyError as error:
        reason = reason_with_role(getattr(error, "orig", None) or error, url)
        raise StartError(f"PACKYARD_DATABASE_URL: cannot migrate: {reason}") from error
    return newest_version()


async def _prove(url: str) -> str:
    """Return the address of the one host whose database is to be migrated."""
    try:
        session = await open_session(url)
    except DatabaseAwayError as error:
        raise StartError(f"PACKYARD_DATABASE_URL: cannot migrate: {error}") from error
    try:
        await require_suitable(session, url)
    finally:
        session.terminate()
    return session.address
