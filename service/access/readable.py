"""Rows of the projects whose packages a caller may read: below a group, everywhere, or among some."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from schemas.names import AccessLevel
from service.access.rows import Group
from service.infra.postgres.composing import Values
from service.infra.postgres.database import Connection, fetch, fetch_composed
from service.infra.postgres.queries import embedded
from service.infra.postgres.records import row_reader


@dataclass(frozen=True, slots=True)
class ReadableProject:
    """A project whose packages the caller may read."""

    id: int
    path: str
    packages_enabled: bool
    level: AccessLevel


_readable: Final = row_reader(ReadableProject)


async def readable_projects(
    connection: Connection,
    group: Group,
    *,
    user_id: int | None,
    is_admin: bool,
    is_insider: bool,
    exclude_subgroups: bool,
) -> dict[int, ReadableProject]:
    """Return, by id, the group's projects whose packages the caller may read."""
    records = await fetch(
        connection,
        "readable_projects",
        group_id=group.id,
        user_id=user_id,
        is_admin=is_admin,
        is_insider=is_insider,
        exclude_subgroups=exclude_subgroups,
        reader_level=AccessLevel.REPORTER,
        enough_level=AccessLevel.OWNER,
    )
    return {record["id"]: _readable(record) for record in records}


def readable_text(*, group_id: str, user_id: str, is_admin: str, is_insider: str, exclude_subgroups: bool) -> str:
    """Return the query of `readable_projects` as a part of another one; all but the last are expressions.

    Its levels are right up to that of a maintainer.
    """
    return embedded(
        "readable_projects",
        group_id=group_id,
        user_id=user_id,
        is_admin=is_admin,
        is_insider=is_insider,
        exclude_subgroups=str(exclude_subgroups).lower(),
        reader_level=f"{AccessLevel.REPORTER:d}",
        enough_level=f"{AccessLevel.MAINTAINER:d}",
    )


async def readable_everywhere(
    connection: Connection, *, user_id: int | None, is_admin: bool, is_insider: bool, limit: int
) -> dict[int, ReadableProject]:
    """Return, by id, at most *limit* of all projects whose packages the caller may read, where they are switched on."""
    records = await fetch(
        connection,
        "readable_everywhere",
        user_id=user_id,
        is_admin=is_admin,
        is_insider=is_insider,
        reader_level=AccessLevel.REPORTER,
        limit=limit,
    )
    return {record["id"]: _readable(record) for record in records}


async def readable_ids(
    connection: Connection, *, user_id: int | None, is_admin: bool, is_insider: bool, limit: int
) -> Sequence[int]:
    """Return the ids of the projects of `readable_everywhere`: a tenth of its cost where there are thousands."""
    values = Values()
    readable = embedded(
        "readable_everywhere",
        user_id=values.place(user_id, "bigint"),
        is_admin=values.place(is_admin, "boolean"),
        is_insider=values.place(is_insider, "boolean"),
        reader_level=f"{AccessLevel.REPORTER:d}",
        limit=values.place(limit, "bigint"),
    )
    (record,) = await fetch_composed(connection, "readable_ids", {"readable": readable}, values.all)
    ids: Sequence[int] = record["ids"]
    return ids


async def readable_among(
    connection: Connection,
    project_ids: Collection[int],
    *,
    group_id: int | None,
    user_id: int | None,
    is_admin: bool,
    is_insider: bool,
) -> dict[int, AccessLevel]:
    """Return the role, by id, in those of the projects whose packages the caller may read; below that group, if any."""
    records = await fetch(
        connection,
        "readable_among",
        user_id=user_id,
        project_ids=list(project_ids),
        group_id=group_id,
        is_admin=is_admin,
        is_insider=is_insider,
        reader_level=AccessLevel.REPORTER,
    )
    return {record["id"]: AccessLevel(record["level"]) for record in records}


async def roles_in_groups(
    connection: Connection, group_ids: Collection[int], *, group_id: int | None, user_id: int | None
) -> dict[int, AccessLevel]:
    """Return the user's role, by id, in those of the groups that are below that group, if any."""
    records = await fetch(connection, "roles_in_groups", group_ids=list(group_ids), group_id=group_id, user_id=user_id)
    return {record["id"]: AccessLevel(record["level"]) for record in records}
