"""Rules of retention as they are kept: those of the instance, of groups and of projects."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from pydantic import ValidationError

from schemas.base import Json
from schemas.problems import problems_of
from schemas.retention import RetentionKind, RetentionRule
from service.infra.postgres.database import Connection, conflicts, execute, fetch, fetch_row
from service.infra.postgres.queries import whole_row
from service.infra.postgres.records import Record, row_reader
from service.refusals import ConflictError, NotFoundError
from service.retention.schedule import next_moment


@dataclass(frozen=True, slots=True)
class RulePlace:
    """The place of a rule: a project, a group, or the instance if it is neither."""

    group_id: int | None = None
    project_id: int | None = None

    @property
    def kind(self) -> str:
        """The word for it."""
        return "project" if self.project_id else "group" if self.group_id else "instance"


INSTANCE: Final = RulePlace()

log = structlog.get_logger()


@whole_row("retention_rule")
@dataclass(frozen=True, slots=True)
class _RuleRow:
    id: int
    group_id: int | None
    project_id: int | None
    name: str
    definition: Json
    version: int
    seen_version: int
    next_run_at: datetime | None
    paused_at: datetime | None
    pause_reason: str | None
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class StoredRule:
    """A rule with its place and its state."""

    id: int
    place: RulePlace
    rule: RetentionRule
    version: int
    """Counts the changes of its meaning."""
    seen_version: int
    next_run_at: datetime | None
    paused_at: datetime | None
    pause_reason: str | None
    created_at: datetime
    changed_at: datetime

    @property
    def is_seen(self) -> bool:
        """Whether a preview or a dry run has shown the effect of exactly this version."""
        return self.seen_version == self.version

    @property
    def deletes_next_at(self) -> datetime | None:
        """When the rule deletes next by its schedule; None if it does not, or only reports."""
        return None if self.paused_at is not None or self.rule.dry_run else self.next_run_at


@dataclass(frozen=True, slots=True)
class InheritedRule:
    """A rule of a place around another one."""

    stored: StoredRule
    source: str | None
    """The path of the group that has it; None: the instance."""


_row: Final = row_reader(_RuleRow)


def read_rule(record: Record) -> StoredRule:
    """Return the rule that a record holds."""
    row = _row(record)
    return StoredRule(
        id=row.id,
        place=RulePlace(row.group_id, row.project_id),
        rule=RetentionRule.as_stored(row.definition),
        version=row.version,
        seen_version=row.seen_version,
        next_run_at=row.next_run_at,
        paused_at=row.paused_at,
        pause_reason=row.pause_reason,
        created_at=row.created_at,
        changed_at=row.changed_at,
    )


def try_rule(record: Record) -> StoredRule | None:
    """Return the rule that a record holds; None for one that deletes and that this version cannot read.

    A later version may have saved it. It stops no other rule, but a rule that keeps and cannot be read stops all.
    """
    try:
        return read_rule(record)
    except ValidationError as error:
        if record["definition"].get("kind") != RetentionKind.DELETE:
            raise
        log.warning("retention_rule_unreadable", rule_id=record["id"], problems=len(problems_of(error)))
        return None


def definition_of(rule: RetentionRule) -> str:
    """Return the rule as it is stored."""
    return rule.model_dump_json(exclude_none=True)


async def list_rules(connection: Connection, place: RulePlace) -> list[StoredRule]:
    """Return the rules of exactly this place, by their numbers."""
    rows = await fetch(connection, "retention_rules_of", group_id=place.group_id, project_id=place.project_id)
    return [read_rule(row) for row in rows]


async def rules_above(connection: Connection, place: RulePlace, *, limit: int) -> list[InheritedRule]:
    """Return the rules that a project or group inherits: those of the groups around it, and of the instance."""
    rows = await fetch(
        connection, "retention_rules_above", project_id=place.project_id, group_id=place.group_id, limit=limit
    )
    return [InheritedRule(read_rule(row), row["source"]) for row in rows]


async def find_rule(connection: Connection, place: RulePlace | None, rule_id: int, *, lock: bool = False) -> StoredRule:
    """Return a rule of exactly this place, or of any if it is None.

    Raises:
        NotFoundError: it has none with that number.
    """
    row = await fetch_row(connection, "lock_retention_rule" if lock else "retention_rule", id=rule_id)
    if row is None or place not in {None, RulePlace(row["group_id"], row["project_id"])}:
        raise NotFoundError
    return read_rule(row)


async def rules_around(connection: Connection, place: RulePlace) -> list[StoredRule]:
    """Return the rules that count for some package below a place: its own, those below it, and those around it."""
    rows = await fetch(connection, "retention_rules_around", group_id=place.group_id, project_id=place.project_id)
    return [rule for rule in map(try_rule, rows) if rule is not None]


async def add_rule(connection: Connection, place: RulePlace, rule: RetentionRule) -> StoredRule:
    """Add a rule.

    Raises:
        ConflictError: the place has one of that name.
    """
    try:
        (row,) = await fetch(
            connection,
            "add_retention_rule",
            group_id=place.group_id,
            project_id=place.project_id,
            name=rule.name,
            definition=definition_of(rule),
            next_run_at=next_moment(rule),
        )
    except conflicts():
        raise ConflictError("the place has a rule of that name") from None
    await _forget_what_was_seen(connection, rule, rule)
    return read_rule(row)


async def change_rule(connection: Connection, stored: StoredRule, rule: RetentionRule) -> StoredRule:
    """Put another rule in the place of a locked one; a rule whose meaning changes has to be seen again.

    Raises:
        ConflictError: the place has another one of that name.
    """
    has_changed = stored.rule.meaning() != rule.meaning()
    is_rescheduled = any(
        getattr(stored.rule, each) != getattr(rule, each) for each in ("schedule", "time_zone", "enabled")
    )
    try:
        (row,) = await fetch(
            connection,
            "change_retention_rule",
            id=stored.id,
            name=rule.name,
            definition=definition_of(rule),
            version=stored.version + has_changed,
            next_run_at=next_moment(rule) if is_rescheduled else stored.next_run_at,
        )
    except conflicts():
        raise ConflictError("the place has a rule of that name") from None
    if has_changed or stored.rule.enabled != rule.enabled:
        await _forget_what_was_seen(connection, stored.rule, rule)
    return read_rule(row)


async def remove_rule(connection: Connection, stored: StoredRule) -> None:
    """Remove a rule; its runs stay, and one that is under way ends."""
    await execute(connection, "remove_retention_rule", id=stored.id)
    await _forget_what_was_seen(connection, stored.rule, stored.rule)


async def pause_unreadable(connection: Connection, rule_id: int) -> None:
    """Pause a rule that this version cannot read."""
    await fetch(connection, "pause_retention_rule", id=rule_id, reason="this version of Packyard cannot read it")


async def pause_rule(connection: Connection, stored: StoredRule, *, reason: str) -> StoredRule:
    """Let a rule begin no run and ask for no deletion until it is resumed; the first reason stays."""
    (row,) = await fetch(connection, "pause_retention_rule", id=stored.id, reason=reason)
    return read_rule(row)


async def resume_rule(connection: Connection, stored: StoredRule) -> StoredRule:
    """Let a paused rule run again, from its next moment on."""
    (row,) = await fetch(connection, "resume_retention_rule", id=stored.id, next_run_at=next_moment(stored.rule))
    return read_rule(row)


async def note_seen(connection: Connection, rules: Sequence[StoredRule]) -> None:
    """Note that somebody could see what these versions would delete."""
    unseen = [rule for rule in rules if not rule.is_seen]
    if unseen:
        await execute(
            connection,
            "note_retention_rules_seen",
            ids=[rule.id for rule in unseen],
            versions=[rule.version for rule in unseen],
        )


async def _forget_what_was_seen(connection: Connection, before: RetentionRule, after: RetentionRule) -> None:
    """Let the rules that delete show their effect again, since one that keeps has come, changed or gone."""
    if RetentionKind.KEEP in {before.kind, after.kind}:
        await execute(connection, "forget_seen_retention_rules")
