"""The parts that listings of projects and of groups share: their viewer, and the roles and pages that they ask for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from schemas.http.directory_parameters import GroupListing, ProjectListing
from schemas.names import AccessLevel, Visibility
from service.infra.postgres.composing import Values
from service.infra.postgres.pages import COUNT_LIMIT

LAST_SEGMENT: Final = "substring({path} FROM '[^/]*$')"


@dataclass(frozen=True, slots=True)
class Viewer:
    """The reader of a listing; anonymous when there is no user."""

    user_id: int | None
    is_admin: bool
    visibilities: frozenset[Visibility]
    """The visibilities that the viewer may see without a membership."""


def audience_parts(
    values: Values, viewer: Viewer, listing: ProjectListing | GroupListing, conditions: Sequence[str]
) -> dict[str, str]:
    """Return the parts of a query that say which rows the viewer may know of, and with which role."""
    return {
        "conditions": " AND ".join(conditions) or "true",
        "user": values.place(viewer.user_id, "bigint"),
        "level": values.place(least_level(listing), "smallint"),
    }


def page_parts(values: Values, listing: ProjectListing | GroupListing, *, is_counted: bool) -> dict[str, str]:
    """Return the parts of a query that say which page is wanted."""
    # A listing that is not counted has no numbered pages either.
    offset = listing.offset if is_counted else 0
    return {
        "limit": values.place(listing.per_page + 1, "bigint"),
        "offset": values.place(offset, "bigint"),
        "count_limit": values.place(COUNT_LIMIT + 1 if is_counted else 0, "bigint"),
    }


def least_level(listing: ProjectListing | GroupListing) -> AccessLevel:
    """Return the lowest role that the viewer has to have in what is listed."""
    return AccessLevel.OWNER if listing.owned else AccessLevel(listing.min_access_level or AccessLevel.NONE)


def open_to_viewer(values: Values, viewer: Viewer) -> str:
    """Return the place of the visibilities that the viewer may see without a membership."""
    return values.place(sorted(viewer.visibilities), "text[]")
