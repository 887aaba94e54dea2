"""The live shop: every day is written once, atomically, and with the same content whenever it is written."""

from __future__ import annotations

import gzip
from datetime import date, timedelta

import pytest

from infra.demo.live import land as live
from spark_jobs.contract.errors import ChurnError

TODAY = date(2026, 11, 24)


@pytest.fixture(autouse=True)
def few_customers(monkeypatch):
    monkeypatch.setattr(live, "CUSTOMERS", 15)


def test_a_finished_day_is_delivered_without_changing_others(tmp_path):
    first = live.land(tmp_path, TODAY)
    before = {file: file.read_bytes() for file in first}
    assert len(first) == 3 * (live.HISTORY_DAYS + 1)
    assert live.land(tmp_path, TODAY) == []
    new = live.land(tmp_path, TODAY + timedelta(days=1))
    assert sorted(file.name for file in new) == ["2026-11-25.csv.gz", "2026-11-25.jsonl.gz", "2026-11-25.jsonl.gz"]
    assert {file: file.read_bytes() for file in first} == before


def test_a_day_has_the_same_content_alone_or_with_others(tmp_path):
    live.land(tmp_path / "one", TODAY)
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "first_day").write_text((tmp_path / "one" / "first_day").read_text())
    live.land(tmp_path / "two", TODAY - timedelta(days=30))
    live.land(tmp_path / "two", TODAY)
    bytes_of = [{f.name: gzip.decompress(f.read_bytes()) for f in (tmp_path / n).rglob("*.gz")} for n in ("one", "two")]
    assert bytes_of[0] == bytes_of[1]
    assert sum(content.count(b"\n") for content in bytes_of[0].values()) > 500


def test_the_end_of_the_shop_is_reported_in_one_line(tmp_path):
    live.land(tmp_path, TODAY)
    with pytest.raises(ChurnError, match="ends after 500 days: use a new CHURN_HOME"):
        live.land(tmp_path, TODAY + timedelta(days=200))
