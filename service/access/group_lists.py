"""A group and the projects in its lists, found together with the caller in one round trip."""

from dataclasses import dataclass, fields
from functools import cache
from typing import Final

from schemas.names import AccessLevel
from service.access.callers import Caller
from service.access.readable import readable_text
from service.access.rows import Group, Token, credential_text, group_text, key_of
from service.infra.postgres.composing import Values
from service.infra.postgres.database import Connection, fetch_composed
from service.infra.postgres.queries import named_query
from service.infra.postgres.records import row_reader


@dataclass(frozen=True, slots=True)
class ListedProjects:
    """The projects of a group whose packages the caller may read.

    Ids are a text with commas, as they are in the next query: 2,000 numbers would cost 0.7 ms on their way.
    """

    ids: str
    number: int
    deletable: str | None
    """Those in which the caller may delete packages; None: all of them."""

    def __len__(self) -> int:
        """Return how many there are."""
        return self.number


@dataclass(frozen=True, slots=True)
class SeenGroup:
    """The token and the group of one round trip, where they are there, and the projects."""

    token: Token | None
    group: Group | None
    projects: ListedProjects


_PREFIX: Final = "token_"
_COLUMNS: Final = ", ".join(
    (
        *(f"c.{field.name} AS {_PREFIX}{field.name}" for field in fields(Token)),
        *(f"g.{field.name}" for field in fields(Group)),
    )
)
_IS_INSIDER: Final = "coalesce(c.user_id IS NOT NULL AND NOT c.is_external, false)"
_IS_OPEN: Final = f"""(c.is_admin OR g.level > 0 OR g.holds_membership OR g.visibility = 'public'
            OR (g.visibility = 'internal' AND {_IS_INSIDER}))"""
"""Saves the work for a caller who is going to be refused; the rights themselves are judged in `access`."""

_token: Final = row_reader(Token, prefix=_PREFIX)
_group: Final = row_reader(Group)
_projects: Final = row_reader(ListedProjects)


async def find_group_with_projects(
    connection: Connection, reference: str, digest: bytes | None, *, exclude_subgroups: bool
) -> SeenGroup:
    """Return the group whose id, or full path, *reference* is, the token with that digest, and the listed projects."""
    # Where no group can have the reference, the token is still found, and judged first.
    key = key_of(reference) or 0
    values = Values()
    parts = _parts(
        values.place(digest, "bytea"),
        values.place(key, "bigint" if isinstance(key, int) else "text"),
        is_number=isinstance(key, int),
        exclude_subgroups=exclude_subgroups,
    )
    (record,) = await fetch_composed(connection, "group_with_projects", parts, values.all)
    token = None if record[f"{_PREFIX}id"] is None else _token(record)
    return SeenGroup(token, None if record["id"] is None else _group(record), _projects(record))


async def listed_projects(
    connection: Connection, caller: Caller, group: Group, *, exclude_subgroups: bool
) -> ListedProjects:
    """Return the projects of a group whose packages the caller may read."""
    values = Values()
    parts = _listed_parts(
        group_id=values.place(group.id, "bigint"),
        user_id=values.place(caller.user_id, "bigint"),
        is_admin=values.place(caller.is_admin, "boolean"),
        is_insider=values.place(caller.is_insider, "boolean"),
        exclude_subgroups=exclude_subgroups,
        is_open="true",
    )
    (record,) = await fetch_composed(connection, "listed_projects", parts, values.all)
    return _projects(record)


@cache
def _parts(digest: str, key: str, *, is_number: bool, exclude_subgroups: bool) -> dict[str, str]:
    listed = _listed_parts(
        group_id="g.id",
        user_id="c.user_id",
        is_admin="coalesce(c.is_admin, false)",
        is_insider=_IS_INSIDER,
        exclude_subgroups=exclude_subgroups,
        is_open=_IS_OPEN,
    )
    return {
        "columns": _COLUMNS,
        "credential": credential_text(digest),
        "group": group_text(key, "c.user_id", is_number=is_number),
        "listed": named_query("listed_projects").text.rstrip().rstrip(";").format_map(listed),
    }


def _listed_parts(
    *, group_id: str, user_id: str, is_admin: str, is_insider: str, exclude_subgroups: bool, is_open: str
) -> dict[str, str]:
    readable = readable_text(
        group_id=group_id,
        user_id=user_id,
        is_admin=is_admin,
        is_insider=is_insider,
        exclude_subgroups=exclude_subgroups,
    )
    return {"readable": readable, "is_admin": is_admin, "is_open": is_open, "level": f"{AccessLevel.MAINTAINER:d}"}
