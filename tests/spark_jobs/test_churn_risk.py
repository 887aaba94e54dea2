"""From which version of the histories is a day scored, and what is the error without one?"""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from spark_jobs import churn_risk
from spark_jobs.contract.errors import MissingInputError
from spark_jobs.contract.tables import CUSTOMER_SERIES
from spark_jobs.lake import upkeep as _lake_upkeep
from spark_jobs.lake.ledger import Run, append_run
from spark_jobs.lake.store import Lake
from tests.spark_jobs.test_maintain import fill

DAY = date(2026, 10, 1)


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
