"""The meaning of rules of retention, as plain data: the oracle for the plan in SQL. It knows no database."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from packaging.version import Version

from schemas.retention import RetentionKind, RetentionRule


@dataclass(frozen=True)
class Thing:
    """A package, with all that a rule may ask for."""

    id: int
    project: int
    groups: frozenset[int]
    type: str
    name: str
    version: str
    status: str
    created: datetime
    arrived: datetime
    downloaded: datetime | None
    tags: frozenset[str]
    protected: bool

    @property
    def is_listed(self) -> bool:
        return self.status in {"default", "error", "deprecated"}

    @property
    def order(self) -> tuple[object, ...]:
        number = Version(self.version) if self.type in {"npm", "pypi"} else Version("0")
        return (number, self.created, self.id)


@dataclass(frozen=True)
class Ruling:
    """A rule in its place: a group, a project, or neither."""

    rule: RetentionRule
    group: int | None = None
    project: int | None = None

    def concerns(self, thing: Thing) -> bool:
        rule = self.rule
        kind = "prerelease" if Version(thing.version).is_prerelease else "release"
        return (
            self.group in {None, *thing.groups}
            and self.project in {None, thing.project}
            and (rule.package_types is None or thing.type in rule.package_types)
            and (rule.statuses is None or thing.status in rule.statuses)
            and (rule.release is None or rule.release == kind)
            and fits(thing.name, rule.name_patterns)
            and fits(thing.version, rule.version_patterns)
        )

    def excepts(self, thing: Thing, others: Sequence[Thing], now: datetime) -> bool:
        rule = self.rule
        used = thing.downloaded or max(thing.created, thing.arrived)
        same = [o for o in others if (o.project, o.type, o.name) == (thing.project, thing.type, thing.name)]
        latest = sorted((o for o in same if o.is_listed), key=lambda o: o.order, reverse=True)
        return (
            thing.created > now - (rule.younger_than or timedelta(0))
            or (rule.downloaded_within is not None and used > now - rule.downloaded_within)
            or thing in latest[: rule.keep_latest or 0]
            or (rule.tags is not None and any(fits(tag, rule.tags) for tag in thing.tags))
        )


def fits(text: str, patterns: Sequence[str] | None) -> bool:
    """Return whether a text matches a pattern as a whole, in any case."""
    ways = [".*".join(map(re.escape, pattern.split("*"))) for pattern in patterns or ["*"]]
    return any(re.fullmatch(way, text, re.IGNORECASE | re.DOTALL) for way in ways)


def verdicts(things: Sequence[Thing], rulings: Sequence[Ruling], now: datetime) -> dict[int, str]:
    """Return what becomes of each package that a rule is about which deletes."""
    found = {}
    for thing in (one for one in things if one.is_listed):
        concerned = [r for r in rulings if r.rule.kind is RetentionKind.DELETE and r.concerns(thing)]
        keepers = [r for r in rulings if r.rule.kind is RetentionKind.KEEP and r.concerns(thing)]
        is_kept = any(not r.rule.has_exceptions or r.excepts(thing, things, now) for r in keepers)
        if concerned:
            goes = not is_kept and not all(r.excepts(thing, things, now) for r in concerned)
            found[thing.id] = "kept" if not goes else "refused" if thing.protected else "deleted"
    return found
