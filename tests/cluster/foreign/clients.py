"""The load in a pod of a foreign cluster, beside a volume with the objects.

`python -m tests.cluster.foreign.clients ADDRESS FOLDER` names the API and the folder of the objects.
"""

import asyncio
import sys
from pathlib import Path

from tests.cluster.checks.load import Load, play


def keys_in(folder: Path) -> set[str]:
    """Return the keys of all objects below the folder but the mark and uploads under way."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path) for path in found if not path.parts[0].startswith(".packyard")}


def main(address: str, folder: Path) -> None:
    """Run until the input ends, and print the counts."""

    async def keys() -> set[str]:
        return await asyncio.to_thread(keys_in, folder)

    play(Load(address, keys))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
