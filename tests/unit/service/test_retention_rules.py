"""Rules of retention without a database: their sentences, their moments, and their patterns."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.retention import RetentionRule
from service.retention.conditions import like
from service.retention.schedule import next_moment
from service.retention.sentences import sentence_of


def _rule(**said: Any) -> RetentionRule:
    return RetentionRule.model_validate({"name": "x", "kind": "delete", **said})


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (
            {"package_types": ["npm"], "release": "prerelease", "younger_than": "30d", "keep_latest": 5},
            "deletes npm prereleases older than 30 days, but the last 5 of each name",
        ),
        (
            {"downloaded_within": "90d", "tags": ["*"]},
            "deletes packages not downloaded for 90 days, but not what is tagged",
        ),
        (
            {"younger_than": "1d", "downloaded_within": "12h", "statuses": ["error"]},
            "deletes packages in status error older than 1 day and not downloaded for 12 hours",
        ),
        ({"kind": "keep", "release": "release"}, "keeps releases"),
        (
            {"kind": "keep", "package_types": ["maven", "pypi"], "keep_latest": 1, "tags": ["v*", "lts"]},
            "keeps Maven and PyPI packages that are among the last of each name or tagged v* or lts",
        ),
        ({"name_patterns": ["a*"], "version_patterns": ["*-rc*"]}, "deletes packages named a* with version *-rc*"),
    ],
)
def test_a_rule_says_in_a_sentence_what_it_does(said: dict[str, Any], sentence: str) -> None:
    assert sentence_of(_rule(**said)) == sentence


@pytest.mark.parametrize(
    ("after", "moments"),
    [
        # The hour from two to three does not exist: the run is made up for right after it.
        ((2026, 3, 28, 12), ["2026-03-29T01:00:00+00:00", "2026-03-30T00:30:00+00:00"]),
        # It exists twice: the run counts once.
        ((2026, 10, 24, 12), ["2026-10-25T00:30:00+00:00", "2026-10-26T01:30:00+00:00"]),
    ],
)
def test_daylight_saving_neither_skips_nor_repeats_a_run(after: tuple[int, int, int, int], moments: list[str]) -> None:
    rule = _rule(release="prerelease", schedule="30 2 * * *", time_zone="Europe/Berlin")
    found = []
    moment: datetime | None = datetime(*after, tzinfo=UTC)
    for _ in moments:
        moment = next_moment(rule, moment)
        assert moment is not None
        found.append(moment.isoformat())

    assert found == moments


def test_a_rule_without_schedule_or_switched_off_has_no_moment() -> None:
    assert next_moment(_rule(release="release")) is None
    assert next_moment(_rule(release="release", schedule="0 3 * * *", enabled=False)) is None


@pytest.mark.parametrize("schedule", ["* * * * *", "*/30 3 * * *", "0,59 0 1 1 *", "10-11 * * * *"])
def test_a_rule_runs_once_an_hour_at_most_unless_it_was_saved_before(schedule: str) -> None:
    said = {"name": "x", "kind": "delete", "release": "release", "schedule": schedule}
    with pytest.raises(ValidationError, match="should name one minute, since a rule runs once an hour at most"):
        RetentionRule.model_validate(said)

    assert RetentionRule.as_stored(said).schedule == schedule
    assert _rule(release="release", schedule="*/60 * * * *").schedule == "*/60 * * * *"


def test_a_pattern_is_anchored_and_only_its_stars_mean_something() -> None:
    assert like(r"a_*%.b\c") == r"a\_%\%.b\\c"


def test_only_what_decides_about_packages_is_the_meaning_of_a_rule() -> None:
    rule = _rule(release="release")

    assert (
        _rule(release="release", schedule="0 3 * * *", time_zone="Asia/Tokyo", dry_run=True).meaning() == rule.meaning()
    )
    assert _rule(release="release", keep_latest=1).meaning() != rule.meaning()
    assert _rule(release="release", approve_above=50).meaning() != rule.meaning()
