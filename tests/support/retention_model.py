"""The meaning of rules of retention, as plain data: the oracle for the plan in SQL. It knows no database."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from packaging.version import Version

from schemas.retention import RetentionKind, RetentionRule


class Thing(NamedTuple):
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


class Ruling(NamedTuple):
    """A rule in its place: a group, a project, or neither."""

    rule: RetentionRule
    group: int | None = None
    project: int | None = None

    def concerns(self, thing: Thing) -> bool:
        rule, kind = self.rule, "prerelease" if Version(thing.version).is_prerelease else "release"
        return (
            self.group in {None, *thing.groups}
            and self.project in {None, thing.project}
            and thing.type in (rule.package_types or {thing.type})
            and thing.status in (rule.statuses or {thing.status})
            and rule.release in {None, kind}
            and fits(thing.name, rule.name_patterns or ["*"])
            and fits(thing.version, rule.version_patterns or ["*"])
        )

    def excepts(self, thing: Thing, listed: Sequence[Thing], now: datetime) -> bool:
        rule, used = self.rule, thing.downloaded or max(thing.created, thing.arrived)
        same = [o for o in listed if (o.project, o.type, o.name) == (thing.project, thing.type, thing.name)]
        return (
            thing.created > now - (rule.younger_than or timedelta(0))
            or used > now - (rule.downloaded_within or timedelta(0))
            or thing in sorted(same, key=place, reverse=True)[: rule.keep_latest or 0]
            or any(fits(tag, rule.tags or []) for tag in thing.tags)
        )


def place(thing: Thing) -> tuple[object, ...]:
    """Return a key by which the latest of a name comes last."""
    return Version(thing.version if thing.type in {"npm", "pypi"} else "0"), thing.created, thing.id


def fits(text: str, patterns: Sequence[str]) -> bool:
    """Return whether a text matches a pattern as a whole, in any case."""
    ways = [".*".join(map(re.escape, pattern.split("*"))) for pattern in patterns]
    return any(re.fullmatch(way, text, re.IGNORECASE | re.DOTALL) for way in ways)


def verdicts(things: Sequence[Thing], rulings: Sequence[Ruling], now: datetime) -> dict[int, str]:
    """Return what becomes of each package that a rule is about which deletes."""
    found, listed = {}, [thing for thing in things if thing.status in {"default", "error", "deprecated"}]
    for thing in listed:
        concerned = [each for each in rulings if each.concerns(thing)]
        deleting = [each for each in concerned if each.rule.kind is RetentionKind.DELETE]
        keeping = [each for each in concerned if each.rule.kind is RetentionKind.KEEP]
        is_kept = any(not each.rule.has_exceptions or each.excepts(thing, listed, now) for each in keeping)
        goes = not is_kept and not all(each.excepts(thing, listed, now) for each in deleting)
        if deleting:
            found[thing.id] = "kept" if not goes else "refused" if thing.protected else "deleted"
    return found
