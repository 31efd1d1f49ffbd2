"""The orders of versions that rules count by, beside those of the package managers."""

from itertools import pairwise
from typing import Final

import pytest
from packaging.version import Version

from service.context import Context
from tests.support.catalogue import query

_PYPI: Final = [
    *("1.0.dev1", "1.0a1.dev2", "1.0a1", "1.0a2.post1.dev3", "1.0b1", "1.0rc1", "1.0", "1.0+abc", "1.0+abc.2", "1.0+5"),
    *("1.0.post1.dev1", "1.0.post1", "1.0.1", "1.2", "1.10", "1.10.0.0.1", "2.0c2", "v2.0", "1!0.1", "1!1.0"),
]
_MAVEN: Final = [
    *("1.0-alpha-1", "1.0-alpha-2", "1.0-a3", "1.0-b1", "1.0-beta-2", "1.0-M1", "1.0-rc1", "1.0-CR2", "1.0-SNAPSHOT"),
    *("1.0", "1.0-sp1", "1.0-jre8", "1.0-1", "1.0.1", "1.1", "1.10", "2.0.RC1", "2.0.Final", "2.0.1.Final", "10"),
]


async def _keys(context: Context, function: str, versions: list[str]) -> list[str]:
    rows = await query(context, f"SELECT {function}(v) AS key FROM unnest($1::text[]) v", versions)  # noqa: S608
    return [row["key"] for row in rows]


async def test_pypi_versions_sort_as_pep_440_says(filled: Context) -> None:
    keys = await _keys(filled, "pypi_order", _PYPI)

    by_standard = sorted(_PYPI, key=Version)
    assert [version for _, version in sorted(zip(keys, _PYPI, strict=True))] == by_standard
    same = await _keys(filled, "pypi_order", ["1.0", "1.0.0", "v1", "1.0-1", "1.0.post1", "nonsense"])
    assert same[0] == same[1] == same[2]
    assert same[3] == same[4]
    assert same[5] < min(keys)


async def test_maven_versions_sort_as_the_reference_of_the_pom_says(filled: Context) -> None:
    keys = await _keys(filled, "maven_order", _MAVEN)

    assert [(a, b) for (a, x), (b, y) in pairwise(zip(_MAVEN, keys, strict=True)) if x >= y] == []
    same = await _keys(filled, "maven_order", ["2", "2.0.Final", "2.0.0", "2-ga", "1.0-rc1", "1.0-cr1", "1.0-RC-1"])
    assert len(set(same[:4])) == len(set(same[4:])) == 1


@pytest.mark.parametrize(
    ("package_type", "prereleases", "releases"),
    [
        ("pypi", ["1.0a1", "1.0.dev3", "1.0-rc.1", "1.0b2.post3", "2.0c1"], ["1.0", "1.0.post1", "1.0+rc1", "1!2.0"]),
        ("maven", ["1.0-SNAPSHOT", "1.0-M2", "1-rc1", "2.0.CR1", "1-a1"], ["1.0", "2.0.Final", "1.0-jre8", "31.1-jre"]),
        ("npm", ["1.0.0-rc.1", "v2.0.0-next"], ["1.0.0", "1.0.0+build-7", "nightly"]),
        ("rubygems", ["1.0.pre1"], ["1.0.1"]),
        ("debian", ["1.0~rc1-1"], ["1.0-1"]),
    ],
)
async def test_a_prerelease_is_known_by_the_words_of_its_type(
    filled: Context, package_type: str, prereleases: list[str], releases: list[str]
) -> None:
    rows = await query(
        filled,
        "SELECT v, is_prerelease($1, v) AS found FROM unnest($2::text[]) v",
        package_type,
        [*prereleases, *releases],
    )

    assert [row["v"] for row in rows if row["found"]] == prereleases
    assert (await query(filled, "SELECT is_prerelease('npm', NULL) AS found"))[0]["found"] is None
