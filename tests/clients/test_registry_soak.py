"""Package managers that publish, install, delete, undo and republish one version all the time: a short soak."""

from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from service.settings import Settings
from tests.system.soak.registries import soak_registries
from tests.system.soak.run import soaked_yard

_SECONDS: Final = 30
_GRACE: Final = timedelta(seconds=20)
"""Long enough for an install between the deletion and its undo."""


@pytest.mark.timeout(300)
async def test_what_is_published_deleted_and_published_again_is_installed_by_every_client(
    settings: Settings, tmp_path: Path
) -> None:
    settings = settings.model_copy(update={"grace_period": _GRACE})
    async with soaked_yard(settings, tmp_path / "yard") as yard:
        outcome = await soak_registries(yard, settings, tmp_path / "clients", seconds=_SECONDS)

    print(outcome)  # noqa: T201 - what was measured
    assert (outcome.failures, outcome.found, outcome.told_wrong) == ([], [], "")
    assert (outcome.orphans, outcome.seen_orphans, outcome.seen_missing) == (0, 0, 0)
    assert all(outcome.done[f"{each} publications"] > 0 for each in ("pypi", "npm", "helm", "maven", "nuget"))
