"""Where a package manager works: a folder of its own, which is its home, too."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PATIENCE_S: Final = 120


class ClientFailedError(Exception):
    """A client ended with an error."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a client works: a folder of its own, the address of a project's packages, and a token."""

    folder: Path
    packages: str
    token: str

    def fresh(self, name: str) -> Path:
        """Return an empty folder."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def run(self, *command: str | Path, cwd: Path) -> int:
        """Run a client whose home is *cwd*; return its exit status."""
        return self._run(*command, cwd=cwd).returncode

    def does(self, *command: str | Path, cwd: Path) -> None:
        """Run a client, which has to succeed."""
        done = self._run(*command, cwd=cwd)
        if done.returncode:
            raise ClientFailedError(
                f"{command[0]} ended with {done.returncode}: {(done.stdout + done.stderr)[-1_000:]}"
            )

    def _run(self, *command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
        node = Path(shutil.which("node") or "node").parent
        try:
            return subprocess.run(
                [str(part) for part in command],
                cwd=cwd,
                env={"PATH": f"{node}:{os.defpath}", "HOME": str(cwd), "TMPDIR": str(cwd)},
                text=True,
                capture_output=True,
                check=False,
                timeout=_PATIENCE_S,
            )
        except subprocess.TimeoutExpired:
            raise ClientFailedError(f"{command[0]} took longer than {_PATIENCE_S} s") from None
