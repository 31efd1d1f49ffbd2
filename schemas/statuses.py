"""The state machine: statuses, states, and the one table of allowed moves for each.

Everything else (guards in SQL, the CHECKs of the database, final states) is derived from these tables or
tested against them. No other place may list these facts: SQL names the sets below, as `statuses(DISPLAYABLE)`, and the
allowed sources of a move, as `sources_of(DELETION_MOVES, failed)`.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeVar


class PackageStatus(StrEnum):
    """GitLab's status of a package, in the order of GitLab's enum."""

    DEFAULT = "default"
    HIDDEN = "hidden"
    PROCESSING = "processing"
    ERROR = "error"
    PENDING_DESTRUCTION = "pending_destruction"
    DEPRECATED = "deprecated"


class FileStatus(StrEnum):
    """GitLab's status of a package file, in the order of GitLab's enum."""

    DEFAULT = "default"
    PENDING_DESTRUCTION = "pending_destruction"
    PROCESSING = "processing"
    ERROR = "error"


class DeletionState(StrEnum):
    """How far a deletion is."""

    QUEUED = "queued"
    GRACE = "grace"
    DESTROYING = "destroying"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RESTORED = "restored"


_P = PackageStatus
_F = FileStatus
_D = DeletionState

PACKAGE_MOVES: Final[Mapping[PackageStatus, frozenset[PackageStatus]]] = MappingProxyType(
    {
        _P.DEFAULT: frozenset({_P.PROCESSING, _P.HIDDEN, _P.DEPRECATED}),
        _P.HIDDEN: frozenset({_P.DEFAULT}),
        _P.DEPRECATED: frozenset({_P.PROCESSING, _P.DEFAULT, _P.HIDDEN}),
        _P.ERROR: frozenset({_P.PROCESSING, _P.DEFAULT, _P.HIDDEN, _P.DEPRECATED}),
        _P.PROCESSING: frozenset({_P.PENDING_DESTRUCTION, _P.ERROR, _P.DEFAULT, _P.DEPRECATED}),
        _P.PENDING_DESTRUCTION: frozenset({_P.ERROR, _P.DEFAULT, _P.DEPRECATED}),
    }
)
"""Package status -> the statuses it may move to. A destroyed package has no row, hence no status."""

FILE_MOVES: Final[Mapping[FileStatus, frozenset[FileStatus]]] = MappingProxyType(
    {
        _F.DEFAULT: frozenset({_F.PROCESSING, _F.PENDING_DESTRUCTION}),
        _F.PROCESSING: frozenset({_F.PENDING_DESTRUCTION, _F.DEFAULT, _F.ERROR}),
        _F.PENDING_DESTRUCTION: frozenset({_F.DEFAULT, _F.ERROR}),
        _F.ERROR: frozenset({_F.PROCESSING, _F.PENDING_DESTRUCTION, _F.DEFAULT}),
    }
)
"""File status -> the statuses it may move to. A file goes to `processing` only when it is deleted by itself."""

DELETION_MOVES: Final[Mapping[DeletionState, frozenset[DeletionState]]] = MappingProxyType(
    {
        _D.QUEUED: frozenset({_D.GRACE, _D.DESTROYING, _D.RESTORED, _D.FAILED}),
        _D.GRACE: frozenset({_D.DESTROYING, _D.RESTORED, _D.FAILED}),
        _D.DESTROYING: frozenset({_D.RETRYING, _D.SUCCEEDED, _D.FAILED}),
        _D.RETRYING: frozenset({_D.DESTROYING, _D.FAILED, _D.RESTORED}),
        _D.SUCCEEDED: frozenset(),
        _D.FAILED: frozenset({_D.RETRYING, _D.RESTORED}),
        _D.RESTORED: frozenset(),
    }
)
"""Deletion state -> the states it may move to."""

_Status = TypeVar("_Status", PackageStatus, FileStatus, DeletionState)


def sources_of(moves: Mapping[_Status, frozenset[_Status]], target: _Status) -> list[_Status]:
    """Return the statuses from which *target* may be reached, sorted; the guard of an UPDATE in SQL."""
    return sorted(status for status, targets in moves.items() if target in targets)


# Sets of packages' statuses

DISPLAYABLE: Final = frozenset({_P.DEFAULT, _P.ERROR, _P.DEPRECATED})
"""Listed, found by id, and deletable (GitLab's set of that name)."""

INSTALLABLE: Final = frozenset({_P.DEFAULT, _P.HIDDEN, _P.DEPRECATED})
"""Its files can be downloaded (GitLab's set of that name); also what makes a name and version taken."""

INTACT: Final = DISPLAYABLE & INSTALLABLE
"""Listed, and not broken."""

PUBLISHABLE: Final = frozenset({_P.DEFAULT, _P.HIDDEN})
"""An upload may ask for them."""

IN_ERROR: Final = frozenset({_P.ERROR})
"""A deletion of it failed, or an import says so."""

DISCOURAGED: Final = frozenset({_P.DEPRECATED})
"""It can be installed, with a warning."""

MARKED: Final = frozenset({_P.PENDING_DESTRUCTION})
"""A worker may destroy it."""

BEING_DELETED: Final = frozenset.intersection(*(frozenset(sources_of(PACKAGE_MOVES, each)) for each in DISPLAYABLE))
"""A package may go back from them to any status that it may have had."""

# Sets of files' statuses

DISPLAYABLE_FILES: Final = frozenset({_F.DEFAULT, _F.ERROR})
"""Files that are listed and can be deleted."""

INSTALLABLE_FILES: Final = frozenset({_F.DEFAULT})
"""Files that can be downloaded."""

FILES_IN_ERROR: Final = frozenset({_F.ERROR})
"""Files of which a deletion failed, so their objects may be gone."""

MARKED_FILES: Final = frozenset({_F.PENDING_DESTRUCTION})
"""Files whose objects a worker may remove."""

FILES_BEING_DELETED: Final = frozenset.intersection(
    *(frozenset(sources_of(FILE_MOVES, each)) for each in DISPLAYABLE_FILES)
)
"""A file may go back from them to any status that it may have had."""

# Sets of deletions' states

ENDED: Final = frozenset({_D.SUCCEEDED, _D.FAILED, _D.RESTORED})
"""Nothing more happens to a deletion by itself."""

RESTORABLE: Final = frozenset(sources_of(DELETION_MOVES, _D.RESTORED))
"""Perhaps no object was removed yet; the record of the deletion says whether one may have been."""

CLAIMABLE: Final = frozenset(sources_of(DELETION_MOVES, _D.DESTROYING))
"""A worker may claim a deletion that is due; besides, one that is claimed and whose lease lapsed."""

CLAIMED: Final = frozenset({_D.DESTROYING})
"""A worker owns it."""

FAILED: Final = frozenset({_D.FAILED})
"""It can be retried, and is kept as long as the package."""

ATTEMPTED: Final = frozenset({_D.RETRYING, _D.FAILED})
"""No worker owns it, but one did, and may have removed objects."""

QUEUED: Final = frozenset({_D.QUEUED})
"""No worker has seen it yet."""

IN_OR_BEFORE_GRACE: Final = frozenset({_D.QUEUED, _D.GRACE})
"""No attempt was made yet, and a grace can be ended early."""
