"""The disk below the object store: one that can be taken away, made read-only, refuse, or hang."""

import asyncio
import os
import random
import shutil
import subprocess
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from typing_extensions import override

Absence = Callable[[float], Awaitable[None]]
"""Brings a fault about for so many seconds, and mends it in any case."""

_IMAGE_BYTES: Final = 1024**3
_INODES: Final = 400_000
_TRIES: Final = 20


class Volume:
    """A plain folder: what can be done to it without being root."""

    why_not = "needs root, loop devices and ext4"

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.objects = folder / "disk" / "objects"
        self._chance = chance
        self.objects.mkdir(parents=True, exist_ok=True)

    @property
    def faults(self) -> Mapping[str, Absence | None]:
        """The possible fault; None if this machine has no means."""
        is_ordinary_user = os.geteuid() != 0
        return {
            "storage moved away": self.moved_away,
            "storage unmounted": None,
            "storage read-only": None,
            "storage refuses": self.refusing if is_ordinary_user else None,
            "storage hangs": None,
        }

    def is_there(self) -> bool:
        """Return whether the objects can be seen now."""
        return (self.objects / ".packyard").is_dir()

    async def moved_away(self, seconds: float) -> None:
        """Let the folder go by another name for a while."""
        away = self.objects.with_name("away")
        self.objects.rename(away)
        try:
            await asyncio.sleep(seconds)
        finally:
            # A process that was started then made a folder where it missed this one. Objects that were stored
            # there in spite of the missing mark are missed by the check.
            await asyncio.to_thread(shutil.rmtree, self.objects, ignore_errors=True)
            away.rename(self.objects)

    async def refusing(self, seconds: float) -> None:
        """Forbid for a while to remove anything from half of the folders."""
        folders = [path for path in self.objects.glob("projects/*/*") if self._chance.random() < 0.5]
        await self._forbid(folders)
        try:
            await asyncio.sleep(seconds)
        finally:
            await self._allow(folders)

    async def _forbid(self, folders: Sequence[Path]) -> None:
        for folder in folders:
            with suppress(FileNotFoundError):
                folder.chmod(0o500)

    async def _allow(self, folders: Sequence[Path]) -> None:
        for folder in folders:
            with suppress(FileNotFoundError):
                folder.chmod(0o700)


class LoopVolume(Volume):
    """A file system of its own, in an image on a loop device."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self._mounted = folder / "disk"
        self._mounted.mkdir(exist_ok=True)
        self._device = _make_device(folder / "disk.image")
        self._mount()
        super().__init__(folder, chance)

    @property
    @override
    def faults(self) -> Mapping[str, Absence | None]:
        return {
            "storage moved away": self.moved_away,
            "storage unmounted": self.unmounted,
            "storage read-only": self.read_only,
            "storage refuses": self.refusing,
            "storage hangs": self.hanging,
        }

    async def unmounted(self, seconds: float) -> None:
        """Leave for a while only the empty folder on which the disk is mounted."""
        await _run("umount", "--lazy", self._mounted)
        try:
            await asyncio.sleep(seconds)
        finally:
            await asyncio.to_thread(self._mount)

    async def read_only(self, seconds: float) -> None:
        """Let nothing be written to or removed from the disk for a while."""
        await self._remount("ro")
        try:
            await asyncio.sleep(seconds)
        finally:
            await self._remount("rw")

    async def hanging(self, seconds: float) -> None:
        """Let every process that writes to the disk wait."""
        # A process of its own thaws it, even if this one is killed before.
        script = 'fsfreeze --freeze "$1" && sleep "$2"; fsfreeze --unfreeze "$1"'
        frozen = await asyncio.create_subprocess_exec("sh", "-c", script, "sh", self._mounted, str(seconds))
        await asyncio.shield(frozen.wait())

    def close(self) -> None:
        """Give everything back."""
        commands: tuple[list[str], ...] = (
            ["umount", "--lazy", str(self._mounted)],
            ["losetup", "--detach", str(self._device)],
        )
        for command in commands:
            subprocess.run(command, check=False, capture_output=True)

    def _mount(self) -> None:
        _call("mount", self._device, self._mounted)

    async def _remount(self, how: str) -> None:
        for _ in range(_TRIES):
            with suppress(subprocess.CalledProcessError):  # a file is being written in this moment
                await _run("mount", "--options", f"remount,{how}", self._mounted)
                return
            await asyncio.sleep(0.05)

    @override
    async def _forbid(self, folders: Sequence[Path]) -> None:
        await self._set_immutable("+i", folders)

    @override
    async def _allow(self, folders: Sequence[Path]) -> None:
        await self._set_immutable("-i", folders)

    async def _set_immutable(self, how: str, folders: Sequence[Path]) -> None:
        with suppress(subprocess.CalledProcessError):  # some went away at that time
            await _run("chattr", "-f", how, *folders)


@contextmanager
def open_volume(folder: Path, chance: random.Random) -> Generator[Volume]:
    """Give a disk of its own where that is allowed, else a plain folder."""
    volume: Volume | None = None
    if os.geteuid() == 0 and shutil.which("mkfs.ext4") and shutil.which("fsfreeze"):
        with suppress(subprocess.CalledProcessError, OSError):
            volume = LoopVolume(folder, chance)
    try:
        yield volume or Volume(folder, chance)
    finally:
        if isinstance(volume, LoopVolume):
            volume.close()


def _make_device(image: Path) -> str:
    with image.open("wb") as file:
        file.truncate(_IMAGE_BYTES)
    _call("mkfs.ext4", "-q", "-F", "-N", str(_INODES), "-E", "lazy_itable_init=1", image)
    return _call("losetup", "--find", "--show", image).strip()


async def _run(*command: str | Path) -> None:
    await asyncio.to_thread(_call, *command)


def _call(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
