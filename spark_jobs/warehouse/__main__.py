"""Runs the warehouse from the command line: `python -m spark_jobs.warehouse COMMAND`.

start     starts the embedded PostgreSQL unless it runs, and leaves it running (CHURN_WAREHOUSE_URL names your own)
stop      ends it
url       prints where it is, without the password
psql      a prompt on it; everything after the command goes to psql, e.g. -c 'SELECT 1'; --shop sets the search path
prepare   makes or updates a shop's schema
load      copies the scores that the lake published for a day, and makes them visible
promote   lets a registered model score from a day on
"""

from __future__ import annotations

import argparse
import os
import sys
from datetime import date, timedelta

import pyarrow.compute as pc
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from spark_jobs.contract.errors import ChurnError, MissingInputError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.tables import CUSTOMER_SERIES, churn_risk
from spark_jobs.lake.keys import product_hash
from spark_jobs.lake.ledger import list_runs
from spark_jobs.lake.restatement import find_known_as_of
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import add_result, check_as_of, day, run_command, write_result
from spark_jobs.warehouse.connection import connect
from spark_jobs.warehouse.embedded import EmbeddedPostgres
from spark_jobs.warehouse.postgres import PostgresWarehouse
from spark_jobs.warehouse.programs import find_psql
from spark_jobs.warehouse.protocol import Warehouse
from spark_jobs.warehouse.records import UNJUDGED, PublishedRun, RunOrigin


def main(argv: list[str] | None = None) -> None:
    parser = _make_parser()
    arguments, others = parser.parse_known_args(argv)
    if others and arguments.command != "psql":
        parser.error(f"unknown arguments: {' '.join(others)}")
    settings = Settings.from_environment()
    shop = load_shop(arguments.shop) if getattr(arguments, "shop", None) else None
    if arguments.command == "stop":
        stop(settings)
    elif arguments.command == "start":
        print(f"the warehouse is up: {_say_address(connect(settings))}")
    elif arguments.command == "url":
        show_url(settings)
    elif arguments.command == "psql":
        open_psql(connect(settings), shop, others)
    elif arguments.command == "prepare":
        connect(settings).prepare(shop)
        print(f"schema {shop.name} is ready")
    elif arguments.command == "load":
        for as_of in arguments.as_of:
            check_as_of(shop, as_of)
        warehouse, lake = connect(settings), Lake(settings.lake(shop.name))
        loaded = [load_scores(warehouse, lake, shop, as_of) for as_of in sorted(set(arguments.as_of))]
        newest = loaded[-1]
        told = {"model": newest.model_version, "code": newest.code, "tables": newest.inputs}
        write_result(arguments.result, {"runs": [run.run_id for run in loaded], **told})
    else:
        warehouse = connect(settings)
        warehouse.prepare(shop)
        effective_from = promote(warehouse, shop, arguments.version, arguments.effective_from, arguments.once)
        again = find_day_to_score_again(Lake(settings.lake(shop.name)), effective_from)
        told = {"version": arguments.version, "effective_from": effective_from, "score_again": again}
        write_result(arguments.result, told)


def load_scores(warehouse: Warehouse, lake: Lake, shop: Shop, as_of: date) -> PublishedRun:
    """Loads what the newest scoring run of the day names, unless it was loaded before; gives what is visible then.

    Raises MissingInputError where the day was not scored.
    """
    table = churn_risk(shop.churn.horizons_days)
    runs = [run for run in list_runs(lake, "score") if run.as_of == as_of]
    if not runs:
        command = f"python -m spark_jobs.churn_risk --shop {shop.path} --as-of {as_of}"
        raise MissingInputError(f"no scores of {shop.name} for {as_of} yet: run `{command}`, and publish the run")
    run_id, version = runs[-1].run_id, runs[-1].tables[table.name]
    rows = lake.dataset(table, [as_of.isoformat()], version)
    of_all = rows.to_table(columns=["is_hindsight", "model_version"])
    histories = [run.tables for run in list_runs(lake, "etl") if run.as_of == as_of][-1:]
    inputs = {name: number for tables in (*histories, runs[-1].tables) for name, number in tables.items()}
    origin = RunOrigin(
        model_version=", ".join(sorted(pc.unique(of_all["model_version"]).to_pylist())),
        code=product_hash(),
        inputs=inputs,
        known_as_of=find_known_as_of(lake, as_of, inputs.get(CUSTOMER_SERIES.name)),
    )
    is_hindsight = bool(pc.any(of_all["is_hindsight"]).as_py())
    warehouse.prepare(shop)
    is_new = warehouse.publish_scores(shop, as_of, run_id, rows, version, is_hindsight, origin)
    print(f"{shop.name} {as_of}: " + (f"{rows.count_rows()} scores visible" if is_new else "was loaded before"), run_id)
    return next(run for run in warehouse.published(shop) if (run.as_of, run.run_id) == (as_of, run_id))


def promote(warehouse: Warehouse, shop: Shop, version: str, effective_from: date | None, is_once: bool = False) -> date:
    """Says which model scores the next night, and gives the day from which the promoted one scores.

    is_once: a model that was promoted before stays as it is, so that an older training repeated does not take over.
    """
    promotion = warehouse.promote_model(shop, version, effective_from, is_once)
    effective_from = promotion.effective_from
    if is_once and not promotion.is_new:
        print(f"{version} was promoted before, to score from {effective_from} on: nothing changes")
        return effective_from
    nights = [run.as_of for run in warehouse.published(shop)]
    next_night = max(nights) + timedelta(days=1) if nights else effective_from
    scorer, _ = warehouse.model_for(shop, next_night)
    model = warehouse.model(shop, version)
    gate = "" if model.gate_passed else ", although no kind passed the gate of its training"
    gate = gate if model.is_judged else f", although {UNJUDGED}"
    instead = ""
    if promotion.replaced:
        other, its_day = promotion.replaced
        instead = f" instead of {other}, which was promoted from {its_day} on"
    print(f"{version} scores {shop.name} from {effective_from} on{instead}{gate};"
          f" the next night, that of {next_night}, is scored by {scorer.version}")  # fmt: skip
    return effective_from


def find_day_to_score_again(lake: Lake, effective_from: date) -> date | None:
    """The newest day with histories, if a model that scores from this day on scores it."""
    return max((run.as_of for run in list_runs(lake, "etl") if run.as_of >= effective_from), default=None)


def stop(settings: Settings) -> None:
    if settings.warehouse_url:
        raise ChurnError("the warehouse is that of CHURN_WAREHOUSE_URL: stop it where it runs")
    was_running = EmbeddedPostgres(settings.home).stop()
    print("the warehouse is stopped" if was_running else "the warehouse was not running")


def show_url(settings: Settings) -> None:
    server = EmbeddedPostgres(settings.home)
    print(_say_address(PostgresWarehouse(settings.warehouse_url or server.url)))
    if not settings.warehouse_url:
        print(f"its password is in {server.password_file}", file=sys.stderr)


def open_psql(warehouse: PostgresWarehouse, shop: Shop | None, arguments: list[str]) -> None:
    """Becomes psql. The password goes by the environment: a command line is visible to everybody."""
    server = conninfo_to_dict(warehouse.url)
    environment = {**os.environ, "PGPASSWORD": str(server.pop("password", "") or os.environ.get("PGPASSWORD", ""))}
    if shop:
        environment["PGOPTIONS"] = f"-c search_path={shop.name}"
    psql = find_psql()
    sys.stdout.flush()
    os.execve(psql, [psql, *arguments, "-d", make_conninfo("", **server)], environment)


def _say_address(warehouse: PostgresWarehouse) -> str:
    server = conninfo_to_dict(warehouse.url)
    place = f"{server.get('host', 'localhost')}:{server.get('port', 5432)}"
    return f"postgresql://{server.get('user', '')}@{place}/{server.get('dbname', '')}"


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m spark_jobs.warehouse", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in ("start", "stop", "url"):
        commands.add_parser(name)
    commands.add_parser("psql").add_argument("--shop", metavar="SHOP.toml")
    for name in ("prepare", "load", "promote"):
        commands.add_parser(name).add_argument("--shop", required=True, metavar="SHOP.toml")
    commands.choices["load"].add_argument("--as-of", required=True, type=day, metavar="DAY", action="append",
                                          help="may be repeated")  # fmt: skip
    for name in ("load", "promote"):
        add_result(commands.choices[name])
    commands.choices["promote"].add_argument("--version", required=True, help="as in model_registry")
    commands.choices["promote"].add_argument("--effective-from", type=day, metavar="DAY", help="default: the day it "
                                             "was trained through, or the newest with scores if later")  # fmt: skip
    commands.choices["promote"].add_argument("--once", action="store_true", help="not if it was promoted before")
    return parser


if __name__ == "__main__":
    sys.exit(run_command(main))
