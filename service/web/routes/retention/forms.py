"""A rule as a form has it."""

from collections.abc import Mapping, Sequence
from typing import Final

from multidict import MultiMapping
from pydantic import ValidationError
from pydantic_core import from_json, to_json

from schemas.base import Json
from schemas.problems import Problem, problems_of
from schemas.retention import DEFAULT_SHARE, RetentionKind, RetentionRule

_TEXTS: Final = ("name", "kind", "release", "younger_than", "downloaded_within", "schedule", "time_zone")
_NUMBERS: Final = ("keep_latest", "approve_above")
_LISTS: Final = ("name_patterns", "version_patterns", "tags")
"""One a line."""
_CHOICES: Final = ("package_types", "statuses")
_MARKS: Final = ("enabled", "dry_run")
_DEFAULTS: Final[Mapping[str, object]] = {
    **dict.fromkeys((*_TEXTS, *_NUMBERS), ""),
    **dict.fromkeys((*_LISTS, *_CHOICES), ()),
    "kind": RetentionKind.DELETE.value,
    "time_zone": "UTC",
    "approve_above": DEFAULT_SHARE,
    "enabled": True,
    "dry_run": False,
}
_LONGEST_IN_ADDRESS: Final = 4_000
_WHOLE: Final = "rule"
"""The field of a rule that was filled in on another page, as JSON."""


def typed_rule(fields: MultiMapping[str]) -> Json:
    """Return what was filled in, with the keys of a rule; what is left empty is left out."""
    if _WHOLE in fields:
        return read_text(fields[_WHOLE])
    texts = {name: fields.get(name, "").strip() for name in _TEXTS}
    numbers = {name: _number(fields.get(name, "").strip()) for name in _NUMBERS}
    lists = {name: _lines(fields.get(name, "")) for name in _LISTS}
    choices = {name: fields.getall(name, []) for name in _CHOICES}
    marks: Json = {name: name in fields for name in _MARKS}
    given: Json = {**texts, **numbers, **lists, **choices}
    return {name: value for name, value in given.items() if value not in ("", [])} | marks


def is_from_preview(fields: MultiMapping[str]) -> bool:
    """Return whether a form saves the rule that a preview has shown."""
    return _WHOLE in fields


def read_text(text: str) -> Json:
    """Return the rule that a field or an address holds; nothing where it holds none."""
    try:
        found = from_json(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def read_rule(given: Json) -> RetentionRule | Sequence[Problem]:
    """Return the rule, or what is wrong with it, by its fields."""
    try:
        return RetentionRule.model_validate(given)
    except ValidationError as error:
        return problems_of(error)


def written_rule(rule: RetentionRule) -> Json:
    """Return a rule as `typed_rule` does."""
    return rule.model_dump(mode="json", exclude_none=True)


def form_values(given: Mapping[str, object]) -> Mapping[str, object]:
    """Return the value of each field; a value that a field cannot show is left out, since an address may hold any."""
    return {**_DEFAULTS, **{name: value for name, value in given.items() if _fits(name, value)}}


def fits_in_address(text: str) -> bool:
    """Return whether a rule is short enough to be a part of an address."""
    return len(text) <= _LONGEST_IN_ADDRESS


def rule_text(rule: RetentionRule) -> str:
    """Return a rule as one field or a part of an address."""
    return to_json(written_rule(rule)).decode()


def _fits(name: str, value: object) -> bool:
    if name in {*_LISTS, *_CHOICES}:
        return isinstance(value, list) and all(isinstance(each, str) for each in value)
    return name in _DEFAULTS and isinstance(value, str | int | float)


def _number(text: str) -> object:
    return int(text) if text.isdecimal() and len(text) < len(str(2**63)) else text


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
