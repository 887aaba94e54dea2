"""Do the ids of customers reach the driver in small parts, and are they unreadable to everybody else?"""

from __future__ import annotations

import pyarrow as pa
import pytest

from spark_jobs.cleaning import customer_files
from spark_jobs.cleaning.customer_files import CustomerFiles
from spark_jobs.contract.customer_ids import CustomerIds
from spark_jobs.lake.location import Location
from spark_jobs.raw.hashing import Hasher

HASHER = Hasher(b"secret", "shop", CustomerIds("numeric", ("GUEST",)))


@pytest.fixture
def files(tmp_path) -> CustomerFiles:
    return CustomerFiles(Location.parse(tmp_path / "customers"))


def test_pairs_come_back_in_parts_without_placeholders_and_other_spellings(files, monkeypatch):
    monkeypatch.setattr(customer_files, "PAIRS_AT_ONCE", 2)
    names = [files.write(pa.array(ids), HASHER) for ids in (["7", "7.0", "8", "GUEST", "9"], ["8"])]
    parts = [*files.read(names)]
    assert max(map(len, parts)) <= 2
    rows = [row for part in parts for row in part.to_pylist()]
    assert [row["customer_id"] for row in rows] == ["7", "8", "9", "8"]
    assert all(row["customer_key"] == HASHER.customer_key(row["customer_id"]) for row in rows)


def test_a_file_shows_no_id_and_no_other_run_can_read_it(files, tmp_path):
    name = files.write(pa.array([f"anna{n}@example.org" for n in range(100)]), HASHER)
    assert b"example.org" not in (tmp_path / "customers" / name).read_bytes()
    with pytest.raises(OSError, match="decrypt"):
        [*CustomerFiles(files.folder).read([name])]
    files.remove()
    assert not (tmp_path / "customers").exists()


def test_the_secret_is_in_no_text(files):
    assert str(files.secret) not in repr(files)
