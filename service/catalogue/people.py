"""Users as others see them: what they published, and asked to delete, in projects that the reader may read."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from schemas.names import PackageType
from schemas.statuses import DeletionState, PackageStatus
from service.catalogue.rows.users import UserRow
from service.infra.postgres.database import Connection, fetch, fetch_row
from service.infra.postgres.records import row_reader

_PROJECTS: Final = 50
_LOOKED_AT: Final = 200
"""How many of the newest packages and deletions of each project are read."""


@dataclass(frozen=True, slots=True)
class PublishedPackage:
    """A package that a user published."""

    id: int
    project_path: str
    package_type: PackageType
    name: str
    version: str | None
    status: PackageStatus
    created_at: datetime


@dataclass(frozen=True, slots=True)
class RequestedDeletion:
    """A deletion that a user asked for."""

    id: UUID
    project_path: str
    name: str
    version: str | None
    state: DeletionState
    requested_at: datetime


_user: Final = row_reader(UserRow)
_published: Final = row_reader(PublishedPackage)
_requested: Final = row_reader(RequestedDeletion)


async def find_by_username(connection: Connection, username: str) -> UserRow | None:
    """Return the user of that name; case does not matter."""
    row = await fetch_row(connection, "find_user_by_username", username=username)
    return None if row is None else _user(row)


async def shared_projects(connection: Connection, user: UserRow, readable: Collection[int]) -> Sequence[int]:
    """Return some of the *readable* projects in which the user has a role; for an administrator, some of them all."""
    rows = await fetch(
        connection,
        "projects_of_user",
        user_id=user.id,
        is_admin=user.is_admin,
        readable=list(readable),
        limit=_PROJECTS,
    )
    return [row["id"] for row in rows]


async def published(
    connection: Connection, user: UserRow, project_ids: Collection[int], *, limit: int
) -> Sequence[PublishedPackage]:
    """Return the newest packages that the user published, of those that are new in these projects."""
    rows = await fetch(
        connection,
        "packages_of_user",
        user_id=user.id,
        project_ids=list(project_ids),
        looked_at=_LOOKED_AT,
        limit=limit,
    )
    return [_published(row) for row in rows]


async def requested(
    connection: Connection, user: UserRow, project_ids: Collection[int], *, limit: int
) -> Sequence[RequestedDeletion]:
    """Return the newest deletions that the user asked for, of those that are new in these projects."""
    rows = await fetch(
        connection,
        "deletions_of_user",
        user_id=user.id,
        project_ids=list(project_ids),
        looked_at=_LOOKED_AT,
        limit=limit,
    )
    return [_requested(row) for row in rows]
