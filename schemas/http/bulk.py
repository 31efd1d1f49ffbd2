"""Bodies of requests about many packages or deletions, or about one with more than a parameter."""

from typing import Annotated, Final, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    WithJsonSchema,
    model_validator,
)

from schemas.base import Contract, Json
from schemas.fields import Moment
from schemas.names import PackageType
from schemas.searching import check_terms, search_terms
from schemas.statuses import DISPLAYABLE, PackageStatus

MOST_PACKAGES: Final = 10_000
"""How many packages one call deletes at most."""

_LONGEST_REASON: Final = 1_000
_NOTHING_ODD: Final = r"^[^\x00-\x1f\x7f]+$"
_NO_NUL: Final = r"^[^\x00]*$"
_SOME_WORD: Final = r"^[^\x00]*[^\x00\s\x22][^\x00]*$"


def _read_whole(value: object) -> object:
    # To JSON 7.0 is the whole number 7.
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[StrictInt, BeforeValidator(_read_whole)]
PackageId = Annotated[Whole, Field(ge=1, le=2**63 - 1)]
Reason = Annotated[StrictStr, Field(max_length=_LONGEST_REASON, pattern=_NO_NUL)]


def _check_deletable(status: PackageStatus) -> PackageStatus:
    if status not in DISPLAYABLE:
        raise ValueError(f"should be one of {', '.join(sorted(DISPLAYABLE))}")
    return status


def _check_words(text: str) -> str:
    # A listing takes blanks for no condition at all: here, that would be everything.
    if not any(term.strip() for term in search_terms(text)):
        raise ValueError("should hold a word")
    return text


def _check_any(ids: tuple[int, ...]) -> tuple[int, ...]:
    if not ids:
        raise ValueError("should not be empty")
    return ids


_Deletable = Annotated[
    PackageStatus, AfterValidator(_check_deletable), WithJsonSchema({"type": "string", "enum": sorted(DISPLAYABLE)})
]
_Name = Annotated[
    StrictStr,
    Field(min_length=1, pattern=_NO_NUL, json_schema_extra={"pattern": _SOME_WORD}),
    AfterValidator(_check_words),
    AfterValidator(check_terms),
]
_Ids = Annotated[
    tuple[PackageId, ...],
    Field(max_length=MOST_PACKAGES, json_schema_extra={"minItems": 1}),
    AfterValidator(_check_any),
]


class _Body(Contract):
    model_config = ConfigDict(use_attribute_docstrings=True)


def _say_something(schema: Json) -> None:
    conditions = [name for name, found in schema["properties"].items() if "anyOf" in found]
    for name in conditions:
        _leave_out_null(schema["properties"][name])
    schema["anyOf"] = [{"required": [name]} for name in conditions]


def _leave_out_null(found: Json) -> None:
    (kind,) = (option for option in found.pop("anyOf") if option.get("type") != "null")
    found.pop("default", None)
    found |= kind


class PackageFilter(_Body):
    """Which packages: all conditions have to be met. The words of the listing mean what they mean there."""

    model_config = ConfigDict(json_schema_extra=_say_something)

    package_type: PackageType | None = None
    """Only packages of this type; Terraform modules only when asked for."""
    package_name: _Name | None = None
    """Only names that contain all of these words; words in double quotes stay together."""
    package_version: Annotated[StrictStr, Field(min_length=1, pattern=_NO_NUL)] | None = None
    """Only this version, exactly."""
    include_versionless: StrictBool = False
    """Packages without a version, too."""
    status: _Deletable | None = None
    """Only packages in this status, instead of those in `default`, `error` and `deprecated`."""
    created_before: Moment | None = None
    """Only what was published before this moment."""
    last_downloaded_before: Moment | None = None
    """Only what was not downloaded since; what was never downloaded counts from its publishing."""
    keep_latest_per_name: Annotated[Whole, Field(ge=1, le=100_000)] | None = None
    """This many of the newest packages of each name and type stay in each project. They are counted whether or not they
    meet the other conditions; broken ones (`error`) are not counted."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_dump(exclude_none=True, exclude={"include_versionless", "exclude_subgroups"}):
            raise ValueError("should hold a condition")
        return self


class GroupPackageFilter(PackageFilter):
    """Which packages of a group."""

    exclude_subgroups: StrictBool = False
    """Leave out what is in subgroups."""


def _either(schema: Json) -> None:
    schema["oneOf"] = [{"required": ["ids"]}, {"required": ["filter"]}]
    for name in ("ids", "filter"):
        _leave_out_null(schema["properties"][name])


class BulkDelete(_Body):
    """Many packages that are to be deleted: by their ids, or by what they have in common."""

    model_config = ConfigDict(json_schema_extra=_either)

    ids: _Ids | None = None
    """The packages, at most 10,000."""
    filter: PackageFilter | None = None
    """Conditions that all of them meet; the oldest 10,000 are taken."""
    dry_run: StrictBool = False
    """Only return what would be deleted."""
    expected_count: Annotated[Whole, Field(ge=0, le=MOST_PACKAGES)] | None = None
    """Refuse unless exactly this many packages would be deleted. The dry run returns the number in `packages`."""
    reason: Reason | None = None
    """The reason; kept with each deletion and published to subscribers."""

    @model_validator(mode="after")
    def _is_either(self) -> Self:
        if (self.ids is None) == (self.filter is None):
            raise ValueError("should hold either ids or filter")
        return self


class GroupBulkDelete(BulkDelete):
    """Many packages below a group that are to be deleted."""

    filter: GroupPackageFilter | None = None
    """Conditions that all of them meet; the oldest 10,000 are taken."""


class BulkRestore(_Body):
    """A batch that is to be undone."""

    batch_id: UUID
    """The id from the answer to the call that asked for the deletions."""


class Nothing(_Body):
    """A body that says nothing."""


class Restore(_Body):
    """How a package is to come back."""

    rename_to: Annotated[StrictStr, Field(min_length=1, max_length=255, pattern=_NOTHING_ODD)] | None = None
    """The version that it is to have, where its own has been published again; of a generic package, one that could be
    uploaded."""
