"""Processes of the image without an engine: on its root, read-only, as its user and without capabilities.

They share this machine's network, so that they find the servers of a test.
"""

import asyncio
import json
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_PATIENCE_S: Final = 60
_MOUNT_AND_RUN: Final = """
set -eu
root=$1 volume=$2 user=$3 group=$4
shift 4
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/tmp"
mount --bind "$volume" "$root/var/lib/packyard"
cd "$root"
exec chroot "$root" /usr/bin/setpriv --reuid="$user" --regid="$group" --clear-groups --no-new-privs \\
    --bounding-set=-all --inh-caps=-all -- "$@"
"""
"""Every step becomes the next one, so that what runs in the end has the number that was started, and its signals."""


@dataclass(frozen=True, slots=True)
class Image:
    """An unpacked image, and what it says of itself."""

    root: Path
    config: Mapping[str, Any]

    @classmethod
    def unpacked_in(cls, folder: Path) -> "Image":
        """Read what deploy/local/build-image.sh left in *folder*."""
        inspected = json.loads((folder / "inspected.json").read_text(encoding="utf-8"))
        return cls((folder / "rootfs").resolve(), inspected["Docker"]["config"])

    @property
    def ids(self) -> tuple[int, int]:
        """The numbers of its user and group."""
        user, group = self.config["User"].split(":")
        return int(user), int(group)

    def command(self, *arguments: str, volume: Path) -> list[str]:
        """Return what runs *arguments* in the image; *volume* is a folder that can be written to."""
        user, group = self.ids
        mounted = [str(self.root), str(volume), str(user), str(group)]
        return ["unshare", "--mount", "--", "sh", "-c", _MOUNT_AND_RUN, "sh", *mounted, *arguments]

    def environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        """Return the image's own environment and *settings*; nothing of this machine's."""
        return {**dict(entry.split("=", 1) for entry in self.config["Env"]), **settings}

    async def run(self, *arguments: str, volume: Path, settings: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Run a command to its end; return its status and all that it printed."""
        process = await asyncio.create_subprocess_exec(
            *self.command(*arguments, volume=volume),
            env=self.environment(settings or {}),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(_PATIENCE_S):
            output, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode()


class Container:
    """One process of the image that runs until it is asked to stop."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log

    @classmethod
    async def start(
        cls, image: Image, *arguments: str, volume: Path, settings: Mapping[str, str], log: Path
    ) -> "Container":
        """Start the image's entry point with *arguments*, or with its own when there are none."""
        command = [*image.config["Entrypoint"], *(arguments or image.config["Cmd"])]
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *image.command(*command, volume=volume),
                env=image.environment(settings),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        return cls(process, log)

    @property
    def log(self) -> str:
        """The lines that it has written."""
        return self._log.read_text(encoding="utf-8")

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.returncode is None

    def told(self, file: str) -> str:
        """Return a file of /proc about it."""
        return Path(f"/proc/{self._process.pid}/{file}").read_text(encoding="utf-8")

    async def stop(self) -> int:
        """Send the signal that the image names for its end, and return its status."""
        if self.is_running:
            self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(_PATIENCE_S):
            return await self._process.wait()
