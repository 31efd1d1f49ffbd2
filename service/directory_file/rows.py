"""Rows of the directory: what of it is there, and writing a kind of it in one statement."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from schemas.names import Visibility
from service.infra.postgres.database import Connection, execute, fetch
from service.infra.postgres.outages import InvalidPatternError
from service.infra.postgres.records import Record, row_reader

_SET_ASIDE: Final = {"users": "set_aside_users", "groups": "set_aside_groups", "projects": "set_aside_projects"}
_STORE: Final = {
    "users": "store_users",
    "groups": "store_groups",
    "projects": "store_projects",
    "pipelines": "store_pipelines",
    "deletion_rules": "store_deletion_rules",
}
_STORE_OF_PROJECTS: Final = {
    "deploy_tokens": "store_deploy_tokens",
    "job_tokens": "store_job_tokens",
    "job_token_allowances": "store_job_token_allowances",
    "protection_rules": "store_protection_rules",
}

Fact: TypeAlias = str | int | list[str] | dict[str, str] | None
"""A value as JSON has it: a role is a number, grace periods are texts by type of package."""

Rows = Sequence[Mapping[str, object]]
"""The rows of one kind that are to be written, as JSON has them."""


@dataclass(frozen=True, slots=True)
class Found:
    """A user, group or project that is in the database, with its name or path."""

    id: int
    name: str
    ancestry: tuple[int, ...] = ()
    """The ids of the groups from the root down: to itself for a group, to the one around it for a project."""


class ThingKey(NamedTuple):
    """The lasting name of a thing in the directory: its kind, and its id or the digest of a token."""

    kind: str
    key: str


@dataclass(frozen=True, slots=True)
class Thing:
    """A user, group or project, or what belongs to one, as it is in the database."""

    kind: str
    key: str
    name: str
    owner: ThingKey | None
    facts: Mapping[str, Fact]
    """The values that can change, by the keys of the directory file."""


State = Mapping[ThingKey, Thing]


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner of a token."""

    kind: str
    id: int
    name: str


@dataclass(frozen=True, slots=True)
class TooVisible:
    """A group or project that is more visible than the group around it."""

    path: str
    visibility: Visibility
    parent_path: str
    parent_visibility: Visibility


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows of one kind were created, updated, left unchanged and removed."""

    created: int
    updated: int
    unchanged: int
    removed: int


_found: Final = row_reader(Found)
_owner: Final = row_reader(Owner)
_too_visible: Final = row_reader(TooVisible)


async def lock(connection: Connection) -> None:
    """Wait until nobody else applies a directory file, and keep others waiting until the transaction ends."""
    await execute(connection, "lock_directory")


async def find_users(connection: Connection, usernames: Iterable[str], ids: Iterable[int]) -> list[Found]:
    """Find users by name in lower case, or by id."""
    rows = await fetch(connection, "find_users", usernames=list(usernames), ids=list(ids))
    return [_found(row) for row in rows]


async def find_groups(
    connection: Connection, *, paths: Iterable[str], ids: Iterable[int], around: Iterable[int] = ()
) -> list[Found]:
    """Find groups by path in lower case, by id, or by the id of a group *around* them, however far."""
    rows = await fetch(connection, "find_groups", paths=list(paths), ids=list(ids), around=list(around))
    return [_found(row) for row in rows]


async def find_projects(
    connection: Connection, *, paths: Iterable[str], ids: Iterable[int], around: Iterable[int] = ()
) -> list[Found]:
    """Find projects by path in lower case, by id, or by the id of a group *around* them, however far."""
    rows = await fetch(connection, "find_projects", paths=list(paths), ids=list(ids), around=list(around))
    return [_found(row) for row in rows]


async def find_token_owners(connection: Connection, digests: Iterable[bytes]) -> dict[bytes, Owner]:
    """Return whose the known ones of these tokens are, revoked ones too."""
    rows = await fetch(connection, "find_tokens", digests=list(digests))
    return {row["digest"]: _owner(row) for row in rows}


async def exchange_tokens(connection: Connection, digests: Mapping[bytes, bytes]) -> None:
    """Give the access and deploy tokens with these digests others; revoke one whose new digest is taken."""
    old, new = list(digests), list(digests.values())
    await execute(connection, "exchange_access_tokens", old=old, new=new)
    await execute(connection, "exchange_deploy_tokens", old=old, new=new)


async def find_pipeline_projects(connection: Connection, ids: Iterable[int]) -> dict[int, int]:
    """Return the projects of those pipelines that are there: id -> project's id."""
    rows = await fetch(connection, "find_pipelines", ids=list(ids))
    return {row["id"]: row["project_id"] for row in rows}


async def why_unreadable(connection: Connection, pattern: str) -> str | None:
    """Return why the database cannot read a regular expression, if it cannot."""
    try:
        async with connection.transaction():
            await fetch(connection, "try_pattern", pattern=pattern)
    except InvalidPatternError as error:
        return str(error).removeprefix("invalid regular expression: ")
    return None


async def find_too_visible(connection: Connection, paths: Sequence[str]) -> list[TooVisible]:
    """Return what, among these and the groups' children, is more visible than the group around it."""
    return [_too_visible(row) for row in await fetch(connection, "find_too_visible", paths=paths)]


async def find_state(
    connection: Connection,
    *,
    usernames: Iterable[str],
    paths: Iterable[str],
    user_ids: Iterable[int],
    group_ids: Iterable[int],
    project_ids: Iterable[int],
    pipeline_ids: Iterable[int],
) -> State:
    """Return all that a directory file can change of these users, groups, projects and pipelines.

    The *usernames* and *paths* are in lower case.
    """
    rows = await fetch(
        connection,
        "find_directory_state",
        usernames=list(usernames),
        paths=list(paths),
        user_ids=list(user_ids),
        group_ids=list(group_ids),
        project_ids=list(project_ids),
        pipeline_ids=list(pipeline_ids),
    )
    return {ThingKey(row["kind"], row["key"]): _thing(row) for row in rows}


async def count_admins(connection: Connection) -> tuple[int, int]:
    """Return how many active admins there are, and how many of them have a token that is good."""
    (row,) = await fetch(connection, "count_admins")
    return row["active"], row["able"]


async def set_aside(connection: Connection, kind: str, ids: Iterable[int]) -> None:
    """Free the names of these users, groups or projects, which are about to be stored under others."""
    await execute(connection, _SET_ASIDE[kind], ids=list(ids))


async def keep_old_paths(connection: Connection, project_ids: Mapping[str, int]) -> None:
    """Remember these paths for the projects that had them."""
    await execute(connection, "keep_old_paths", paths=list(project_ids), project_ids=list(project_ids.values()))


async def delete_taken_paths(connection: Connection, paths: Iterable[str]) -> None:
    """Forget those of the paths, in lower case, that some project had once and that lead to something by now."""
    await execute(connection, "delete_taken_paths", paths=list(paths))


async def store(connection: Connection, kind: str, rows: Rows) -> Counts:
    """Write all rows of a kind that is removed by nothing that a file leaves out."""
    return _counts(rows, await fetch(connection, _STORE[kind], rows=json.dumps(rows)))


async def store_members(
    connection: Connection, rows: Rows, *, group_ids: Sequence[int], project_ids: Sequence[int]
) -> Counts:
    """Write the members of these groups and projects; the others that they have are removed."""
    answer = await fetch(
        connection, "store_members", rows=json.dumps(rows), group_ids=group_ids, project_ids=project_ids
    )
    return _counts(rows, answer)


async def store_access_tokens(connection: Connection, rows: Rows, *, user_ids: Sequence[int]) -> Counts:
    """Write the access tokens of these users; the others that they have are revoked."""
    return _counts(rows, await fetch(connection, "store_access_tokens", rows=json.dumps(rows), user_ids=user_ids))


async def store_of_projects(connection: Connection, kind: str, rows: Rows, *, project_ids: Sequence[int]) -> Counts:
    """Write what these projects have of a kind; the rest that they have is removed, a token revoked."""
    answer = await fetch(connection, _STORE_OF_PROJECTS[kind], rows=json.dumps(rows), project_ids=project_ids)
    return _counts(rows, answer)


def _counts(rows: Rows, answer: Sequence[Record]) -> Counts:
    created, updated, removed = (answer[0][key] for key in ("created", "updated", "removed"))
    return Counts(created, updated, unchanged=len(rows) - created - updated, removed=removed)


def _thing(row: Record) -> Thing:
    owner = ThingKey(row["owner_kind"], row["owner_key"]) if row["owner_kind"] else None
    return Thing(row["kind"], row["key"], row["name"], owner, row["facts"])
