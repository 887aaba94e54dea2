"""The simulated shop: reproducible, with exactly the planted defects, and with a truth that can be learned."""

from __future__ import annotations

import gzip
import hashlib
import json
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from infra.demo.simulated.life import live, order_days, session_counts, survival
from infra.demo.simulated.oracle import measure
from infra.demo.simulated.parameters import AWAY, ENGAGED, FADING, RESTLESS, Parameters
from infra.demo.simulated.simulate import line_maker, make_calendar, simulate
from spark_jobs import clean, customer_day, customer_series
from spark_jobs.cleaning import merges
from spark_jobs.contract.ledger_tables import ACCOUNTS
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.tables import CUSTOMER_SERIES, EVENTS, quarantine
from spark_jobs.lake.store import Lake
from spark_jobs.warehouse.connection import connect
from tests.conftest import ROOT

FIRST_DAY, DAYS, CUSTOMERS = date(2024, 1, 1), 30, 400
PARAMETERS = Parameters()


@pytest.fixture(scope="module")
def home(spark, tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("simulated")
    simulate(spark, home, CUSTOMERS, DAYS, 3, FIRST_DAY)
    return home


def read_lines(file: Path) -> list[str]:
    return gzip.decompress(file.read_bytes()).decode().splitlines()


def planted_in(home: Path) -> dict[str, dict[str, int]]:
    return json.loads((home / "truth" / "simulated" / "planted.json").read_text())


def make_lines(spark, customers: int, tasks: int) -> list[tuple]:
    maker = line_maker(3, make_calendar(FIRST_DAY, 60, PARAMETERS), PARAMETERS, FIRST_DAY)
    numbers = spark.range(0, customers, 1, tasks)
    ddl = "log string, delivered int, chunk int, key string, text string, planted string"
    return sorted(tuple(row) for row in numbers.mapInArrow(maker, ddl).collect())


def test_lines_depend_only_on_seed_and_customer(spark):
    few, many = make_lines(spark, 12, 1), make_lines(spark, 30, 5)
    assert few == make_lines(spark, 12, 4)
    assert [line for line in many if int(line[3].lstrip("br").split("-")[0].removeprefix("c")) < 12] == few
    assert len(few) > 100


def test_files_are_reproducible_byte_by_byte(spark, home, tmp_path):
    simulate(spark, tmp_path, CUSTOMERS, DAYS, 3, FIRST_DAY)
    for folder in ("purchases", "browses", "reviews"):
        ours, theirs = (
            {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in (h / "landing/simulated" / folder).iterdir()}
            for h in (home, tmp_path)
        )
        assert ours == theirs
        assert len(ours) > DAYS / 2


def test_the_truth_counts_every_line_of_the_files(home):
    for log, counts in planted_in(home).items():
        files = (home / "landing" / "simulated" / log).iterdir()
        heads = 1 if log == "purchases" else 0
        assert sum(len(read_lines(file)) - heads for file in files) == sum(counts.values())


def test_clean_finds_exactly_the_planted_faults(spark, home, warehouse_url, tmp_path):
    """Every line of three logs gets exactly the planted verdict, by reason."""
    shop_file = tmp_path / "shop.toml"
    text = (ROOT / "infra" / "demo" / "simulated" / "shop.toml").read_text()
    shop_file.write_text(text.replace('name = "simulated"', 'name = "simulated_small"'))
    shop, settings = load_shop(shop_file), Settings(home, warehouse_url=warehouse_url, id_key_hex="5a" * 32)
    connect(settings).prepare(shop)
    lake, as_of = Lake(settings.lake(shop.name)), FIRST_DAY + timedelta(days=DAYS - 1)
    merges.register(lake, shop, as_of, settings)
    for log, planted in planted_in(home).items():
        clean.run(lambda: spark, lake, shop, log, as_of, settings)
        rows = lake.arrow(ACCOUNTS, [log]).to_pylist()
        assert sum(row["duplicates"] for row in rows) == planted.pop("again", 0)
        assert sum(row["clean"] for row in rows) == planted.pop("clean") + planted.pop("late", 0)
        names = {"bot": "bot_rate", "test": "test_account"}
        found = pd.Series([r for row in lake.arrow(quarantine(log)).to_pylist() for r in row["reasons"]], dtype=object)
        assert dict(found.value_counts()) == {names.get(kind, kind): count for kind, count in planted.items()}
        assert lake.arrow(EVENTS[log]).num_rows > 0
    customer_day.run(lambda: spark, lake, shop, as_of)
    customer_series.run(lambda: spark, lake, shop, as_of, CUSTOMER_SERIES)
    series = lake.arrow(CUSTOMER_SERIES).to_pandas()
    assert series["view_count"].map(sum).gt(0).mean() > 0.9
    assert series["sentiment_sum"].map(lambda values: np.abs(values).sum()).gt(0).any()


def test_browsing_declines_before_buying():
    calendar = make_calendar(FIRST_DAY, 400, PARAMETERS)
    orders, sessions, days = (np.zeros(4) for _ in range(3))
    for number in range(1500):
        life = live(5, number, calendar, PARAMETERS)
        state = life.state[max(life.arrived, 0) :]
        days += np.bincount(state, minlength=4)
        orders += np.bincount(life.state[order_days(life, calendar, PARAMETERS)], minlength=4)
        sessions += np.bincount(life.state, session_counts(life, calendar, PARAMETERS), minlength=4)
    bought, scored = orders / days, sessions / days
    assert bought[RESTLESS] > 0.75 * bought[ENGAGED]
    assert scored[RESTLESS] < 0.6 * scored[ENGAGED]
    assert bought[FADING] < 0.5 * bought[ENGAGED]
    assert bought[AWAY] < 0.25 * bought[ENGAGED]


def test_the_oracle_is_exact():
    """Of many customers with the same rate, all engaged on one day, the predicted share orders in the next days."""
    calendar = make_calendar(FIRST_DAY, 40, PARAMETERS)
    rate, people, generator = 0.05, 20_000, np.random.default_rng(1)
    says = survival(np.array([rate]), 5, calendar, PARAMETERS)[0, ENGAGED, 0]
    state, stays = np.full(people, ENGAGED), np.ones(people, bool)
    for day in range(6, 36):
        state = (generator.random(people)[:, None] > np.cumsum(PARAMETERS.moves, axis=1)[state]).sum(axis=1).clip(0, 3)
        chance = -np.expm1(-rate * calendar.season[day] * np.array(PARAMETERS.buying)[state])
        stays &= generator.random(people) >= chance
    assert abs(stays.mean() - says) < 4 * np.sqrt(says * (1 - says) / people)


def test_the_oracle_ranks_much_better_than_recency(spark, tmp_path):
    simulate(spark, tmp_path, 260, 200, 3, FIRST_DAY)
    rows = measure(tmp_path)
    assert len(rows) == 9
    oracle, recency = np.mean([row[4] for row in rows]), np.mean([row[5] for row in rows])
    assert oracle > 0.72  # a few hundred customers: the parameters' own range is .78 to .84
    assert recency < oracle - 0.08
