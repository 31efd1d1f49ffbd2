"""The cost of processes: CPU seconds and memory, of a process with all that it started."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

import psutil

MIB: Final = 1024 * 1024
_GLANCE_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Group:
    """A process under the name that tables show."""

    name: str
    pid: int


@dataclass(slots=True)
class Memory:
    """The resident memory of a process, in MiB, while it was watched."""

    samples: list[float] = field(default_factory=list)

    @property
    def most(self) -> float:
        """The largest that was seen; 0 when the process ended before the first glance."""
        return max(self.samples, default=0.0)

    @property
    def early(self) -> float:
        """The largest of the first quarter."""
        return max(self.samples[: max(1, len(self.samples) // 4)], default=0.0)


def cpu_by_group(groups: Sequence[Group]) -> dict[str, float]:
    """Return the CPU seconds that each group has used: its process, what it started, and what of that has ended."""
    return {group.name: _cpu(group.pid) for group in groups}


def cpu_spent(groups: Sequence[Group], before: Mapping[str, float], count: float) -> dict[str, float]:
    """Return the milliseconds of CPU that each group has used since *before*, for one of *count* things."""
    after = cpu_by_group(groups)
    return {name: (after[name] - before[name]) * 1_000 / count for name in after}


def memory_of(pid: int) -> float:
    """Return the resident memory of a process in MiB."""
    return float(psutil.Process(pid).memory_info().rss) / MIB


@asynccontextmanager
async def watched_memory(pid: int) -> AsyncGenerator[Memory]:
    """Sample the memory of a process."""
    memory = Memory()

    async def sample() -> None:
        while True:
            with suppress(psutil.Error):
                memory.samples.append(memory_of(pid))
            await asyncio.sleep(_GLANCE_S)

    watching = asyncio.create_task(sample())
    try:
        yield memory
    finally:
        watching.cancel()


def _cpu(pid: int) -> float:
    process = psutil.Process(pid)
    times = process.cpu_times()
    # If a server forks for each connection, processes that have ended are in the times of children.
    total = times.user + times.system + times.children_user + times.children_system
    for child in process.children(recursive=True):
        with suppress(psutil.Error):
            mine = child.cpu_times()
            total += mine.user + mine.system + mine.children_user + mine.children_system
    return float(total)
