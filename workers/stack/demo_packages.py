"""The demo's packages: real ones that were downloaded, and small ones of several kinds that are made here."""

import json
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from schemas.base import Json
from service.importing.lines import Line

SmallPackage = Json
"""A package as an import file says it."""

APPLES: Final = "orchard/apples"
JUICE: Final = "orchard/press/juice"
CIDER: Final = "cellar/cider"
ARCHIVE: Final = "orchard/archive"

_ELSEWHERE: Final = {"humanize": JUICE, "soupsieve": JUICE, "cowsay": JUICE, "tomli": CIDER, "attrs": CIDER}
_ENDINGS: Final = (".whl", ".tar.gz")
_CREATOR: Final = "dave"
_FIRST_DAY: Final = datetime(2025, 3, 3, 9, tzinfo=UTC)
_VERSIONS: Final = ("1.0.0", "1.1.0", "1.10.0", "2.0.0-rc.1", "2.0.0")
_MADE: Final = (
    (APPLES, "npm", ("@orchard/core", "@orchard/worm", "@orchard/peel", "@orchard/seed", "@orchard/stem")),
    (APPLES, "npm", ("@orchard/leaf", "@orchard/crate")),
    (APPLES, "pypi", ("apple-picker", "apple-sorter", "apple-labels")),
    (JUICE, "pypi", ("squeeze", "pulp", "pulp-filter")),
    (JUICE, "maven", ("orchard/press/lever", "orchard/press/screw")),
    (CIDER, "maven", ("cellar/barrel", "cellar/tap")),
    (CIDER, "generic", ("yeast",)),
    (ARCHIVE, "generic", ("harvest-report", "weather-log")),
)
_FILES: Final = {
    "npm": ("{base}-{version}.tgz",),
    "pypi": ("{module}-{version}-py3-none-any.whl", "{module}-{version}.tar.gz"),
    "maven": ("{base}-{version}.jar", "{base}-{version}.pom"),
    "generic": ("{base}.txt",),
}


def made_packages() -> Iterator[SmallPackage]:
    """Give small packages of each kind in several versions; what is in their files is one line of text."""
    day = _FIRST_DAY
    for project, kind, names in _MADE:
        for name in names:
            for version in _VERSIONS:
                day += timedelta(days=5, hours=1)
                yield _made(project, kind, name, version, day)


def downloaded_packages(folder: Path) -> list[SmallPackage]:
    """Return a generic package for each version of a distribution in the folder, with all its files there."""
    found: dict[tuple[str, str], SmallPackage] = {}
    for path in sorted(path for path in folder.glob("*") if path.name.endswith(_ENDINGS)):
        name, version = _name_and_version(path.name)
        package = {
            "project": _ELSEWHERE.get(name, APPLES),
            "package_type": "generic",
            "name": name,
            "version": version,
            "creator": _CREATOR,
            "files": [],
        }
        found.setdefault((name, version), package)["files"].append({"file_name": path.name, "path": path.name})
    return [*found.values()]


async def as_lines(packages: Iterable[SmallPackage]) -> AsyncIterator[Line]:
    """Give packages as the lines of an import file."""
    for number, package in enumerate(packages, start=1):
        yield Line(number, json.dumps(package).encode(), end=number)


def _made(project: str, kind: str, name: str, version: str, day: datetime) -> SmallPackage:
    base = name.rpartition("/")[2]
    words = {"base": base, "module": base.replace("-", "_"), "version": version}
    return {
        "project": project,
        "package_type": kind,
        "name": name,
        "version": version,
        "created_at": day.isoformat(),
        "creator": _CREATOR,
        "tags": ["latest"] if kind == "npm" and version == _VERSIONS[-1] else [],
        "files": [
            {"file_name": pattern.format_map(words), "content": f"{name} {version}, of the demo\n"}
            for pattern in _FILES[kind]
        ],
    }


def _name_and_version(file_name: str) -> tuple[str, str]:
    if file_name.endswith(".whl"):
        name, version, _ = file_name.split("-", 2)
        return name, version
    name, _, version = file_name.removesuffix(".tar.gz").rpartition("-")
    return name, version
