"""The projects whose packages a query reads: the one of a visit, found in the same round trip, or given ones.

Each is a query of one row that names them in `ids`. Composed queries have it as `visit`.
"""

import re
from collections.abc import Collection

from service.access.rows import VisitQuery
from service.infra.postgres.composing import Values


def project_of_visit(visit: VisitQuery) -> str:
    """Return the visit with its project; without any for a caller who may not read there."""
    return f"SELECT v.*, CASE WHEN v.is_open THEN ARRAY[v.id] END AS ids FROM ({visit.text}) v"  # noqa: S608 - no values are in the text


def given_projects(values: Values, project_ids: Collection[int]) -> str:
    """Return a query of these projects."""
    return f"SELECT {values.place(list(project_ids), 'bigint[]')} AS ids"


def percent_encoded(column: str, *, also: str = "") -> str:
    """Return an expression for the text of a column, percent-encoded but for letters, digits, `_.~-` and *also*."""
    kept = f"A-Za-z0-9_.~{re.escape(also)}-"
    return f"""CASE WHEN {column} ~ '^[{kept}]+$' THEN {column} ELSE
    (SELECT string_agg(CASE WHEN b.value < 128 AND chr(b.value) ~ '[{kept}]' THEN chr(b.value)
                            ELSE '%' || upper(lpad(to_hex(b.value), 2, '0')) END, '' ORDER BY b.place)
       FROM (SELECT place, get_byte(convert_to({column}, 'UTF8'), place) AS value
               FROM generate_series(0, octet_length({column}) - 1) place) b) END"""  # noqa: S608 - only our own text
