"""Reading parameters, with the texts that Grape has for wrong ones."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar

from aiohttp import web
from pydantic import ValidationError

from schemas.queries import MAX_PER_PAGE, Paging, Query
from service.errors import BadParametersError

_OUT_OF_LIST: Final = frozenset({"enum", "literal_error"})
_LARGEST: Final = 2**63
_Query = TypeVar("_Query", bound=Query)
_Paging = TypeVar("_Paging", bound=Paging)


def read_query(request: web.Request, kind: type[_Query]) -> _Query:
    """Return the request's parameters.

    Raises:
        BadParametersError: some cannot be read or stand outside their list; each is named.
    """
    values = {name: request.query.getall(name)[-1] for name in request.query if name in kind.model_fields}
    try:
        query = kind.model_validate(values)
    except ValidationError as error:
        raise BadParametersError(*(_sentence(dict(problem)) for problem in error.errors())) from None
    nul = [f"{name} is invalid" for name, value in values.items() if "\x00" in value]
    if nul:
        raise BadParametersError(*nul)
    return query


def read_page_query(request: web.Request, kind: type[_Paging]) -> _Paging:
    """Return the parameters of a listing, with the page size clamped to 100.

    Raises:
        BadParametersError: some cannot be read, or a page or its size is below 1.
    """
    query = read_query(request, kind)
    below = [name for name in ("page", "per_page") if getattr(query, name) < 1]
    if below:
        raise BadParametersError(*(f"{name} does not have a valid value" for name in below))
    return query.model_copy(update={"per_page": min(query.per_page, MAX_PER_PAGE)})


def read_id(request: web.Request, name: str) -> int:
    """Return a number from the path; one that no record can have becomes 0.

    Raises:
        BadParametersError: it is not a number.
    """
    text = request.match_info[name]
    if not text.removeprefix("-").isdecimal() or not text.isascii():
        raise BadParametersError(f"{name} is invalid")
    number = int(text) if len(text) < len(str(_LARGEST)) else 0
    return number if 0 < number < _LARGEST else 0


def read_unmodified_since(request: web.Request) -> datetime | None:
    """Return the moment in If-Unmodified-Since; a date that cannot be read is ignored."""
    try:
        moment = parsedate_to_datetime(request.headers.get("If-Unmodified-Since", ""))
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _sentence(problem: Mapping[str, object]) -> str:
    location = problem["loc"]
    name = location[0] if isinstance(location, tuple) and location else "query"
    return f"{name} does not have a valid value" if problem["type"] in _OUT_OF_LIST else f"{name} is invalid"
