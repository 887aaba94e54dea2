"""What processes use: CPU seconds and memory of this process and of all below it. Linux only."""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
import time
from pathlib import Path
from typing import NamedTuple

ADOPT_ORPHANS = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)
SAMPLE_SECONDS = 0.5
MOST_READINGS = 20
#: Process id to its parent and its ticks: user and system, and those of its children that it waited for.
Processes = dict[int, tuple[int, tuple[int, ...]]]


class CpuSeconds(NamedTuple):
    """Used so far by this process itself, and by those below it, alive or ended."""

    own: float
    below: float


def adopt_orphans() -> None:
    """From now on a process below this one stays below it when its parent ends, so that its CPU time is counted."""
    ctypes.CDLL(None).prctl(ADOPT_ORPHANS, 1, 0, 0, 0)


def read_cpu_seconds() -> CpuSeconds:
    """The CPU seconds of this process and of those below it: Spark and its Python workers, say.

    A process that has ended counts with its parent. One whose parent did not wait for it is lost, unless
    `adopt_orphans` was called before.
    """
    processes = _read_processes()
    own = processes[os.getpid()][1]
    below = sum(sum(processes[process][1]) for process in _find_below(processes, os.getpid()))
    tick = os.sysconf("SC_CLK_TCK")
    return CpuSeconds(sum(own[:2]) / tick, (sum(own[2:]) + below) / tick)


def list_below(root: int) -> set[int]:
    """The ids of the processes below this one."""
    return _find_below(_read_processes(), root)


def _find_below(processes: Processes, root: int) -> set[int]:
    """The ids of the processes below the root, without itself."""
    family = {root}
    while grown := {process for process, (parent, _) in processes.items() if parent in family} - family:
        family |= grown
    return family - {root}


def _read_processes() -> Processes:
    """Reads again if a process has ended meanwhile: its time could count twice, with its parent's, or not at all."""
    for _ in range(MOST_READINGS):
        ids = _list_ids()
        found: Processes = {}
        for process in ids:
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
                found[process] = int(fields[1]), tuple(map(int, fields[11:15]))
        if ids <= _list_ids():
            break
    return found


def _list_ids() -> set[int]:
    return {int(name) for name in os.listdir("/proc") if name.isdigit()}


def read_memory_bytes() -> int:
    """The memory of the processes below this one; pages that several share are counted once."""
    total = 0
    for process in list_below(os.getpid()):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += 1024 * int(line.split()[1])
    return total


class MemorySampler:
    """Samples the memory below this process twice a second until it is closed."""

    def __init__(self) -> None:
        self.samples: list[tuple[float, int]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> MemorySampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def peak(self, begin: float, end: float) -> int:
        """The most bytes between these two times of `time.monotonic`, which all processes share; 0 if too short."""
        return max((memory for at, memory in self.samples if begin <= at <= end), default=0)

    def _sample(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            self.samples.append((time.monotonic(), read_memory_bytes()))
