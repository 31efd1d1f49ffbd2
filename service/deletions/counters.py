"""Counting deletions after their transaction is committed: the one place where rows become metrics."""

from collections.abc import Iterable

from service.deletions.deletion import Deletion
from service.observing import metrics


def requested(deletions: Iterable[Deletion]) -> None:
    """Count deletions that were accepted."""
    for deletion in deletions:
        metrics.DELETIONS_REQUESTED.labels(deletion.package_type, deletion.cause).inc()


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
