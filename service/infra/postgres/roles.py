"""Database roles with the least rights that do: one for each process, given by the owner after each migration."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import psycopg
from psycopg import sql

from service.errors import StartError
from service.infra.postgres.public_rights import attempt, reason_with_role, reserve_locks, restrict_public
from service.infra.postgres.sessions.connecting import connect_blocking
from service.infra.postgres.sessions.purposes import Purpose

_LOCK_TIMEOUT: Final = "5s"
SCALER_CONNECTIONS: Final = 10
"""KEDA keeps one for each trigger; more would take them from the processes."""


class DatabaseRole(StrEnum):
    """The roles that use the database, besides its owner; only the owner may change the schema."""

    API = "api"
    RELAY = "relay"
    WORKER = "worker"
    SCHEDULER = "scheduler"
    DELIVERER = "deliverer"
    OPERATOR = "operator"
    SCALER = "scaler"


CREDENTIALS: Final = frozenset({"access_token", "deploy_token", "job_token", "web_key", "web_session"})
"""Tables that identify a caller; only the API and operators can read them."""

READERS_OF_SECRETS: Final = MappingProxyType({"webhook_secret": (DatabaseRole.API, DatabaseRole.DELIVERER)})
"""Tables with encrypted secrets, and the processes that can read them; operators can, too."""

_READ, _ADD, _CHANGE, _REMOVE = "SELECT", "INSERT", "UPDATE", "DELETE"

WRITES: Final[Mapping[DatabaseRole, Mapping[str, tuple[str, ...]]]] = MappingProxyType(
    {
        DatabaseRole.API: {
            "package": (_ADD, _CHANGE),
            "package_file": (_ADD, _CHANGE),
            "package_build": (_ADD,),
            "package_file_build": (_ADD,),
            "deletion": (_ADD, _CHANGE),
            "deletion_act": (_ADD,),
            "kept_answer": (_ADD,),
            "outbox": (_ADD,),
            "package_statistic_change": (_ADD,),
            "package_name": (_ADD,),
            "web_session": (_ADD, _CHANGE, _REMOVE),
            "webhook": (_ADD, _CHANGE, _REMOVE),
            "webhook_secret": (_ADD, _CHANGE),
            "webhook_delivery": (_ADD,),
            "protection_rule": (_ADD, _CHANGE, _REMOVE),
            "retention_rule": (_ADD, _CHANGE, _REMOVE),
            "retention_run": (_ADD, _CHANGE),
            "retention_spared": (_ADD, _CHANGE, _REMOVE),
        },
        DatabaseRole.RELAY: {
            "outbox": (_CHANGE, _REMOVE),
            "instance": (_CHANGE,),
            "event_log": (_ADD,),
            "event_day": (_ADD,),
            "event_cursor": (_CHANGE,),
            "event_refused": (_ADD, _CHANGE, _REMOVE),
            "queue_report": (_CHANGE,),
        },
        DatabaseRole.WORKER: {
            "package": (_CHANGE, _REMOVE),
            "package_file": (_CHANGE, _REMOVE),
            "deletion": (_CHANGE,),
            "outbox": (_ADD,),
            "package_statistic_change": (_ADD,),
        },
        DatabaseRole.SCHEDULER: {
            # Runs of retention rules ask for deletions.
            "deletion": (_ADD, _CHANGE, _REMOVE),
            "kept_answer": (_REMOVE,),
            "outbox": (_ADD, _REMOVE),
            # In the rows of packages, the figures that they show, and the status of those that a rule deletes.
            "package": (_CHANGE,),
            "package_statistic": (_ADD, _CHANGE),
            "package_statistic_change": (_ADD, _CHANGE, _REMOVE),
            "package_statistic_day": (_ADD, _CHANGE, _REMOVE),
            "quarantined_object": (_ADD, _CHANGE, _REMOVE),
            "storage_check": (_CHANGE,),
            "webhook_delivery": (_REMOVE,),
            "retention_rule": (_CHANGE,),
            "retention_run": (_ADD, _CHANGE, _REMOVE),
            "retention_item": (_ADD, _CHANGE, _REMOVE),
            "retention_kept": (_ADD, _REMOVE),
            "retention_spared": (_REMOVE,),
            "storage_quota": (_CHANGE,),
        },
        DatabaseRole.DELIVERER: {
            "webhook": (_CHANGE,),
            "webhook_secret": (_CHANGE,),
            "webhook_delivery": (_ADD, _CHANGE),
            "webhook_scan": (_CHANGE,),
            "outbox": (_ADD,),
        },
    }
)
"""The tables that each process writes; all processes read every table, but those of CREDENTIALS and secrets."""

SCALER_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "deletion": ("lane", "state", "held", "not_before", "lease_until", "finished_at"),
        "webhook": ("deliver_at",),
    }
)
"""All that a scaler sees: enough to count the deletions, and the webhooks, that are due."""

LOCK_HOLDERS: Final = (DatabaseRole.RELAY, DatabaseRole.SCHEDULER)
"""Only they may take the locks that keep the others of their kind on standby."""

FUNCTIONS: Final[Mapping[DatabaseRole, tuple[str, ...]]] = MappingProxyType(
    {
        DatabaseRole.RELAY: ("make_event_days(integer)",),
        DatabaseRole.SCHEDULER: ("drop_event_days(date)", "prune_web_sessions(interval, interval, integer)"),
    }
)
"""The functions that run with the rights of their owner: days of the log of events come and go, sessions end."""

_SEQUENCES: Final = MappingProxyType({DatabaseRole.API: ("build_position",)})
"""Sequences that are named in a default; those of identity columns come with INSERT."""


@dataclass(frozen=True, slots=True)
class Granted:
    """The changes that were made to one role."""

    name: str
    is_new: bool
    has_new_password: bool


@dataclass(frozen=True, slots=True)
class RoleRights:
    """The changes that were made to all roles; `left` has a line for each thing that we may not do on this server."""

    roles: list[Granted]
    left: list[str]


def grant_rights(url: str, *, prefix: str, passwords: Mapping[str, str], keeps_passwords: bool = False) -> RoleRights:
    """Give each role `<prefix>_<who>` its rights in the database at *url*, and no others; a missing one is made.

    *passwords* has those of the roles that get a new one, or if *keeps_passwords*, that get one if they cannot log in
    yet. A role that is made without one cannot log in. PUBLIC loses what no process needs.

    Raises:
        StartError: the database cannot be reached, or we may not do that.
    """
    name = ""
    done = []
    try:
        with connect_blocking(url, Purpose.ROLES) as connection:
            connection.execute(sql.SQL("SET lock_timeout = {}").format(sql.Literal(_LOCK_TIMEOUT)))
            left = restrict_public(connection)
            for role in DatabaseRole:
                name = f"{prefix}_{role}"
                done.append(_made(connection, name, passwords.get(role), keeps_password=keeps_passwords))
                for statement in _statements(connection, role, sql.Identifier(name)):
                    connection.execute(statement)
            name = ""
            left += reserve_locks(connection, [f"{prefix}_{role}" for role in LOCK_HOLDERS])
            left += _limit_scaler(connection, f"{prefix}_{DatabaseRole.SCALER}")
    except psycopg.Error as error:
        reason = reason_with_role(error, url)
        place = f" for role {name}" if name else ""
        raise StartError(f"PACKYARD_DATABASE_URL: cannot grant rights{place}: {reason}") from error
    return RoleRights(done, left)


def _limit_scaler(connection: psycopg.Connection, name: str) -> list[str]:
    """Limit the connections of a scaler that has no limit yet."""
    query = "SELECT FROM pg_roles WHERE rolname = %s AND rolconnlimit < 0"
    if connection.execute(query, (name,)).fetchone() is None:
        return []
    limit = sql.SQL("ALTER ROLE {} CONNECTION LIMIT {}")
    if attempt(connection, limit.format(sql.Identifier(name), sql.Literal(SCALER_CONNECTIONS))):
        return []
    return [f"{name} keeps an unlimited number of connections: we may not alter the role"]


def _made(connection: psycopg.Connection, name: str, password: str | None, *, keeps_password: bool) -> Granted:
    found = connection.execute("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", (name,)).fetchone()
    if found is None:
        connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(name)))
    elif keeps_password and found[0]:
        return Granted(name, is_new=False, has_new_password=False)
    if password is not None:
        # We send only the verifier that the server keeps, so that no log of statements has the password.
        kept = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
        connection.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), sql.Literal(kept)))
    return Granted(name, found is None, password is not None)


def _statements(connection: psycopg.Connection, role: DatabaseRole, name: sql.Identifier) -> Iterator[sql.Composed]:
    for kind in ("TABLES", "SEQUENCES"):
        yield sql.SQL("REVOKE ALL ON ALL {} IN SCHEMA public FROM {}").format(sql.SQL(kind), name)
    yield sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(name)
    match role:
        case DatabaseRole.SCALER:
            for table, names in SCALER_COLUMNS.items():
                columns = sql.SQL(", ").join(map(sql.Identifier, names))
                yield sql.SQL("GRANT SELECT ({}) ON {} TO {}").format(columns, sql.Identifier(table), name)
        case DatabaseRole.OPERATOR:
            yield sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {}").format(name)
            yield sql.SQL("REVOKE INSERT, UPDATE, DELETE ON schema_version FROM {}").format(name)
            yield sql.SQL("GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA public TO {}").format(name)
        case _:
            hidden = frozenset() if role is DatabaseRole.API else CREDENTIALS
            secret = {table for table, readers in READERS_OF_SECRETS.items() if role not in readers}
            readable = _tables(connection) - hidden - secret
            tables = sql.SQL(", ").join(map(sql.Identifier, sorted(readable)))
            yield sql.SQL("GRANT {} ON {} TO {}").format(sql.SQL(_READ), tables, name)
            for table, rights_on_it in WRITES[role].items():
                rights = sql.SQL(", ").join(map(sql.SQL, rights_on_it))
                yield sql.SQL("GRANT {} ON {} TO {}").format(rights, sql.Identifier(table), name)
            for function in FUNCTIONS.get(role, ()):
                yield sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(sql.SQL(function), name)
            for sequence in _SEQUENCES.get(role, ()):
                yield sql.SQL("GRANT USAGE ON SEQUENCE {} TO {}").format(sql.Identifier(sequence), name)


def _tables(connection: psycopg.Connection) -> frozenset[str]:
    # A partition is read through its table.
    rows = connection.execute(
        "SELECT relname FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition"
    ).fetchall()
    return frozenset(str(table) for (table,) in rows)
