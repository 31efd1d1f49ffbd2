"""The figures of projects when packages come in, come back under another name, and go; and when projects move."""

from pathlib import Path
from typing import Final

import pytest

from service.context import Context
from service.directory_file.applying import apply_directory, read_directory
from tests.integration.conftest import Client
from tests.support.catalogue import delete, publish, restore, retry
from tests.support.packages import API, MAINTAINER, bring_in, json_of
from tests.support.recount import kept, recounted
from tests.support.stepwise import Worker

_NAMES: Final = ("packages", "files", "logical_bytes", "physical_bytes")


async def _figures(client: Client, address: str) -> tuple[int, ...]:
    answer = await json_of(await client.get(f"{API}/{address}/package_statistics", headers=MAINTAINER))
    return tuple(answer[name] for name in _NAMES)


async def test_a_package_restored_under_another_version_counts_beside_the_one_that_took_its_place(
    client: Client, filled: Context
) -> None:
    deletion = await delete(filled, await publish(filled, content=b"12345"))
    await publish(filled, content=b"123")
    assert await _figures(client, "projects/100") == (1, 1, 3, 8)

    await restore(filled, deletion.id, rename_to="2.0")

    assert await _figures(client, "projects/100") == (2, 2, 8, 8)
    assert await kept(filled) == await recounted(filled) == {(100, "generic"): (2, 2, 8, 8)}


@pytest.mark.parametrize("status", ["default", "hidden", "error", "deprecated"])
async def test_what_is_imported_counts_by_its_status(client: Client, filled: Context, status: str) -> None:
    files = [{"file_name": "a", "content": "12345"}, {"file_name": "b", "content": "123"}]
    await bring_in(filled, package_type="pypi", status=status, files=files)

    assert await _figures(client, "projects/100") == ((0, 0, 0, 8) if status == "hidden" else (1, 2, 8, 8))
    assert await kept(filled) == await recounted(filled)


async def test_a_batch_of_an_import_counts_each_of_its_packages(filled: Context) -> None:
    for number in range(3):
        await bring_in(filled, name=f"app-{number}", files=[{"file_name": "a", "content": "x" * number}])
    await bring_in(filled, project="acme/labs/anvil", files=[{"file_name": "a", "content": "12345"}])

    assert await kept(filled) == await recounted(filled) == {(100, "npm"): (3, 3, 3, 3), (102, "npm"): (1, 1, 5, 5)}


async def test_a_project_that_moves_takes_its_figures_to_the_other_group(
    client: Client, filled: Context, tmp_path: Path
) -> None:
    await publish(filled, content=b"12345", project_id=102)
    await delete(filled, await publish(filled, content=b"123", project_id=102, name="going"), project_id=102)
    assert await _figures(client, "groups/acme") == (1, 1, 5, 8)
    assert await _figures(client, "groups/secret") == (0, 0, 0, 0)

    moved = tmp_path / "moved.yaml"
    moved.write_text("projects: [{path: secret/anvil, id: 102, visibility: private}]\n", encoding="utf-8")
    await apply_directory(filled.database, read_directory(moved))

    assert await _figures(client, "groups/acme") == (0, 0, 0, 0)
    assert await _figures(client, "groups/secret") == (1, 1, 5, 8)
    assert await _figures(client, "projects/102") == (1, 1, 5, 8)
    assert await kept(filled) == await recounted(filled)


async def test_a_failed_deletion_that_is_tried_again_counts_until_it_goes(client: Client, filled: Context) -> None:
    deletion = await delete(filled, await publish(filled, files=["a", "b"], content=b"12345"))
    worker = Worker()
    await worker.claim(filled, deletion.id)
    await worker.fail(filled, is_last_attempt=True)
    assert await _figures(client, "projects/100") == (1, 2, 10, 10)

    await retry(filled, deletion.id)
    assert await _figures(client, "projects/100") == (0, 0, 0, 10)
    assert await kept(filled) == await recounted(filled)
    worker = Worker()
    await worker.claim(filled, deletion.id)
    await worker.prepare_chunk(filled)
    await worker.record(filled)

    assert await _figures(client, "projects/100") == (0, 0, 0, 0)
    assert await kept(filled) == await recounted(filled) == {}
