"""Records of the driver, and how they become typed rows.

Only modules of rows, and this folder, see a record: above them, a wrong column name is an error of the type checker.
"""

from collections.abc import Callable, Mapping
from dataclasses import Field, fields
from enum import Enum
from operator import itemgetter
from types import NoneType, UnionType
from typing import Any, ClassVar, Protocol, TypeAlias, TypeVar, get_args, get_origin, get_type_hints

Record: TypeAlias = Mapping[str, Any]
"""A row as the driver returns it: column -> value."""

_Conversion: TypeAlias = Callable[[Any], object]


class Dataclass(Protocol):
    """Any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


_Row = TypeVar("_Row", bound=Dataclass)


def row_reader(kind: type[_Row], *, prefix: str = "") -> Callable[[Record], _Row]:
    """Return what makes a row of a dataclass from a record whose columns are named as its fields; more may be there.

    With a *prefix*, the names of the columns begin with it, since the record has other columns of the same names.

    A field that is an enumeration, a tuple or a frozenset takes the text or the list that the driver returns.
    The reader is made once, beside the class: it costs about a microsecond for ten fields.
    """
    make: Callable[..., _Row] = kind
    names = [field.name for field in fields(kind)]
    hints = get_type_hints(kind)
    conversions = [(i, found) for i, name in enumerate(names) if (found := _conversion(hints[name])) is not None]
    columns = [prefix + name for name in names]
    if len(columns) == 1:
        return lambda record: make(record[columns[0]])
    take = itemgetter(*columns)
    if not conversions:
        return lambda record: make(*take(record))

    def read(record: Record) -> _Row:
        values = [*take(record)]
        for i, convert in conversions:
            values[i] = convert(values[i])
        return make(*values)

    return read


def _conversion(hint: object) -> _Conversion | None:
    if isinstance(hint, UnionType):
        return _unless_null([part for part in get_args(hint) if part is not NoneType])
    if isinstance(hint, type) and issubclass(hint, Enum):
        # Reading a mapping takes a third of the time of a call of the enumeration.
        return {member.value: member for member in hint}.__getitem__
    origin = get_origin(hint)
    return origin if origin in {tuple, frozenset} else None


def _unless_null(parts: list[object]) -> _Conversion | None:
    convert = _conversion(parts[0]) if len(parts) == 1 else None
    return None if convert is None else lambda value: None if value is None else convert(value)
