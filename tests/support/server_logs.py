"""The log of the run's PostgreSQL: a failed test keeps the deadlocks that the server reported while it ran.

The error that a client gets names only process ids. The server's log has the statements of both sides.
"""

from pathlib import Path
from typing import Final

DEADLOCK: Final = "deadlock detected"

_CONTINUED: Final = "\t"
_LEVELS: Final = ("DETAIL:", "HINT:", "CONTEXT:", "STATEMENT:")


def size_of(log: Path) -> int:
    """Return the size of the log in bytes; 0 where the run uses a server that is not its own."""
    return log.stat().st_size if log.exists() else 0


def deadlocks_since(log: Path, position: int) -> str:
    """Return the lines of each deadlock report behind *position* in the log, with all statements of both sides."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(position)
        lines = file.read().decode("utf-8", errors="replace").splitlines()
    kept: list[str] = []
    belongs = False
    for line in lines:
        if DEADLOCK in line:
            belongs = True
        elif not line.startswith(_CONTINUED) and not any(level in line for level in _LEVELS):
            belongs = False
        if belongs:
            kept.append(line)
    return "\n".join(kept)
