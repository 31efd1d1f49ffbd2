"""Fixtures of tests of commands."""

import pytest

from service.settings import Settings
from tests.support.commands import Commands


@pytest.fixture
def packyard(settings: Settings) -> Commands:
    """The command `packyard`, with the settings of the test."""
    return Commands(settings)
