"""Timelines of servers: an old primary is refused, whatever the order in which the servers are seen."""

import pytest

from service.errors import DatabaseAwayError
from service.infra.postgres.sessions.timelines import Timelines


def test_an_old_primary_is_refused_once_a_later_promotion_was_seen() -> None:
    timelines = Timelines()
    timelines.note("7581", "00000009")
    timelines.note("7581", "0000000A")
    timelines.note("another family", "00000001")

    with pytest.raises(DatabaseAwayError, match="timeline 00000009"):
        timelines.note("7581", "00000009")


async def test_all_hosts_are_seen_before_the_first_connection_and_after_a_doubt() -> None:
    timelines, seen = Timelines(), list[str]()

    async def see(host: str) -> None:
        seen.append(host)

    await timelines.survey(["one", "two"], see)
    await timelines.survey(["one", "two"], see)
    assert seen == ["one", "two"]

    timelines.doubt()
    await timelines.survey(["one", "two"], see)
    assert seen == ["one", "two"] * 2
