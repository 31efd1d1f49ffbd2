"""The purposes of sessions, and the settings of PostgreSQL that a session of each gets."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from service.infra.postgres.sessions.statement_limits import LONGEST_STATEMENT_S


class Purpose(StrEnum):
    """The purpose of a session; the operator sees it in the session's application_name."""

    POOL = "packyard"
    LISTEN = "packyard listen"
    LOCK = "packyard lock"
    MIGRATE = "packyard migrate"
    ROLES = "packyard roles"


_COMMON: Final = MappingProxyType(
    {
        "TimeZone": "UTC",
        "default_transaction_isolation": "read committed",
        # An accepted change survives a crash of the server; a stronger rule of the server's stays.
        "synchronous_commit": "on",
        # The limit of each statement bounds its waits for locks, too.
        "lock_timeout": "0",
        # A limit would end an import, a large deletion or a migration again and again.
        "transaction_timeout": "0",
        "idle_session_timeout": "0",
        "idle_in_transaction_session_timeout": "0",
        # The server ends a session whose client is silent for 15 s, and so frees its locks.
        "tcp_keepalives_idle": "5",
        "tcp_keepalives_interval": "3",
        "tcp_keepalives_count": "3",
        "tcp_user_timeout": "15s",
        # A statement ends when its client hangs up, not when it has its answer.
        "client_connection_check_interval": "2s",
    }
)
_OF_PURPOSE: Final[Mapping[Purpose, Mapping[str, str]]] = MappingProxyType(
    {
        Purpose.POOL: {
            # The server ends a statement whose client has given it up, too.
            "statement_timeout": f"{LONGEST_STATEMENT_S}s",
            # No keepalive passes a proxy, so this frees the row locks of a client that vanished behind one.
            "idle_in_transaction_session_timeout": "60s",
        },
        Purpose.LISTEN: {"statement_timeout": "60s"},
        Purpose.LOCK: {"statement_timeout": "60s"},
        # A migration may build an index for hours, and its guard is idle all that time.
        Purpose.MIGRATE: {"statement_timeout": "0"},
        Purpose.ROLES: {"statement_timeout": "60s"},
    }
)


def set_up(purpose: Purpose, **more: str) -> str:
    """Return the one statement that sets a session up for *purpose*, with *more* settings or other values.

    Startup parameters would do the same, but PgBouncer refuses those that it does not know. A server that does not
    know a setting is left without it.
    """
    chosen = {"application_name": str(purpose), **_COMMON, **_OF_PURPOSE[purpose], **more}
    rows = ", ".join(f"('{name}', '{value}')" for name, value in chosen.items())
    return (
        f"SELECT set_config(name, value, false) FROM (VALUES {rows}) AS chosen (name, value)"  # noqa: S608 - all ours
        " WHERE current_setting(name, true) IS NOT NULL"
        " AND (name <> 'synchronous_commit' OR current_setting(name) = 'off')"
        # Windows cannot report that a client hung up, and refuses the setting.
        " AND (name <> 'client_connection_check_interval' OR version() !~* 'visual c|mingw')"
    )
