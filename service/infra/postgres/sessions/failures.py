"""Which failures of the database are faults of ours, and which are outages.

The list of our faults is short and closed. All other errors of the server or the driver are outages. A server may
refuse for reasons that no list foresees, and the same request may succeed later or on another server.
"""

import ssl
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final, NoReturn

import asyncpg

from service.errors import (
    DatabaseAwayError,
    DatabaseReadOnlyError,
    PackyardError,
    TransactionLostError,
    UnstorableTextError,
    first_line,
)

_NAMED: Final[Mapping[str, type[PackyardError]]] = MappingProxyType(
    {
        "25006": DatabaseReadOnlyError,
        "22021": UnstorableTextError,  # a NUL character in a text, which a client sent
    }
)
_LOST: Final = frozenset({"55P03"})
"""A lock that was not to be had in time; the states of class 40 are lost transactions, too."""
_LOST_CLASS: Final = "40"
_OUR_CLASSES: Final = frozenset(
    {
        "0A",  # a feature that the server does not have
        "20",  # a CASE without a branch
        "21",  # more than one row from a subquery
        "22",  # data
        "23",  # integrity
        "24",  # cursors
        "25",  # a statement that the state of the transaction does not allow
        "27",  # a change by a trigger
        "2D",  # an end of a transaction that is not allowed there
        "2F",  # SQL routines
        "34",  # names of cursors
        "38",  # routines in another language
        "39",  # calls of such routines
        "3B",  # savepoints
        "42",  # syntax, names, rights
        "44",  # WITH CHECK OPTION
        "54",  # a statement or row that is larger than the server can bear
        "P0",  # PL/pgSQL
    }
)
_NOT_OURS: Final = frozenset({"25P03", "25P04"})
"""Exceptions from these classes: the server has ended a transaction that was idle, or took too long."""
_OUTDATED: Final = (asyncpg.InvalidCachedStatementError, asyncpg.OutdatedSchemaCacheError)
"""A migration has changed a table since the statement was prepared. The driver prepares it again next time."""

_REFUSALS: Final = ("28", "3D")
"""The classes of errors with which a server refuses a connection: account and password, name of the database."""

DRIVER_ERRORS: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""The errors that the driver raises; while it connects, it also raises OSError."""


def named(error: Exception) -> Exception:
    """Return what *error*, raised by the driver, means: an outage, a text of a client, or itself, a fault of ours."""
    state = str(getattr(error, "sqlstate", None) or "")
    if isinstance(error, _OUTDATED) or state in _LOST or state.startswith(_LOST_CLASS):
        return TransactionLostError(first_line(error))
    if state in _NAMED:
        return _NAMED[state](first_line(error))
    if isinstance(error, TimeoutError):
        return DatabaseAwayError("no answer in time")
    return error if _is_ours(error, state) else DatabaseAwayError(first_line(error))


def is_refusal(outage: DatabaseAwayError) -> bool:
    """Return whether a connection failed for what a later attempt would meet as well."""
    cause = outage.__cause__
    state = str(getattr(cause, "sqlstate", None) or "")
    return state.startswith(_REFUSALS) or isinstance(cause, ssl.SSLCertVerificationError)


def _is_ours(error: Exception, state: str) -> bool:
    if isinstance(error, asyncpg.PostgresError):
        return state[:2] in _OUR_CLASSES and state not in _NOT_OURS
    # The driver refuses an argument. A certificate that is refused is a ValueError, too, but comes from the network.
    return isinstance(error, ValueError) and not isinstance(error, OSError)


def raise_named(error: Exception) -> NoReturn:
    """Raise the outage that *error* means, or *error* itself if it is a fault of ours.

    Raises:
        DatabaseAwayError: the database is away, or refuses what it will do later.
    """
    outage = named(error)
    if outage is error:
        raise error
    raise outage from error


@contextmanager
def outages_named(*more: type[Exception]) -> Generator[None]:
    """Raise an outage in place of each error of the driver that is none of our faults; those of *more* are outages.

    Raises:
        DatabaseAwayError: the database is away, or refuses what it will do later.
    """
    failures: tuple[type[Exception], ...] = (*DRIVER_ERRORS, *more)
    try:
        yield
    except failures as error:
        raise_named(error)
