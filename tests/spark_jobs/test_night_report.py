"""Does the page of a night show the published scores, and compare them with the published day before?"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from spark_jobs import night_report
from spark_jobs.contract.errors import MissingInputError
from spark_jobs.contract.tables import CUSTOMER_DAY, CUSTOMER_SERIES, churn_risk
from spark_jobs.lake.backlog import note_waiting
from spark_jobs.lake.incomplete import note_incomplete
from spark_jobs.lake.ledger import Run, append_run
from spark_jobs.lake.store import Lake
from spark_jobs.warehouse.postgres import PostgresWarehouse
from tests.spark_jobs.warehouse.support import DAY, make_model, make_rows, make_shop

SCORES = churn_risk((30, 60, 90))


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "lake")


def publish_night(lake: Lake, day: date, customers: str, **changes) -> None:
    rows = make_rows(customers, as_of=day, **changes)
    version = lake.update(SCORES, day.isoformat(), lambda _: rows)
    histories = lake.update(CUSTOMER_SERIES, day.isoformat(), lambda rows: rows)
    tables = {CUSTOMER_SERIES.name: histories, SCORES.name: version}
    append_run(lake, Run(f"score-{day}", f"key {day} {customers}", tables, datetime.now(UTC), day, "score"))


def test_the_page_has_bands_moves_top_customers_and_inputs(lake, tmp_path, warehouse_url):
    shop, warehouse = make_shop("reported"), PostgresWarehouse(warehouse_url)
    warehouse.prepare(shop)
    warehouse.register_model(shop, make_model("lstm-1"))
    publish_night(lake, DAY - timedelta(days=2), "bcd", p_churn_60d=0.25, band="low")  # a day was missed between
    publish_night(lake, DAY, "abc", band="high", reason_text="浏览减少了 56%")
    note_waiting(lake, CUSTOMER_DAY, ["2011-01-01"], DAY)
    note_incomplete(lake, "purchases", "new.csv", DAY, 1234)
    note_incomplete(lake, "purchases", "old.csv", DAY - timedelta(days=1), 9)
    note_incomplete(lake, "reviews", "later.csv", DAY + timedelta(days=1), 5)
    page = night_report.write_page(lake, warehouse, shop, DAY, tmp_path / "pages")
    text = page.read_text()
    assert page.name == f"night_{DAY}.html"
    assert f"Since {DAY - timedelta(days=2)}: 3 customers entered the band high, 0 left" in text
    assert "1 are newly scored, and 1 are no longer scored" in text
    assert "<td>high</td><td>3</td>\n<td>+3</td>\n<td>100.0%</td><td>111.15</td>" in text
    first = text.index("<code>c</code>"), text.index("<code>b</code>"), text.index("<code>a</code>")
    assert list(first) == sorted(first)  # most money first
    assert "<td>50%</td>\n<td>25%</td>" in text  # b and c now and before
    assert "<td>50%</td>\n<td>–</td>" in text  # a is new
    assert text.count("浏览减少了 56%") == 3  # the reason as a sentence, in the shop's language
    assert "lstm-1" in text
    assert "customer_series v0" in text
    assert "customer_day: 2011-01-01 waits to be rebuilt" in text
    assert re.findall(r"([\d,]+) events of earlier files are missing from ([a-z.]+)", text) == [("1,234", "new.csv")]
    assert "http" not in text.replace("https://www.w3.org", "")


def test_the_page_follows_the_contract(lake, monkeypatch):
    """A column that gets a heading in the contract is shown as its unit asks for, and no other."""
    publish_night(lake, DAY, "a", reason_effect=0.25, reason_text="No purchases")
    run, _ = night_report.find_runs(lake, DAY)
    rows = night_report.read_scores(lake, make_shop("x"), run)

    def shown() -> list[str]:
        text = night_report.render(make_shop("x"), run, rows, None, make_model("lstm-1"))
        return re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", text[text.index("Most money at risk") :])[3:]

    assert shown() == [
        "expected, GBP", "at risk, GBP", "band", "because of", "<code>a</code>", "50%", "–",
        "100.10", "1.05", "medium", "No purchases",
    ]  # fmt: skip
    headed = [replace(c, heading={"reason_effect": "effect"}.get(c.name, "")) for c in SCORES.columns]
    monkeypatch.setattr(night_report, "churn_risk", lambda _: replace(SCORES, columns=tuple(headed)))
    assert shown() == ["effect", "<code>a</code>", "50%", "–", "25%"]


def test_the_first_night_has_no_comparison_and_hindsight_is_labelled(lake):
    publish_night(lake, DAY, "ab", is_hindsight=True)
    run, before = night_report.find_runs(lake, DAY)
    scores = night_report.read_scores(lake, make_shop("x"), run)
    text = night_report.render(make_shop("x"), run, scores, before, make_model("lstm-1"))
    assert "No earlier day has been scored" in text
    assert f"Hindsight: the model has learned from days after {DAY}" in text
    text = night_report.render(make_shop("x"), run, scores, before, make_model("lstm-1"), DAY + timedelta(days=3))
    assert f"restated with data delivered up to {DAY + timedelta(days=3)}" in text


def test_an_empty_band_is_shown_and_names_are_escaped(lake):
    publish_night(lake, DAY, "a", reason="<b>bold</b>", band="low")
    run, _ = night_report.find_runs(lake, DAY)
    scores = night_report.read_scores(lake, make_shop("x"), run)
    assert night_report.sum_bands(scores)["high"] == {"customers": 0, "at_risk": 0}
    assert night_report.sum_bands(scores)["low"] == {"customers": 1, "at_risk": Decimal("1.05")}
    assert "<b>bold" not in night_report.render(make_shop("x"), run, scores, None, make_model("lstm-1"))


def test_a_day_without_scores_is_reported(lake):
    with pytest.raises(MissingInputError, match="score that day first"):
        night_report.find_runs(lake, DAY)
