"""Are the cut-offs of a backtest days whose outcome is known?"""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from infra.local import backtest
from spark_jobs.contract.errors import ChurnError


def test_the_default_cutoffs_are_the_last_whose_outcome_is_known(shop):
    assert backtest.choose_cutoffs("", shop, date(2011, 9, 6)) == [
        date(2011, 4, 9), date(2011, 5, 9), date(2011, 6, 8)
    ]  # fmt: skip


def test_cutoffs_are_taken_as_given_in_order(shop):
    chosen = backtest.choose_cutoffs("2011-06-08, 2011-05-01", shop, date(2011, 9, 6))
    assert chosen == [date(2011, 5, 1), date(2011, 6, 8)]


def test_a_cutoff_without_any_known_outcome_is_refused(shop):
    assert backtest.choose_cutoffs("2011-08-07", shop, date(2011, 9, 6)) == [date(2011, 8, 7)]
    with pytest.raises(ChurnError, match=r"2011-08-08.*give days up to 2011-08-07"):
        backtest.choose_cutoffs("2011-05-01,2011-08-08", shop, date(2011, 9, 6))


def test_the_default_cutoffs_wait_for_late_files_too(shop, monkeypatch):
    commands = []
    for name in ("land_raw_files", "prepare_warehouse"):
        monkeypatch.setattr(backtest, name, lambda *_: None)
    monkeypatch.setattr(backtest, "make_environment", lambda _: {})
    monkeypatch.setattr(backtest, "_run", lambda module, shop, *options: commands.append((module, options)))
    monkeypatch.setattr(backtest, "read_label_delay", lambda lake, shop, known: 5)
    cutoffs, data_until = backtest.prepare(shop, "")
    assert data_until == date(2011, 9, 6)
    assert cutoffs[-1] == data_until - timedelta(days=90 + 5)
    assert [module for module, _ in commands] == [
        "spark_jobs.clean", "spark_jobs.customer_day", "spark_jobs.customer_series"
    ]  # fmt: skip
