"""Packets that are lost without a word, in a network of the run's own that has nothing but loopback."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Final

_OWN: Final = "FAULTS_OWN_NETWORK"
"""The variable that is set in a run that has a network of its own."""

_PROGRAMS: Final = ("unshare", "ip", "iptables")


def why_not() -> str:
    """Return why no packets can be dropped here; empty where they can."""
    if os.geteuid() != 0:
        return "needs root"
    if missing := [program for program in _PROGRAMS if not shutil.which(program)]:
        return f"needs {' and '.join(missing)}"
    if _OWN not in os.environ:  # noqa: TID251 - set by ourselves
        return "needs a network namespace of its own, as `make faults` has it"
    return ""


def enter(module: str, arguments: Sequence[str]) -> None:
    """Run *module* anew in a network of its own, where that is allowed; return in that run, and where it is not."""
    if _OWN in os.environ:  # noqa: TID251 - set by ourselves
        _call("ip", "link", "set", "lo", "up")
        return
    if os.geteuid() != 0 or not all(map(shutil.which, _PROGRAMS)):
        return
    if subprocess.run(["unshare", "--net", "true"], check=False, capture_output=True).returncode != 0:
        return
    environment = {**os.environ, _OWN: "1"}  # noqa: TID251 - for the same program
    command = ["unshare", "--net", sys.executable, "-m", module, *arguments]
    os.execvpe(command[0], command, environment)  # noqa: S606 - of the system


@asynccontextmanager
async def silent(port: int) -> AsyncGenerator[None]:
    """Drop every packet to that port as long as the block lasts; neither side gets any sign of it."""
    rule = ("INPUT", "-i", "lo", "-p", "tcp", "--dport", str(port), "-j", "DROP")
    await asyncio.to_thread(_call, "iptables", "-I", *rule)
    try:
        yield
    finally:
        await asyncio.to_thread(_call, "iptables", "-D", *rule)


def _call(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
