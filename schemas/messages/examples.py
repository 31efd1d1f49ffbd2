"""An example of each event, as it would come from a broker."""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final
from uuid import UUID

from schemas.checks import Figures
from schemas.messages.cloud_events import enveloped, published
from schemas.messages.event import Event
from schemas.messages.events import (
    EVENTS,
    PackageDeletionRequested,
    PackageDestroyed,
    PackageDestructionFailed,
    PackageFileDeletionRequested,
    PackageFileDestroyed,
    PackageFileDestructionFailed,
    PackageFileMarkedForDestruction,
    PackageFileRestored,
    PackageMarkedForDestruction,
    PackageRestored,
    StorageChecked,
)
from schemas.messages.publications import PackageFilePublished, PackagePublished
from schemas.messages.quota_events import QuotaExceeded
from schemas.messages.retention_events import RetentionRunAwaitsApproval, RetentionRunFinished, RetentionRunPlanned
from schemas.messages.webhook_events import WebhookDisabled, WebhookEventSkipped
from schemas.names import Cause, PackageType
from schemas.statuses import PackageStatus

_NOW: Final = datetime(2026, 11, 26, 8, 15, 30, 250_000, tzinfo=UTC)
_LATER: Final = datetime(2026, 11, 26, 9, 15, 30, 250_000, tzinfo=UTC)
_INSTANCE: Final = UUID("01a21700-0c1e-7b60-8f52-6d0f4c0a9e11")
_CAUSE: Final = UUID("01a21704-5300-7d13-a6a0-5f1f7b2f6c02")
_EVENT: Final = UUID("01a21704-5f3a-7e41-b0c7-0d6f3f9a8e53")
_FIRST: Final = 4_711
"""The number of the first example; the others follow it."""

_NAMED: Final = MappingProxyType(
    {
        "project_id": 42,
        "root_group_id": 17,
        "package_id": 123,
        "package_type": PackageType.NPM,
        "package_name": "@acme/anvil",
        "package_version": "1.0.0",
        "actor_id": 3,
    }
)
_PACKAGE: Final = MappingProxyType(
    {
        **_NAMED,
        "deletion_id": UUID("01a21704-5300-72ae-bc87-39c2d56ca496"),
        "package_file_id": None,
        "file_name": None,
        "cause": Cause.USER,
        "reason": "published by mistake",
        "files": 2,
        "bytes": 1_048_576,
    }
)
_FILE: Final = MappingProxyType(
    {**_PACKAGE, "package_file_id": 457, "file_name": "anvil-1.0.0.tgz", "files": 1, "bytes": 1_048_000}
)
_FAILURE: Final = MappingProxyType({"error": "the store refuses: AccessDenied (s3:DeleteObject)", "attempts": 5})
_UPLOAD: Final = MappingProxyType(
    {
        **_NAMED,
        "publication_id": _CAUSE,
        "status": PackageStatus.DEFAULT,
        "pipeline_id": 47,
        "files": 1,
        "bytes": 1_048_000,
        "package_files": (
            {"id": 457, "file_name": "anvil-1.0.0.tgz", "size": 1_048_000, "file_sha256": "9f86d081" * 8},
        ),
    }
)
_GRACE: Final = MappingProxyType({"destroy_after": _LATER})
_CHECK: Final = MappingProxyType(
    {
        "check_id": UUID("01a21704-9d20-7c55-9f0e-2b7d1a6e4c31"),
        "started_at": _NOW,
        "finished_at": _LATER,
        "repaired": False,
        "clean": False,
        "figures": Figures(objects=2_000_001, bytes=8_000_000_003, files=2_000_000, orphaned=1, orphaned_bytes=3),
    }
)
_WEBHOOK: Final = MappingProxyType({"webhook_id": 7, "project_id": 42, "group_id": None})
_RUN: Final = MappingProxyType(
    {
        "run_id": UUID("01a21704-a1b2-7d55-8f0e-3c7d1a6e4c32"),
        "rule_id": 7,
        "rule_name": "old prereleases",
        "project_id": 42,
        "root_group_id": 17,
        "dry_run": False,
        "packages": 12,
        "files": 24,
        "bytes": 12_582_912,
        "kept": 30,
        "refused": 1,
    }
)
_QUOTA: Final = MappingProxyType(
    {
        "notice_id": UUID("01a21704-a1b2-7d55-8f0e-3c7d1a6e4c33"),
        "quota_id": 3,
        "project_id": 42,
        "group_id": None,
        "root_group_id": 17,
        "path": "acme/anvil",
        "threshold": 80,
        "quota_bytes": 53_687_091_200,
        "enforced": True,
        "logical_bytes": 42_949_672_960,
        "physical_bytes": 44_023_414_784,
    }
)

_DATA: Final[Mapping[type[Event], Mapping[str, object]]] = MappingProxyType(
    {
        PackagePublished: _UPLOAD,
        PackageFilePublished: _UPLOAD,
        PackageDeletionRequested: _PACKAGE,
        PackageMarkedForDestruction: {**_PACKAGE, **_GRACE},
        PackageRestored: {**_PACKAGE, "restored_as": "1.0.0-again"},
        PackageDestroyed: {**_PACKAGE, "package_file_ids": (456, 457)},
        PackageDestructionFailed: {**_PACKAGE, **_FAILURE},
        PackageFileDeletionRequested: _FILE,
        PackageFileMarkedForDestruction: {**_FILE, **_GRACE},
        PackageFileRestored: _FILE,
        PackageFileDestroyed: {**_PACKAGE, "package_file_ids": (456, 457)},
        PackageFileDestructionFailed: {**_FILE, **_FAILURE},
        StorageChecked: _CHECK,
        WebhookEventSkipped: {**_WEBHOOK, "event_id": _CAUSE, "event_sequence": 4_711, "attempts": 77},
        WebhookDisabled: {**_WEBHOOK, "reason": "failures", "last_event_id": _CAUSE},
        RetentionRunPlanned: _RUN,
        RetentionRunAwaitsApproval: {**_RUN, "lapses_at": _LATER},
        RetentionRunFinished: {**_RUN, "packages": 11, "kept": 31, "state": "finished"},
        QuotaExceeded: _QUOTA,
    }
)


_BEGINNINGS: Final = frozenset(
    {PackagePublished, PackageFilePublished, PackageDeletionRequested, PackageFileDeletionRequested}
)
"""These kinds have no other event as their cause."""

_OWN_CAUSES: Final = frozenset(
    {
        StorageChecked,
        RetentionRunPlanned,
        RetentionRunAwaitsApproval,
        RetentionRunFinished,
        QuotaExceeded,
        WebhookEventSkipped,
        WebhookDisabled,
    }
)
"""These kinds come by themselves."""


def example_fact(kind: type[Event]) -> Event:
    """Return an event of the kind."""
    return kind.model_validate(_DATA[kind])


def example_body(kind: type[Event]) -> dict[str, object]:
    """Return an event of the kind as it is published."""
    fact = example_fact(kind)
    own_id = _CAUSE if kind in _BEGINNINGS else _EVENT
    causation_id = own_id if kind in _OWN_CAUSES else _CAUSE
    envelope = enveloped(fact, event_id=own_id, causation_id=causation_id, now=_NOW)
    sequence = _FIRST + EVENTS.index(kind)
    return published(envelope.model_dump(mode="json"), instance_id=_INSTANCE, sequence=sequence)
