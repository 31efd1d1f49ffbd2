"""Packages brought in with `packyard import`, so that there is always something to delete."""

import asyncio
import hashlib
import json
import random
import sys
from collections import deque
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from tests.support.yard import Yard
from tests.system.faults.ledger import Ledger, Package
from workers.stack.processes import Child, Program

PROJECTS: Final = {100: "acme/open", 101: "acme/inside", 102: "acme/labs/anvil"}

_LAST_ID: Final = 1_000_000_000
"""Numbers are given downwards from here, since the database goes on upwards from the highest it has seen."""

_PATIENCE_S: Final = 60
_LARGE: Final = 1_200
"""More files than a worker removes in one go."""


class Stock:
    """Packages that wait to be deleted."""

    def __init__(self, yard: Yard, ledger: Ledger, chance: random.Random, *, at_once: int) -> None:
        self.packages: deque[Package] = deque()
        self._yard = yard
        self._ledger = ledger
        self._chance = chance
        self._at_once = at_once
        self._last_id = _LAST_ID
        self._last_file_id = _LAST_ID

    async def keep_filled(self) -> None:
        """Import whenever less than one import's worth is left, until cancelled."""
        while True:
            if len(self.packages) < self._at_once:
                await self.fill(self._at_once)
            else:
                await asyncio.sleep(0.2)

    async def fill(self, count: int) -> None:
        """Import that many packages, among them a large one."""
        made = [self._make(large=number == count // 2) for number in range(count)]
        file = self._yard.folder / "packages.ndjson"
        with file.open("w", encoding="utf-8") as lines:
            for _, line in made:
                lines.write(json.dumps(line) + "\n")
        is_whole = await self._import(file)
        for package, _ in made:
            package.is_in_doubt = not is_whole
            self._ledger.published(package)
        if is_whole:
            self.packages.extend(package for package, _ in made)

    async def take(self) -> Package:
        """Return the next package, when there is one."""
        while not self.packages:
            await asyncio.sleep(0.05)
        return self.packages.popleft()

    def _make(self, *, large: bool) -> tuple[Package, dict[str, Any]]:
        self._last_id -= 1
        project_id = self._chance.choice(sorted(PROJECTS))
        package = Package(self._last_id, project_id, f"imported-{self._last_id % 97}", str(self._last_id))
        files = []
        for number in range(_LARGE if large else self._chance.choice((1, 1, 1, 2, 3))):
            self._last_file_id -= 1
            content = f"{self._last_file_id} of {package.version} " + "x" * self._chance.randrange(40)
            package.files[self._last_file_id] = hashlib.sha256(content.encode()).hexdigest()
            files.append({"id": self._last_file_id, "file_name": f"{number}.txt", "content": content})
        line = {"id": package.id, "project": PROJECTS[project_id], "package_type": "generic", "name": package.name}
        return package, {**line, "version": package.version, "files": files}

    async def _import(self, file: Path) -> bool:
        child = Child(
            Program(
                name="import",
                arguments=[sys.executable, "-m", "workers.cli", "import", str(file)],
                folder=self._yard.folder,
                environment=self._yard.environment,
                patience=timedelta(seconds=_PATIENCE_S),
            )
        )
        child.start()
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await child.wait() == 0
        except TimeoutError:
            return False
        finally:
            await child.kill()
