"""Every record of a file in any layout has the verdict and the values that were drawn."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.flows.test_any_layout import check_file

PROCESSES = 2


def check_files(folder: Path, numbers: range) -> int:
    """How many records these files have."""
    folder.mkdir()
    return sum(len(check_file(folder, f"2026 {number}")) for number in numbers)


@pytest.mark.parametrize("files", [10_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_every_record_of_files_of_any_layout_is_accounted_for(tmp_path, files):
    parts = [range(first, files, PROCESSES) for first in range(PROCESSES)]
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
        records = list(pool.map(check_files, [tmp_path / str(part.start) for part in parts], parts))
    assert sum(records) > 2 * files
