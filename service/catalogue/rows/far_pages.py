"""Pages of the packages of many projects that are far down: where their rows are read from."""

from typing import Final

from schemas.http.package_parameters import PackageListing
from service.catalogue.rows import package_orders
from service.infra.postgres.composing import Values, literal

MERGED: Final = """(
    SELECT v.id, h.* FROM {visited} v CROSS JOIN LATERAL (
        SELECT p.id AS first_id, {key} AS first_key FROM package p
         WHERE p.project_id = v.id AND {conditions} ORDER BY {order_within} LIMIT 1) h
     ORDER BY h.first_key {direction}, h.first_id {direction} LIMIT {limit} + {offset}) w
    CROSS JOIN LATERAL (
        SELECT p.id, {key} AS key FROM package p WHERE p.project_id = w.id AND {conditions}
         ORDER BY {order_within} LIMIT {limit} + {offset}) p"""
"""Merges the pages of projects. A page of 20 can only have rows of those 20 projects whose first rows come first.

So each project costs one probe of an index, and each of those few its first rows. Only keys are read, from indexes.
"""

_SHARED: Final = """(
    WITH bound AS MATERIALIZED (
        SELECT s.key, s.id FROM visit v CROSS JOIN LATERAL (
            SELECT p.id, {key} AS key FROM package p
             WHERE p.project_id = v.id AND {conditions} ORDER BY {order_within} LIMIT 1 OFFSET {share} - 1) s
         ORDER BY s.key {direction}, s.id {direction} LIMIT 1
    ), known AS MATERIALIZED (
        SELECT s.id, s.key FROM visit v CROSS JOIN LATERAL (
            SELECT p.id, {key} AS key FROM package p
             WHERE p.project_id = v.id AND {conditions} ORDER BY {order_within} LIMIT {share}) s
          LEFT JOIN bound b ON true
         WHERE b.id IS NULL OR (s.key, s.id) {up_to} (b.key, b.id)
    ), way AS MATERIALIZED (
        SELECT NOT EXISTS (SELECT FROM bound) OR count(*) >= {limit} + {offset} AS is_known FROM known
    )
    SELECT k.id, k.key FROM known k CROSS JOIN way WHERE way.is_known
     UNION ALL
    SELECT m.id, m.key FROM way CROSS JOIN LATERAL (
        SELECT p.id, p.key FROM {merged} WHERE NOT way.is_known
         ORDER BY p.key {direction}, p.id {direction} LIMIT {limit} + {offset}) m) p"""
"""Reads the same share of each project: twice as many rows as a page down there needs, if its rows are spread evenly.

Up to the first of the last rows of these shares, all rows are known. If a page ends behind it, the projects are merged.
"""

_NARROWED: Final = """(
    WITH RECURSIVE candidate AS MATERIALIZED (
        SELECT s.key, s.id, row_number() OVER (ORDER BY s.key {direction}, s.id {direction}) AS place
          FROM visit v CROSS JOIN LATERAL (
            SELECT p.id, {key} AS key FROM package p
             WHERE p.project_id = v.id AND {conditions} ORDER BY {order_within} LIMIT 1 OFFSET {skipped}) s
    ), search AS (
        SELECT 1::bigint AS low, (SELECT count(*) + 1 FROM candidate) AS high, {counted} AS number
          FROM candidate c WHERE c.place = 1
         UNION ALL
        SELECT CASE WHEN tried.is_low THEN c.place ELSE s.low END, CASE WHEN tried.is_low THEN s.high ELSE c.place END,
               CASE WHEN tried.is_low THEN tried.number ELSE s.number END
          FROM search s JOIN candidate c ON c.place = (s.low + s.high) / 2 CROSS JOIN LATERAL (
                SELECT n.number, n.number <= {offset} AS is_low FROM (SELECT {counted} AS number OFFSET 0) n) tried
         WHERE s.high - s.low > 1 AND {offset} - s.number > {offset} / {near}
    ), floor AS MATERIALIZED (
        SELECT c.key, c.id, {offset} - s.number AS left_over
          FROM search s JOIN candidate c ON c.place = s.low ORDER BY s.low DESC LIMIT 1
    )
    SELECT p.id, p.key FROM {rest}
     ORDER BY p.key {direction}, p.id {direction} LIMIT {limit} OFFSET {left_over}) p"""
"""Skips rows of a page far down without keeping or sorting them: counting a row costs a tenth of that.

Each project skips its part of the offset, and the rows that follow are candidates. No project has more rows before the
first of these, so it is not behind the page. The last such candidate is searched by halves, until it is near enough.
The page is read from there. Without a candidate it is empty.
"""
_COUNTED_BEFORE: Final = """(
    SELECT count(*) FROM (
        SELECT FROM visit v CROSS JOIN LATERAL (
            SELECT FROM package p
             WHERE p.project_id = v.id AND {conditions} AND ({key}, p.id) {before} (c.key, c.id) OFFSET 0) p
         LIMIT {offset} + 1) counted)"""
_FLOOR: Final = "({key}, p.id) {from_there} ((SELECT f.key FROM floor f), (SELECT f.id FROM floor f))"
_LEFT_OVER: Final = "(SELECT f.left_over FROM floor f)"
_NEAR: Final = 32
"""The part of an offset that may be left over."""
_WORTH_NARROWING: Final = 16
"""How many rows of each project a page has to skip: for fewer, the rows that are left over are almost as many."""


def source_of(parts: dict[str, str], values: Values, projects: int, listing: PackageListing) -> dict[str, str]:
    """Return where a page of so many projects is read from, and from which row on; *parts* are those of its query."""
    if listing.offset // projects >= _WORTH_NARROWING and package_orders.is_of_packages(listing):
        return {"source": _narrowed(parts, values, projects, listing), "offset": literal(0)}
    rows = listing.offset + listing.per_page + 1
    return {"source": _shared(parts, listing, values.place(2 * -(-rows // projects), "bigint"))}


def _narrowed(parts: dict[str, str], values: Values, projects: int, listing: PackageListing) -> str:
    floor = _FLOOR.format(key=parts["key"], from_there=package_orders.from_there(listing))
    rest = {**parts, "conditions": f"{parts['conditions']} AND {floor}", "offset": _LEFT_OVER}
    number = values.place(projects, "bigint")
    return _NARROWED.format_map(
        {
            **parts,
            "skipped": values.place(listing.offset // projects, "bigint"),
            "counted": _COUNTED_BEFORE.format_map({**parts, "before": package_orders.before(listing)}),
            "near": literal(_NEAR),
            "rest": _shared(rest, listing, f"2 * (({_LEFT_OVER} + {parts['limit']}) / {number} + 1)"),
            "left_over": _LEFT_OVER,
        }
    )


def _shared(parts: dict[str, str], listing: PackageListing, share: str) -> str:
    merged = MERGED.format_map(parts)
    return _SHARED.format_map(
        {**parts, "merged": merged, "share": share, "up_to": package_orders.up_to(listing)},
    )
