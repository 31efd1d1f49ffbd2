"""Fixtures for tests of the whole system."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from service.context import open_context
from service.settings import Settings
from tests.support.catalogue import fill_directory
from tests.support.yard import Yard


@pytest.fixture
async def yard(settings: Settings, tmp_path: Path) -> AsyncGenerator[Yard]:
    """The four processes, not started yet; what still runs in the end has to stop cleanly."""
    made = Yard(settings, tmp_path / "yard")
    made.folder.mkdir()
    yield made
    await made.aclose()


@pytest.fixture
async def yard_of_each_store(settings_of_each_store: Settings, tmp_path: Path) -> AsyncGenerator[Yard]:
    """Such a yard with its directory; no process is started."""
    made = Yard(settings_of_each_store, tmp_path / "yard")
    made.folder.mkdir()
    await _fill(settings_of_each_store)
    yield made
    await made.aclose()


@pytest.fixture
async def directory(yard: Yard, settings: Settings) -> Yard:
    """The same with users and projects, without a process that brings them."""
    await _fill(settings)
    return yard


async def _fill(settings: Settings) -> None:
    async with open_context(settings, connections=1) as context:
        await fill_directory(context)
