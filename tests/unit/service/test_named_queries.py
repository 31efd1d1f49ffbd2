"""What every query answers with is known when it is written."""

import re
from dataclasses import fields
from typing import Final

from service.deletions.rows.accepting import Deletion
from service.infra.postgres.queries import COLUMNS, load_queries, query_files

_ANSWERS_WITH_ALL: Final = re.compile(r"^(?:SELECT|RETURNING) (?:\w+\.)?\*", re.MULTILINE)
"""At the beginning of a line: what stands further to the right is a part of a query, and not its answer."""

_READING_ALONE: Final = frozenset({"list_packages_behind", "find_package", "browse_project", "browse_group"})
"""These run outside of transactions, where the driver repeats what a migration made invalid."""

_COPYING: Final = frozenset({"append_to_outbox!", "note_damaged!"})
"""These answer with nothing; they take from arrays."""


def test_no_query_of_a_transaction_answers_with_whatever_columns_there_are() -> None:
    found = {
        text.partition("\n")[0]
        for file in query_files()
        for text in file.read_text(encoding="utf-8").split("-- name: ")[1:]
        if _ANSWERS_WITH_ALL.search(text)
    }

    assert found == _READING_ALONE | _COPYING


def test_a_deletion_is_read_from_the_columns_that_queries_answer_with() -> None:
    assert COLUMNS["deletion"] == tuple(column.name for column in fields(Deletion))
    assert "RETURNING deletion.id, deletion.project_id, " in load_queries().end_as_restored.sql
