"""Rules as conditions in SQL: each rule becomes one verdict on a package, made of fixed fragments and parameters."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from schemas.names import PackageType
from schemas.retention import ReleaseKind, RetentionKind, RetentionRule
from service.infra.postgres.composing import Values, literal
from service.infra.postgres.queries import embedded
from service.retention.rules import RulePlace


def _texts(words: Iterable[str]) -> str:
    return ", ".join(f"'{word}'" for word in sorted(words))


BY_VERSION: Final = frozenset(
    {
        PackageType.MAVEN,
        PackageType.NPM,
        PackageType.NUGET,
        PackageType.PYPI,
        PackageType.COMPOSER,
        PackageType.GOLANG,
        PackageType.HELM,
        PackageType.TERRAFORM_MODULE,
        PackageType.CARGO,
    }
)
"""The types whose versions have an order; the latest of all others are the last that were published."""

_OWN_ORDER: Final = frozenset({PackageType.MAVEN, PackageType.PYPI})
"""The types whose order has a column of its own."""

_RELEASE: Final = MappingProxyType(
    {
        ReleaseKind.PRERELEASE: "is_prerelease(p.package_type, p.version)",
        ReleaseKind.RELEASE: "NOT is_prerelease(p.package_type, p.version)",
    }
)

_SAME_NAME: Final = (
    'coalesce(p.normal_name, p.name) COLLATE "C", p.type_number, p.project_id, p.conan_username, p.conan_channel'
)
"""Names come first, compared byte by byte: the sort decides most by their first bytes."""
_KEY: Final = (
    f"CASE WHEN {{p}}.package_type IN ({_texts(_OWN_ORDER)}) THEN {{p}}.version_order"
    f" WHEN {{p}}.package_type IN ({_texts(BY_VERSION - _OWN_ORDER)}) THEN {{p}}.version_key END"
)
"""The key by which versions of a type with an order sort."""
_PLACE: Final = f"({_KEY} IS NOT NULL, coalesce({_KEY}, ''), {{p}}.created_at, {{p}}.id)"
_LATER: Final = f"{_PLACE.format(p='o')} > {_PLACE.format(p='p')}"
_NEAR: Final = 1_000
_ALL: Final = 2**62
_SPARED: Final = (
    "EXISTS (SELECT FROM retention_spared s"
    " WHERE s.package_id = p.id AND s.rule_id = {rule} AND s.rule_version = {version})"
)


class RetentionReason(StrEnum):
    """Why a package stays that a rule is about."""

    RULE = "rule"
    YOUNGER_THAN = "younger_than"
    DOWNLOADED_WITHIN = "downloaded_within"
    KEEP_LATEST = "keep_latest"
    TAGS = "tags"
    RESTORED = "restored"
    HOLD = "hold"
    PROTECTED = "protected"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class PlannedRule:
    """A rule in a plan; one that is not saved has the number 0."""

    id: int
    version: int
    place: RulePlace
    rule: RetentionRule


def rank(rules: Iterable[PlannedRule]) -> str:
    """Return the place of a package among those of its name, the latest first; 0 where no rule asks for it."""
    if all(each.rule.keep_latest is None for each in rules):
        return literal(0)
    order = f"{_KEY.format(p='p')} DESC NULLS LAST, p.created_at DESC, p.id DESC"
    return f"row_number() OVER (PARTITION BY {_SAME_NAME} ORDER BY {order})"


def counted_rank(rules: Iterable[PlannedRule]) -> str:
    """Return the same place for a plan over a few packages, counted no further than any rule asks.

    Packages of the name with the highest or the lowest numbers are mostly the latest, so they are counted first.
    """
    most = max((each.rule.keep_latest or 0 for each in rules), default=0)
    if not most:
        return literal(0)
    ways = (
        embedded("later_packages", later=_LATER, order=order, window=literal(window), most=literal(most))
        for order, window in (("o.id DESC", most + _NEAR), ("o.id", most + _NEAR), ("o.id DESC", _ALL))
    )
    newest, oldest, every = (f"({way})" for way in ways)
    enough = literal(most)
    return f"1 + CASE WHEN {newest} = {enough} OR {oldest} = {enough} THEN {enough} ELSE {every} END"


def deleting(values: Values, rules: Sequence[PlannedRule]) -> str:
    """Return the number in *rules* of the first rule that deletes the package; null where none does."""
    return _first(
        (i, f"{_all(_matches(values, each))} AND NOT ({_any(text for _, text in _exceptions(values, each))})")
        for i, each in _of_kind(rules, RetentionKind.DELETE)
    )


def keeping(values: Values, rules: Sequence[PlannedRule]) -> str:
    """Return the number in *rules* of the first rule that keeps the package whatever others say."""
    return _first(
        (i, _all([*_matches(values, each), *_ways_to_be_kept(values, each)]))
        for i, each in _of_kind(rules, RetentionKind.KEEP)
    )


def concerning(values: Values, rules: Sequence[PlannedRule]) -> str:
    """Return the number in *rules* of the first rule that deletes and is about the package at all."""
    return _first((i, _all(_matches(values, each))) for i, each in _of_kind(rules, RetentionKind.DELETE))


def excepting(values: Values, rules: Sequence[PlannedRule]) -> str:
    """Return the exception because of which the rule that concerns the package lets it stay."""
    ways = "".join(
        f" WHEN {literal(i)} THEN CASE {_reasons(values, each)} END"
        for i, each in _of_kind(rules, RetentionKind.DELETE)
    )
    return f"CASE p.concerning{ways} END" if ways else "NULL::text"


def like(pattern: str) -> str:
    r"""Return the pattern for LIKE: `*` is any text, and all else is only itself.

    >>> like("a*_%\\")
    'a%\\_\\%\\\\'
    """
    return pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_").replace("*", "%")


def _of_kind(rules: Sequence[PlannedRule], kind: RetentionKind) -> Iterator[tuple[int, PlannedRule]]:
    return ((i, each) for i, each in enumerate(rules) if each.rule.kind is kind)


def _first(ways: Iterable[tuple[int, str]]) -> str:
    cases = "".join(f" WHEN {condition} THEN {literal(i)}" for i, condition in ways)
    return f"CASE{cases} END" if cases else "NULL::integer"


def _reasons(values: Values, each: PlannedRule) -> str:
    return " ".join(f"WHEN {text} THEN '{reason}'" for reason, text in _exceptions(values, each))


def _matches(values: Values, each: PlannedRule) -> list[str]:
    rule = each.rule
    conditions = []
    if each.place.project_id is not None:
        conditions.append(f"p.project_id = {values.place(each.place.project_id, 'bigint')}")
    if each.place.group_id is not None:
        conditions.append(f"p.ancestry @> ARRAY[{values.place(each.place.group_id, 'bigint')}]")
    if rule.package_types is not None:
        conditions.append(f"p.package_type = ANY({values.place(list(rule.package_types), 'text[]')})")
    if rule.name_patterns is not None:
        conditions.append(_matching(values, "p.name", rule.name_patterns))
    if rule.version_patterns is not None:
        conditions.append(_matching(values, "p.version", rule.version_patterns))
    if rule.release is not None:
        conditions.append(_RELEASE[rule.release])
    if rule.statuses is not None:
        conditions.append(f"p.status = ANY({values.place(list(rule.statuses), 'text[]')})")
    return conditions


def _exceptions(values: Values, each: PlannedRule) -> list[tuple[RetentionReason, str]]:
    """Return the exceptions of a rule, and the one for what somebody has restored."""
    found = _spoken_exceptions(values, each.rule)
    if each.id:
        rule, version = values.place(each.id, "bigint"), values.place(each.version, "integer")
        found.append((RetentionReason.RESTORED, _SPARED.format(rule=rule, version=version)))
    return found or [(RetentionReason.CHANGED, "false")]


def _ways_to_be_kept(values: Values, each: PlannedRule) -> list[str]:
    ways = [text for _, text in _spoken_exceptions(values, each.rule)]
    return [f"({_any(ways)})"] if ways else []


def _spoken_exceptions(values: Values, rule: RetentionRule) -> list[tuple[RetentionReason, str]]:
    found: list[tuple[RetentionReason, str]] = []
    if rule.younger_than is not None:
        found.append(
            (RetentionReason.YOUNGER_THAN, f"p.created_at > now() - {values.place(rule.younger_than, 'interval')}")
        )
    if rule.downloaded_within is not None:
        span = values.place(rule.downloaded_within, "interval")
        used = "coalesce(p.last_downloaded_at, greatest(p.created_at, p.arrived_at))"
        found.append((RetentionReason.DOWNLOADED_WITHIN, f"{used} > now() - {span}"))
    if rule.keep_latest is not None:
        found.append((RetentionReason.KEEP_LATEST, f"p.rank <= {values.place(rule.keep_latest, 'bigint')}"))
    if rule.tags is not None:
        tag = _matching(values, "t.name", rule.tags)
        found.append((RetentionReason.TAGS, f"EXISTS (SELECT FROM package_tag t WHERE t.package_id = p.id AND {tag})"))
    return found


def _matching(values: Values, column: str, patterns: Sequence[str]) -> str:
    return f"{column} ILIKE ANY({values.place([like(pattern) for pattern in patterns], 'text[]')})"


def _all(conditions: Iterable[str]) -> str:
    return " AND ".join(conditions) or "true"


def _any(conditions: Iterable[str]) -> str:
    return " OR ".join(conditions) or "false"
