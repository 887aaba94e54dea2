"""The least that a run can cost on this machine: its bytes over the measured bandwidths of gunzip and of memory."""

from __future__ import annotations

import gzip
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SAMPLE_BYTES = 32 << 20
COPIED_BYTES = 256 << 20


@dataclass(frozen=True)
class Floor:
    """Bytes per CPU second: raw text out of gzip, and memory copied."""

    gunzip_rate: float
    copy_rate: float

    @classmethod
    def measure(cls, files: Sequence[Path]) -> Floor:
        """files: gzipped ones, of which enough are read."""
        packed, size = [], 0
        for file in files:
            if size < SAMPLE_BYTES:
                packed.append(file.read_bytes())
                size += len(packed[-1])
        start = time.process_time()
        unpacked = sum(len(gzip.decompress(data)) for data in packed)
        gunzip_rate = unpacked / (time.process_time() - start)
        memory = np.ones(COPIED_BYTES // 8)
        start = time.process_time()
        memory.copy()
        return cls(gunzip_rate, COPIED_BYTES / (time.process_time() - start))

    def find_seconds(self, raw_files: Sequence[Path], table_bytes: int) -> float:
        """The CPU seconds to unpack these files once and to copy the bytes of the tables once."""
        return sum(map(_read_unpacked_size, raw_files)) / self.gunzip_rate + table_bytes / self.copy_rate


def _read_unpacked_size(file: Path) -> int:
    """A gzip file ends with it; files of one member and below 4 GB."""
    with file.open("rb") as stream:
        stream.seek(-4, 2)
        return int.from_bytes(stream.read(), "little")
