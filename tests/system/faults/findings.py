"""Searches of the evidence for broken promises."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Final
from uuid import UUID

from tests.system.faults.evidence import Evidence, Row
from tests.system.faults.ledger import Package, Sending

WIPED: Final = "broker wiped"

_LIVE: Final = frozenset({"default", "hidden", "deprecated"})
_LATE_NEWS_S: Final = 10.0
"""By how much two events may have been confirmed in another order than the one in which they are in our queue."""

_SUBSCRIBING_S: Final = 2.0
"""How long after a broker's return our queue may be missing."""


def left_of(evidence: Evidence, deletion: Row) -> list[str]:
    """Return what is left of that which a deletion was about, though it should be gone."""
    package_id, file_id = deletion["package_id"], deletion["package_file_id"]
    if file_id is None:
        left = [f"package {package_id}"] if package_id in evidence.packages else []
        keys = evidence.keys_of.get(package_id, set())
    else:
        left = [f"file {file_id}"] if file_id in evidence.files else []
        keys = {evidence.committed[file_id]["storage_key"]} if file_id in evidence.committed else set()
    left += sorted(keys & evidence.objects.keys())
    return [f"deletion {deletion['id']} is {deletion['state']}, but {what} is left" for what in left]


def not_in_error(evidence: Evidence, deletion: Row) -> list[str]:
    """Return how a package is shown whose newest deletion failed, if not as it should be."""
    package_id = deletion["package_id"]
    package = evidence.packages.get(package_id)
    if package is None and package_id in evidence.destroyed_from:
        # An earlier deletion was tried again after this one had failed, or those of its last files were.
        return left_of(evidence, deletion)
    status = package["status"] if package else "gone"
    return [] if status == "error" else [f"package {package_id} is {status} though its deletion failed"]


def not_whole(evidence: Evidence, package: Package) -> list[str]:
    """Return what a package lacks that is not being deleted, beside the files that were deleted by themselves."""
    expected = package.files.keys() - evidence.destroyed_files
    row, files = evidence.packages.get(package.id), evidence.files_of.get(package.id, {})
    if not expected:
        return []
    if row is None or row["status"] not in _LIVE:
        return [f"package {package.id} is {row and row['status']}, and should be live"]
    lacking = [f"file {file_id} of package {package.id} is gone" for file_id in expected - files.keys()]
    for file_id in expected & files.keys():
        file = files[file_id]
        if file["status"] == "error" and file_id in evidence.failed_files:
            continue
        if file["status"] != "default" or not evidence.is_whole(file, package.files[file_id]):
            lacking.append(f"file {file_id} of package {package.id}, {file['status']}, is not what it was")
    lacking += [
        f"file {file_id} of package {package.id} was published by nobody"
        for file_id in files.keys() - package.files.keys()
        if sending(evidence, files[file_id]) not in evidence.ledger.uploads_in_doubt
    ]
    return lacking


def sending(evidence: Evidence, file: Row) -> Sending:
    """Return what a client must have sent for this file to be there."""
    package = evidence.packages[file["package_id"]]
    name, version = package["name"], package["version"]
    return Sending(package["project_id"], name, version, file["file_name"], file["sha256"].hex())


def untold(evidence: Evidence) -> Iterator[str]:
    """Yield the changes that have not exactly the events that they should have."""
    told: defaultdict[UUID, Counter[str]] = defaultdict(Counter)
    files: Counter[UUID] = Counter()
    for event in evidence.events:
        deletion_id, topic = UUID(event["deletion_id"]), event["type"].removeprefix("io.packyard.").removesuffix(".v1")
        told[deletion_id][topic.partition(".")[2]] += topic.partition(".")[0] == _entity(evidence, deletion_id)
        files[deletion_id] += event["files_named"] if topic.endswith(".destroyed") else 0
    for id_, row in evidence.deletions.items():
        yield from _untold_steps(row, told[id_])
        if files[id_] != row["files_done"]:
            yield f"deletion {id_} destroyed {row['files_done']} files, and told of {files[id_]}"
    yield from _untold_rows(evidence)


def not_delivered(evidence: Evidence) -> Iterator[str]:
    """Yield the events that did not reach their subscriber, though the broker that had confirmed them lived on.

    Messages that a broker had confirmed and not yet handed out are gone with its disk. So are those between its return
    and our new subscription. The row in the outbox is the evidence that it was published. That is enough only for
    messages at the end of our queue when a broker was wiped. Messages after the last one have to be in the stream, too.
    """
    wipes = evidence.journal.named({WIPED})
    excused = [(_newest_received(evidence, wipe.began) - _LATE_NEWS_S, wipe.ended + _SUBSCRIBING_S) for wipe in wipes]
    for event in evidence.events:
        if event["published_at"] is None:
            yield f"event {event['id']} was never published"
            continue
        at = event["published_at"].timestamp()
        is_excused = any(began <= at <= ended for began, ended in excused)
        if event["id"] not in evidence.subscriber.events and not is_excused:
            yield f"event {event['id']} did not come"
        if event["id"] not in evidence.logged and all(at > wipe.ended for wipe in wipes):
            yield f"event {event['id']} is not in the stream"


def _newest_received(evidence: Evidence, moment: float) -> float:
    """Return when that event was published, before *moment*, which was the last of all to come: a queue is in order."""
    times = (
        event["published_at"].timestamp()
        for event in evidence.events
        if event["published_at"] is not None and event["id"] in evidence.subscriber.events
    )
    return max((at for at in times if at < moment), default=moment)


def lost_with_the_broker(evidence: Evidence) -> int:
    """Return how many events can be had from the outbox only."""
    return sum(event["id"] not in evidence.subscriber.events for event in evidence.events)


def takeovers(evidence: Evidence) -> Iterator[tuple[Row, float]]:
    """Yield every lapse with the lease times until the deletion was in hand again, without the time of outages."""
    for row in evidence.lapses:
        began, taken = row["lapsed_at"].timestamp(), row["taken_at"].timestamp()
        for window in evidence.journal.windows:
            if window.began < taken and window.ended > began:
                began = min(window.ended, taken)
        yield row, (taken - began) / evidence.lease


def _entity(evidence: Evidence, deletion_id: UUID) -> str:
    row = evidence.deletions.get(deletion_id)
    return "package" if row is None or row["package_file_id"] is None else "package_file"


def _untold_steps(row: Row, told: Counter[str]) -> Iterator[str]:
    expected = {"deletion_requested": 1, "restored": int(row["state"] == "restored")}
    if row["package_file_id"] is None:
        expected["destroyed"] = int(row["state"] == "succeeded")
    for action, times in expected.items():
        if told[action] != times:
            yield f"deletion {row['id']}, {row['state']}, has {told[action]} events {action} and not {times}"
    # Only a marking that begins a grace has an event, and the row does not say whether there was one.
    if told["marked_for_destruction"] > int(row["marked_at"] is not None):
        yield f"deletion {row['id']}, {row['state']}, has events of a marking that was not"
    if row["state"] == "failed" and not told["destruction_failed"]:
        yield f"deletion {row['id']} failed, and nobody was told"


def _untold_rows(evidence: Evidence) -> Iterator[str]:
    for row in evidence.committed.values():
        times = evidence.files_told[row["file_id"]]
        if times != int(row["forgotten_at"] is not None):
            yield f"file {row['file_id']}, gone at {row['forgotten_at']}, was told to be gone {times} times"
    destroyed = Counter(
        event["package_id"] for event in evidence.events if event["type"].endswith("package.destroyed.v1")
    )
    for package_id in evidence.keys_of:
        if destroyed[package_id] != int(package_id not in evidence.packages):
            yield f"package {package_id} was told to be gone {destroyed[package_id]} times"
