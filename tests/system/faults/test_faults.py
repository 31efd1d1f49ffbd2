"""The short run: one fault of each kind, and kills, under load."""

import os
import secrets
from typing import Final

import pytest

from tests.system.faults.run import Plan, run

_DELETIONS: Final = 2_000
_SEED: Final = "FAULTS_SEED"
"""The variable that names the faults of an earlier run, which printed its seed."""


@pytest.mark.timeout(600)
async def test_every_promise_is_kept_under_faults() -> None:
    seed = int(os.environ.get(_SEED, secrets.randbelow(1_000_000)))  # noqa: TID251 - a run as before
    plan = Plan(deletions=_DELETIONS, seed=seed, rate=60, is_short=True, most_seconds=240, settling_seconds=180)

    verdict = await run(plan)

    assert not any(verdict.breaches.values()), verdict.breaches
    assert verdict.surprises == []
    assert verdict.accepted >= _DELETIONS
