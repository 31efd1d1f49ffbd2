"""The versions of a name as JSON, which the database writes while the process serves other requests.

All fragments refer to a version `s` with its newest tarball, to `t`, which has the address of a project's packages,
and to the name.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic_core import to_json

from service.infra.postgres.composing import Values, literal
from service.infra.postgres.database import Connection, Record, fetch_composed
from service.registries.npm.rows import MOST_VERSIONS
from service.registries.reading import given_projects, percent_encoded

PROJECT_ID: Final = "{project_id}"
"""The place of a project's number in an address."""

_MOMENT: Final = """to_char({}, '\\"YYYY-MM-DD"T"HH24:MI:SS.MS"Z"\\"')"""
_CREATED: Final = _MOMENT.format("s.created_at")
_SHORT: Final = "s.details -> 'install'"
_WHOLE: Final = f"(coalesce(s.details -> 'more', '{{}}') - '_id') || ({_SHORT})"
"""Without the `_id` that npm sends: ours would be a second member of that name."""
_NAME: Final = "jsonb_build_object('name', {name}, 'version', s.version)"
_PATH: Final = percent_encoded("s.file_name", also="@/+")


@dataclass(frozen=True, slots=True)
class WantedPackument:
    """Metadata that a client asks for."""

    name: str
    is_whole: bool
    """All that a manifest has, and not only what installations read."""
    base: str
    """The address of a project's packages, with `{project_id}` for its number, and the name of the package."""
    known: Sequence[str]
    """Tags of what the client has; a star is one that fits all."""


@dataclass(frozen=True, slots=True)
class PackumentText:
    """The metadata of a name, and the tag that changes with them."""

    tag: str
    text: bytes | None
    """None if the client has them."""


async def read_packument(
    connection: Connection, project_ids: Collection[int], wanted: WantedPackument
) -> PackumentText | None:
    """Return the metadata of a name in these projects, of at most 20,000 versions; None if there are none.

    If several projects have a version, the newest package counts. The tag that was set last counts, too.
    """
    values = Values()
    name = values.place(wanted.name, "text")
    parts = {
        "visit": given_projects(values, project_ids),
        "name": name,
        "form": "'whole'" if wanted.is_whole else "'short'",
        "base": values.place(to_json(wanted.base).decode()[1:-1], "text"),
        "version": _version(name, is_whole=wanted.is_whole),
        "time": f"concat(to_json(s.version), ':', {_CREATED})",
        "created": _MOMENT.format("min(s.created_at)"),
        "modified": _MOMENT.format("max(s.updated_at)"),
        "known": values.place(list(wanted.known), "text[]"),
        "limit": literal(MOST_VERSIONS),
    }
    (record,) = await fetch_composed(connection, "npm_packument", parts, values.all)
    if record["tag"] is None:
        return None
    return PackumentText(record["tag"], _text(wanted.name, record) if record["versions"] is not None else None)


def _version(name: str, *, is_whole: bool) -> str:
    """Return a version, with our members after those of its manifest, whose last brace is cut off for them."""
    manifest = f"coalesce({_WHOLE if is_whole else _SHORT}, {_NAME.format(name=name)})::text"
    address = f"replace(t.base, '{PROJECT_ID}', s.project_id::text)"
    members = (
        f"""',"_id":', to_json(concat({name}, '@', s.version))""",
        f"""',"dist":{{"tarball":"', {address}, '/-/', {_PATH}, '"'""",
        """',"shasum":"' || encode(s.sha1, 'hex') || '"'""",
        """',"integrity":' || to_json(s.details ->> 'integrity')""",
        """',"fileCount":' || (s.details ->> 'file_count')""",
        """',"unpackedSize":' || (s.details ->> 'unpacked_size')""",
        "'}'",
        """',"deprecated":' || to_json(nullif(s.details ->> 'deprecation', ''))""",
        "'}'",
    )
    return f"concat(to_json(s.version), ':', left({manifest}, -1), {', '.join(members)})"


def _text(name: str, record: Record) -> bytes:
    written = to_json(name)
    parts = (
        (b'{"_id":', written, b',"_rev":', to_json(record["revision"]), b',"name":', written),
        (b',"dist-tags":', record["tags"], b',"versions":{', record["versions"]),
        (b'},"time":{"created":', record["created"], b',"modified":', record["modified"], b",", record["times"]),
        (b'},"modified":', record["modified"], b"}"),
    )
    return b"".join(piece for part in parts for piece in part)
