"""Errors of the server or the driver are outages, unless they are on the short list of our own faults."""

import ssl

import asyncpg
import pytest

from service.errors import DatabaseAwayError, DatabaseReadOnlyError, TransactionLostError
from service.infra.postgres.sessions.failures import named


def _raised(state: str) -> asyncpg.PostgresError:
    error = asyncpg.PostgresError.new({"S": "ERROR", "C": state, "M": "something happened"})
    assert isinstance(error, asyncpg.PostgresError)
    return error


@pytest.mark.parametrize(
    "state",
    [
        *("08006", "26000", "28P01", "3D000", "53100", "53200", "53300", "53400", "55000", "55006"),
        *("57014", "57P01", "57P03", "57P05", "58030", "25P03", "F0000", "72000", "XX000", "XX002", "ZZ123"),
    ],
)
def test_whatever_a_server_may_refuse_is_an_outage(state: str) -> None:
    outage = named(_raised(state))

    assert type(outage) is DatabaseAwayError
    assert str(outage) == "something happened"


@pytest.mark.parametrize("state", ["40001", "40P01", "40003", "55P03"])
def test_a_transaction_that_was_given_up_for_another_may_be_repeated(state: str) -> None:
    assert type(named(_raised(state))) is TransactionLostError


def test_a_server_that_takes_no_writes_is_told_apart() -> None:
    assert type(named(_raised("25006"))) is DatabaseReadOnlyError


@pytest.mark.parametrize("state", ["22P02", "23505", "25001", "25P02", "42601", "42703", "42501", "54000", "P0001"])
def test_a_fault_of_ours_stays_what_it_is(state: str) -> None:
    error = _raised(state)

    assert named(error) is error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (asyncpg.InterfaceError("connection is closed"), DatabaseAwayError),
        (asyncpg.InternalClientError("unexpected message"), DatabaseAwayError),
        (asyncpg.TargetServerAttributeNotMatched("no host matches"), DatabaseAwayError),
        (asyncpg.OutdatedSchemaCacheError("a column is gone"), TransactionLostError),
        (asyncpg.InvalidCachedStatementError("cached plan must not change result type"), TransactionLostError),
        (ConnectionRefusedError("refused"), DatabaseAwayError),
        (ssl.SSLCertVerificationError("certificate verify failed"), DatabaseAwayError),
    ],
)
def test_what_the_driver_raises_by_itself_is_an_outage(error: Exception, kind: type[Exception]) -> None:
    assert type(named(error)) is kind


def test_an_argument_that_the_driver_refuses_is_a_fault_of_ours() -> None:
    error = asyncpg.exceptions.ClientConfigurationError("invalid dsn")

    assert named(error) is error
