"""The short run: 2,000 deletions, workers from one to eight and back, half of them drained at the height of it."""

from pathlib import Path
from typing import Final

import pytest

from service.configuration.values import LogLevel
from service.settings import Settings
from tests.support.servers import Servers
from tests.system.scaling.run import open_trial, scaled_run

_DELETIONS: Final = 2_000
_SPEED: Final = 120
_RATE: Final = 40
"""Objects a second of each worker: a store that is slower than this machine."""


@pytest.mark.timeout(300)
async def test_workers_follow_the_backlog_up_and_down_without_losing_or_repeating_work(
    settings: Settings, servers: Servers, tmp_path: Path
) -> None:
    changed = {"storage_delete_rate": _RATE, "log_level": LogLevel.DEBUG}
    async with open_trial(settings.model_copy(update=changed), servers.management_url, tmp_path) as trial:
        outcome = await scaled_run(trial, _DELETIONS, speed=_SPEED)

    for workers, rate in outcome.rates.items():
        print(f"{workers} workers: {rate:.0f} deletions a second")  # noqa: T201 - what was measured
    assert (outcome.lost, outcome.stuck, outcome.removed_twice, outcome.taken_over) == (0, 0, 0, 0)
    assert outcome.deletions == _DELETIONS
    assert max(outcome.sizes) == 8
    assert outcome.sizes[-1] == 1
    assert outcome.took_part >= 6
