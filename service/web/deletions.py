"""Deletions as pages show them: the API's own resource, with the place and the rights of the reader beside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Final

from schemas.http.deletion_resources import DeletionResource
from schemas.names import AccessLevel
from schemas.statuses import DeletionState
from service.access import access
from service.access.callers import WRITING_SCOPES, Caller
from service.access.readable import ReadableProject
from service.deletions.viewing.entities import deletion_entity
from service.deletions.viewing.views import DeletionDetails
from service.infra.postgres.database import Connection
from service.web.views import package_address

MOST_PROJECTS: Final = 10_000
"""Deletions of all projects are shown for at most as many."""


class Rights(IntEnum):
    """The rights of a reader on a deletion; each contains those before it."""

    READ = 0
    EXPLAIN = 1
    """Read an error in full, in a session that may only read."""
    CHANGE = 2
    """Undo and retry."""
    DESTROY = 3
    """End a grace."""


@dataclass(frozen=True, slots=True)
class HoldView:
    """A hold on a place: nothing there is deleted."""

    reason: str | None
    """Why, for readers who may know it, as over the API."""


@dataclass(frozen=True, slots=True)
class DeletionView:
    """A deletion, and what goes with it on a page."""

    resource: DeletionResource
    project_path: str
    rights: Rights

    @property
    def address(self) -> str:
        """Where its page is."""
        return f"/{self.project_path}/-/deletions/{self.resource.id}"

    @property
    def package_address(self) -> str | None:
        """Where the page of its package is, if that is there and can be addressed."""
        package = self.resource.package
        is_there = self.resource.links.package is not None and self.resource.state in _PACKAGE_IS_VISIBLE
        return package_address(self.project_path, package.type, package.id) if is_there else None

    @property
    def batch_address(self) -> str | None:
        """Where the page of its batch is."""
        batch_id = self.resource.batch_id
        return None if batch_id is None else f"/{self.project_path}/-/deletion_batches/{batch_id}"

    @property
    def can_restore(self) -> bool:
        """Whether this reader can undo it now."""
        return self.rights >= Rights.CHANGE and self.resource.links.restore is not None

    @property
    def can_retry(self) -> bool:
        """Whether this reader can retry it now."""
        return self.rights >= Rights.CHANGE and self.resource.links.retry is not None

    @property
    def can_destroy_now(self) -> bool:
        """Whether this reader can end its grace now."""
        return self.rights >= Rights.DESTROY and self.resource.state is DeletionState.GRACE

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens to it by itself."""
        return self.resource.finished_at is not None

    @property
    def grace_left_s(self) -> float:
        """How many seconds are left to undo it while it is in its grace."""
        ends = self.resource.destroy_after
        return 0.0 if ends is None else max(0.0, (ends - datetime.now(UTC)).total_seconds())

    @property
    def steps(self) -> Sequence[tuple[DeletionState, bool]]:
        """The states on its line, each with whether it is behind us or now."""
        state = self.resource.state
        line = _LINES.get(state, _USUAL)
        at = line.index(state)
        return [(step, position <= at) for position, step in enumerate(line)]


_S: Final = DeletionState
_PACKAGE_IS_VISIBLE: Final = frozenset({_S.FAILED, _S.RESTORED})
_USUAL: Final = (_S.QUEUED, _S.GRACE, _S.DESTROYING, _S.SUCCEEDED)
_LINES: Final[Mapping[DeletionState, Sequence[DeletionState]]] = {
    _S.RETRYING: (_S.QUEUED, _S.GRACE, _S.DESTROYING, _S.RETRYING, _S.SUCCEEDED),
    _S.FAILED: (_S.QUEUED, _S.GRACE, _S.DESTROYING, _S.FAILED),
    _S.RESTORED: (_S.QUEUED, _S.GRACE, _S.RESTORED),
}


def rights_of(caller: Caller, level: AccessLevel) -> Rights:
    """Return what a caller of that level may do with deletions."""
    if level < access.LEVEL_TO_UNDO:
        return Rights.READ
    if not caller.scopes & WRITING_SCOPES:
        return Rights.EXPLAIN
    return Rights.DESTROY if level >= access.LEVEL_TO_END_GRACE else Rights.CHANGE


def hold_view(reason: str | None, level: AccessLevel) -> HoldView | None:
    """Return what a reader of that level is shown of a hold with that reason; None where there is no hold."""
    return None if reason is None else HoldView(reason if level >= access.LEVEL_TO_UNDO else None)


def deletion_view(details: DeletionDetails, *, project_path: str, rights: Rights) -> DeletionView:
    """Return what a reader with these rights is shown of a deletion."""
    level = AccessLevel.NONE if rights is Rights.READ else access.LEVEL_TO_UNDO
    return DeletionView(deletion_entity(details, base="", level=level), project_path, rights)


async def readable_places(connection: Connection, caller: Caller) -> Mapping[int, ReadableProject]:
    """Return, by id, the projects whose deletions the caller may read."""
    return await access.readable_everywhere(connection, caller, limit=MOST_PROJECTS)


def views_in(
    listed: Sequence[DeletionDetails], levels: Mapping[int, AccessLevel], caller: Caller
) -> list[DeletionView]:
    """Return the deletions of a listing that are in the projects with these levels, each with the caller's rights."""
    return [
        deletion_view(details, project_path=details.project_path, rights=rights_of(caller, level))
        for details in listed
        if (level := levels.get(details.deletion.project_id)) is not None
    ]
