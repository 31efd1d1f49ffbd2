"""`make soak-registries`: package managers publish, install, delete, undo and republish one version all the time."""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp

from service import event_loop
from service.settings import Settings, load_settings
from tests.support.servers import private_servers
from tests.support.yard import Yard
from tests.system.soak.managers import NAME, Manager, managers
from tests.system.soak.places import ClientFailedError
from tests.system.soak.run import Outcome, look_at, settle, soaked_yard

_TOKEN: Final = "maintainer-token"
_PROJECT: Final = "/api/v4/projects/100"
_UNDONE_EACH: Final = 3
"""Each third deletion is undone in place of a republication."""
_GRACE: Final = "60s"
"""Long enough for an install between the deletion and its undo, when clients get a tenth of a processor each."""


@dataclass(slots=True)
class Story:
    """The life of one package of one manager, over and over."""

    manager: Manager
    session: aiohttp.ClientSession
    done: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    text: str = ""

    async def turn(self, number: int) -> bool:
        """Publish, install, delete, find nothing, and perhaps undo; the package is deleted in the end.

        Return whether the client still works: after a failure, nothing is known of the package.
        """
        self.text = f"// {self.manager.package_type} {number}\n"
        try:
            await self._turn(number)
        except ClientFailedError as error:
            self.failures.append(str(error))
            return False
        return True

    async def _turn(self, number: int) -> None:
        await asyncio.to_thread(self.manager.publish, self.text)
        self.done["publications"] += 1
        await self._expect(self.text)
        deletion_id = await self._delete()
        await self._expect(None)
        if number % _UNDONE_EACH == 0:
            async with self.session.post(f"{_PROJECT}/deletions/{deletion_id}/restore"):
                self.done["restores"] += 1
            await self._expect(self.text)
            await self._delete()

    async def _expect(self, text: str | None) -> None:
        found = await asyncio.to_thread(self.manager.install)
        self.done["installs" if text else "failed installs"] += 1
        if found != text:
            self.failures.append(f"{self.manager.package_type}: installed {found!r} in place of {text!r}")

    async def _delete(self) -> str:
        wanted = {"package_type": self.manager.package_type, "package_name": NAME}
        async with self.session.get(f"{_PROJECT}/packages", params=wanted) as answer:
            (package,) = await answer.json()
        async with self.session.delete(f"{_PROJECT}/packages/{package['id']}") as answer:
            self.done["deletions"] += 1
            return answer.headers["Deletion-Id"]


async def soak_registries(yard: Yard, settings: Settings, folder: Path, *, seconds: float) -> Outcome:
    """Let all package managers work for that long, settle, and check what is left.

    The yard needs a grace period, in which a deletion can be undone.
    """
    outcome = Outcome()
    began = time.monotonic()
    headers = {"PRIVATE-TOKEN": _TOKEN}
    async with aiohttp.ClientSession(yard.base_url, headers=headers, raise_for_status=True) as session:
        packages = f"{yard.base_url}{_PROJECT}/packages"
        stories = [Story(manager, session) for manager in managers(folder, packages, _TOKEN)]
        async with asyncio.TaskGroup() as group:
            for story in stories:
                group.create_task(_tell(story, until=began + seconds))
        outcome.seconds = time.monotonic() - began
        await settle(settings)
        for story in stories:
            outcome.done += Counter({f"{story.manager.package_type} {act}": n for act, n in story.done.items()})
            outcome.failures += story.failures
        async with session.get(f"{_PROJECT}/package_statistics") as answer:
            statistics = await answer.json()
    await look_at(yard, settings, "", outcome, statistics)
    return outcome


async def _tell(story: Story, *, until: float) -> None:
    number = 0
    while time.monotonic() < until:
        number += 1
        if not await story.turn(number):
            return


async def main(*, minutes: float) -> Outcome:
    """Soak on servers of our own, and print the figures."""
    with tempfile.TemporaryDirectory(prefix="packyard-soak-") as name:
        folder = Path(name)
        async with private_servers() as servers:
            settings = load_settings(
                environment={
                    "PACKYARD_DATABASE_URL": servers.postgres.url(),
                    "PACKYARD_BROKER_URL": servers.rabbitmq.url(),
                    "PACKYARD_STORAGE_URL": (folder / "objects").as_uri(),
                    "PACKYARD_GRACE_PERIOD": _GRACE,
                }
            )
            async with soaked_yard(settings, folder / "yard") as yard:
                outcome = await soak_registries(yard, settings, folder / "clients", seconds=60 * minutes)
    print(f"{outcome.seconds:,.0f} s: {dict(outcome.done)}")  # noqa: T201
    print(f"client failures {len(outcome.failures)}", *outcome.failures[:20], sep="\n  ")  # noqa: T201
    print(f"orphans {outcome.orphans}, files without object {outcome.seen_missing}; {dict(outcome.figures)}")  # noqa: T201
    return outcome


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="tests.system.soak.registries")
    parser.add_argument("--minutes", type=float, default=60, help="how long")
    sys.exit(not event_loop.run(main(minutes=parser.parse_args().minutes)).is_well)
