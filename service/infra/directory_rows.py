"""The directory in the database: what of it is there, and writing a kind of it in one statement."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.infra.database import Connection, Record, execute, fetch, fetch_row


@dataclass(frozen=True, slots=True)
class Found:
    """A user, group or project that is in the database; a group's ancestry ends with itself."""

    id: int
    name: str
    ancestry: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the rows of one kind."""

    created: int
    updated: int
    unchanged: int
    removed: int


class Names:
    """Those of one kind that are in the database, by name in any case of letters, and by id."""

    def __init__(self, found: Iterable[Found]) -> None:
        self.by_name: dict[str, Found] = {}
        self.by_id: dict[int, Found] = {}
        for one in found:
            self.by_name[one.name.lower()] = one
            self.by_id[one.id] = one


async def lock(connection: Connection) -> None:
    """Wait until nobody else applies a directory file, and keep others waiting until the transaction ends."""
    await execute(connection, "lock_directory")


async def find_users(connection: Connection, usernames: Iterable[str], ids: Iterable[int]) -> Names:
    """Find users by name in lower case, or by id."""
    rows = await fetch(connection, "find_users", usernames=list(usernames), ids=list(ids))
    return Names(Found(row["id"], row["username"]) for row in rows)


async def find_groups(connection: Connection, paths: Iterable[str], ids: Iterable[int]) -> Names:
    """Find groups by path in lower case, or by id."""
    rows = await fetch(connection, "find_groups", paths=list(paths), ids=list(ids))
    return Names(Found(row["id"], row["path"], tuple(row["ancestry"])) for row in rows)


async def find_projects(connection: Connection, paths: Iterable[str], ids: Iterable[int]) -> Names:
    """Find projects by path in lower case, or by id."""
    rows = await fetch(connection, "find_projects", paths=list(paths), ids=list(ids))
    return Names(Found(row["id"], row["path"]) for row in rows)


async def find_token_owners(connection: Connection, digests: Iterable[bytes]) -> dict[bytes, tuple[str, str]]:
    """Return whose the known ones of these tokens are: digest -> (kind of owner, name), revoked ones too."""
    rows = await fetch(connection, "find_tokens", digests=list(digests))
    return {row["digest"]: (row["owner"], row["name"]) for row in rows}


async def find_pipeline_projects(connection: Connection, ids: Iterable[int]) -> dict[int, int]:
    """Return the projects of those pipelines that are there: id -> project's id."""
    rows = await fetch(connection, "find_pipelines", ids=list(ids))
    return {row["id"]: row["project_id"] for row in rows}


async def find_too_visible(connection: Connection, paths: Sequence[str]) -> list[Record]:
    """Return what, among these and the groups' children, is more visible than the group around it."""
    return await fetch(connection, "find_too_visible", paths=paths)


async def store(
    connection: Connection, kind: str, *, rows: Sequence[Mapping[str, Any]], **owners: Sequence[int]
) -> Counts:
    """Write all rows of a kind; what the *owners* have beyond them is removed, a token revoked."""
    record = await fetch_row(connection, f"store_{kind}", rows=json.dumps(rows), **owners)
    created, updated, removed = (record[key] if record else 0 for key in ("created", "updated", "removed"))
    return Counts(created, updated, unchanged=len(rows) - created - updated, removed=removed)
