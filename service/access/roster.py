"""The directory as people read it: members, tokens without their secrets, holds, graces and rules of a place.

A place is a project or a group; what it inherits comes with the path of its source.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from schemas.names import AccessLevel, NameMode, UserState
from service.infra.postgres.database import Connection, fetch
from service.infra.postgres.records import row_reader

MOST: Final = 500
"""How many members, tokens or rules of a place are read at most."""


@dataclass(frozen=True, slots=True)
class PlaceKey:
    """The number of a project or of a group."""

    project_id: int | None = None
    group_id: int | None = None


@dataclass(frozen=True, slots=True)
class RosterMember:
    """A user with a role in a place, and where the role comes from."""

    username: str
    name: str
    state: UserState
    level: AccessLevel
    source: str
    """The path of the place in which the user has the role."""


@dataclass(frozen=True, slots=True)
class PlaceRules:
    """A place of the chain from the project to its root group, with what is set there itself."""

    path: str
    is_group: bool
    hold: str | None
    grace_period: timedelta | None
    grace_periods: Mapping[str, float] | None
    """The grace of each type of package that has its own, in seconds."""


@dataclass(frozen=True, slots=True)
class RosterDeployToken:
    """A deploy token of a project, without its secret."""

    name: str
    username: str
    scopes: tuple[str, ...]
    expires_at: date | None
    is_good: bool
    """Whether it is neither revoked nor expired."""


@dataclass(frozen=True, slots=True)
class RosterProtection:
    """A rule of a project, with the least levels that publish and delete packages of these names."""

    package_type: str
    package_name_pattern: str
    push_level: AccessLevel | None
    delete_level: AccessLevel | None


@dataclass(frozen=True, slots=True)
class RosterRetention:
    """A retention rule, where it is set, and when it runs next."""

    name: str
    source: str | None
    """The path of the project or group that has it; None: the instance."""
    next_run_at: datetime | None
    paused_at: datetime | None


@dataclass(frozen=True, slots=True)
class RosterNameRule:
    """A rule for the names of deleted packages, and where it is set."""

    package_type: str
    """Or `any`."""
    mode: NameMode
    since: datetime
    """When the mode began to count."""
    path: str
    is_group: bool


@dataclass(frozen=True, slots=True)
class RosterUser:
    """A user of the instance, with the roles that it has anywhere."""

    id: int
    username: str
    name: str
    state: UserState
    admin: bool
    external: bool
    memberships: int


@dataclass(frozen=True, slots=True)
class RosterToken:
    """A personal access token, without its secret."""

    user_id: int
    name: str
    scopes: tuple[str, ...]
    expires_at: date | None
    is_good: bool


_member: Final = row_reader(RosterMember)
_rules: Final = row_reader(PlaceRules)
_token: Final = row_reader(RosterDeployToken)
_protection: Final = row_reader(RosterProtection)
_retention: Final = row_reader(RosterRetention)
_name_rule: Final = row_reader(RosterNameRule)
_user: Final = row_reader(RosterUser)
_user_token: Final = row_reader(RosterToken)


async def members(connection: Connection, place: PlaceKey) -> Sequence[RosterMember]:
    """Return the members of a place, each with the highest of its roles, the highest role first."""
    rows = await fetch(connection, "members_of_place", project_id=place.project_id, group_id=place.group_id, limit=MOST)
    return [_member(row) for row in rows]


async def chain(connection: Connection, place: PlaceKey) -> Sequence[PlaceRules]:
    """Return the place itself and the groups around it, the nearest first."""
    rows = await fetch(connection, "chain_of_place", project_id=place.project_id, group_id=place.group_id)
    return [_rules(row) for row in rows]


async def deploy_tokens(connection: Connection, project_id: int) -> Sequence[RosterDeployToken]:
    """Return the deploy tokens of a project, good ones first."""
    rows = await fetch(connection, "deploy_tokens_of_project", project_id=project_id, limit=MOST)
    return [_token(row) for row in rows]


async def protection_rules(connection: Connection, project_id: int) -> Sequence[RosterProtection]:
    """Return the protection rules of a project."""
    rows = await fetch(connection, "protection_rules_of_project", project_id=project_id, limit=MOST)
    return [_protection(row) for row in rows]


async def retention_rules(connection: Connection, place: PlaceKey) -> Sequence[RosterRetention]:
    """Return the retention rules that act on a place: its own, those of the groups around it, and the instance's."""
    rows = await fetch(
        connection, "retention_rules_of_place", project_id=place.project_id, group_id=place.group_id, limit=MOST
    )
    return [_retention(row) for row in rows]


async def name_rules(connection: Connection, place: PlaceKey) -> Sequence[RosterNameRule]:
    """Return the rules for names of a place and of the groups around it, the nearest first."""
    rows = await fetch(
        connection, "name_rules_of_place", project_id=place.project_id, group_id=place.group_id, limit=MOST
    )
    return [_name_rule(row) for row in rows]


async def users(connection: Connection, *, words: str, limit: int, offset: int) -> Sequence[RosterUser]:
    """Return the users whose name or username has *words* in it, by username."""
    rows = await fetch(connection, "users_of_instance", words=words, limit=limit, offset=offset)
    return [_user(row) for row in rows]


async def tokens_of(connection: Connection, users_found: Sequence[RosterUser]) -> Mapping[int, Sequence[RosterToken]]:
    """Return the personal tokens of these users that were not revoked, by the user's id."""
    ids = [user.id for user in users_found]
    rows = await fetch(connection, "tokens_of_users", user_ids=ids, limit=MOST)
    found: dict[int, list[RosterToken]] = {number: [] for number in ids}
    for row in rows:
        found[row["user_id"]].append(_user_token(row))
    return found
