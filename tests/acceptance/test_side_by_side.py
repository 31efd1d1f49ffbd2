"""Two versions side by side, over a migration: the processes of now, and those of a version that comes after."""

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from service.infra.postgres.schema_version import VERSIONS, newest_version
from tests.support.observer import rows
from tests.support.paths import ROOT
from tests.support.yard import PROCESSES, Yard, eventually
from workers.stack.readiness import until_ready
from workers.stack.state import LOOPBACK, free_port

_PACKAGES: Final = "/api/v4/projects/100/packages"
_NEXT: Final = f"{int(newest_version()) + 1:04}"


@pytest.fixture
def next_version(tmp_path: Path) -> Mapping[str, str]:
    """The variables that make a process one of the next version: the same code, and one more migration that expands."""
    home = tmp_path / "next"
    for package in ("schemas", "service", "workers"):
        shutil.copytree(ROOT / package, home / package, ignore=shutil.ignore_patterns("__pycache__"))
    versions = home / VERSIONS.relative_to(ROOT)
    (script,) = versions.glob(f"{newest_version()}_*.py")
    text = script.read_text(encoding="utf-8").splitlines(keepends=True)
    revision = [f'revision = "{_NEXT}"\n', f'down_revision = "{newest_version()}"\n']
    kept = [line for line in text if not line.startswith(("revision", "down_revision"))]
    import_line = next(number for number, line in enumerate(kept) if line.startswith("from "))
    (versions / f"{_NEXT}_next.py").write_text(
        "".join([*kept[: import_line + 1], "\n", *revision, *kept[import_line + 1 :]]), encoding="utf-8"
    )
    (versions / f"{_NEXT}_next.sql").write_text(
        "-- A column that the release before does not know, filled for its rows, and found by.\n\n"
        "-- step: the column\n"
        "ALTER TABLE deletion ADD COLUMN IF NOT EXISTS remark text NOT NULL DEFAULT '';\n\n"
        "-- step: what stands in it for deletions of the release before\n"
        "UPDATE deletion SET remark = 'old' WHERE remark = '';\n\n"
        "-- step: what an attempt that failed may have left\n"
        "DROP INDEX CONCURRENTLY IF EXISTS deletion_remark;\n\n"
        "-- step: found by it\n"
        "CREATE INDEX CONCURRENTLY deletion_remark ON deletion (remark);\n",
        encoding="utf-8",
    )
    return {"PYTHONPATH": str(home), "PYTHONSAFEPATH": "1"}


class _Client:
    """Publishes and deletes, one package after the other, through whichever APIs there are."""

    def __init__(self, session: aiohttp.ClientSession, addresses: list[str]) -> None:
        self.addresses = addresses
        self.deleted = 0
        self._session = session

    async def run(self, stop: asyncio.Event) -> None:
        """Go on until *stop*; every answer has to be a good one."""
        while not stop.is_set():
            for address in list(self.addresses):
                version = str(self.deleted)
                published = f"{address}{_PACKAGES}/generic/thing/{version}/f?select=package_file"
                async with self._session.put(published, data=b"x") as answer:
                    assert answer.status == 200, await answer.text()
                    package_id = (await answer.json())["package_id"]
                async with self._session.delete(f"{address}{_PACKAGES}/{package_id}") as answer:
                    assert answer.status == 204, await answer.text()
                self.deleted += 1


async def test_old_and_new_work_side_by_side_while_and_after_the_schema_is_expanded(
    directory: Yard, next_version: Mapping[str, str], database_url: str
) -> None:
    yard = directory
    await yard.start()
    new = {name: f"{name}-next" for name in PROCESSES}
    port = str(free_port())
    next_url = f"http://{LOOPBACK}:{port}"
    stop = asyncio.Event()
    async with aiohttp.ClientSession(headers={"PRIVATE-TOKEN": "maintainer-token"}) as session:
        client = _Client(session, [yard.base_url])
        async with asyncio.TaskGroup() as group:
            group.create_task(client.run(stop))
            too_early = await yard.run("work", settings=next_version, status=1)
            assert f"the database is at schema version {newest_version()}, {_NEXT} is needed" in too_early
            assert f"schema version {_NEXT}" in await yard.run("migrate", settings=next_version)

            for name, child in new.items():
                await yard.start(
                    child, settings={**next_version, **({"PACKYARD_PORT": port} if name == "serve" else {})}
                )
            await eventually(lambda: _all_listen(yard, list(new.values())), within=30)
            await until_ready(next_url, within_s=30, require_alive=lambda: yard.running(new["serve"]))
            client.addresses.append(next_url)
            for name in ("work", "work-next"):
                await eventually(lambda name=name: _has_destroyed(yard, name, 5), within=30)  # type: ignore[misc]  # a default binds the name
            client.addresses.remove(yard.base_url)
            await asyncio.sleep(0.1)  # for what is under way there
            await yard.terminate(*PROCESSES)
            done = client.deleted
            await eventually(lambda: _has_deleted(client, done + 10), within=30)
            stop.set()
        for child in new.values():
            assert (await yard.metrics(child))[f'packyard_build_info{{schema="{_NEXT}",version="0.1.0"}}'] == 1

    states: list[tuple[str, int]] = []

    async def all_is_gone() -> bool:
        states[:] = map(tuple, await rows(database_url, "SELECT state, count(*) FROM deletion GROUP BY state"))
        return states == [("succeeded", client.deleted)]

    try:
        await eventually(all_is_gone, within=75)  # a command lost between two relays is sent again after a minute
    except TimeoutError:
        pytest.fail(f"of {client.deleted} deletions: {states}")
    remarks = await rows(database_url, "SELECT DISTINCT remark FROM deletion ORDER BY remark")
    assert [row["remark"] for row in remarks] == ["", "old"]


async def _all_listen(yard: Yard, names: list[str]) -> bool:
    assert all(yard.running(name) for name in names)
    return all(yard.is_listening(name) for name in names)


async def _has_destroyed(yard: Yard, name: str, files: int) -> bool:
    told = await yard.metrics(name)
    return told.get('packyard_files_destroyed_total{cause="user",package_type="generic"}', 0) >= files


async def _has_deleted(client: _Client, number: int) -> bool:
    return client.deleted >= number
