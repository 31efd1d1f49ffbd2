"""Revoking rights in our database from PUBLIC, which is every role of the server; no process of ours needs them."""

from collections.abc import Sequence
from typing import Final

import psycopg
from psycopg import sql

from service.errors import first_line


def restrict_public(connection: psycopg.Connection) -> list[str]:
    """Take rights from PUBLIC, and return a line for each that it keeps since only a superuser may revoke it."""
    # Before PostgreSQL 15 everybody might make tables, and a database that was upgraded keeps that.
    connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    lines = []
    if not _revoke_temporary(connection):
        lines.append("PUBLIC keeps the right to make temporary tables: only the database's owner may revoke it")
    if not _revoke_large_objects(connection):
        lines.append("PUBLIC keeps the functions of large objects: only a superuser may revoke them")
    return lines


def reserve_locks(connection: psycopg.Connection, roles: Sequence[str]) -> list[str]:
    """Let only *roles*, beside the owner, take advisory locks with a key of two numbers; return lines as above."""
    functions = sql.SQL(", ").join(sql.SQL(function) for function in _LOCK_FUNCTIONS)
    names = sql.SQL(", ").join(map(sql.Identifier, roles))
    attempt(connection, sql.SQL("REVOKE EXECUTE ON FUNCTION {} FROM PUBLIC").format(functions))
    attempt(connection, sql.SQL("GRANT EXECUTE ON FUNCTION {} TO pg_database_owner, {}").format(functions, names))
    public = "SELECT bool_or(has_function_privilege('public', f, 'EXECUTE')) FROM unnest(%s::regprocedure[]) AS f"
    if connection.execute(public, (list(_LOCK_FUNCTIONS),)).fetchone() == (False,):
        return []
    return ["PUBLIC keeps the locks of relay and scheduler: only a superuser may revoke them"]


def attempt(connection: psycopg.Connection, statement: sql.Composed) -> bool:
    """Execute a statement, and return whether we may; if not, the transaction goes on as before it."""
    try:
        with connection.transaction():
            connection.execute(statement)
    except psycopg.errors.InsufficientPrivilege:
        return False
    return True


def reason_with_role(error: BaseException, url: str) -> str:
    """Return what the server says; if it is about our rights, with the role that *url* names."""
    reason = first_line(error)
    if not isinstance(error, psycopg.errors.InsufficientPrivilege):
        return reason
    role = psycopg.conninfo.conninfo_to_dict(url).get("user", "")
    return f"{reason} (role {role})"


def _revoke_temporary(connection: psycopg.Connection) -> bool:
    database = sql.Identifier(connection.info.dbname)
    attempt(connection, sql.SQL("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC").format(database))
    # A REVOKE by somebody else is a warning only.
    row = connection.execute("SELECT has_database_privilege('public', current_database(), 'TEMPORARY')").fetchone()
    return row == (False,)


def _revoke_large_objects(connection: psycopg.Connection) -> bool:
    """Large objects are files within the database: no quota of ours would count them, and no prune remove them."""
    if functions := _large_object_functions(connection):
        attempt(connection, sql.SQL("REVOKE EXECUTE ON FUNCTION {} FROM PUBLIC").format(functions))
    return _large_object_functions(connection) is None


def _large_object_functions(connection: psycopg.Connection) -> sql.Composed | None:
    """Return those that PUBLIC may execute, with commas between them."""
    rows = connection.execute(_EXECUTABLE).fetchall()
    # The server wrote these names in the form that it reads, with the types of their arguments.
    return sql.SQL(", ").join(sql.SQL(function) for (function,) in rows) if rows else None


_LOCK_FUNCTIONS: Final = tuple(
    f"pg_{tried}advisory_{scope}lock{mode}(integer, integer)"
    for tried in ("", "try_")
    for scope in ("", "xact_")
    for mode in ("", "_shared")
)

_EXECUTABLE: Final = r"""
SELECT oid::regprocedure::text
  FROM pg_proc
 WHERE pronamespace = 'pg_catalog'::regnamespace
   AND (proname LIKE 'lo\_%' OR proname IN ('loread', 'lowrite'))
   AND has_function_privilege('public', oid, 'EXECUTE')
"""
