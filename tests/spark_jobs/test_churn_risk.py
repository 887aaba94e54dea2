"""From which version of the histories is a day scored, and which scores are refused?"""

from __future__ import annotations

from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from spark_jobs import churn_risk
from spark_jobs.contract.errors import MissingInputError
from spark_jobs.contract.tables import CUSTOMER_SERIES
from spark_jobs.lake import upkeep as _lake_upkeep
from spark_jobs.lake.ledger import Run, append_run
from spark_jobs.lake.store import Lake
from tests.spark_jobs.test_maintain import fill

DAY = date(2026, 10, 1)
SCORED = pa.schema([("customer_id", pa.string()), ("p_churn_30d", pa.float64()), ("p_churn_60d", pa.float64())])


def publish_night(lake: Lake, run_id: str) -> int:
    """The version of the histories that the new run names."""
    fill(lake, CUSTOMER_SERIES, DAY)
    version = lake.version(CUSTOMER_SERIES)
    append_run(lake, Run(run_id, run_id, {CUSTOMER_SERIES.name: version}, datetime.now(UTC), DAY, "etl"))
    return version


def test_a_day_is_scored_from_the_history_of_its_run_while_kept(tmp_path):
    lake = Lake(tmp_path)
    with pytest.raises(MissingInputError, match="no published customer_series as of 2026-10-01: run the ETL"):
        churn_risk.find_series(lake, DAY)
    version = publish_night(lake, "first")
    fill(lake, CUSTOMER_SERIES, date(2026, 10, 2))
    assert churn_risk.find_series(lake, DAY) == version
    _lake_upkeep.clear(lake, CUSTOMER_SERIES, [str(DAY)])
    with pytest.raises(MissingInputError, match="the history of 2026-10-01 was removed: run churn_etl"):
        churn_risk.find_series(lake, DAY)
    again = publish_night(lake, "again")
    assert churn_risk.find_series(lake, DAY) == again > version


def make_scores(p_30: dict[str, float | None], p_60: float = 0.25) -> ds.Dataset:
    columns = {"customer_id": [*p_30], "p_churn_30d": [*p_30.values()], "p_churn_60d": [p_60] * len(p_30)}
    return ds.dataset(pa.table(columns, SCORED))


@pytest.mark.parametrize(
    ("scores", "findings"),
    [
        (make_scores({"a": 0.5, "b": 0.25}), []),
        (make_scores({"a": 0.5}), ["expected each of 2 eligible customers once, found 1 rows of 1 customers"]),
        (make_scores({"a": 0.5, "c": 0.5}), ["expected eligible customers only, found others"]),
        (make_scores({"a": 0.125, "b": 0.5}), ["p_churn_60d: expected at most p_churn_30d, found more"]),
        (make_scores({"a": 0.5, "b": None}), ["p_churn_30d: expected numbers from 0 to 1, found others"]),
        (make_scores({"a": 1.5, "b": float("nan")}), ["p_churn_30d: expected numbers from 0 to 1, found others",
                                                      "p_churn_60d: expected at most p_churn_30d, found more"]),
    ],
)  # fmt: skip
def test_scores_are_of_each_eligible_customer_once_and_are_probabilities(scores, findings):
    series = ds.dataset(pa.table({"customer_id": ["b", "a"]}))
    assert churn_risk.audit_scores(scores, series, (30, 60)) == findings


def test_a_customer_who_is_scored_twice_is_found():
    twice = ds.dataset(pa.concat_tables([make_scores({"a": 0.5}).to_table()] * 2))
    series = ds.dataset(pa.table({"customer_id": ["b", "a"]}))
    assert churn_risk.audit_scores(twice, series, (30, 60)) == [
        "expected each of 2 eligible customers once, found 2 rows of 1 customers"
    ]
