"""The queries, by name, each with the columns of its tables written out."""

import re
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import aiosql
from aiosql.adapters.asyncpg import AsyncPGAdapter

COLUMNS: Final = MappingProxyType(
    {
        "deletion": (
            *("id", "project_id", "root_group_id", "package_id", "package_file_id", "package_type", "package_name"),
            *("package_version", "file_name", "prior_status", "lane", "cause", "reason", "requested_by", "credential"),
            *("request_id", "batch_id", "request_event_id", "requested_at", "state", "files_total", "bytes_total"),
            *("files_done", "bytes_done", "attempts", "last_error", "not_before", "marked_at", "removal_began_at"),
            *("finished_at", "restored_as"),
        ),
        "package_file": (
            *("id", "package_id", "file_name", "status", "size", "md5", "sha1", "sha256", "storage_key"),
            *("created_at", "updated_at"),
        ),
    }
)
"""The columns that replace `deletion(d.*)` in a query, where d is the table's name or alias.

A query that returns all columns fails in the middle of a transaction when a migration adds one. The server does not let
a prepared statement change the columns of its result.
"""

_WHOLE_ROW: Final = re.compile(rf"\b({'|'.join(COLUMNS)})\((\w+)\.\*\)")

_SERVICE: Final = Path(__file__).parents[2]
_MIGRATIONS: Final = Path(__file__).parent / "migrations"

adapter: Final = AsyncPGAdapter()  # type: ignore[no-untyped-call]  # the library is not annotated there


def query_files() -> list[Path]:
    """Return the files of queries: each lies beside the code that uses it."""
    return sorted(file for file in _SERVICE.rglob("*.sql") if _MIGRATIONS not in file.parents)


def load_queries() -> Any:
    """Return an object with an attribute for each query."""
    texts = [file.read_text(encoding="utf-8") for file in query_files()]
    return aiosql.from_str(_expanded("\n".join(texts)), lambda: adapter, mandatory_parameters=False)


def _expanded(text: str) -> str:
    def columns(found: re.Match[str]) -> str:
        return ", ".join(f"{found[2]}.{column}" for column in COLUMNS[found[1]])

    return _WHOLE_ROW.sub(columns, text)
