"""Rows of tokens, and of projects and groups as one caller sees them."""

import re
from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import date, datetime
from functools import cache
from typing import ClassVar, Final, Generic, TypeVar

from schemas.names import AccessLevel, Credential, UserState, Visibility
from service.infra.postgres.composing import Values
from service.infra.postgres.database import Connection, fetch, fetch_composed, fetch_row
from service.infra.postgres.queries import embedded
from service.infra.postgres.records import Record, row_reader

_NUMBER: Final = re.compile(r"-?[0-9]+")
_LARGEST: Final = 2**63
_Found = TypeVar("_Found")


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


read_token: Final = row_reader(Token)
"""Makes a token of a record that has the columns of `find_credential`."""


@dataclass(frozen=True, slots=True)
class VisitQuery:
    """A query of one row, as a part of a composed one: the project with its `id` and `path`, and the caller's rights.

    The rights are `is_open`, whether the caller may read there, and `may_delete`.
    """

    text: str
    values: Values


@dataclass(frozen=True, slots=True)
class WithVisit(Generic[_Found]):
    """Something that was read, and what was found of the caller and the project in the same round trip."""

    token: Token | None
    project: Project | None
    found: _Found


_PREFIX: Final = "token_"
"""The beginning of the names of a token's columns, where those of a project are in the same row."""
_TOKEN_ID: Final = f"{_PREFIX}id"
_VISIT: Final = f"""SELECT {", ".join(f"c.{field.name} AS {_PREFIX}{field.name}" for field in fields(Token))},
       {", ".join(f"p.{field.name}" for field in fields(Project))},
       coalesce(c.is_admin OR p.level >= {AccessLevel.REPORTER:d} OR p.visibility = 'public'
                OR (p.visibility = 'internal' AND c.user_id IS NOT NULL AND NOT c.is_external)
                OR (c.kind = 'deploy_token' AND c.project_id = p.id), false) AS is_open,
       coalesce(p.packages_enabled AND (c.is_admin OR p.level >= {AccessLevel.MAINTAINER:d})
                AND (c.kind <> 'job_token' OR p.lets_job_in), false) AS may_delete
  FROM (SELECT) request LEFT JOIN ({{credential}}) c ON true LEFT JOIN LATERAL ({{project}}) p ON true"""  # noqa: S608 - names of fields and numbers
"""The caller and the project of a request in one row.

`is_open` saves the work of reading for somebody who is going to be refused. The rights themselves are judged in
`access`; `may_delete` is the same as there, since the JSON of a package depends on it.
"""

_token_of_visit: Final = row_reader(Token, prefix=_PREFIX)
_project: Final = row_reader(Project)
_group: Final = row_reader(Group)


async def find_token(connection: Connection, digest: bytes) -> Token | None:
    """Return the token with that digest."""
    record = await fetch_row(connection, "find_credential", digest=digest)
    return None if record is None else read_token(record)


async def find_project(
    connection: Connection, reference: str, user_id: int | None, *, job_project_id: int | None = None
) -> Project | None:
    """Return the project whose id, or full path, *reference* is; *job_project_id*: where the caller's job belongs."""
    record = await _find_project(connection, key_of(reference), user_id=user_id, job_project_id=job_project_id)
    return None if record is None else _project(record)


async def project_path(connection: Connection, project_id: int) -> str:
    """Return the full path of the project with that id."""
    (record,) = await fetch(connection, "project_path", id=project_id)
    path: str = record["path"]
    return path


async def project_paths(connection: Connection, project_ids: Collection[int]) -> dict[int, str]:
    """Return the full paths of the projects with these ids, by id; those that are gone are left out."""
    records = await fetch(connection, "project_paths", ids=list(project_ids))
    return {record["id"]: record["path"] for record in records}


async def find_group(connection: Connection, reference: str, user_id: int | None) -> Group | None:
    """Return the group whose id, or full path, *reference* is."""
    record = await _find_group(connection, key_of(reference), user_id=user_id)
    return None if record is None else _group(record)


def visit_query(reference: str, digest: bytes | None) -> VisitQuery | None:
    """Return the query of the project *reference* and the token with that digest; `with_visit` reads its row.

    None: no project can have the reference.
    """
    key = key_of(reference)
    if key is None:
        return None
    values = Values()
    digest_place = values.place(digest, "bytea")
    is_number = isinstance(key, int)
    key_place = values.place(key, "bigint" if is_number else "text")
    return VisitQuery(_visit_text(digest_place, key_place, is_number=is_number), values)


@cache
def _visit_text(digest: str, key: str, *, is_number: bool) -> str:
    """Return the text of a visit with these placeholders, which are the same for each request."""
    user_id, job_project_id = "c.user_id", "CASE WHEN c.kind = 'job_token' THEN c.project_id END"
    if is_number:
        project = embedded("find_project_by_id", id=key, user_id=user_id, job_project_id=job_project_id)
    else:
        project = embedded("find_project_by_path", path=key, user_id=user_id, job_project_id=job_project_id)
    return _VISIT.format(credential=credential_text(digest), project=project)


def credential_text(digest: str) -> str:
    """Return the query of a token as a part of another one; *digest* is an expression."""
    return embedded("find_credential", digest=digest)


def group_text(key: str, user_id: str, *, is_number: bool) -> str:
    """Return the query of a group as a part of another one; *key*, its id or path, and *user_id* are expressions."""
    if is_number:
        return embedded("find_group_by_id", id=key, user_id=user_id)
    return embedded("find_group_by_path", path=key, user_id=user_id)


async def find_visit(connection: Connection, query: VisitQuery) -> WithVisit[None]:
    """Return what a `visit_query` finds, in one round trip."""
    (record,) = await fetch_composed(connection, "find_visit", {"visit": query.text}, query.values.all)
    return with_visit(record, None)


def known_visit_query(project: Project, *, may_delete: bool) -> VisitQuery:
    """Return a query that takes the place of `visit_query` when caller and project have been found before."""
    values = Values()
    text = (
        f"SELECT {values.place(project.id, 'bigint')} AS id, {values.place(project.path, 'text')} AS path,"
        f" true AS is_open, {values.place(may_delete, 'boolean')} AS may_delete"
    )
    return VisitQuery(text, values)


def with_visit(record: Record, found: _Found) -> WithVisit[_Found]:
    """Return what was read in a record, with the token and the project if a `visit_query` is a part of the query."""
    if _TOKEN_ID not in record:
        return WithVisit(None, None, found)
    token = None if record[_TOKEN_ID] is None else _token_of_visit(record)
    return WithVisit(token, None if record["id"] is None else _project(record), found)


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


def key_of(reference: str) -> int | str | None:
    """Return the id or the path that it is; None when no row can have it."""
    if not _NUMBER.fullmatch(reference):
        return None if "\x00" in reference else reference
    number = int(reference) if len(reference) <= len(str(_LARGEST)) else 0
    return number if 0 < number < _LARGEST else None
