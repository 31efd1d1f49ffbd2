"""The orders of a listing of packages, and going on from a position in one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from schemas.http.cursors import PackagePosition
from schemas.http.package_parameters import OrderBy, PackageListing
from schemas.searching import Sort
from service.infra.postgres import composing
from service.infra.postgres.composing import Values, direction
from service.infra.postgres.database import Record


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class _Order:
    expression: str
    kind: str
    """PostgreSQL's type of a value of it, as rows and cursors have it."""
    compared: str = "{}"
    """How such a value is written so that it compares with the expression."""
    column: str | None = None
    """Where a row has the value."""
    is_nullable: bool = False
    read: Callable[[Any], object] = str


_TYPES_END: Final = 2**15
_LAST_SEGMENT: Final = "(SELECT substring(j.path FROM '[^/]*$') FROM project j WHERE j.id = p.project_id)"

_ORDERS: Final[Mapping[OrderBy, _Order]] = MappingProxyType(
    {
        OrderBy.CREATED_AT: _Order("p.created_at", "timestamptz", column="created_at", read=_moment),
        OrderBy.NAME: _Order("p.name", "text", column="name"),
        OrderBy.VERSION: _Order("p.version", "text", column="version", is_nullable=True),
        OrderBy.TYPE: _Order("p.type_number", "smallint", column="type_number", read=int),
        OrderBy.SEMVER: _Order("p.version_key", "text", compared="semver_key({})", column="version", is_nullable=True),
        OrderBy.PROJECT_PATH: _Order(_LAST_SEGMENT, "text"),
    }
)


def ordering(listing: PackageListing) -> str:
    """Return the ORDER BY of a listing; the id decides where GitLab leaves it open."""
    return composing.ordering(_ORDERS[listing.order_by].expression, "p.id", listing.sort)


def ordering_within_project(listing: PackageListing) -> str:
    """Return the ORDER BY within one project, where the path is always the same: so it is that of an index."""
    return f"p.id {direction(listing.sort)}" if listing.order_by is OrderBy.PROJECT_PATH else ordering(listing)


def position_of(listing: PackageListing, row: Record) -> PackagePosition:
    """Return the position of a row in the listing."""
    column = _ORDERS[listing.order_by].column
    value = row["project_path"].rpartition("/")[2] if column is None else row[column]
    return position_at(listing, value, row["id"])


def position_at(listing: PackageListing, value: Any, package_id: int) -> PackagePosition:
    """Return the position of a row with that value in the listing."""
    position = value.isoformat() if isinstance(value, datetime) else value
    return PackagePosition(order=_name(listing), value=position, id=package_id)


def last_value(listing: PackageListing, limit: str) -> str:
    """Return the expression of what the list is ordered by in the last row of a page, where a cursor wants it."""
    if not listing.is_keyset:
        return "NULL"
    order = _ORDERS[listing.order_by]
    value = order.expression if order.column is None else f"p.{order.column}"
    return f"max({value}) FILTER (WHERE p.place = {limit} - 1)"


def key(listing: PackageListing) -> str:
    """Return the expression of what the list is ordered by."""
    return _ORDERS[listing.order_by].expression


def direction_of(listing: PackageListing) -> str:
    """Return the direction of the list as SQL has it."""
    return direction(listing.sort)


def behind(listing: PackageListing, position: PackagePosition, values: Values) -> str | None:
    """Return the condition that a row comes behind the position; None when it is not one of this listing's."""
    order = _ORDERS[listing.order_by]
    sign = ">" if listing.sort is Sort.ASC else "<"
    value = _read(order, position)
    if position.order != _name(listing) or (value is None and not (order.is_nullable and position.value is None)):
        return None
    if value is None:
        return _behind_null(order, position, values, sign)
    compared, identity = order.compared.format(values.place(value, order.kind)), values.place(position.id, "bigint")
    condition = f"({order.expression}, p.id) {sign} ({compared}, {identity})"
    # Nulls come last in an ascending order, first in a descending one. Most lists have no nulls, and an index then.
    return f"({condition} OR {order.expression} IS NULL)" if has_nulls(listing) and sign == ">" else condition


def has_nulls(listing: PackageListing) -> bool:
    """Return whether rows of the list may have nothing by which they are ordered."""
    return _ORDERS[listing.order_by].is_nullable and listing.include_versionless and listing.package_version is None


def up_to(listing: PackageListing) -> str:
    """Return the operator by which a row is not behind another one."""
    return "<=" if listing.sort is Sort.ASC else ">="


def before(listing: PackageListing) -> str:
    """Return the operator by which a row is before another one."""
    return "<" if listing.sort is Sort.ASC else ">"


def from_there(listing: PackageListing) -> str:
    """Return the operator by which a row is not before another one."""
    return ">=" if listing.sort is Sort.ASC else "<="


def is_of_packages(listing: PackageListing) -> bool:
    """Return whether packages decide the order, and not their projects."""
    return listing.order_by is not OrderBy.PROJECT_PATH


def _read(order: _Order, position: PackagePosition) -> object:
    try:
        value = None if position.value is None else order.read(position.value)
    except (TypeError, ValueError, OverflowError):
        return None
    return value if _is_storable(value) else None


def _behind_null(order: _Order, position: PackagePosition, values: Values, sign: str) -> str:
    same = f"({order.expression} IS NULL AND p.id {sign} {values.place(position.id, 'bigint')})"
    return same if sign == ">" else f"({same} OR {order.expression} IS NOT NULL)"


def _is_storable(value: object) -> bool:
    match value:
        case int():
            return 0 <= value < _TYPES_END
        case _:
            return "\x00" not in str(value)


def _name(listing: PackageListing) -> str:
    return f"{listing.order_by}.{listing.sort}"
