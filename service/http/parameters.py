"""Reading parameters, with the texts that Grape has for wrong ones."""

import re
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Final, TypeVar
from urllib.parse import unquote_plus
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, ValidationError

from schemas.base import Query
from service.http.operations import OPERATION
from service.refusals import BadParametersError

_UNREADABLE: Final = "is invalid"
_OUT_OF_LIST: Final = "does not have a valid value"
_SENTENCES: Final = MappingProxyType(
    {
        "missing": "is missing",
        "enum": _OUT_OF_LIST,
        "literal_error": _OUT_OF_LIST,
        "outside_list": _OUT_OF_LIST,
        "excluded_value": "has a value not allowed",
    }
)
_ID: Final = r"-?[0-9]+"
_LARGEST: Final = 2**63
_RESPOND_ASYNC: Final = "respond-async"

UUID_RULE: Final = "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
"""The pattern of a part of a path that is a UUID."""
_Query = TypeVar("_Query", bound=Query)


def read_query(request: web.Request, kind: type[_Query], *, besides: Sequence[str] = ()) -> _Query:
    """Return the request's parameters; if one is given twice, the last counts.

    Raises:
        BadParametersError: some cannot be read or are outside their list; each is named, and then the errors in
            *besides*.
    """
    return read_request(request, kind, besides=besides)[0]


def read_request(
    request: web.Request, kind: type[_Query], *names: str, besides: Sequence[str] = ()
) -> tuple[_Query, tuple[int, ...]]:
    """Return the request's parameters, and numbers from its path; one that no record can have becomes 0.

    Raises:
        BadParametersError: some cannot be read or are outside their list; each is named, in GitLab's order.
    """
    if request[OPERATION].query is not kind:
        raise TypeError(f"{request[OPERATION].path} is documented with other parameters than {kind.__name__}")
    values = _values(request, kind)
    wrong: dict[str, str] = {}
    query: _Query | None = None
    try:
        query = kind.model_validate(values)
    except ValidationError as error:
        wrong = _wrong_keys(error, names_rules=kind.names_rules)
    fields = kind.model_fields if request.query else {}
    unreadable = [name for name in fields if _is_unreadable(request, kind, name, values.get(name, ""))]
    wrong |= dict.fromkeys(unreadable, _UNREADABLE)
    sentences = [
        *_wrong_parts(request, names),
        *(f"{name} {wrong[name]}" for name in kind.model_fields if name in wrong),
        *besides,
    ]
    if query is None or sentences:
        raise BadParametersError(*sentences)
    return query, _ids(request, names)


def gitlab_sentences(error: ValidationError, kind: type[BaseModel]) -> list[str]:
    """Return GitLab's sentence for each key of *kind* that is wrong, in their order, and then those on the whole."""
    wrong = _wrong_keys(error)
    whole = [str(problem["msg"]).removeprefix("Value error, ") for problem in error.errors() if not problem["loc"]]
    return [*(f"{name} {wrong[name]}" for name in kind.model_fields if name in wrong), *whole]


def read_path(request: web.Request, *names: str) -> tuple[int, ...]:
    """Return numbers from the path, as `read_request` does.

    Raises:
        BadParametersError: some part of the path is not what it has to be; each is named.
    """
    wrong = _wrong_parts(request, names)
    if wrong:
        raise BadParametersError(*wrong)
    return _ids(request, names)


def read_deletion_id(request: web.Request) -> UUID:
    """Return the id of a deletion from the path.

    Raises:
        BadParametersError: it is not a UUID.
    """
    read_path(request)
    return UUID(request.match_info["deletion_id"])


def prefers_async(request: web.Request) -> bool:
    """Return whether the client prefers to be shown the progress of the request (RFC 7240, section 4.1)."""
    preferences = ",".join(request.headers.getall("Prefer", []))
    return any(part.partition(";")[0].strip().lower() == _RESPOND_ASYNC for part in preferences.split(","))


def read_unmodified_since(request: web.Request) -> datetime | None:
    """Return the moment in If-Unmodified-Since, an HTTP date or one of ISO 8601; what cannot be read is ignored."""
    text = request.headers.get("If-Unmodified-Since", "")
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = read(text)
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        except Exception:  # noqa: BLE001, S112 - whatever stops a parser means the same: the field is no date
            continue
    return None


def _wrong_keys(error: ValidationError, *, names_rules: bool = False) -> dict[str, str]:
    problems = [problem for problem in error.errors() if problem["loc"]]
    wrong = {str(problem["loc"][0]): _SENTENCES.get(problem["type"], _UNREADABLE) for problem in problems}
    if names_rules:
        rules = {str(problem["loc"][0]): _rule(problem["msg"]) for problem in problems}
        wrong = {name: f"{sentence}: it should be {rules[name]}" for name, sentence in wrong.items()}
    return wrong


def _rule(sentence: str) -> str:
    """Return what a value should be, from the sentence about one that is not."""
    return sentence.removeprefix("Value error, ").removeprefix("Input ").removeprefix("should be ")


def _values(request: web.Request, kind: type[Query]) -> dict[str, str]:
    last = {name: request.query.getall(name)[-1] for name in request.query if name in kind.model_fields}
    # A name without a `=` is null to GitLab, and so not set. It is not the empty text, which is in no list of values.
    bare = {unquote_plus(part) for part in request.rel_url.raw_query_string.split("&") if "=" not in part}
    return {name: value for name, value in last.items() if value or name not in bare}


def _wrong_parts(request: web.Request, names: Collection[str]) -> list[str]:
    rules = {**dict.fromkeys(names, _ID), **request[OPERATION].path_rules}
    parts = {name: part for name, part in request.match_info.items() if name in rules}
    return [f"{name} {_UNREADABLE}" for name, part in parts.items() if not re.fullmatch(rules[name], part)]


def _ids(request: web.Request, names: Iterable[str]) -> tuple[int, ...]:
    return tuple(_id(request.match_info[name]) for name in names)


def _id(text: str) -> int:
    number = int(text) if len(text) < len(str(_LARGEST)) else 0
    return number if 0 < number < _LARGEST else 0


def _is_unreadable(request: web.Request, kind: type[Query], name: str, value: str) -> bool:
    # A text that the database cannot hold is unreadable. So is a list or mapping where one value is wanted, unless
    # GitLab does not read the parameter.
    is_nested = name not in kind.beyond_gitlab and any(key.startswith(f"{name}[") for key in request.query)
    return "\x00" in value or is_nested
