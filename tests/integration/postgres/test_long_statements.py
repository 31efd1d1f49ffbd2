"""Statements whose work grows with a package: millions of files take them longer than any other statement may take."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Final

import pytest

from service.context import Context, open_context
from service.deletions.deletion import Deletion
from service.errors import DatabaseAwayError
from service.infra.postgres.sessions import connecting
from service.settings import Settings
from tests.support.catalogue import delete, file_statuses, fill_directory, publish
from tests.support.races import UseCase, claiming, restoring
from tests.support.stepwise import Worker, with_settings

_USUAL_LIMIT_S: Final = 0.3
_TAKES_S: Final = 1


@pytest.fixture
async def impatient(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Context]:
    """A context in which a usual statement may take no longer than a moment."""
    monkeypatch.setattr(connecting, "STATEMENT_TIMEOUT_S", _USUAL_LIMIT_S)
    async with open_context(settings) as opened:
        await fill_directory(opened)
        yield opened


async def _slowed(context: Context, use_case: UseCase[object]) -> None:
    """Let the use case wait at the package's files for longer than a usual statement may take."""
    async with context.database.transaction() as connection:
        await connection.execute("SELECT FROM package_file FOR UPDATE")
        attempt = asyncio.create_task(use_case(context))
        await asyncio.sleep(_TAKES_S)
        assert not attempt.done(), f"it did not wait: {attempt}"
    await attempt


@pytest.fixture
async def deletion(impatient: Context) -> Deletion:
    """An accepted deletion of a package with two files."""
    return await delete(impatient, await publish(impatient, files=["a", "b"]))


async def test_usual_statements_are_given_up(impatient: Context) -> None:
    with pytest.raises(DatabaseAwayError, match=r"no answer to a statement within 0\.3 s"):
        async with impatient.database.connection() as connection:
            await connection.fetch("SELECT pg_sleep(10)")


async def test_a_package_may_take_its_time_to_be_marked(impatient: Context, deletion: Deletion) -> None:
    await _slowed(impatient, claiming(deletion))

    assert await file_statuses(impatient, deletion.package_id) == ["pending_destruction"] * 2


async def test_a_package_may_take_its_time_to_come_back(impatient: Context, deletion: Deletion) -> None:
    await Worker().claim(with_settings(impatient, grace_period=timedelta(hours=1)), deletion.id)
    assert await file_statuses(impatient, deletion.package_id) == ["pending_destruction"] * 2

    await _slowed(impatient, restoring(deletion))

    assert await file_statuses(impatient, deletion.package_id) == ["default"] * 2


async def test_a_package_may_take_its_time_to_be_shown_in_error(impatient: Context, deletion: Deletion) -> None:
    worker = Worker()
    await worker.claim(impatient, deletion.id)

    await _slowed(impatient, lambda context: worker.fail(context, is_last_attempt=True))

    assert await file_statuses(impatient, deletion.package_id) == ["error"] * 2
