"""How a record of the driver becomes a typed row."""

from dataclasses import dataclass

import pytest

from schemas.names import AccessLevel, Visibility
from service.infra.postgres.records import row_reader


@dataclass(frozen=True, slots=True)
class _Place:
    id: int
    visibility: Visibility
    level: AccessLevel | None
    ancestry: tuple[int, ...]
    scopes: frozenset[str]
    name: str | None


@dataclass(frozen=True, slots=True)
class _Key:
    storage_key: str


_RECORD = {"id": 3, "visibility": "public", "level": 40, "ancestry": [1, 2], "scopes": ["api"], "name": None}


def test_each_field_is_read_as_its_type_says() -> None:
    place = row_reader(_Place)({**_RECORD, "total": 9})

    assert place == _Place(3, Visibility.PUBLIC, AccessLevel.MAINTAINER, (1, 2), frozenset({"api"}), None)
    assert place.visibility is Visibility.PUBLIC


def test_a_null_stays_null_where_the_type_allows_it() -> None:
    assert row_reader(_Place)({**_RECORD, "level": None}).level is None


@pytest.mark.parametrize("wrong", [{"visibility": "hidden"}, {"visibility": None}])
def test_a_value_that_the_type_does_not_have_is_an_error(wrong: dict[str, object]) -> None:
    with pytest.raises(KeyError):
        row_reader(_Place)({**_RECORD, **wrong})


def test_a_missing_column_is_an_error() -> None:
    with pytest.raises(KeyError):
        row_reader(_Key)({"key": "a"})
    assert row_reader(_Key)({"storage_key": "a"}) == _Key("a")
