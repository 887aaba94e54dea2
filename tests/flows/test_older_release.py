"""Does today's code continue with the lake, the model and the warehouse of an older release?

tests/fixtures/README.md says how they were made.
"""

from __future__ import annotations

import tarfile
from datetime import date
from pathlib import Path
from secrets import token_hex

import psycopg
import pytest

from spark_jobs import churn_risk, clean, customer_day, customer_series, publish, rebuild
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.tables import CUSTOMER_DAY, CUSTOMER_SERIES
from spark_jobs.contract.tables import churn_risk as risk_table
from spark_jobs.lake.backlog import list_waiting
from spark_jobs.lake.store import Lake
from spark_jobs.warehouse.__main__ import load_scores
from spark_jobs.warehouse.connection import connect

RELEASE = Path(__file__).parents[1] / "fixtures" / "release_0"
NIGHTS, NEXT = [date(2024, 3, 29), date(2024, 3, 30), date(2024, 3, 31)], date(2024, 4, 1)


@pytest.fixture
def settings(tmp_path, warehouse_url) -> Settings:
    """A home of that release, with its warehouse in a separate database."""
    with tarfile.open(RELEASE / "release.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    name = f"release_{token_hex(4)}"
    with psycopg.connect(warehouse_url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
    url = warehouse_url.rpartition("/")[0] + f"/{name}"
    with psycopg.connect(url) as database:
        database.execute((tmp_path / "warehouse.sql").read_text().replace("{home}", str(tmp_path)))
    return Settings(tmp_path, warehouse_url=url, id_key_hex="5a" * 32)


def read_history(settings: Settings, *columns: str) -> list[tuple]:
    with psycopg.connect(settings.warehouse_url) as database:
        return database.execute(f"SELECT {', '.join(columns)} FROM corner.churn_risk_history ORDER BY 1, 2").fetchall()


def test_the_next_night_continues_and_a_new_horizon_waits_for_a_training(spark, settings, tmp_path, capsys):
    text = (RELEASE / "shop.toml").read_text()
    (tmp_path / "shop.toml").write_text(text.replace("horizons_days = [3, 6]", "horizons_days = [3, 6, 9]"))
    shop, lake = load_shop(tmp_path / "shop.toml"), Lake(settings.lake("corner"))
    table, known = risk_table(shop.churn.horizons_days), ("as_of", "customer_id", "p_churn_3d", "p_churn_6d")
    before = read_history(settings, *known)
    assert {row[0] for row in before} == set(NIGHTS)
    old_days = lake.arrow(CUSTOMER_DAY).sort_by("customer_id").select(["customer_id", "event_day", "spend"])

    for log in shop.sources:
        clean.run(lambda: spark, lake, shop, log, NEXT, settings)
    customer_day.run(lambda: spark, lake, shop, NEXT, budget_bytes=settings.catch_up_bytes)
    customer_series.run(lambda: spark, lake, shop, NEXT, CUSTOMER_SERIES)
    publish.publish_run(lake, shop, "etl", NEXT)
    warehouse = connect(settings)
    warehouse.prepare(shop)
    churn_risk.run(lambda: spark, lake, warehouse, shop, NEXT)
    publish.publish_run(lake, shop, "score", NEXT)
    run = load_scores(warehouse, lake, shop, NEXT)

    assert "has not learned 9 days, whose column stays empty" in capsys.readouterr().out
    assert list_waiting(lake) == []  # everything fits into one night
    new_days = lake.arrow(CUSTOMER_DAY, [day for day in lake.partitions(CUSTOMER_DAY) if day < str(NEXT)])
    assert sorted(new_days.select(old_days.column_names).to_pylist(), key=repr) == sorted(
        old_days.to_pylist(), key=repr
    )
    after = read_history(settings, *known, "p_churn_9d", "model_version")
    assert [row[:4] for row in after if row[0] < NEXT] == before
    tonight = [row for row in after if row[0] == NEXT]
    assert run.rows == len(tonight) == len(lake.arrow(CUSTOMER_SERIES, [str(NEXT)])) > 0
    assert all(0 < row[3] <= row[2] < 1 and row[4] is None for row in tonight)
    assert {row[5] for row in after} == {tonight[0][5]}  # one model, of the release
    for published in warehouse.published(shop):  # the published versions can still be opened
        scores = lake.arrow(table, [str(published.as_of)], published.lake_version)
        assert sorted(scores["p_churn_6d"].to_pylist()) == sorted(row[3] for row in after if row[0] == published.as_of)

    version, scores = lake.version(table), lake.arrow(table, [str(NEXT)]).sort_by("customer_id")
    rebuild.run(lambda: spark, lake, shop, settings, only="churn_risk", first=NEXT)
    assert lake.version(table) == version + 1
    assert lake.arrow(table, [str(NEXT)]).sort_by("customer_id").to_pylist() == scores.to_pylist()
    assert load_scores(warehouse, lake, shop, NEXT).lake_version == version + 1
