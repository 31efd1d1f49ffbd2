"""Protection rules of a project: the least level that publishes or deletes packages of certain names."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from schemas.names import MOST_PROTECTION_RULES, AccessLevel, PackageType
from service.infra.postgres.database import Connection, conflicts, execute, fetch, fetch_row
from service.infra.postgres.queries import whole_row
from service.infra.postgres.records import row_reader
from service.refusals import NotFoundError, UnsavableError

_TAKEN: Final = "Package name pattern has already been taken"
_TOO_MANY: Final = f"A project can have at most {MOST_PROTECTION_RULES:,} protection rules"


@dataclass(frozen=True, slots=True)
class ProtectionTerms:
    """The names that a rule protects, and the least levels that publish and delete them; None: everybody may."""

    package_type: PackageType
    package_name_pattern: str
    """`*` matches any text. Case does not matter."""
    push_level: AccessLevel | None
    delete_level: AccessLevel | None


@whole_row("protection_rule")
@dataclass(frozen=True, slots=True)
class ProtectionRule:
    """A rule as it is kept."""

    id: int
    project_id: int
    package_type: PackageType
    package_name_pattern: str
    minimum_access_level_for_push: AccessLevel | None
    minimum_access_level_for_delete: AccessLevel | None
    updated_at: datetime


_rule: Final = row_reader(ProtectionRule)


async def is_push_protected(
    connection: Connection, *, project_id: int, package_type: PackageType, name: str, level: AccessLevel
) -> bool:
    """Return whether any rule of the project keeps a caller of that level from publishing the name."""
    (row,) = await fetch(
        connection, "is_push_protected", project_id=project_id, package_type=package_type, name=name, level=level
    )
    return bool(row["is_protected"])


async def list_rules(connection: Connection, project_id: int) -> list[ProtectionRule]:
    """Return the rules of a project, by their numbers."""
    rows = await fetch(connection, "protection_rules", project_id=project_id, limit=MOST_PROTECTION_RULES)
    return [_rule(row) for row in rows]


async def lock_rule(connection: Connection, project_id: int, rule_id: int) -> ProtectionRule:
    """Return a rule of the project, locked.

    Raises:
        NotFoundError: the project has none with that number.
    """
    row = await fetch_row(connection, "lock_protection_rule", project_id=project_id, id=rule_id)
    if row is None:
        raise NotFoundError
    return _rule(row)


async def add_rule(connection: Connection, project_id: int, terms: ProtectionTerms) -> ProtectionRule:
    """Add a rule.

    Raises:
        UnsavableError: the project has a rule for that type and pattern, or as many rules as it may have.
    """
    try:
        row = await fetch_row(
            connection,
            "add_protection_rule",
            project_id=project_id,
            package_type=terms.package_type,
            package_name_pattern=terms.package_name_pattern,
            push_level=terms.push_level,
            delete_level=terms.delete_level,
            most=MOST_PROTECTION_RULES,
        )
    except conflicts():
        raise UnsavableError(_TAKEN) from None
    if row is None:
        raise UnsavableError(_TOO_MANY)
    return _rule(row)


async def change_rule(connection: Connection, rule_id: int, terms: ProtectionTerms) -> ProtectionRule:
    """Give a locked rule other terms.

    Raises:
        UnsavableError: the project has another rule for that type and pattern.
    """
    try:
        (row,) = await fetch(
            connection,
            "change_protection_rule",
            id=rule_id,
            package_type=terms.package_type,
            package_name_pattern=terms.package_name_pattern,
            push_level=terms.push_level,
            delete_level=terms.delete_level,
        )
    except conflicts():
        raise UnsavableError(_TAKEN) from None
    return _rule(row)


async def remove_rule(connection: Connection, rule_id: int) -> None:
    """Remove a rule."""
    await execute(connection, "remove_protection_rule", id=rule_id)
