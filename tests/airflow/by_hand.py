"""Runs the same jobs without Airflow, for comparison with the live runs.

    python -m tests.airflow.by_hand build --shop SHOP.toml --train DAY [--nights DAY DAY …]
    python -m tests.airflow.by_hand content --shop SHOP.toml

build    the day of the training and its model, then the nights with their scores, in their order, in one process
content  as JSON, by table and day, a hash over all rows without what names the run: run id, model version, instants
"""

from __future__ import annotations

import argparse
import json
import sys
from hashlib import sha256

import psycopg
from psycopg.rows import dict_row

from spark_jobs import churn_risk, clean, customer_day, customer_series, publish
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.tables import CUSTOMER_SERIES, EVENTS, TRAINING_SERIES
from spark_jobs.lake.store import Lake
from spark_jobs.warehouse import __main__ as _warehouse_command
from spark_jobs.warehouse.connection import connect
from training import train

NAMES_THE_RUN = {"run_id", "model_version", "scored_at", "published_at"}


def build(shop: Shop, train_day: str, nights: list[str]) -> None:
    night(shop, train_day)
    customer_series.main([*words(shop, train_day), "--all"])
    publish.main([*words(shop, train_day), "--pipeline", "train"])
    train.main([*words(shop, train_day), "--promote"])
    for as_of in nights:
        night(shop, as_of)
        churn_risk.main(words(shop, as_of))
        publish.main([*words(shop, as_of), "--pipeline", "score"])
        _warehouse_command.main(["load", *words(shop, as_of)])


def night(shop: Shop, as_of: str) -> None:
    for job in (clean, customer_day, customer_series):
        job.main(words(shop, as_of))
    publish.main([*words(shop, as_of), "--pipeline", "etl"])


def words(shop: Shop, as_of: str) -> list[str]:
    return ["--shop", str(shop.path), "--as-of", as_of]


def content(shop: Shop, settings: Settings) -> dict[str, dict[str, str]]:
    lake = Lake(settings.lake(shop.name))
    with psycopg.connect(connect(settings).url, row_factory=dict_row) as connection:
        scores = connection.execute(f"SELECT * FROM {shop.name}.churn_risk_history").fetchall()
    rows = {"churn_risk": scores}
    rows |= {table.name: lake.arrow(table).to_pylist() for table in (CUSTOMER_SERIES, TRAINING_SERIES)}
    rows["purchases"] = [{**row, "as_of": row["delivery_day"]} for row in lake.arrow(EVENTS["purchases"]).to_pylist()]
    return {table: hash_days(found) for table, found in rows.items()}


def hash_days(rows: list[dict]) -> dict[str, str]:
    days: dict[str, list[str]] = {}
    for row in rows:
        kept = {name: value for name, value in sorted(row.items()) if name not in NAMES_THE_RUN}
        days.setdefault(str(row["as_of"]), []).append(repr(kept))
    return {day: sha256("\n".join(sorted(texts)).encode()).hexdigest()[:16] for day, texts in sorted(days.items())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["build", "content"])
    parser.add_argument("--shop", required=True)
    parser.add_argument("--train")
    parser.add_argument("--nights", nargs="*", default=[])
    arguments = parser.parse_args()
    shop, settings = load_shop(arguments.shop), Settings.from_environment()
    if arguments.command == "content":
        print(json.dumps(content(shop, settings)))
        return
    connect(settings).prepare(shop)
    build(shop, arguments.train, arguments.nights)


if __name__ == "__main__":
    sys.exit(main())
