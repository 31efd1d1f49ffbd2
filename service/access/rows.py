"""Rows of tokens, and of projects and groups as one caller sees them."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar, Final

from schemas.names import AccessLevel, Credential, UserState, Visibility
from service.infra.postgres.database import Connection, fetch, fetch_row
from service.infra.postgres.records import Record, row_reader

_NUMBER: Final = re.compile(r"-?[0-9]+")
_LARGEST: Final = 2**63


@dataclass(frozen=True, slots=True)
class Token:
    """A token of any kind, with its user; a deploy token has none."""

    kind: Credential
    id: int
    scopes: frozenset[str]
    expires_at: date | None
    revoked_at: datetime | None
    login: str | None
    """The user name that goes with it where one is asked for; None: any."""
    project_id: int | None
    """The project of a job or deploy token."""
    pipeline_id: int | None
    user_id: int | None
    username: str | None
    is_admin: bool
    is_external: bool
    user_state: UserState


@dataclass(frozen=True, slots=True)
class Project:
    """A project, with the caller's role in it."""

    id: int
    path: str
    name: str
    visibility: Visibility
    packages_enabled: bool
    ancestry: tuple[int, ...]
    """The ids of the groups around it, from the root down."""
    level: AccessLevel
    lets_job_in: bool
    """Whether the caller's job may write here; not read for other callers."""
    is_moved: bool
    """It was asked for by a path that it had before."""
    holds_membership: ClassVar[bool] = False
    """Nothing is below a project in which the caller could have a role."""

    @property
    def root_group_id(self) -> int:
        """The group at the root."""
        return self.ancestry[0]


@dataclass(frozen=True, slots=True)
class Group:
    """A group, with the caller's role in it, and whether it has one further down."""

    id: int
    path: str
    name: str
    visibility: Visibility
    level: AccessLevel
    holds_membership: bool


@dataclass(frozen=True, slots=True)
class ReadableProject:
    """A project whose packages the caller may read."""

    id: int
    path: str
    packages_enabled: bool
    level: AccessLevel


read_token: Final = row_reader(Token)
"""Makes a token of a record that has the columns of `find_credential`."""
_project: Final = row_reader(Project)
_group: Final = row_reader(Group)
_readable: Final = row_reader(ReadableProject)


async def find_token(connection: Connection, digest: bytes) -> Token | None:
    """Return the token with that digest."""
    record = await fetch_row(connection, "find_credential", digest=digest)
    return None if record is None else read_token(record)


async def find_project(
    connection: Connection, reference: str, user_id: int | None, *, job_project_id: int | None = None
) -> Project | None:
    """Return the project whose id, or full path, *reference* is; *job_project_id*: where the caller's job belongs."""
    record = await _find_project(connection, _read(reference), user_id=user_id, job_project_id=job_project_id)
    return None if record is None else _project(record)


async def project_path(connection: Connection, project_id: int) -> str:
    """Return the full path of the project with that id."""
    (record,) = await fetch(connection, "project_path", id=project_id)
    path: str = record["path"]
    return path


async def find_group(connection: Connection, reference: str, user_id: int | None) -> Group | None:
    """Return the group whose id, or full path, *reference* is."""
    record = await _find_group(connection, _read(reference), user_id=user_id)
    return None if record is None else _group(record)


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
    )
    return {record["id"]: _readable(record) for record in records}


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


async def _find_project(
    connection: Connection, reference: int | str | None, *, user_id: int | None, job_project_id: int | None
) -> Record | None:
    match reference:
        case int(number):
            return await fetch_row(
                connection, "find_project_by_id", id=number, user_id=user_id, job_project_id=job_project_id
            )
        case str(path):
            return await fetch_row(
                connection, "find_project_by_path", path=path, user_id=user_id, job_project_id=job_project_id
            )
        case None:
            return None


async def _find_group(connection: Connection, reference: int | str | None, *, user_id: int | None) -> Record | None:
    match reference:
        case int(number):
            return await fetch_row(connection, "find_group_by_id", id=number, user_id=user_id)
        case str(path):
            return await fetch_row(connection, "find_group_by_path", path=path, user_id=user_id)
        case None:
            return None


def _read(reference: str) -> int | str | None:
    """Return the id or the path that it is; None when no row can have it."""
    if not _NUMBER.fullmatch(reference):
        return None if "\x00" in reference else reference
    number = int(reference) if len(reference) <= len(str(_LARGEST)) else 0
    return number if 0 < number < _LARGEST else None
