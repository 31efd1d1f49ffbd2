"""`make soak`: publish, delete and republish the same names and contents for some minutes; prints what came of it."""

import argparse
import secrets
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from rich.console import Console

from service import event_loop
from service.settings import load_settings
from tests.support.seaweed import BUCKET, own_seaweed
from tests.support.servers import private_servers
from tests.system.soak.run import Outcome, soak, soaked_yard


async def main(*, minutes: float, store: str, seed: int) -> Outcome:
    """Soak on servers of our own, and print the figures."""
    say = Console(highlight=False, width=130).print
    with tempfile.TemporaryDirectory(prefix="packyard-soak-") as name:
        folder = Path(name)
        async with _storage(folder, store) as (storage, filer_url), private_servers() as servers:
            settings = load_settings(
                environment={
                    "PACKYARD_DATABASE_URL": servers.postgres.url(),
                    "PACKYARD_BROKER_URL": servers.rabbitmq.url(),
                    **storage,
                }
            )
            async with soaked_yard(settings, folder / "yard") as yard:
                outcome = await soak(yard, settings, filer_url, seconds=60 * minutes, seed=seed)
    say(f"{outcome.seconds:,.0f} s on {store}, seed {seed}: {dict(outcome.done)}")
    say(f"client failures {len(outcome.failures)}", *outcome.failures[:20], sep="\n  ")
    say(f"repairs meanwhile {outcome.checks}, findings {len(outcome.found)}", *outcome.found[:20], sep="\n  ")
    say(
        f"orphans {outcome.orphans} as packyard check says, {outcome.seen_orphans} by a walk;"
        f" files without object {outcome.seen_missing}; statistics {outcome.told_wrong or 'right'}"
    )
    say(f"in the end: {dict(outcome.figures)}")
    return outcome


@asynccontextmanager
async def _storage(folder: Path, store: str) -> AsyncGenerator[tuple[dict[str, str], str]]:
    """Give the settings of a store, and where a bucket can be seen without S3."""
    if store == "disk":
        yield {"PACKYARD_STORAGE_URL": (folder / "objects").as_uri()}, ""
        return
    async with own_seaweed(folder) as seaweed:
        place = {"PACKYARD_STORAGE_URL": f"s3://{BUCKET}/soak", "PACKYARD_STORAGE_ENDPOINT": seaweed.endpoint}
        yield place, seaweed.filer_url


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="tests.system.soak")
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--store", choices=["disk", "s3"], default="disk")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    options = parser.parse_args()
    ended = event_loop.run(main(minutes=options.minutes, store=options.store, seed=options.seed))
    sys.exit(int(not ended.is_well))
