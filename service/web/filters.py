"""The filter of a deletion of many packages, as a form has it."""

from collections.abc import Mapping
from typing import Final

from multidict import MultiMapping
from pydantic import ValidationError

from schemas.http.bulk import PackageFilter

FIELDS: Final = (
    "package_name",
    "package_type",
    "package_version",
    "status",
    "created_before",
    "last_downloaded_before",
    "keep_latest_per_name",
)
"""The conditions, by the names that the API has for them."""

_DAYS: Final = frozenset({"created_before", "last_downloaded_before"})
_DAY_LENGTH: Final = len("2026-11-29")


def given_conditions(fields: MultiMapping[str]) -> dict[str, str]:
    """Return the conditions that were filled in, as they were typed."""
    typed = {name: fields.get(name, "").strip() for name in FIELDS}
    return {name: value for name, value in typed.items() if value}


def read_filter(conditions: Mapping[str, str]) -> PackageFilter | set[str]:
    """Return the filter with these conditions, or the names of the conditions that cannot be read."""
    values: dict[str, object] = {name: _value(name, text) for name, text in conditions.items()}
    try:
        return PackageFilter.model_validate({**values, "include_versionless": "package_version" not in values})
    except ValidationError as error:
        return {str(problem["loc"][0]) if problem["loc"] else "" for problem in error.errors()}


def _value(name: str, text: str) -> object:
    if name in _DAYS and len(text) == _DAY_LENGTH:
        return f"{text}T00:00:00Z"
    return int(text) if name == "keep_latest_per_name" and text.isdecimal() else text
