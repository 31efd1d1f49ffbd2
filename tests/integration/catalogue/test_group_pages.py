"""Pages of groups: they follow one another without a gap, and reads take few statements."""

from typing import Any, Final

import pytest

from service.context import Context
from service.infra.postgres.sessions.connecting import Session
from tests.integration.conftest import Client
from tests.support.catalogue import publish, query
from tests.support.packages import GROUP, MAINTAINER, PUBLIC, listed

_PER_PAGE: Final = 7
_PACKAGES: Final = 90
_EARLY: Final = 25
_BEYOND: Final = 60
"""A page that is far beyond the end."""
_FILL: Final = """
INSERT INTO package (project_id, package_type, name, version, created_at)
SELECT CASE WHEN n <= $1 THEN 100 ELSE 100 + n % 3 END, (ARRAY['npm', 'pypi', 'maven'])[1 + n % 3],
       'p-' || md5(n::text), '1.' || n % 4, timestamptz '2020-01-01Z' + make_interval(mins => n / 2)
  FROM generate_series(1, $2::integer) n
"""
"""Three projects; all packages of the first minutes are in one of them."""


_MANY_PROJECTS: Final = """
INSERT INTO project (id, group_id, path, name, visibility)
SELECT 5000 + n, 10, 'acme/p' || n, 'P', 'public' FROM generate_series(1, 150) n
"""
_ELSEWHERE: Final = """
INSERT INTO package (project_id, package_type, name, version, created_at)
SELECT 200, 'npm', 'old-' || n, '1', timestamptz '2019-01-01Z' + make_interval(mins => n) FROM generate_series(1, 400) n
"""
_IN_MANY: Final = """
INSERT INTO package (project_id, package_type, name, version, created_at)
SELECT 5001 + n % 140, (ARRAY['npm', 'pypi', 'maven'])[1 + n % 3], 'p-' || md5(n::text), '1.' || n % 4,
       timestamptz '2020-01-01Z' + make_interval(mins => n / 2)
  FROM generate_series(1, 300) n
"""
_IDS_OF_MANY: Final = """
SELECT id FROM package WHERE project_id > 5000 AND ($1::text IS NULL OR package_type = $1) ORDER BY created_at, id
"""

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
            for page in (*range(1, _PACKAGES // _PER_PAGE + 2), _BEYOND)
        ]

        ids = await listed(whole, "id")
        assert len(ids) == _PACKAGES
        assert [package_id for page in pages for package_id in await listed(page, "id")] == ids, order
        assert {page.headers["X-Total"] for page in pages} == {str(_PACKAGES)}


async def test_pages_of_many_projects_do_not_depend_on_what_is_elsewhere(filled: Context, client: Client) -> None:
    await query(filled, _MANY_PROJECTS)
    await query(filled, _IN_MANY)

    # At first the yard has these packages alone. Then more packages of another group come before them.
    for fill in (None, _ELSEWHERE):
        if fill:
            await query(filled, fill)
        for kind in (None, "npm"):
            ids = [row["id"] for row in await query(filled, _IDS_OF_MANY, kind)]
            of_kind = f"&package_type={kind}" if kind else ""
            for sort, wanted in (("asc", ids), ("desc", ids[::-1])):
                address = f"{GROUP}?per_page=20&sort={sort}{of_kind}"
                pages = [await client.get(f"{address}&page={page}", headers=MAINTAINER) for page in (1, 4, 9)]

                shown = [await listed(page, "id") for page in pages]
                assert shown == [wanted[:20], wanted[60:80], wanted[160:180]], (fill, kind, sort)
                assert {page.headers["X-Total"] for page in pages} == {str(len(ids))}


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
