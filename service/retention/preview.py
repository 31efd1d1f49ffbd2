"""Previews: what rules would do now, also a rule that is not saved; totals first, then the list as a stream."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from schemas.http.retention import PreviewRequest
from schemas.names import PackageType
from schemas.retention import RetentionRule
from service.infra.postgres.database import Connection, Database
from service.refusals import NotFoundError, SearchesBusyError
from service.retention.conditions import PlannedRule
from service.retention.planning import (
    ListWish,
    RetentionPlan,
    Verdict,
    VerdictTotals,
    begin_planning,
    by_date,
    planned,
    project_paths,
)
from service.retention.rules import RulePlace, StoredRule, note_seen, rules_around

_MOST: Final = 2
"""How many previews a process makes at the same time: each keeps a connection."""
_PATIENCE_S: Final = 2
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Effect:
    """The effect of rules in sum."""

    rules: Sequence[PlannedRule]
    totals: Sequence[VerdictTotals]

    @property
    def latest_by_date(self) -> list[PackageType]:
        """The types whose latest are counted by date."""
        return by_date(self.rules)

    def count(self, verdict: str) -> tuple[int, int, int]:
        """Return how many packages, files and bytes have that verdict."""
        found = [one for one in self.totals if one.verdict == verdict]
        return sum(one.packages for one in found), sum(one.files for one in found), sum(one.bytes for one in found)


@dataclass(frozen=True, slots=True)
class Preview(Effect):
    """The effect of rules: its totals are known, and its list can be read once."""

    verdicts: AsyncIterator[Verdict]


@dataclass(frozen=True, slots=True)
class PreviewPage(Effect):
    """The effect of rules, and a page of its list."""

    verdicts: Sequence[Verdict]
    paths: Mapping[int, str]
    """The path of each project, by its number."""


class Previews:
    """Makes previews, a few at a time."""

    def __init__(self, database: Database) -> None:
        """Read this database."""
        self._database = database
        self._turns = asyncio.Semaphore(_MOST)

    @asynccontextmanager
    async def preview(self, place: RulePlace, wanted: PreviewRequest) -> AsyncGenerator[Preview]:
        """Give the effect of rules in the projects of a place, as of one moment.

        Raises:
            NotFoundError: the place has no such rule.
            SearchesBusyError: others keep all turns.
        """
        async with self._turn(), preview_of(self._database, place, wanted) as found:
            yield found

    async def page(self, place: RulePlace, wanted: PreviewRequest, wish: ListWish, *, counts: bool) -> PreviewPage:
        """Return the totals and a page of the list; if it *counts*, the saved rules that it shows count as seen.

        Raises:
            NotFoundError: the place has no such rule.
            SearchesBusyError: others keep all turns.
        """
        async with self._turn(), self._database.transaction() as connection:
            await begin_planning(connection)
            rules, seen = _chosen(await rules_around(connection, place), place, wanted)
            totals, verdicts = await RetentionPlan(place, rules).page(connection, wish)
            paths = await project_paths(connection, (one.project_id for one in totals))
            if counts:
                await note_seen(connection, seen)
        return PreviewPage(rules, totals, verdicts, paths)

    @asynccontextmanager
    async def _turn(self) -> AsyncGenerator[None]:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._turns.acquire()
        except TimeoutError:
            raise SearchesBusyError from None
        try:
            yield
        finally:
            self._turns.release()


@asynccontextmanager
async def preview_of(database: Database, place: RulePlace, wanted: PreviewRequest) -> AsyncGenerator[Preview]:
    """Give the effect of rules in the projects of a place, as of one moment, on one connection.

    Raises:
        NotFoundError: the place has no such rule.
    """
    async with database.connection() as connection, AsyncExitStack() as moment:
        await moment.enter_async_context(connection.transaction(isolation="repeatable_read", readonly=True))
        await begin_planning(connection)
        stored = await rules_around(connection, place)
        rules, seen = _chosen(stored, place, wanted)
        reading = _Reading(connection, moment, seen)
        plan = RetentionPlan(place, rules)
        totals = await plan.totals(connection)
        yield Preview(rules, totals, reading.to_its_end(plan.stream(connection)))
        await reading.end()


@dataclass(slots=True)
class _Reading:
    """A preview on its connection: it ends with the moment that it shows, and with a note that the rules were seen.

    A client that has all of a list has seen it, and may run its rule right after. So the note comes before the list
    ends. It comes after the moment, which a slow client keeps open. Until then no rule is locked.
    """

    connection: Connection
    moment: AsyncExitStack
    rules: Sequence[StoredRule]

    async def to_its_end(self, verdicts: AsyncIterator[Verdict]) -> AsyncIterator[Verdict]:
        async for verdict in verdicts:
            yield verdict
        await self.end()

    async def end(self) -> None:
        await self.moment.aclose()
        rules, self.rules = self.rules, ()
        await note_seen(self.connection, rules)


async def fate_of(
    connection: Connection, project_id: int, package_id: int
) -> tuple[Verdict | None, list[PlannedRule], list[StoredRule]]:
    """Return the verdict on one package, the rules of the plan, and as they are stored.

    The rule that runs first decides, if several delete the package.
    """
    place = RulePlace(project_id=project_id)
    stored = sorted(await rules_around(connection, place), key=lambda each: each.deletes_next_at or _NEVER)
    rules = planned(stored)
    verdicts = await RetentionPlan(place, rules, [package_id]).verdicts(connection)
    return (verdicts[0] if verdicts else None), rules, stored


def _chosen(
    stored: Sequence[StoredRule], place: RulePlace, wanted: PreviewRequest
) -> tuple[list[PlannedRule], list[StoredRule]]:
    """Return the rules of the plan, and those of them whose whole effect it shows."""
    if wanted.rule is not None:
        return _with_unsaved(stored, place, wanted.rule), []
    own = [each for each in stored if each.place == place and each.rule.enabled]
    if wanted.rule_id is None:
        return planned(stored), own
    chosen = [each for each in stored if each.place == place and each.id == wanted.rule_id]
    if not chosen:
        raise NotFoundError
    if not chosen[0].rule.enabled:
        return _with_unsaved(stored, place, chosen[0].rule), chosen
    return planned(stored, deleting=None if _keeps(chosen[0].rule) else [wanted.rule_id]), chosen


def _with_unsaved(stored: Sequence[StoredRule], place: RulePlace, rule: RetentionRule) -> list[PlannedRule]:
    """Return a plan with a rule in the place of the saved one of its name; one that deletes is the only such one."""
    others = [each for each in stored if not (each.place == place and each.rule.name == rule.name)]
    enabled = rule.model_copy(update={"enabled": True})
    own = PlannedRule(0, 0, place, enabled)
    return [own, *planned(others, deleting=None if _keeps(rule) else [])]


def _keeps(rule: RetentionRule) -> bool:
    return rule.kind == "keep"
