"""The life of packages and their deletions by the design, in plain data. A test compares a yard with
it. One thing happens after the other here; an answer is the HTTP status of a request."""

from collections.abc import Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from tests.support.races import OK

GONE: Final = "gone"
DISPLAYED: Final = {"default", "error", "deprecated"}
TAKES_NAME: Final = {"default", "hidden", "deprecated"}
WAITING: Final = {"queued", "grace", "retrying"}


@dataclass(slots=True, eq=False)
class Thing:
    """A package, called *name*; or a file of the *package*, whose object has the key *name*."""

    name: str
    version: str | None = None
    package: "Thing | None" = None
    status: str = "default"


@dataclass(slots=True, eq=False)
class Deletion:
    """A deletion of one thing, which is *prior* again when it is restored."""

    target: Thing
    prior: str
    had_files: bool
    state: str = "queued"
    holder: UUID | None = None
    attempts: int = 0
    removed: int = 0
    has_begun: bool = False
    """An object of it may be gone."""
    is_untouched: bool = False
    """Its holder is the first that could begin with it, and has not done so."""
    is_due: bool = True
    has_lapsed: bool = False
    skips_grace: bool = False

    @property
    def package(self) -> Thing:
        """The package that it is about, whole or in part."""
        return self.target.package or self.target


@dataclass(slots=True)
class Model:
    """One project. Packages that are gone stay listed, so that they can be asked for again."""

    max_attempts: int
    packages: dict[int, Thing] = field(default_factory=dict)
    files: dict[int, Thing] = field(default_factory=dict)
    deletions: dict[UUID, Deletion] = field(default_factory=dict)
    protected: set[str] = field(default_factory=set)
    is_on_hold: bool = False

    # Acts of people

    def delete(self, target: Thing) -> int:
        """Return the answer of a DELETE."""
        package = target.package or target
        if package.status not in DISPLAYED:
            return 404
        if self.is_on_hold or package.name in self.protected:
            return 403
        return OK if target.status in DISPLAYED else 404

    def accept(self, number: UUID, target: Thing) -> None:
        """Hide what is to be deleted."""
        self.deletions[number] = Deletion(target, target.status, bool(self.parts(target)))
        target.status = "processing"

    def restore(self, deletion: Deletion, version: str | None = None) -> int:
        """Undo a deletion of which nothing can have gone, unless somebody has the name by now."""
        target, package, has_failed = deletion.target, deletion.package, deletion.state == "failed"
        may_be_in_error = deletion.state in {"failed", "retrying"}
        is_too_late = deletion.state not in WAITING | {"failed"} or deletion.has_begun
        if is_too_late or target.status == GONE or (has_failed and target.status != "error"):
            return 409
        if target is package:
            is_taken = deletion.prior in TAKES_NAME and self.owner_of(package.name, version or package.version)
            is_emptied = deletion.had_files and not self.parts(package)
            if is_taken or is_emptied or (deletion.prior != "error" and self._was_begun(package)):
                return 409
            package.status, package.version = deletion.prior, version or package.version
        elif version or package.status not in DISPLAYED:
            return 409
        deletion.state = "restored"
        for file in self.parts(target):
            if not self._is_being_deleted(file) and (file.status != "error" or may_be_in_error):
                file.status = "default" if self.is_whole(file) else "error"
        return OK

    def retry(self, deletion: Deletion) -> int:
        """Begin a failed deletion anew, if what is left is still in error."""
        if deletion.state != "failed":
            return 409
        if self.is_on_hold:
            return 403
        if deletion.target.status != "error":
            return 409
        deletion.state, deletion.target.status, deletion.attempts, deletion.is_due = "retrying", "processing", 0, True
        return OK

    def destroy_now(self, deletion: Deletion) -> int:
        """End a grace, or have none."""
        if deletion.state not in {"queued", "grace"}:
            return 409
        if self.is_on_hold:
            return 403
        deletion.skips_grace = deletion.is_due = True
        return OK

    # Acts of workers

    def claim(self, ids: Sequence[UUID], token: UUID, *, has_grace: bool) -> set[UUID]:
        """Give *token* what is due and free, mark it, and return what it may destroy."""
        claimed = {n: d for n in ids if self._is_free(d := self.deletions[n], token, is_alone=len(ids) == 1)}
        for deletion in claimed.values():
            if deletion.state == "queued" and has_grace and not deletion.skips_grace:
                deletion.state, deletion.is_due = "grace", False
            else:
                is_resumed = deletion.state == "destroying" and deletion.holder == token
                deletion.state, deletion.holder, deletion.has_lapsed = "destroying", token, False
                deletion.attempts += not is_resumed
                deletion.is_untouched, deletion.has_begun = not deletion.has_begun, True
        hopeless = [deletion for deletion in claimed.values() if self._is_hopeless(deletion)]
        for deletion in claimed.values():
            if deletion not in hopeless:
                self._mark(deletion)
        for deletion in hopeless:
            self._fail(deletion)
        return {number for number, deletion in claimed.items() if deletion.state == "destroying"}

    def look(self, token: UUID, found: AbstractSet[Thing]) -> None:
        """Begin with what *token* holds and has found files of."""
        for deletion in self.owned(token):
            deletion.is_untouched &= found.isdisjoint(self.parts(deletion.target))

    def removable(self, token: UUID) -> list[Thing]:
        """Return the files whose objects *token* may remove."""
        marked = (file for file in self.files.values() if file.status == "pending_destruction")
        owned = [] if self.is_on_hold else self.owned(token)
        return [file for file in marked if any(deletion.target in {file, file.package} for deletion in owned)]

    def record(self, token: UUID, removed: Iterable[tuple[Deletion, Thing]]) -> set[Deletion]:
        """Forget files whose objects *token* removed for what it still holds; return the deletions that this ends."""
        owned = self.owned(token)
        for deletion in owned:
            deletion.has_lapsed = False
        for deletion, file in removed:
            if deletion in owned and file.status == "pending_destruction":
                file.status, deletion.removed, deletion.attempts = GONE, deletion.removed + 1, 1
        ended = {deletion for deletion in owned if not self.parts(deletion.target)}
        for deletion in ended:
            deletion.state, deletion.holder = "succeeded", None
        for deletion in ended:
            goes = deletion.target is deletion.package or deletion.package.status in DISPLAYED
            if goes and not self.parts(deletion.package):
                deletion.package.status = GONE
        return ended

    def let_go(self, token: UUID, *, is_counted: bool, is_due: bool = True) -> None:
        """Take back what *token* holds, to be attempted again."""
        for deletion in self.owned(token):
            deletion.state, deletion.holder, deletion.is_due = "retrying", None, is_due
            deletion.attempts -= not is_counted
            self._note_untouched(deletion)

    def fail(self, token: UUID) -> None:
        """End what *token* holds: that was the last attempt."""
        for deletion in self.owned(token):
            self._fail(deletion)

    # What there is

    def owner_of(self, name: str, version: str | None) -> Thing | None:
        """Return the package that has the name and version; what is published under it goes there."""
        taken = (p for p in self.packages.values() if p.status in TAKES_NAME and (p.name, p.version) == (name, version))
        return next(taken, None)

    def parts(self, target: Thing) -> list[Thing]:
        """Return the files that are left of a package, or the one file if it is left."""
        return [file for file in self.files.values() if target in {file, file.package} and file.status != GONE]

    def owned(self, token: UUID) -> list[Deletion]:
        """Return what *token* holds."""
        return [deletion for deletion in self.deletions.values() if deletion.holder == token]

    def _is_free(self, deletion: Deletion, token: UUID, *, is_alone: bool) -> bool:
        is_own = deletion.holder == token
        is_left = deletion.state == "destroying" and (deletion.has_lapsed or is_own)
        may_come = is_alone or is_own or deletion.attempts == 0
        return may_come and deletion.is_due and not self.is_on_hold and (deletion.state in WAITING or is_left)

    def _is_hopeless(self, deletion: Deletion) -> bool:
        is_protected = deletion.package.name in self.protected and not deletion.removed
        return is_protected or deletion.attempts > self.max_attempts

    def _mark(self, deletion: Deletion) -> None:
        if deletion.target.status != GONE:
            deletion.target.status = "pending_destruction"
        for file in self.parts(deletion.target):
            file.status = "pending_destruction"

    def _fail(self, deletion: Deletion) -> None:
        deletion.state, deletion.holder = "failed", None
        self._note_untouched(deletion)
        if deletion.target is deletion.package:
            deletion.package.status = "error"
        for file in self.parts(deletion.target):
            is_ours = file is deletion.target or not self._is_being_deleted(file)
            if is_ours and file.status in {"processing", "pending_destruction"}:
                file.status = "error"

    @staticmethod
    def _note_untouched(deletion: Deletion) -> None:
        deletion.has_begun, deletion.is_untouched = deletion.has_begun and not deletion.is_untouched, False

    def is_whole(self, file: Thing) -> bool:
        """Return whether the object of a file is there, since no worker can have begun with it."""
        begun = (deletion for deletion in self.deletions.values() if deletion.has_begun)
        return all(deletion.target not in {file, file.package} for deletion in begun)

    def _is_being_deleted(self, file: Thing) -> bool:
        alive = (deletion for deletion in self.deletions.values() if deletion.state in WAITING | {"destroying"})
        return any(deletion.target is file for deletion in alive)

    def _was_begun(self, package: Thing) -> bool:
        return any(other.target is package and other.has_begun for other in self.deletions.values())


def unfinished(deletions: Collection[Deletion]) -> list[Deletion]:
    """Return those that still have to move."""
    return [deletion for deletion in deletions if deletion.state in WAITING | {"destroying"}]
