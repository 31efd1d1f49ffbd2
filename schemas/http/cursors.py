"""Positions in a list, as opaque words that a client hands back."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated, TypeVar
from uuid import UUID

from pydantic import Field, StrictInt, StrictStr, ValidationError

from schemas.base import Contract

_Position = TypeVar("_Position", bound=Contract)

CursorId = Annotated[StrictInt, Field(ge=1, lt=2**63)]


class PackagePosition(Contract):
    """The last package of a part of a list: what the list is ordered by, its value there, and the id."""

    order: StrictStr
    value: Annotated[StrictStr, Field(max_length=1_000)] | StrictInt | None
    id: CursorId


class PipelinePosition(Contract):
    """A pipeline at the end of a page, and whether the page that is wanted comes before it or behind it."""

    id: CursorId
    is_before: bool = False


class DeletionPosition(Contract):
    """The last deletion of a part of a list."""

    id: UUID


def encoded(position: Contract) -> str:
    """Write a position as URL-safe base64 of its JSON."""
    return urlsafe_b64encode(position.model_dump_json().encode()).decode().rstrip("=")


def decoded(cursor: str, kind: type[_Position]) -> _Position | None:
    """Read a position; None when it is not one of that kind."""
    try:
        return kind.model_validate_json(urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)))
    except (ValueError, ValidationError):
        return None
