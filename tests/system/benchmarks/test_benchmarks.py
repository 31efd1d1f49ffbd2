"""The bench itself: both sides of a comparison send the same, and a round measures them."""

from pathlib import Path
from typing import Final

import aiohttp
import asyncpg
from typing_extensions import override

from service.context import Context
from service.settings import Settings
from tests.support.catalogue import fill_directory
from tests.system.benchmarks.bench import Bench, bare_program, running
from tests.system.benchmarks.cases.reads import READS
from tests.system.benchmarks.load import Target, requests_per_second
from tests.system.benchmarks.processes import Group
from tests.system.benchmarks.servers import Servers

_OF_THE_SERVER: Final = {"date", "content-length", "server"}
_PACKAGES: Final = """
WITH made AS (
    INSERT INTO package (project_id, package_type, name, version, conan_username, conan_channel, created_at)
    SELECT 100, CASE WHEN n % 5 = 0 THEN 'conan' ELSE 'npm' END, 'app-' || n % 3, '1.' || n, 'acme', 'stable',
           '2024-02-29 12:00:00.123456+00'::timestamptz + n * interval '1 hour'
      FROM generate_series(1, 30) n RETURNING id
), tags AS (
    INSERT INTO package_tag (package_id, name) SELECT id, 'latest' FROM made WHERE id % 4 = 0
), files AS (
    INSERT INTO package_file (package_id, file_name, size, md5, sha1, sha256, storage_key)
    SELECT id, 'app.tgz', 5, decode(repeat('ab', 16), 'hex'), decode(repeat('cd', 20), 'hex'),
           decode(repeat('ef', 32), 'hex'), 'projects/100/00/' || id FROM made RETURNING id
), builds AS (
    INSERT INTO package_build (package_id, pipeline_id) SELECT id, 4700 FROM made WHERE id % 2 = 0
)
INSERT INTO package_file_build (package_file_id, pipeline_id) SELECT id, 4700 FROM files WHERE id % 2 = 0
"""


class _RunServers(Servers):
    """The servers of the test run in place of the bench's own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @override
    def groups(self) -> list[Group]:
        return []

    @override
    async def settings(self, database: str, objects: Path, *, with_broker: bool) -> Settings:
        return self._settings


async def test_the_bare_program_answers_as_the_api_does_and_both_are_measured(
    context: Context, settings: Settings, tmp_path: Path
) -> None:
    await fill_directory(context)
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    await connection.execute(_PACKAGES)
    package_id = await connection.fetchval("SELECT max(id) FROM package WHERE package_type = 'conan'")
    await connection.close()
    bench = Bench(_RunServers(settings), "tiny", 30, "", tmp_path)
    routes = {read.name: (read.path.format(id=package_id), read.headers) for read in READS}

    async with running(bench, "serve") as run, bare_program(run, routes) as (bare_url, bare):
        for read in READS:
            ours = await _answer(run.url, read.path.format(id=package_id), dict(read.headers))
            theirs = await _answer(bare_url, f"/{read.route.format(id=package_id)}", dict(read.headers))
            assert theirs == ours, read.name
        rate = await requests_per_second(Target(bare_url, ["/list"]), [bare], seconds=1)

    assert rate.figure > 1
    assert rate.p99_ms is not None
    assert rate.cpu_ms["bare"] > 0


async def _answer(url: str, path: str, headers: dict[str, str]) -> tuple[object, dict[str, int]]:
    """Return the body, and the length of each header field."""
    async with (
        aiohttp.ClientSession(url, headers=headers, raise_for_status=True) as session,
        session.get(path) as answer,
    ):
        lengths = {name.lower(): len(value) for name, value in answer.headers.items()}
        return await answer.json(), {name: lengths[name] for name in lengths if name not in _OF_THE_SERVER}
