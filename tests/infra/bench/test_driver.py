"""Has the large shop that is measured the size it says, and is the memory of all its processes seen?"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections import Counter

from infra.bench.driver import DAYS, DUMP_DAYS, DUMP_FILES, list_memory, write_files
from spark_jobs.contract.shop.file import load_shop


def test_every_customer_buys_twice_and_the_last_file_repeats_lines(tmp_path):
    write_files(tmp_path, 500)
    assert load_shop(tmp_path / "shop.toml").name == "large"
    files = sorted((tmp_path / "raw").iterdir())
    assert len(files) == DUMP_FILES + DAYS - DUMP_DAYS
    rows = [row for file in files for row in csv.DictReader(file.open())]
    lines = Counter(row["line"] for row in rows)
    assert (len(lines), lines.total()) == (1000, 1010)
    assert set(Counter(row["customer"] for row in rows if lines[row["line"]] == 1).values()) <= {1, 2}
    assert len({row["customer"] for row in rows}) == 500


def test_the_memory_of_a_process_and_of_those_below_it_is_listed():
    command = [sys.executable, "-c", "data = b'x' * (100 << 20); import time; print(flush=True); time.sleep(60)"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        found = [*list_memory(os.getpid())]
        process.kill()
    assert [kind for kind, _ in found].count("python") == 1
    assert max(size for kind, size in found if kind == "worker") > 100 << 20
