"""How far deletions are at one moment, as the watching prints it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.filesize import decimal

from schemas.http.deletion_resources import Batch
from schemas.statuses import ENDED, DeletionState
from service.deletions.viewing.views import DeletionDetails
from workers.cli.tables import written


@dataclass(frozen=True, slots=True)
class DeletionSnapshot:
    """How far deletions are: how many are in which state, and what is gone."""

    states: Mapping[DeletionState, int]
    files_done: int
    files_total: int
    bytes_done: int
    bytes_total: int
    remark: str | None = None
    """The reason why they wait, or the last error."""

    @property
    def has_ended(self) -> bool:
        """Whether nothing more happens by itself."""
        return all(state in ENDED for state in self.states)

    @property
    def progress(self) -> tuple[int, int, str]:
        """How many are done, of how many, of what: files of one deletion, deletions of more."""
        deletions = sum(self.states.values())
        if deletions == 1:
            return self.files_done, self.files_total, "files"
        return sum(self.states.get(state, 0) for state in ENDED), deletions, "deletions"

    def sentence(self) -> str:
        """Return it as one line."""
        states = ", ".join(f"{state} {count:,}" for state, count in sorted(self.states.items()))
        sizes = f"{decimal(self.bytes_done)} of {decimal(self.bytes_total)}"
        line = f"{states}; {self.files_done:,}/{self.files_total:,} files, {sizes}"
        return f"{line} ({written(self.remark)})" if self.remark else line


def snapshot_of_deletion(view: DeletionDetails) -> DeletionSnapshot:
    """Return how far one deletion is."""
    deletion, hold = view.deletion, view.hold
    remark = f"on hold: {hold}" if hold is not None else deletion.last_error
    if deletion.state is DeletionState.GRACE and hold is None:
        remark = f"until {written(deletion.not_before)}"
    done = (deletion.files_done, deletion.files_total, deletion.bytes_done, deletion.bytes_total)
    return DeletionSnapshot({deletion.state: 1}, *done, remark=remark)


def snapshot_of_batch(batch: Batch, holds: Sequence[str]) -> DeletionSnapshot:
    """Return how far a batch is."""
    done = (batch.files_done, batch.files_total, batch.bytes_done, batch.bytes_total)
    return DeletionSnapshot(batch.states, *done, remark=f"on hold: {'; '.join(holds)}" if holds else None)
