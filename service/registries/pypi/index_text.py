"""The links of a package's index, which the database writes in the form that a client asks for.

PostgreSQL writes the text while the process serves other requests. Rows that become text in the process cost three
times as much. A test holds the text to that of Python's own functions, for names with any character.

All fragments refer to a file `f`, and to `t`, which has the address of the registry.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp.helpers import ETAG_ANY

from service.access.rows import VisitQuery, WithVisit, with_visit
from service.infra.postgres.composing import Values, literal
from service.infra.postgres.database import Connection, Record, fetch_composed
from service.registries.reading import given_projects, percent_encoded, project_of_visit

MOST_FILES: Final = 20_000
"""Files that one index shows: of more, the newest."""

_REFERENCES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "''": "&#x27;"}
"""Character, as SQL has it between quotes -> its reference in HTML; the ampersand comes first."""


def _escaped(expression: str) -> str:
    for character, reference in _REFERENCES.items():
        expression = f"replace({expression}, '{character}', '{reference}')"
    return expression


_SHA256: Final = "encode(f.sha256, 'hex')"
_REQUIRED: Final = "f.details ->> 'requires_python'"
_METADATA: Final = "f.details -> 'core_metadata' ->> 'sha256'"
_MOMENT: Final = """to_char(f.created_at, '\\"YYYY-MM-DD"T"HH24:MI:SS.US"Z"\\"')"""
_PATH: Final = percent_encoded("f.file_name", also="/")
_JSON_LINK: Final = f"""concat('{{"filename":', to_json(f.file_name),
    ',"url":"', t.base, '/files/', {_SHA256}, '/', {_PATH}, '","hashes":{{"sha256":"', {_SHA256},
    '"}},"size":', f.size, ',"upload-time":', {_MOMENT}, ',"requires-python":' || to_json({_REQUIRED}),
    ',"core-metadata":{{"sha256":' || to_json({_METADATA}) || '}}', '}}')"""
_HTML_LINK: Final = f"""concat('<a href="', t.base, '/files/', {_SHA256}, '/', {_PATH}, '#sha256=', {_SHA256},
    '" data-requires-python="', {_escaped(_REQUIRED)}, '"',
    ' data-core-metadata="sha256=' || {_escaped(_METADATA)} || '"', '>', {_escaped("f.file_name")}, '</a><br>')"""


@dataclass(frozen=True, slots=True)
class WantedIndex:
    """An index that a client asks for."""

    name: str
    """The normal name of the package."""
    is_json: bool
    known: Sequence[str]
    """Tags of what the client has; a star is one that fits all."""


@dataclass(frozen=True, slots=True)
class IndexText:
    """The parts of an index that depend on its files."""

    tag: str
    """Changes with the files, and with all else that the text depends on."""
    links: bytes | None
    """The files in their order; None if the client has the index."""
    versions: bytes
    """The versions as the members of a list in JSON."""


async def read_in_project(
    connection: Connection, visit: VisitQuery, wanted: WantedIndex, *, before: str, after: str
) -> WithVisit[Sequence[IndexText] | None]:
    """Return the index of a package in the project of a visit, none without files; and the visit.

    The address of the registry is the project's number between *before* and *after*, escaped for the form.
    """
    values = visit.values
    base = f"concat({values.place(before, 'text')}, v.id, {values.place(after, 'text')})"
    record = await _read(connection, values, wanted, visit=project_of_visit(visit), base=base)
    return with_visit(record, _found(record, wanted))


async def read_in_projects(
    connection: Connection, project_ids: Collection[int], wanted: WantedIndex, *, base: str
) -> Sequence[IndexText]:
    """Return the index of a package in these projects, none without files.

    The address of the registry is *base*, escaped for the form.
    """
    values = Values()
    visit = given_projects(values, project_ids)
    return _found(await _read(connection, values, wanted, visit=visit, base=values.place(base, "text")), wanted)


async def _read(connection: Connection, values: Values, wanted: WantedIndex, *, visit: str, base: str) -> Record:
    parts = {
        "visit": visit,
        "name": values.place(wanted.name, "text"),
        "base": base,
        "form": "'json'" if wanted.is_json else "'html'",
        "link": _JSON_LINK if wanted.is_json else _HTML_LINK,
        "separator": "','" if wanted.is_json else "''",
        "known": values.place(list(wanted.known), "text[]"),
        "limit": literal(MOST_FILES),
    }
    (record,) = await fetch_composed(connection, "pypi_index", parts, values.all)
    return record


def _found(record: Record, wanted: WantedIndex) -> Sequence[IndexText]:
    tag, links = record["tag"], record["links"]
    # Packages without any file have a tag, too, which no client was ever given.
    if tag is None or (links is None and tag not in wanted.known):
        return ()
    return (IndexText(tag, None if ETAG_ANY in wanted.known else links, record["versions"] or b""),)
