"""Failures that nobody can do anything about but read one line."""

import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import asyncpg

from service.errors import StartError, StorageRefusedError, StorageUnavailableError, first_line
from service.infra.postgres.database import DatabaseUnavailableError

REFUSED_ROWS: Final = (
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.DataError,
    asyncpg.ProgramLimitExceededError,
)
"""The errors that a statement raises when the database does not want one of its rows."""

InvalidPatternError: Final = asyncpg.InvalidRegularExpressionError
"""A regular expression that the server cannot read."""


@contextmanager
def one_line_for_outages() -> Generator[None]:
    """Turn the loss of the database or the object store into a StartError that names it."""
    logging.getLogger("asyncpg").setLevel(logging.CRITICAL)  # Our one line says the same as the error of the driver.
    try:
        yield
    except (StorageRefusedError, StorageUnavailableError) as error:
        raise StartError(f"PACKYARD_STORAGE_URL: the object store failed: {error}") from error
    except (*DatabaseUnavailableError, asyncpg.PostgresError) as error:
        reason = first_line(error)
        raise StartError(f"PACKYARD_DATABASE_URL: the database failed: {reason}") from error
