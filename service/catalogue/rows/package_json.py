"""Packages and their files as the JSON that a client gets, written by the database.

PostgreSQL writes the text of a page while the process serves other requests. The way from rows to resources to JSON
costs the process ten times as much. A test holds the text to the resources in `schemas.http.resources`, to the letter.

All functions return expressions of SQL. Those of a package refer to its row `p`, and to `v`, the project with its
`path` and whether the caller `may_delete` there. Sessions have the time zone UTC.
"""

from functools import cache
from typing import Final

_RECIPE: Final = (
    "concat(p.name, '/', p.version, '@', coalesce(p.conan_username, '_'), '/', coalesce(p.conan_channel, '_'))"
)
_ROOM: Final = "CASE p.package_type WHEN 'terraform_module' THEN 'infrastructure_registry' ELSE 'packages' END"


@cache
def package_json(base: str, *, in_group: bool = False, versions: str | None = None) -> str:
    """Return a package; *base* is an expression for the address of the API, *versions* one for the other versions."""
    of_group = [("project_id", "p.project_id"), ("project_path", _text("v.path"))] if in_group else []
    return _concat(
        *_members(("id", "p.id")),
        _name(),
        *_members(
            ("version", _or_null(_text("p.version"))),
            ("package_type", _text("p.package_type")),
            ("status", _text("p.status")),
            ("_links", _links(base)),
            is_first=False,
        ),
        *_members(
            ("created_at", _moment("p.created_at")),
            ("last_downloaded_at", _or_null(_moment("p.last_downloaded_at"))),
            ("creator_id", _or_null("p.creator_id")),
            *of_group,
            ("tags", _tags("p")),
            is_first=False,
        ),
        _pipelines(
            base,
            "package",
            "p",
            "concat(',\"pipeline\":', (array_agg({each} ORDER BY {order}))[1],"
            " ',\"pipelines\":[', string_agg({each}, ',' ORDER BY {order}), ']')",
        ),
        *([] if versions is None else ["',\"versions\":['", versions, "']'"]),
        "'}'",
    )


def _name() -> str:
    return f"""CASE p.package_type WHEN 'conan' THEN
            concat(',"name":', {_text(_RECIPE)}, ',"conan_package_name":', {_text("p.name")})
            ELSE concat(',"name":', {_text("p.name")}) END"""


def _links(base: str) -> str:
    web_path = _text(f"concat('/', v.path, '/-/', {_ROOM}, '/', p.id)")
    api_path = _text(f"concat({base}, '/api/v4/projects/', p.project_id, '/packages/', p.id)")
    return _concat(
        "'{\"web_path\":'",
        web_path,
        f"CASE WHEN v.may_delete THEN concat(',\"delete_api_path\":', {api_path}) END",
        "'}'",
    )


@cache
def version_json(base: str) -> str:
    """Return another version `o` of a package."""
    return _concat(
        *_members(
            ("id", "o.id"),
            ("version", _text("o.version")),
            ("created_at", _moment("o.created_at")),
            ("tags", _tags("o")),
        ),
        _pipelines(base, "package", "o", "concat(',\"pipeline\":', (array_agg({each} ORDER BY {order}))[1])"),
        "'}'",
    )


@cache
def file_json(base: str) -> str:
    """Return a file `f` of a package."""
    return _concat(
        *_members(
            ("id", "f.id"),
            ("package_id", "f.package_id"),
            ("created_at", _moment("f.created_at")),
            ("file_name", _text("f.file_name")),
            ("size", "f.size"),
            *(
                (f"file_{digest}", _or_null(_text(f"encode(f.{digest}, 'hex')")))
                for digest in ("md5", "sha1", "sha256")
            ),
        ),
        _pipelines(
            base, "package_file", "f", "concat(',\"pipelines\":[', string_agg({each}, ',' ORDER BY {order}), ']')"
        ),
        "'}'",
    )


def _pipelines(base: str, built: str, row: str, aggregate: str) -> str:
    """Return the members about the pipelines that built *row*, in the order of the builds; nothing if there is none."""
    members = aggregate.format(each="i.json", order="i.position NULLS FIRST, i.id")
    # Without OFFSET, the text of a pipeline would be made once for each place that has it.
    return f"""(SELECT {members} FROM (
        SELECT {_pipeline(base)} AS json, b.position, l.id
          FROM {built}_build b JOIN pipeline l ON l.id = b.pipeline_id WHERE b.{built}_id = {row}.id OFFSET 0) i
         HAVING count(*) > 0)"""


def _pipeline(base: str) -> str:
    path = "(SELECT j.path FROM project j WHERE j.id = l.project_id)"
    return _concat(
        *_members(
            ("id", "l.id"),
            ("iid", "l.iid"),
            ("project_id", "l.project_id"),
            ("sha", _text("l.sha")),
            ("ref", _text("l.ref")),
            ("status", _text("l.status")),
            ("source", _text("l.source")),
            ("created_at", _moment("l.created_at")),
            ("updated_at", _moment("l.updated_at")),
            ("web_url", _text(f"concat({base}, '/', {path}, '/-/pipelines/', l.id)")),
            ("user", f"coalesce((SELECT {_user(base)} FROM directory_user u WHERE u.id = l.user_id), 'null')"),
        ),
        "'}'",
    )


def _user(base: str) -> str:
    return _concat(
        *_members(
            ("id", "u.id"),
            ("username", _text("u.username")),
            ("name", _text("u.name")),
            ("state", _text("u.state")),
            # Nobody is locked out for wrong passwords here: there are none.
            ("locked", "'false'"),
            ("avatar_url", "'null'"),
            ("web_url", _text(f"concat({base}, '/', u.username)")),
        ),
        "'}'",
    )


def _tags(row: str) -> str:
    tag = _concat(
        *_members(
            ("id", "t.id"),
            ("package_id", "t.package_id"),
            ("project_id", f"{row}.project_id"),
            ("name", _text("t.name")),
            ("created_at", _moment("t.created_at")),
            ("updated_at", _moment("t.updated_at")),
        ),
        "'}'",
    )
    tags = f"(SELECT string_agg({tag}, ',' ORDER BY t.id) FROM package_tag t WHERE t.package_id = {row}.id)"
    return f"concat('[', {tags}, ']')"


def _members(*members: tuple[str, str], is_first: bool = True) -> list[str]:
    """Return the parts of an object with these names and values; the object begins with them if *is_first*."""
    parts: list[str] = []
    for name, value in members:
        parts += [f"""'{"{" if is_first else ","}"{name}":'""", value]
        is_first = False
    return parts


def _concat(*parts: str) -> str:
    return f"concat({', '.join(parts)})"


def _text(expression: str) -> str:
    return f"to_json({expression})"


def _or_null(expression: str) -> str:
    return f"coalesce(({expression})::text, 'null')"


def _moment(expression: str) -> str:
    """Return a moment in quotes, with exactly three digits of a second, cut off and not rounded, and Z."""
    return f"""to_char({expression}, '\\"YYYY-MM-DD"T"HH24:MI:SS.MS"Z"\\"')"""
