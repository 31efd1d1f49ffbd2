"""Pages of groups: they follow one another without a gap, and reads take few statements."""

from typing import Any, Final

import pytest

from service.context import Context
from service.infra.postgres.sessions.connecting import Session
from tests.integration.conftest import Client
from tests.support.catalogue import publish, query
from tests.support.packages import GROUP, MAINTAINER, PUBLIC, listed

_PER_PAGE: Final = 7
_PACKAGES: Final = 60
_EARLY: Final = 25
_FILL: Final = """
INSERT INTO package (project_id, package_type, name, version, created_at)
SELECT CASE WHEN n <= $1 THEN 100 ELSE 100 + n % 3 END, (ARRAY['npm', 'pypi', 'maven'])[1 + n % 3],
       'p-' || md5(n::text), '1.' || n % 4, timestamptz '2020-01-01Z' + make_interval(mins => n / 2)
  FROM generate_series(1, $2::integer) n
"""
"""Three projects; all packages of the first minutes are in one of them."""


_ORDERS: Final = ("created_at", "name", "version", "semver", "type", "project_path")
_READS: Final = (
    ("/api/v4/version", 1),
    (PUBLIC, 1),
    (f"{PUBLIC}/{{id}}", 1),
    (f"{PUBLIC}/{{id}}/package_files", 1),
    (GROUP, 2),
    # Caller and project, the begin of a transaction with its settings, the page, the end.
    (f"{PUBLIC}?package_name=app", 4),
)
"""Addresses, and how many statements each may take."""


async def test_pages_of_a_group_follow_one_another(filled: Context, client: Client) -> None:
    await query(filled, _FILL, _EARLY, _PACKAGES)
    for order in [f"order_by={order_by}&sort={sort}" for order_by in _ORDERS for sort in ("asc", "desc")]:
        whole = await client.get(f"{GROUP}?{order}&per_page=100", headers=MAINTAINER)
        pages = [
            await client.get(f"{GROUP}?{order}&per_page={_PER_PAGE}&page={page}", headers=MAINTAINER)
            for page in range(1, _PACKAGES // _PER_PAGE + 2)
        ]

        ids = await listed(whole, "id")
        assert len(ids) == _PACKAGES
        assert [package_id for page in pages for package_id in await listed(page, "id")] == ids, order
        assert {page.headers["X-Total"] for page in pages} == {str(_PACKAGES)}


async def test_a_read_takes_few_statements(filled: Context, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    package_id = await publish(filled)
    statements: list[str] = []
    for name in ("execute", "fetch", "fetchrow", "fetchval"):
        monkeypatch.setattr(Session, name, _noting(getattr(Session, name), statements))

    for address, most in _READS:
        statements.clear()
        answer = await client.get(address.format(id=package_id), headers=MAINTAINER)

        assert answer.status == 200
        assert 1 <= len(statements) <= most, statements


def _noting(run: Any, statements: list[str]) -> Any:
    async def noted(session: Session, text: str, *values: object, **how: object) -> Any:
        statements.append(text)
        return await run(session, text, *values, **how)

    return noted
