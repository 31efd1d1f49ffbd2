"""Applying directory files in a test, and reading the results."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from service.directory_file.applying import DirectoryFileError, apply_directory, read_directory
from service.directory_file.rows import Counts
from service.infra.postgres.database import Database

TABLES: Final = (
    "directory_user",
    "access_token",
    "directory_group",
    "project",
    "project_alias",
    "membership",
    "deploy_token",
    "job_token",
    "job_token_allowance",
    "pipeline",
    "protection_rule",
    "retention_rule",
    "storage_quota",
    "name_rule",
)


class Directory:
    """The directory in the test's database."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self._path = folder / "directory.yaml"

    async def apply(self, text: str) -> Mapping[str, Counts]:
        """Apply a file with this text."""
        self._path.write_text(text, encoding="utf-8")
        return await apply_directory(self.database, read_directory(self._path))

    async def apply_twice(self, text: str) -> Mapping[str, Counts]:
        """Apply the text, see that applying it again changes nothing, and return what the first time did."""
        counts = await self.apply(text)
        before = await self.everything()
        again = await self.apply(text)
        assert all((done.created, done.updated, done.removed) == (0, 0, 0) for done in again.values())
        assert await self.everything() == before
        return counts

    async def refusals(self, text: str) -> list[str]:
        """Return why the text is refused, after a check that it left nothing behind."""
        before = await self.everything()
        with pytest.raises(DirectoryFileError) as refused:
            await self.apply(text)
        assert await self.everything() == before, "nothing is half-applied"
        return [f"line {line}: {problem.sentence()}" for line, problem in refused.value.problems]

    async def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask the database directly."""
        async with self.database.connection() as connection:
            return [tuple(row) for row in await connection.fetch(query, *values)]

    async def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return all rows; xmin is the transaction that wrote a row, so that a rewrite with the same values shows."""
        return {table: await self.rows(f"SELECT xmin::text, * FROM {table} ORDER BY 2, 3") for table in TABLES}  # noqa: S608
