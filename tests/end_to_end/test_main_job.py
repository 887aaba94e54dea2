"""The whole pipeline on a few customers of the demo shop, by the real DAGs: from raw files to risks in the warehouse.

Everything runs as in `make demo` and `make nightly`: Airflow in its own environment, spark-submit, the training's
command line, the embedded PostgreSQL. All tests are in one module and in order, because they share runs that take
minutes.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path

import pandas as pd
import psycopg
import pytest
from psycopg.rows import dict_row

from infra.demo.online_retail.land import read_lines
from infra.local.environment import AIRFLOW_PYTHON, ROOT
from spark_jobs.contract.settings import EMBEDDED, Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.warehouse.connection import connect

pytestmark = pytest.mark.timeout(1500)

DAY = date(2011, 9, 6)
UNKNOWN_DAY = DAY - timedelta(days=40)
CUSTOMERS = 300
NOT_PRODUCTS = "POST|DOT|C2|S|B|PADS|CRUK|AMAZONFEE|BANK CHARGES|gift_.*"
QUICK_MODEL = "\n[model]\nepochs = 1\nfolds = 2\nlstm_units = 8\n"


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    yield Settings(home, warehouse_url=EMBEDDED)
    subprocess.run([sys.executable, "-m", "infra.local.warehouse", "stop"], env=environment(home), cwd=ROOT, check=True)


@pytest.fixture(scope="module")
def shop(settings):
    """The demo shop under another name, with its raw files landed."""
    demo = ROOT / "infra" / "demo" / "online_retail"
    land = [sys.executable, demo / "land.py", "--home", settings.home, "--customers", str(CUSTOMERS)]
    subprocess.run(land, check=True)
    text = (demo / "shop.toml").read_text().replace('name = "online_retail"', 'name = "little"')
    file = settings.home / "shop.toml"
    file.write_text(text + QUICK_MODEL)
    return load_shop(file)


def environment(home) -> dict[str, str]:
    lineage = {"type": "file", "log_file_path": str(home / "lineage"), "append": True}
    return {
        **os.environ,
        "CHURN_HOME": str(home),
        "CHURN_WAREHOUSE_URL": "",
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(lineage),
    }


def run_dags(settings, shop, *arguments: str) -> subprocess.CompletedProcess:
    command = [AIRFLOW_PYTHON, "-m", "infra.local.run_dag", "--shop", shop.path, *arguments]
    return subprocess.run(command, env=environment(settings.home), cwd=ROOT, capture_output=True, text=True)


@pytest.fixture(scope="module")
def night(settings, shop):
    """One run of each DAG, the scoring once more, and the scoring of a day that no ETL has published."""
    runs = [f"etl@{DAY}", f"train@{DAY}", f"score@{DAY}", f"score@{DAY}", f"score@{UNKNOWN_DAY}"]
    done = run_dags(settings, shop, "--promote", *runs)
    assert f"score {DAY} … load ok" in done.stdout, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def scores(settings, shop, night) -> list[dict]:
    with psycopg.connect(connect(settings).url, row_factory=dict_row) as connection:
        return connection.execute("SELECT * FROM little.current_churn_risk").fetchall()


def test_every_finished_task_is_printed(night):
    tasks = ("clean_purchases", "customer_day", "customer_series", "train", "promote", "churn_risk", "load", "report")
    for task in tasks:
        assert f" … {task} ok (" in night.stdout
    for pipeline in ("etl", "train", "score"):
        assert f"{pipeline} {DAY} … publish ok (" in night.stdout


def find_undone_lines(lines: pd.DataFrame) -> pd.Series:
    """By line, whether it belongs to a customer's day whose sales were undone within a week."""
    money, day = (lines.Quantity * lines.UnitPrice).round(2), lines.InvoiceDate.dt.normalize()
    is_undone = pd.Series(False, lines.index)
    for _, own in lines.groupby("CustomerID").groups.items():
        for sold in day[own].unique():
            soon = money[own][(day[own] >= sold) & (day[own] <= sold + timedelta(days=7))].groupby(day[own]).sum()
            refunds = money[own][money[own] < 0].groupby(day[own]).sum().reindex(soon.index, fill_value=0).cumsum() < 0
            is_undone[own[day[own] == sold]] = ((soon.cumsum().round(2) <= 0) & refunds).any()
    return is_undone


def test_exactly_those_who_bought_within_90_days_have_a_risk(scores):
    lines = read_lines(None, CUSTOMERS).to_pandas()
    is_sale = ~lines.InvoiceNo.str.startswith("C") & (lines.Quantity > 0) & (lines.UnitPrice >= 0.001)
    is_product = ~lines.StockCode.str.fullmatch(NOT_PRODUCTS)
    is_recent = lines.InvoiceDate >= datetime.combine(DAY - timedelta(days=89), datetime.min.time())
    is_undone = find_undone_lines(lines[is_product & (lines.UnitPrice >= 0.001)].drop_duplicates())
    assert is_undone.any()
    is_undone = is_undone.reindex(lines.index, fill_value=False)
    expected = lines[is_sale & is_product & is_recent & ~is_undone].CustomerID.dropna().nunique()
    assert expected > 30
    assert len(scores) == len({row["customer_id"] for row in scores}) == expected
    assert {row["as_of"] for row in scores} == {DAY}


def test_risks_are_probabilities_that_never_rise_with_the_horizon(scores):
    for row in scores:
        assert 1 >= row["p_churn_30d"] >= row["p_churn_60d"] >= row["p_churn_90d"] >= 0
        assert row["spend_at_risk"] <= row["expected_spend"]
    assert len({row["p_churn_60d"] for row in scores}) > len(scores) / 2


def test_no_score_uses_later_data(settings, shop, scores):
    model, is_hindsight = connect(settings).model_for(shop, DAY)
    assert not is_hindsight
    assert model.trained_through == DAY
    assert {(row["model_version"], row["is_hindsight"]) for row in scores} == {(model.version, False)}


def test_the_raw_customer_id_is_in_the_identity_schema_and_nowhere_in_the_lake(settings, shop, scores):
    with psycopg.connect(connect(settings).url) as connection:
        pairs = dict(connection.execute("SELECT customer_key, customer_id FROM identity.customers").fetchall())
    assert {row["customer_id"] for row in scores} <= set(pairs)
    names = set(read_lines(None, CUSTOMERS)["CustomerID"].drop_null().to_pylist())
    assert set(pairs.values()) <= {str(name) for name in names}


def test_the_night_has_its_page(settings, scores):
    page = Path(settings.reports("little"), f"night_{DAY}.html").read_text()
    assert f"{len(scores):,} customers who can still be kept" in page
    assert scores[0]["model_version"] in page


def test_publishing_announces_the_day(settings, night):
    """A manual run has no partition key: without one in the event, Airflow would never start churn_score."""
    with closing(sqlite3.connect(settings.home / "airflow" / "airflow.db")) as database:
        events = database.execute("SELECT partition_key, source_dag_id FROM asset_event").fetchall()
    assert events.count((str(DAY), "churn_etl__little")) == 1
    assert set(events) == {(str(DAY), "churn_etl__little"), (str(DAY), "churn_score__little")}


def test_a_published_day_records_its_inputs(settings, shop, scores):
    """In the warehouse, and on the event that announces it."""
    (run,) = connect(settings).published(shop)
    assert run.model_version == scores[0]["model_version"]
    assert {"purchases", "customer_day", "customer_series", "churn_risk"} <= set(run.inputs)
    with closing(sqlite3.connect(settings.home / "airflow" / "airflow.db")) as database:
        extras = dict(database.execute("SELECT source_task_id, extra FROM asset_event").fetchall())
    loaded = json.loads(extras["load"])
    assert (loaded["model"], loaded["code"], loaded["tables"]) == (run.model_version, run.code, run.inputs)
    assert json.loads(extras["publish"])["code"] == run.code


def test_lineage_goes_where_the_configuration_says(settings, night):
    events = [json.loads(line) for line in (settings.home / "lineage").read_text().splitlines()]
    ended = {event["job"]["name"] for event in events if event["eventType"] == "COMPLETE"}
    assert {"churn_etl__little.customer_series", "churn_train__little.train", "churn_score__little.load"} <= ended


def test_lineage_names_the_tables_from_the_raw_files_to_the_warehouse(settings, shop, night):
    events = [json.loads(line) for line in (settings.home / "lineage").read_text().splitlines()]
    (run,) = connect(settings).published(shop)
    jobs = {
        event["job"]["name"].partition("__little.")[2]: {
            way: {table["name"].rpartition("/")[2]: table.get("facets", {}) for table in event[way]}
            for way in ("inputs", "outputs")
        }
        for event in events
        if event["eventType"] == "COMPLETE" and (event["inputs"] or event["outputs"])
    }
    assert (set(jobs["customer_day"]["inputs"]), set(jobs["customer_day"]["outputs"])) == (
        {"purchases"},
        {"customer_day"},
    )
    assert {"purchases", "purchases_quarantine"} <= set(jobs["clean_purchases"]["outputs"])
    assert set(jobs["load"]["outputs"]) == {"churn.little.churn_risk", "churn.little.published_runs"}
    versions = {name: int(facets["version"]["datasetVersion"]) for name, facets in jobs["load"]["inputs"].items()}
    assert versions == run.inputs


def test_scoring_again_changes_nothing(settings, shop, night):
    assert night.stdout.count(f"score {DAY} … churn_risk ok") == 2
    (run,) = connect(settings).published(shop)
    assert run.superseded_at is None


def test_a_day_without_etl_fails_in_one_line_that_says_what_to_do(night):
    assert night.returncode == 1
    (line,) = night.stderr.strip().splitlines()
    assert line.startswith(f"error: score {UNKNOWN_DAY}: churn_risk failed: no published customer_series as of")
    assert f"score {UNKNOWN_DAY} … churn_risk failed" in night.stdout


def test_status_finds_the_night_whole_and_names_the_dag_that_failed(settings, shop, night):
    command = [sys.executable, "-m", "infra.local.status", "--shop", shop.path]
    seen = subprocess.run(command, env=environment(settings.home), cwd=ROOT, capture_output=True, text=True)
    assert seen.returncode == 1
    assert seen.stderr == "error: little: look at runs\n", seen.stdout
    assert f"as of {DAY}, nothing is late" in seen.stdout
    assert "failed: churn_score__little" in " ".join(seen.stdout.split())
