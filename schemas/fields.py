"""Kinds of values that several contracts share."""

import re
import warnings
from datetime import date, datetime, timedelta
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, SecretStr

_SEGMENT: Final = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]{0,254}")
_TOKEN: Final = re.compile(r"[!-~]{1,1024}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOMENT: Final = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]")
_UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
_LONGEST: Final = timedelta(days=3_650)
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?")
_FIRST_YEAR: Final = 1900
_LAST_YEAR: Final = 9998
_YEARS: Final = r"^(19[0-9]{2}|[2-8][0-9]{3}|9[0-8][0-9]{2}|99[0-8][0-9]|999[0-8])-"
"""The same, for the OpenAPI document."""

DEEPEST: Final = 21
"""How many segments a path may have: GitLab nests groups 20 deep; the project comes below."""


def _check_text(value: str) -> str:
    if _CONTROL.search(value):
        raise ValueError("should not hold control characters")
    return value


def _check_username(value: str) -> str:
    if not _SEGMENT.fullmatch(value):
        raise ValueError("should be made of letters, digits, `_`, `-` and `.`, and not begin with `-`")
    return value


def _check_path(value: str) -> str:
    segments = value.split("/")
    if not all(_SEGMENT.fullmatch(segment) and not _is_dots(segment) for segment in segments):
        raise ValueError("should be segments of letters, digits, `_`, `-` and `.`, with `/` between them")
    if len(segments) > DEEPEST:
        raise ValueError(f"should have at most {DEEPEST} segments")
    return value


def _check_project_path(value: str) -> str:
    if "/" not in value:
        raise ValueError("should begin with the path of the project's group, as in group/project")
    return value


def _check_token(value: SecretStr) -> SecretStr:
    if not _TOKEN.fullmatch(value.get_secret_value()):
        raise ValueError("should be 1 to 1,024 visible ASCII characters")
    return value


def _check_day(value: object) -> object:
    # Otherwise a number would be taken for seconds since 1970.
    if isinstance(value, str) and not _DAY.fullmatch(value):
        raise ValueError("should be a date such as 2030-01-31")
    return value


def _check_moment(value: object) -> object:
    if not isinstance(value, str) or not _MOMENT.match(value):
        raise ValueError("should be a timestamp with a zone, such as 2030-01-31T12:00:00Z")
    return value


def _check_year(value: datetime) -> datetime:
    # Further away, a move to another zone may leave what a clock can say.
    if not _FIRST_YEAR <= value.year <= _LAST_YEAR:
        raise ValueError(f"should be in the years {_FIRST_YEAR} to {_LAST_YEAR}")
    return value


def _read_duration(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    # A number in YAML is one of seconds.
    match = _DURATION.fullmatch(str(value).strip())
    if match is None:
        raise ValueError("should be a number of seconds, or a number with ms, s, m, h or d, such as 30s or 7d")
    seconds = float(match[1]) * _UNITS[match[2] or "s"]
    if seconds > _LONGEST.total_seconds():
        raise ValueError(f"should be at most {_LONGEST.days} days")
    return timedelta(seconds=seconds)


def _check_pattern(value: str) -> str:
    # Such errors as too large a number of repetitions have types of their own.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:
        reason = error.msg if isinstance(error, re.error) else "too much of it"
        raise ValueError(f"should be a regular expression: {reason}") from None
    return value


def _is_dots(segment: str) -> bool:
    return segment.strip(".") == ""


Identifier = Annotated[int, Field(ge=1, lt=2**53)]
"""An id that somebody chose; what is above is not a number to every JSON reader."""

Text = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_check_text)]
FileName = Annotated[str, Field(min_length=1, max_length=24_576), AfterValidator(_check_text)]
"""The name of a package file with its folders, percent-encoded: of an address of 8 KiB, each byte may become three."""

Pattern = Annotated[str, Field(max_length=255), AfterValidator(_check_pattern)]
"""A regular expression; an empty one is none. PostgreSQL matches it, so it has to be one there, too."""

Username = Annotated[str, AfterValidator(_check_username)]
GroupPath = Annotated[str, AfterValidator(_check_path)]
ProjectPath = Annotated[str, AfterValidator(_check_path), AfterValidator(_check_project_path)]
TokenText = Annotated[SecretStr, AfterValidator(_check_token)]
Day = Annotated[date, BeforeValidator(_check_day)]
Moment = Annotated[
    AwareDatetime,
    Field(strict=False, json_schema_extra={"pattern": _YEARS}),
    BeforeValidator(_check_moment),
    AfterValidator(_check_year),
]

Duration = Annotated[timedelta, BeforeValidator(_read_duration), Field(ge=timedelta(0))]
"""A number of seconds, or one with its unit."""
