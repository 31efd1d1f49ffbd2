"""The short soak: a few seconds on a disk and in a bucket."""

import secrets
from pathlib import Path
from typing import Final

import pytest

from service.settings import Settings
from tests.support.servers import Servers
from tests.system.soak.run import soak, soaked_yard

_SECONDS: Final = 8


@pytest.mark.timeout(300)
async def test_what_is_published_and_deleted_all_the_time_fails_nobody_and_leaves_nothing(
    settings_of_each_store: Settings, servers: Servers, tmp_path: Path
) -> None:
    seed = secrets.randbelow(1_000_000)
    async with soaked_yard(settings_of_each_store, tmp_path / "yard") as yard:
        outcome = await soak(yard, settings_of_each_store, servers.s3_filer_url, seconds=_SECONDS, seed=seed)

    print(f"seed {seed}: {outcome}")  # noqa: T201 - what was measured
    assert (outcome.failures, outcome.found, outcome.told_wrong) == ([], [], "")
    assert (outcome.orphans, outcome.seen_orphans, outcome.seen_missing) == (0, 0, 0)
    assert outcome.checks
    assert outcome.done["publications"] > outcome.done["deletions"] > 10
