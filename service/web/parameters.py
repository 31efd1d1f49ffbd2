"""The parameters of pages: those of the API's listings, where a wrong value counts as none."""

from typing import Final, TypeVar
from uuid import UUID

from aiohttp import web
from multidict import MultiMapping
from pydantic import ValidationError

from schemas.base import Query
from service.refusals import NotFoundError

_Query = TypeVar("_Query", bound=Query)
_LARGEST: Final = 2**63
_LONGEST_REASON: Final = 1_000


def read_listing(request: web.Request, kind: type[_Query], **values: object) -> _Query:
    """Return the parameters in the address, over *values*; one that is wrong is left out, since a person typed it."""
    readable = {
        name: value
        for name in kind.model_fields
        if (value := request.query.get(name, "")) and "\x00" not in value and value.isprintable()
    }
    while True:
        try:
            return kind.model_validate({**values, **readable})
        except ValidationError as error:
            wrong = {str(problem["loc"][0]) for problem in error.errors() if problem["loc"]} & readable.keys()
            readable = {name: value for name, value in readable.items() if wrong and name not in wrong}


def with_parameters(request: web.Request, **changed: object) -> str:
    """Return the query of the request's address with some parameters set, or left out where they are None."""
    query = {name: value for name, value in request.query.items() if name not in changed and value}
    query |= {name: str(value) for name, value in changed.items() if value not in (None, "")}
    return str(request.rel_url.with_path("").with_query(query)).lstrip("/") or "?"


def read_number(request: web.Request, name: str) -> int:
    """Return a number from the address; one that no row can have becomes 0."""
    text = request.match_info[name]
    number = int(text) if len(text) < len(str(_LARGEST)) else 0
    return number if number < _LARGEST else 0


def read_uuid(request: web.Request, name: str) -> UUID:
    """Return a UUID from the address.

    Raises:
        NotFoundError: it is none.
    """
    try:
        return UUID(request.match_info[name])
    except ValueError:
        raise NotFoundError from None


def reason_of(fields: MultiMapping[str]) -> str | None:
    """Return the reason that was typed into a form, if there is one."""
    reason = fields.get("reason", "").strip().replace("\x00", "")
    return reason.encode("utf-8", "replace").decode()[:_LONGEST_REASON] or None
