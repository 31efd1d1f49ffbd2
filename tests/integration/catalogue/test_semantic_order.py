"""The order of semantic versions, as the database has it."""

from service.context import Context
from tests.support.catalogue import query

_ASCENDING = [
    "",
    "latest",
    "release-7",
    "0.0.0-0",
    "0.0.0",
    "0.9.12",
    "v1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.1",
    "1.2",
    "1.2.0.1",
    "1.10.0",
    "1.100",
    "8.99.0",
    "8.100.0",
    "2022.4.22",
    "100000000000000000000000000000.0.0",
]


async def test_versions_are_in_the_order_of_semver_org(filled: Context) -> None:
    shuffled = _ASCENDING[::-2] + _ASCENDING[-2::-2]
    rows = await query(filled, 'SELECT v FROM unnest($1::text[]) v ORDER BY semver_key(v) COLLATE "C"', shuffled)

    assert [row["v"] for row in rows] == _ASCENDING


async def test_build_data_and_missing_numbers_make_no_difference(filled: Context) -> None:
    (row,) = await query(
        filled,
        "SELECT count(DISTINCT semver_key(v)) AS keys FROM unnest(ARRAY['1', '1.0', 'v1.0.0', '1.0.0+build.5']) v",
    )

    assert row["keys"] == 1
