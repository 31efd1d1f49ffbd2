"""The plan: what rules do with the packages of some projects, as one statement; previews and runs share it."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from schemas.names import AccessLevel, PackageType
from schemas.retention import RetentionKind
from service.infra.postgres.composing import Values, literal
from service.infra.postgres.database import Connection, fetch, fetch_composed, stream_composed
from service.infra.postgres.queries import embedded
from service.infra.postgres.records import row_reader
from service.retention import conditions
from service.retention.conditions import BY_VERSION, PlannedRule, RetentionReason
from service.retention.rules import RulePlace, StoredRule

POLICY_LEVEL: Final = AccessLevel.NONE
"""The level at which rules delete: any protection against deletion stops them."""


_KEPT_TOGETHER: Final = 1_000
"""How many packages that stay for the same reason are one row."""
_OF_PACKAGES: Final = " AND j.id IN (SELECT o.project_id FROM package o WHERE o.id = ANY({ids}))"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The fate of one package, and the rule of the plan that decides."""

    package_id: int
    project_id: int
    package_type: PackageType
    name: str
    version: str | None
    status: str
    files: int
    bytes: int
    verdict: str
    """`deleted`, `kept` or `refused`."""
    rule: int
    """The place in the plan of the rule that decides."""
    reason: RetentionReason | None


@dataclass(frozen=True, slots=True)
class VerdictTotals:
    """How many packages of a project have the same verdict for the same reason."""

    project_id: int
    root_group_id: int
    verdict: str
    rule: int
    reason: RetentionReason | None
    packages: int
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class ListWish:
    """The part of a list that is wanted: packages with that verdict (None: all), behind a project and a package."""

    verdict: str | None = None
    after: tuple[int, int] = (0, 0)
    limit: int = 50


_read_verdict: Final = row_reader(Verdict)
_read_totals: Final = row_reader(VerdictTotals)


@dataclass(frozen=True, slots=True)
class RetentionPlan:
    """Rules over the projects of a place, or over some packages there."""

    place: RulePlace
    rules: Sequence[PlannedRule]
    package_ids: Collection[int] | None = None
    """Only these packages; None: all."""

    async def totals(self, connection: Connection) -> list[VerdictTotals]:
        """Return the totals by project, verdict, rule and reason."""
        values = Values()
        rows = await fetch_composed(connection, "retention_totals", {"verdicts": self._verdicts(values)}, values.all)
        return [_read_totals(row) for row in rows]

    async def store(self, connection: Connection, run_id: UUID) -> list[VerdictTotals]:
        """Keep the fate of each package as the report of a run; return the totals of all."""
        values = Values()
        parts = {
            "run_id": values.place(run_id, "uuid"),
            "rule_ids": values.place([each.id for each in self.rules], "bigint[]"),
            "rules": values.place([each.rule.name for each in self.rules], "text[]"),
            "together": literal(_KEPT_TOGETHER),
            "verdicts": self._verdicts(values),
        }
        rows = await fetch_composed(connection, "store_retention_plan", parts, values.all)
        return [_read_totals(row) for row in rows]

    async def verdicts(self, connection: Connection) -> list[Verdict]:
        """Return the verdict on each package; for a plan over a few packages."""
        values = Values()
        rows = await fetch_composed(connection, "retention_list", {"verdicts": self._verdicts(values)}, values.all)
        return [_read_verdict(row) for row in rows]

    async def stream(self, connection: Connection) -> AsyncIterator[Verdict]:
        """Give the verdict on each package, however many there are; within a transaction."""
        values = Values()
        parts = {"verdicts": self._verdicts(values)}
        async for row in stream_composed(connection, "retention_list", parts, values.all):
            yield _read_verdict(row)

    async def page(self, connection: Connection, wish: ListWish) -> tuple[list[VerdictTotals], list[Verdict]]:
        """Return the totals, and a page of the list; both are of one statement, so the plan is made once."""
        values = Values()
        parts = {
            "verdicts": self._verdicts(values),
            "project": values.place(wish.after[0], "bigint"),
            "package": values.place(wish.after[1], "bigint"),
            "wanted": values.place(wish.verdict, "text"),
            "limit": literal(wish.limit),
        }
        (row,) = await fetch_composed(connection, "retention_page", parts, values.all)
        return [_read_totals(each) for each in row["totals"]], [_read_verdict(each) for each in row["list"]]

    def _verdicts(self, values: Values) -> str:
        projects, packages, rank = _projects(values, self.place), "true", conditions.rank(self.rules)
        if self.package_ids is not None:
            ids = values.place(list(self.package_ids), "bigint[]")
            projects += _OF_PACKAGES.format(ids=ids)
            packages, rank = f"p.id = ANY({ids})", conditions.counted_rank(self.rules)
        return embedded(
            "retention_verdicts",
            rank=rank,
            deleting=conditions.deleting(values, self.rules),
            concerning=conditions.concerning(values, self.rules),
            keeping=conditions.keeping(values, self.rules),
            excepting=conditions.excepting(values, self.rules),
            level=literal(POLICY_LEVEL),
            projects=projects,
            packages=packages,
        )


async def begin_planning(connection: Connection) -> None:
    """Let the transaction plan: with memory for sorting, and without code that is compiled for each statement."""
    await connection.execute(
        "SET LOCAL jit = off; SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL work_mem = '64MB'"
    )


def planned(rules: Iterable[StoredRule], *, deleting: Collection[int] | None = None) -> list[PlannedRule]:
    """Return the rules that take part: all that keep, and those that delete, or some of these by their numbers."""
    return [
        PlannedRule(each.id, each.version, each.place, each.rule)
        for each in rules
        if each.rule.enabled and (each.rule.kind is RetentionKind.KEEP or deleting is None or each.id in deleting)
    ]


def by_date(rules: Iterable[PlannedRule]) -> list[PackageType]:
    """Return the types whose latest are counted by date, since their versions have no order."""
    counting = [each.rule for each in rules if each.rule.keep_latest is not None]
    types = {kind for rule in counting for kind in rule.package_types or PackageType}
    return sorted(types - BY_VERSION)


async def listed_packages(connection: Connection, project_ids: Iterable[int]) -> Mapping[int, int]:
    """Return how many packages these projects list."""
    rows = await fetch(connection, "listed_packages", project_ids=list(project_ids))
    return {row["project_id"]: row["packages"] for row in rows}


async def project_paths(connection: Connection, project_ids: Iterable[int]) -> Mapping[int, str]:
    """Return the paths of these projects, by their numbers."""
    rows = await fetch(connection, "retention_paths", ids=list(set(project_ids)))
    return {row["id"]: row["path"] for row in rows}


def _projects(values: Values, place: RulePlace) -> str:
    if place.project_id is not None:
        return f"j.id = {values.place(place.project_id, 'bigint')}"
    if place.group_id is not None:
        return f"g.ancestry @> ARRAY[{values.place(place.group_id, 'bigint')}]"
    return "true"
