"""Does a restated night use later deliveries, flag every row, and leave everything else unchanged?"""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pytest

from spark_jobs import churn_risk, customer_series, publish
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.tables import CUSTOMER_SERIES
from spark_jobs.contract.tables import churn_risk as scores_of
from spark_jobs.warehouse import __main__ as _warehouse_command
from spark_jobs.warehouse.connection import connect
from tests.spark_jobs.shops import SmallShop
from tests.spark_jobs.warehouse.support import make_model, make_rows, select

NIGHT, LATER, NEVER = date(2011, 3, 2), date(2011, 3, 3), date(2011, 3, 4)


def line(customer: str, at: str) -> str:
    return f"{customer},{at} 10:00,p,c,1,2.00"


@pytest.fixture(scope="module")
def shop(spark, tmp_path_factory, warehouse_url):
    """Two nights; a file of the first arrived with the second. Every test leaves the first night unchanged.

    One customer, whose only sale was undone at once, is eligible in neither night.
    """
    shop = SmallShop(spark, tmp_path_factory.mktemp("restated"), warehouse_url)
    undone = "undone,2011-03-02 11:00,p,c,3,1.10", "undone,2011-03-02 11:03,m,c,-1,3.30"
    shop.deliver("2011-03-02.csv", line("a", "2011-03-02"), *undone)
    shop.run_night(NIGHT)
    shop.deliver("2011-03-02-late.csv", line("late", "2011-03-02"))
    shop.deliver("2011-03-03.csv", line("new", "2011-03-03"))
    shop.run_night(LATER)
    return shop


def restate(shop: SmallShop, as_of: date = NIGHT, known_as_of: date | None = LATER) -> None:
    customer_series.run(shop.open_spark, shop.lake, shop.shop, as_of, CUSTOMER_SERIES, restate=known_as_of)
    publish.publish_run(shop.lake, shop.shop, "etl", as_of)


def night(shop: SmallShop) -> list[dict]:
    return shop.rows(CUSTOMER_SERIES, str(NIGHT))


def test_a_restated_night_has_late_events_up_to_its_day_and_can_be_reverted(shop):
    before, second_night = night(shop), shop.rows(CUSTOMER_SERIES, str(LATER))
    restate(shop)
    restated = night(shop)
    assert len(before) == 1
    assert [row["days"] for row in restated] == [[NIGHT], [NIGHT]]  # a and late, but not new
    assert {row["known_as_of"] for row in restated} == {LATER}
    version = shop.lake.version(CUSTOMER_SERIES)
    restate(shop)
    assert shop.lake.version(CUSTOMER_SERIES) == version  # a repetition commits nothing
    assert shop.rows(CUSTOMER_SERIES, str(LATER)) == second_night
    restate(shop, known_as_of=None)
    assert night(shop) == before
    assert {row["known_as_of"] for row in before} == {None}


def test_a_night_is_restated_with_a_later_published_day_only(shop):
    with pytest.raises(ChurnError, match=r"2011-03-04 is not published yet.* up to 2011-03-03"):
        restate(shop, known_as_of=NEVER)
    with pytest.raises(ChurnError, match="give a day after 2011-03-02, not 2011-03-02"):
        restate(shop, known_as_of=NIGHT)
    assert len(night(shop)) == 1


def play_scorer(shop, as_of, model, files, is_hindsight):
    """A stand-in for the scorer: every probability is 0.5."""

    def score(batches):
        for batch in batches:
            for key in batch["customer_id"].to_pylist():
                row = make_rows("x", as_of, shop.churn.horizons_days, model_version=model.version,
                                is_hindsight=is_hindsight)  # fmt: skip
                yield row.set_column(0, "customer_id", pa.array([key])).to_batches()[0]

    return score


def test_restated_rows_are_flagged_until_the_night_is_rebuilt(shop, monkeypatch):
    monkeypatch.setattr(churn_risk, "batch_scorer", play_scorer)
    monkeypatch.setattr(churn_risk, "read_model", lambda model: None)
    monkeypatch.setattr(churn_risk, "find_learned_horizons", lambda shop, *_: shop.churn.horizons_days)
    warehouse = connect(shop.settings)
    warehouse.register_model(shop.shop, make_model("m-restated", NIGHT))
    warehouse.promote_model(shop.shop, "m-restated", NIGHT)
    for known_as_of in (None, LATER, None):
        restate(shop, known_as_of=known_as_of)
        churn_risk.run(shop.open_spark, shop.lake, warehouse, shop.shop, NIGHT)
        publish.publish_run(shop.lake, shop.shop, "score", NIGHT)
        run = _warehouse_command.load_scores(warehouse, shop.lake, shop.shop, NIGHT)
        assert (run.is_hindsight, run.known_as_of, run.superseded_at) == (known_as_of is not None, known_as_of, None)
        visible = select(warehouse, shop.shop, "SELECT is_hindsight FROM churn_risk_history WHERE as_of = %s", NIGHT)
        assert visible == ([(True,), (True,)] if known_as_of else [(False,)])
    assert len(shop.rows(scores_of(shop.shop.churn.horizons_days), str(NIGHT))) == 1
