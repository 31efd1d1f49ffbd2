"""Which patterns an event can match, and how an event is written for a person."""

from datetime import UTC, datetime

import pytest
from pydantic_core import to_json

from schemas.messages.event import Event
from schemas.messages.event_patterns import matches, objection
from schemas.messages.events import (
    EVENTS,
    PackageDestroyed,
    PackageFileDestructionFailed,
    PackageRestored,
    StorageChecked,
)
from schemas.messages.examples import example_body, example_fact
from schemas.messages.publications import PackagePublished
from schemas.messages.quota_events import QuotaExceeded
from schemas.messages.retention_events import RetentionRunPlanned
from workers.cli.event_lines import event_line

_KEY = "package.destroyed.npm.17.42"


@pytest.mark.parametrize(
    ("pattern", "is_match"),
    [
        ("#", True),
        (_KEY, True),
        ("package.destroyed.#", True),
        ("package.#.42", True),
        ("#.npm.#", True),
        ("*.*.npm.*.*", True),
        ("package.destroyed.npm.17.42.#", True),
        ("#.#.#", True),
        ("*", False),
        ("package.destroyed", False),
        ("package.#.npm", False),
        ("*.*.npm.#.*.*.*", False),
        ("", False),
    ],
)
def test_patterns_match_as_a_topic_exchange_has_it(pattern: str, is_match: bool) -> None:  # noqa: FBT001
    assert matches(pattern, _KEY) is is_match


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("packages.#", "'packages' is no entity (package, package_file, quota, retention, storage, webhook), action ("),
        ("package.destroyed.nmp.#", "'nmp' is no entity"),
        ("", "'' is no entity"),
        ("package.destroyed", "a routing key is <entity>.<action>.<package_type>.<root_group_id>.<project_id>,"),
        ("destroyed.#", "a routing key is"),
        ("storage.destroyed.#", "a routing key is"),
        ("package.*.*.*.*.*", "a routing key is"),
        ("package.destroyed.42.#", "a routing key is"),
    ],
)
def test_a_pattern_that_no_event_can_match_is_objected_to(pattern: str, reason: str) -> None:
    assert (objection(pattern) or "").startswith(reason)


def test_every_event_can_be_asked_for() -> None:
    for pattern in (example_fact(kind).routing_key() for kind in EVENTS):
        assert objection(pattern) is None
        assert matches(pattern, pattern)
    assert [objection(pattern) for pattern in ("#.42", "storage.#", "*.*", "*.*.npm.#", "*.*.*.*.*")] == [None] * 5


_FAILED = (
    "package_file.destruction_failed @acme/anvil 1.0.0 / anvil-1.0.0.tgz (npm, project 42): 1 file, 1.0 MB,"
    " error: the store refuses: AccessDenied (s3:DeleteObject)"
)
_NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        (PackageDestroyed, "package.destroyed @acme/anvil 1.0.0 (npm, project 42): 2 files, 1.0 MB"),
        (PackageRestored, "package.restored @acme/anvil 1.0.0 (npm, project 42): 2 files, 1.0 MB, as 1.0.0-again"),
        (
            PackageFileDestructionFailed,
            _FAILED,
        ),
        (PackagePublished, "package.published @acme/anvil 1.0.0 / anvil-1.0.0.tgz (npm, project 42): 1 file, 1.0 MB"),
        (StorageChecked, "storage.checked: not clean"),
        (QuotaExceeded, "quota.exceeded acme/anvil: 80 % of 53.7 GB"),
        (RetentionRunPlanned, "retention.run_planned old prereleases (project 42): 12 packages, 12.6 MB"),
    ],
)
def test_an_event_is_a_short_line(kind: type[Event], line: str) -> None:
    assert event_line(to_json(example_body(kind)), now=_NOW, width=80) == f"08:15:30 {line}"


def test_a_wide_terminal_has_room_for_the_deletion_and_another_day_for_its_date() -> None:
    line = event_line(to_json(example_body(PackageDestroyed)), now=_NOW.replace(day=27), width=160)

    assert line.startswith("2026-11-26 08:15:30 package.destroyed")
    assert line.endswith("; deletion 01a21704-5300-72ae-bc87-39c2d56ca496")


@pytest.mark.parametrize(
    "body", [b"\xff\x1b[2J", b"[]", b"{}", b'{"type": "io.packyard.new.v1", "time": 1, "data": 2}']
)
def test_what_is_no_event_of_ours_is_shown_as_it_is(body: bytes) -> None:
    line = event_line(body, now=_NOW, width=80)

    assert line == body.decode(errors="replace").replace("\x1b", "\ufffd")
