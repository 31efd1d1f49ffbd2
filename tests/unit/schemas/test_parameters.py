"""Parameters: every text in one is read or refused."""

import pytest
from pydantic import ValidationError

from schemas.base import Query
from tests.support.contracts import served_operations

_KINDS = sorted(
    {operation.query for operation in served_operations() if operation.query}, key=lambda kind: kind.__name__
)
_TEXTS = [
    "",
    " ",
    "0",
    "-1",
    "1",
    "9" * 30,
    "x",
    "true",
    "\u0661",
    "keyset",
    "1,2",
    "\ud800",
    '"',
    "a" * 5_000,
    "1e3",
    "None",
]


def _refusals(kind: type[Query], name: str, text: str) -> set[tuple[object, str]]:
    try:
        kind.model_validate({name: text}).model_dump(mode="json")
    except ValidationError as error:
        return {(problem["loc"][0], problem["type"]) for problem in error.errors()}
    return set()


@pytest.mark.parametrize("kind", _KINDS)
def test_every_text_is_read_or_refused_under_its_name(kind: type[Query]) -> None:
    for name in kind.model_fields:
        for text in _TEXTS:
            assert {place for place, _ in _refusals(kind, name, text)} <= {name}


@pytest.mark.parametrize("kind", _KINDS)
def test_blank_is_not_set_unless_there_is_a_list_of_values(kind: type[Query]) -> None:
    plain = kind.model_validate({})
    for name in kind.model_fields:
        refusals = {reason for _, reason in _refusals(kind, name, "")}

        assert refusals <= {"enum", "literal_error"}
        assert refusals or kind.model_validate({name: ""}) == plain
