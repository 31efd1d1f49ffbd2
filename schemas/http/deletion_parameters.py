"""HTTP parameters of deletions: types, defaults and lists of allowed values."""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from schemas.base import Query
from schemas.http.parameters import DEFAULT_PER_PAGE, OptionalText, PerPage, Search, blank_is_unset
from schemas.names import PackageType
from schemas.statuses import DeletionState


class DeletionListing(Query):
    """Parameters of a listing of deletions, which is paged by cursor only."""

    cursor: OptionalText = None
    """Where the page before ended, from its `Link`."""
    per_page: PerPage = DEFAULT_PER_PAGE
    """How many on a page: 20 by default, at most 100."""
    state: DeletionState | None = None
    """Only deletions in this state."""
    package_type: PackageType | None = None
    """Only those of packages of this type."""
    package_name: Search = None
    """Only names that contain all of these words; words in double quotes stay together."""
    batch_id: Annotated[UUID | None, blank_is_unset(None)] = None
    """Only those that one call asked for together."""


class DeletionParameters(Query):
    """Parameters of a `DELETE`."""

    beyond_gitlab: ClassVar[frozenset[str]] = frozenset({"reason"})

    reason: Annotated[Annotated[str, Field(max_length=1_000)] | None, blank_is_unset(None)] = None
    """The reason; kept with the deletion and published to subscribers."""
