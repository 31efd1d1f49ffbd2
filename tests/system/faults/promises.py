"""The eight promises, each a function that returns every breach it finds. Nothing of the product is used here."""

import statistics
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from tests.system.faults.evidence import Evidence
from tests.system.faults.findings import left_of, not_delivered, not_in_error, not_whole, sending, takeovers, untold

_TRANSIENT: Final = frozenset({"processing", "pending_destruction"})
_LEASES_TO_TAKEOVER: Final = 2
_SECONDS_TO_GONE: Final = 1.0


def no_accepted_deletion_is_lost(evidence: Evidence) -> list[str]:
    """1. "A 204 is never lost": the rows and objects are gone, or the package is in `error` with the reason.

    Or it was restored, by a request that was accepted or whose answer was lost.
    """
    breaches = [
        f"{entry} is not known" for id_, entry in evidence.ledger.accepted.items() if id_ not in evidence.deletions
    ]
    breaches += [f"deletion {row['id']} is still {row['state']}" for row in evidence.unended]
    batches = evidence.batches
    breaches += [
        f"batch {id_} has {len(batches[id_])} deletions, and its caller was told of {len(told)}"
        for id_, told in evidence.ledger.batches.items()
        if batches[id_] != told
    ]
    newest = {package_id: rows[-1]["id"] for package_id, rows in evidence.deletions_of.items()}
    may_be_restored = evidence.ledger.restored | evidence.ledger.restores_in_doubt
    for row in evidence.deletions.values():
        match row["state"]:
            case "succeeded":
                breaches += left_of(evidence, row)
            case "failed" if not row["last_error"]:
                breaches.append(f"deletion {row['id']} failed without a reason")
            case "failed" if newest.get(row["package_id"]) == row["id"]:
                breaches += not_in_error(evidence, row)
            case "restored" if row["id"] not in may_be_restored:
                breaches.append(f"deletion {row['id']} was restored by nobody")
    return breaches


def no_object_goes_before_its_mark(evidence: Evidence) -> list[str]:
    """2. "No object is removed before its file and package are committed as pending_destruction".

    Seen by samples all the time; and at the end nothing was asked to go that has gone.
    """
    breaches = [f"live, but its object was gone: {missing}" for missing in evidence.witness.missing]
    asked = {row["package_id"] for row in evidence.deletions.values()}
    for package in evidence.ledger.packages.values():
        if package.id not in asked and evidence.was_committed(package):
            breaches += not_whole(evidence, package)
    return breaches


def no_row_goes_before_its_object(evidence: Evidence) -> list[str]:
    """3. "No file row is deleted while its object is still in storage; no package row while a file row is left"."""
    breaches = [f"its row was gone, but not the object {key}" for key in evidence.witness.left_behind]
    breaches += [
        f"the row of file {row['file_id']} is gone, but not the object {row['storage_key']}"
        for row in evidence.committed.values()
        if row["forgotten_at"] and row["storage_key"] in evidence.objects
    ]
    breaches += [
        f"file {row['id']} has no package"
        for row in evidence.files.values()
        if row["package_id"] not in evidence.packages
    ]
    breaches += [
        f"file {row['id']} is still {row['status']}" for row in evidence.files.values() if row["status"] in _TRANSIENT
    ]
    breaches += [
        f"package {row['id']} is still {row['status']}"
        for row in evidence.packages.values()
        if row["status"] in _TRANSIENT
    ]
    # A file in `error` may have lost its object in an attempt that failed; it is shown to say so.
    breaches += [
        f"file {row['id']} is {row['status']}, but its object is gone"
        for row in evidence.files.values()
        if row["status"] != "error" and row["storage_key"] not in evidence.objects
    ]
    return breaches


def live_files_keep_their_bytes(evidence: Evidence) -> list[str]:
    """4. "An object of a live file is never removed", so a republish right after a DELETE is safe."""
    sent = {
        file_id: sha256 for package in evidence.ledger.packages.values() for file_id, sha256 in package.files.items()
    }
    breaches = []
    for row in evidence.files.values():
        if row["status"] != "default":
            continue
        if not evidence.is_whole(row, sent.get(row["id"])):
            breaches.append(f"file {row['id']} is live, but its bytes are not right")
        if row["id"] not in sent and sending(evidence, row) not in evidence.ledger.uploads_in_doubt:
            breaches.append(f"file {row['id']} was published by nobody")
    return breaches + [text for text in evidence.ledger.surprises if "own deletion" in text]


def every_change_is_told(evidence: Evidence) -> list[str]:
    """5. "Every committed change gives its event at least once", with one id; no end before the last byte is gone."""
    breaches = [f"{id_} came again with other bytes" for id_ in evidence.subscriber.different]
    breaches += [f"package.destroyed came while an object was there: {what}" for what in evidence.witness.told_early]
    breaches += untold(evidence)
    breaches += not_delivered(evidence)
    numbers = sorted(row["sequence"] or 0 for row in evidence.events)
    if numbers != list(range(1, len(numbers) + 1)):
        breaches.append(f"{len(numbers)} events are not numbered from 1 to {len(numbers)}")
    known = {row["id"]: row["sequence"] for row in evidence.events}
    for id_, event in evidence.subscriber.events.items():
        if known.get(id_) != event.sequence:
            breaches.append(f"event {id_} came as number {event.sequence}, and is number {known.get(id_)}")
    return breaches


def restored_packages_are_whole(evidence: Evidence) -> list[str]:
    """6. "A restored package is whole": the same id, files, bytes and checksums."""
    breaches = []
    deletions = evidence.deletions_of
    for package in evidence.ledger.packages.values():
        last = deletions.get(package.id, [])[-1:]
        # One that was in `error` before goes back there, without what an earlier attempt had removed.
        if last and last[0]["state"] == "restored" and last[0]["prior_status"] == "default":
            breaches += not_whole(evidence, package)
    for deletion_id in evidence.ledger.restored:
        row = evidence.deletions.get(deletion_id)
        if row is None or row["state"] != "restored":
            breaches.append(f"deletion {deletion_id} was restored, and is {row and row['state']}")
    # Those whose single files were asked for only.
    only_files = {row["package_id"] for row in evidence.deletions.values()} - deletions.keys()
    for package_id in only_files & evidence.ledger.packages.keys():
        package = evidence.ledger.packages[package_id]
        breaches += not_whole(evidence, package)
    return breaches


def nothing_stays_stuck(evidence: Evidence) -> list[str]:
    """7. "A claim that lapsed is taken over within two lease times", not counting while what that needs was away."""
    breaches = [f"deletion {row['id']} is stuck as {row['state']}" for row in evidence.unended]
    return breaches + [
        f"deletion {row['deletion_id']} waited {leases:.1f} lease times for a takeover"
        for row, leases in takeovers(evidence)
        if leases >= _LEASES_TO_TAKEOVER
    ]


def bytes_are_gone_within_a_second(evidence: Evidence) -> list[str]:
    """8. "With an idle worker and no grace, the bytes are gone within a second of the 204", measured with no fault on.

    The middle one of several deletions: others use this machine too.
    """
    middle = statistics.median(evidence.seconds_to_gone)
    return [f"it took {middle:.2f} s until the bytes were gone"] if middle > _SECONDS_TO_GONE else []


PROMISES: Final[Mapping[int, Callable[[Evidence], list[str]]]] = MappingProxyType(
    dict(
        enumerate(
            (
                no_accepted_deletion_is_lost,
                no_object_goes_before_its_mark,
                no_row_goes_before_its_object,
                live_files_keep_their_bytes,
                every_change_is_told,
                restored_packages_are_whole,
                nothing_stays_stuck,
                bytes_are_gone_within_a_second,
            ),
            start=1,
        )
    )
)
