"""Random files in any layout: every record has the verdict that was drawn. `make test-cases` tries a hundred thousand
of them, see tests/cases/test_layouts.py.
"""

import random
from pathlib import Path

from spark_jobs.raw import reader as raw
from tests.cases.layouts import Drawn, draw_file

HASHER = raw.Hasher(b"k" * 32, "shop")
DAMAGED_SHARE = 0.15


def read_verdicts(folder: Path, drawn: Drawn) -> list[list[str | None] | str]:
    """The values or the fault of each record."""
    (folder / "f").write_bytes(drawn.content)
    records = raw.read_records(raw.Intake(drawn.source, str(folder), ""), "f")
    return [record.fault or record.values for record in records]


def draw_damaged(draw: random.Random) -> tuple[Drawn, bool]:
    """A file, and whether it was cut or changed: then the number of its records is unknown."""
    drawn = draw_file(draw)
    is_damaged = bool(drawn.content) and draw.random() < DAMAGED_SHARE
    content = bytearray(drawn.content)
    if is_damaged and draw.random() < 0.5:
        del content[draw.randrange(len(content)) :]
    elif is_damaged:
        for _ in range(draw.randrange(1, 4)):
            content[draw.randrange(len(content))] = draw.randrange(256)
    drawn.content = bytes(content)
    return drawn, is_damaged


def check_file(folder: Path, seed: str) -> list[list[str | None] | str]:
    """The verdicts of a file's records, after they were compared with the drawn ones."""
    drawn, is_damaged = draw_damaged(random.Random(seed))
    found = read_verdicts(folder, drawn)
    assert is_damaged or found == drawn.in_raw_order, (seed, drawn)
    return found


def test_every_record_of_a_file_of_any_layout_is_accounted_for(tmp_path):
    for number in range(300):
        found = check_file(tmp_path, f"7 {number}")
        drawn, _ = draw_damaged(random.Random(f"7 {number}"))
        batches = raw.read_delivery(drawn.source, str(tmp_path), "f", "d", HASHER)
        rows = [row for batch in batches for row in batch.to_pylist()]
        assert [row["record_number"] for row in rows] == list(range(1, len(found) + 1))
        assert [row["fault"] for row in rows] == [one if isinstance(one, str) else None for one in found]
