from datetime import UTC, datetime, timedelta, timezone

import pytest

from service.errors import StartError
from service.settings import load_settings
from service.storage_check.schedule import next_after

_NEEDED = {
    "PACKYARD_DATABASE_URL": "postgresql://localhost/yard",
    "PACKYARD_BROKER_URL": "amqp://localhost/",
    "PACKYARD_STORAGE_URL": "file:///srv/yard",
}


@pytest.mark.parametrize(
    ("times", "moment", "expected"),
    [
        ("03:00", "2026-03-01T02:59:59", "2026-03-01T03:00:00"),
        ("03:00", "2026-03-01T03:00:00", "2026-03-02T03:00:00"),
        ("03:00", "2026-02-28T12:00:00", "2026-03-01T03:00:00"),
        ("13:30, 01:30", "2026-03-01T00:00:00", "2026-03-01T01:30:00"),
        ("13:30, 01:30", "2026-03-01T01:30:00", "2026-03-01T13:30:00"),
        ("13:30, 01:30", "2026-03-01T23:00:00", "2026-03-02T01:30:00"),
    ],
)
def test_a_check_is_due_at_the_next_of_its_times(times: str, moment: str, expected: str) -> None:
    found = next_after(datetime.fromisoformat(f"{moment}Z"), times)

    assert found == datetime.fromisoformat(f"{expected}Z")


def test_times_are_those_of_utc() -> None:
    moment = datetime(2026, 3, 1, 4, 30, tzinfo=timezone(timedelta(hours=2)))

    assert next_after(moment, "03:00") == datetime(2026, 3, 1, 3, 0, tzinfo=UTC)


def test_a_check_may_never_be_due() -> None:
    assert next_after(datetime(2026, 3, 1, tzinfo=UTC), "never") is None


@pytest.mark.parametrize("times", ["3:00", "24:00", "12:60", "03:00,", "daily", "never,03:00", "03:00 04:00"])
def test_what_is_no_time_of_the_day_stops_the_start(times: str) -> None:
    with pytest.raises(StartError, match=r"PACKYARD_CHECK_TIMES is wrong: should be never, or times of the day"):
        load_settings(environment=_NEEDED | {"PACKYARD_CHECK_TIMES": times})
