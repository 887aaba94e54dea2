"""Of files of any layout every record is accounted for: it has the verdict, and the values, that it was drawn with."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from tests.flows.test_any_layout import check_file

FILES, PROCESSES = 100_000, 2


def check_files(folder: Path, numbers: range) -> int:
    """How many records these files have."""
    folder.mkdir()
    return sum(len(check_file(folder, f"2026 {number}")) for number in numbers)


def test_every_record_of_a_hundred_thousand_files_is_accounted_for(tmp_path):
    parts = [range(first, FILES, PROCESSES) for first in range(PROCESSES)]
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
        records = list(pool.map(check_files, [tmp_path / str(part.start) for part in parts], parts))
    assert sum(records) > 2 * FILES
