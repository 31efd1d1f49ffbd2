"""Counting deletions after their transaction is committed: the one place where rows become metrics."""

from collections import Counter
from collections.abc import Iterable
from typing import Protocol

from schemas.names import Cause, PackageType
from service.deletions.deletion import Deletion
from service.observing import metrics


class Requested(Protocol):
    """The part of an accepted deletion that is counted."""

    @property
    def package_type(self) -> PackageType:
        """The type of its package."""
        ...

    @property
    def cause(self) -> Cause:
        """Why it was asked for."""
        ...


def requested(deletions: Iterable[Requested]) -> None:
    """Count deletions that were accepted."""
    for labels, count in Counter((deletion.package_type, deletion.cause) for deletion in deletions).items():
        metrics.DELETIONS_REQUESTED.labels(*labels).inc(count)


def taken_over(claims: int) -> None:
    """Count claims that had lapsed when another worker took them."""
    metrics.LEASES_EXPIRED.inc(claims)


def destroyed(chunks: Iterable[tuple[Deletion, int, int]]) -> None:
    """Count removed files and bytes of each deletion: (deletion, files, bytes)."""
    for deletion, files, size in chunks:
        metrics.FILES_DESTROYED.labels(deletion.package_type, deletion.cause).inc(files)
        metrics.BYTES_RECLAIMED.labels(deletion.package_type, deletion.cause).inc(size)


def succeeded(deletions: Iterable[Deletion]) -> None:
    """Count deletions whose last byte is gone, and the time that they took by the clock of the database."""
    for deletion in deletions:
        metrics.DELETIONS_FINISHED.labels(deletion.package_type, deletion.cause, deletion.state).inc()
        if deletion.finished_at is None:
            continue
        hidden = deletion.finished_at - deletion.requested_at
        metrics.DELETION_DURATION.labels(deletion.cause).observe(hidden.total_seconds())
        if deletion.removal_began_at is not None:
            destruction = deletion.finished_at - deletion.removal_began_at
            metrics.DESTRUCTION_DURATION.labels(deletion.cause).observe(destruction.total_seconds())


def failed(deletions: Iterable[Deletion]) -> None:
    """Count deletions that have no attempt left."""
    for deletion in deletions:
        metrics.DELETIONS_FINISHED.labels(deletion.package_type, deletion.cause, deletion.state).inc()
