"""A rule of retention: which packages may go, or have to stay; the same words in the directory file and over HTTP."""

from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Final, Self
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StrictBool,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from schemas.base import Contract, Json
from schemas.fields import Duration
from schemas.names import PackageType
from schemas.statuses import DISPLAYABLE, PackageStatus

_UNITS: Final = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
_MOST_PATTERNS: Final = 50
_AS_STORED: Final = MappingProxyType({"is_stored": True})
"""The context of a rule that was accepted before, when rules could run more than once an hour."""
_LEAP_YEAR: Final = datetime(2024, 1, 1)  # noqa: DTZ001 - only to try words of cron
DEFAULT_SHARE: Final = 20


class RetentionKind(StrEnum):
    """The effect of a rule on the packages that it is about."""

    DELETE = "delete"
    KEEP = "keep"


class ReleaseKind(StrEnum):
    """The kind of a version, by the words of its package type."""

    RELEASE = "release"
    PRERELEASE = "prerelease"


def written_duration(value: timedelta) -> str:
    """Write a duration with the largest unit that it is a whole number of, such as 30d."""
    seconds = value.total_seconds()
    for unit, size in _UNITS:
        if seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds * 1_000:.0f}ms"


def _check_schedule(words: str, info: ValidationInfo) -> str:
    if len(words.split()) != _CRON_FIELDS:
        raise ValueError("should be five words of cron: minute, hour, day of the month, month, day of the week")
    try:
        moments = CronSim(words, _LEAP_YEAR)
        next(moments)
    except CronSimError as error:
        raise ValueError(f"should be words of cron: {str(error)[:1].lower()}{str(error)[1:]}") from None
    except StopIteration:
        raise ValueError("should name a moment that comes: this day is in no year") from None
    if len(moments.minutes) > 1 and info.context is not _AS_STORED:
        raise ValueError("should name one minute, since a rule runs once an hour at most")
    return words


def _check_zone(name: str) -> str:
    # The library raises errors of several kinds for names that are no path below its folder.
    try:
        ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        raise ValueError("should be a time zone such as UTC or Europe/Berlin") from None
    return name


def _check_status(status: PackageStatus) -> PackageStatus:
    if status not in DISPLAYABLE:
        raise ValueError(f"should be one of {', '.join(sorted(DISPLAYABLE))}")
    return status


_CRON_FIELDS: Final = 5
_Span = Annotated[
    Duration,
    Field(gt=timedelta(0)),
    PlainSerializer(written_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^[1-9][0-9]{0,2}[smhd]$", "examples": ["30d"]}),
]
_Word = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")]
_Patterns = Annotated[tuple[_Word, ...], Field(min_length=1, max_length=_MOST_PATTERNS)]
_Types = Annotated[tuple[PackageType, ...], Field(min_length=1)]
_Status = Annotated[
    PackageStatus, AfterValidator(_check_status), WithJsonSchema({"type": "string", "enum": sorted(DISPLAYABLE)})
]
_Schedule = Annotated[_Word, AfterValidator(_check_schedule)]
_TimeZone = Annotated[_Word, AfterValidator(_check_zone)]
_CONDITIONS: Final = ("package_types", "name_patterns", "version_patterns", "release", "statuses")
_EXCEPTIONS: Final = ("younger_than", "downloaded_within", "keep_latest", "tags")
_WITHOUT_MEANING: Final = {"name", "enabled", "schedule", "time_zone", "dry_run"}


def _say_something(schema: Json) -> None:
    for found in schema["properties"].values():
        if "anyOf" in found:
            (kind,) = (option for option in found.pop("anyOf") if option.get("type") != "null")
            found.pop("default", None)
            found.update(kind)
    schema["anyOf"] = [{"required": [name]} for name in (*_CONDITIONS, *_EXCEPTIONS)]


class RetentionRule(Contract):
    """A rule; all its conditions on packages have to be met, and any one of its exceptions is enough."""

    model_config = ConfigDict(use_attribute_docstrings=True, json_schema_extra=_say_something)

    name: _Word
    """Its name, once in each place."""
    kind: RetentionKind
    """`delete` lets packages go; `keep` beats every rule that deletes, at every level."""
    enabled: StrictBool = True
    """Whether it counts at all."""
    package_types: _Types | None = None
    """Only packages of these types."""
    name_patterns: _Patterns | None = None
    """Only names that match one of these as a whole, in any case; `*` is any text."""
    version_patterns: _Patterns | None = None
    """Only versions that match one of these as a whole, in any case; `*` is any text."""
    release: ReleaseKind | None = None
    """Only releases, or only prereleases."""
    statuses: Annotated[tuple[_Status, ...], Field(min_length=1)] | None = None
    """Only packages in these statuses; all that a listing shows otherwise."""
    younger_than: _Span | None = None
    """Except what was published within this time, such as 30d."""
    downloaded_within: _Span | None = None
    """Except what was downloaded within this time. A package that nobody has downloaded counts from its publishing, or
    from its arrival here if that is later."""
    keep_latest: Annotated[int, Field(strict=True, ge=1, le=100_000)] | None = None
    """Except this many of the latest of each name and type in each project."""
    tags: _Patterns | None = None
    """Except what has a tag that matches one of these; `*` is any tag."""
    schedule: _Schedule | None = None
    """When it runs, as five words of cron, once an hour at most; without it, only when somebody asks."""
    time_zone: _TimeZone = "UTC"
    """The zone of the schedule."""
    dry_run: StrictBool = False
    """Whether its runs only report."""
    approve_above: Annotated[int, Field(strict=True, ge=0, le=100)] = DEFAULT_SHARE
    """The share of a project, in percent, above which a run waits for approval; never for 100 packages or fewer."""

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        has_condition = any(getattr(self, name) is not None for name in (*_CONDITIONS, *_EXCEPTIONS))
        if not has_condition:
            raise ValueError("should have a condition or an exception: as it is, it is about everything")
        if self.kind is RetentionKind.KEEP and (self.schedule or self.dry_run):
            raise ValueError("should have no schedule and no dry_run: a rule that keeps never runs")
        return self

    @classmethod
    def as_stored(cls, definition: Json) -> Self:
        """Return a rule that was accepted before, also if it would not be today."""
        return cls.model_validate(definition, context=_AS_STORED)

    @property
    def has_exceptions(self) -> bool:
        """Whether it says anything of age, downloads, the latest or tags."""
        return any(getattr(self, name) is not None for name in _EXCEPTIONS)

    def meaning(self) -> dict[str, object]:
        """Return what decides about packages: a change of it makes a new version of the rule."""
        return self.model_dump(mode="json", exclude_none=True, exclude=_WITHOUT_MEANING)
