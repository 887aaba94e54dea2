"""The command line of the warehouse: `python -m spark_jobs.warehouse COMMAND`.

prepare   creates or updates a shop's schema
load      copies the published scores of a day from the lake, and makes them visible
promote   makes a registered model score from a day on
reject    notes that a model is not to score; a later promotion counts all the same
columns   prints every table and view with its columns, types, meanings and units

`python -m infra.local.warehouse` starts and stops the embedded warehouse.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

import pyarrow.compute as pc
import pyarrow.dataset as ds

from spark_jobs.contract.errors import MissingInputError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.tables import CUSTOMER_SERIES, churn_risk
from spark_jobs.lake.keys import product_hash
from spark_jobs.lake.ledger import list_runs
from spark_jobs.lake.reading import are_kept, stream
from spark_jobs.lake.restatement import find_known_as_of
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import add_result, check_as_of, day, run_command, write_result
from spark_jobs.warehouse.connection import connect
from spark_jobs.warehouse.protocol import Warehouse
from spark_jobs.warehouse.records import PublishedRun, RunOrigin
from spark_jobs.warehouse.schema.columns import describe, list_tables, name_type
from spark_jobs.warehouse.schema.views import list_views


def main(argv: Sequence[str] | None = None) -> None:
    arguments = _make_parser().parse_args(argv)
    settings, shop = Settings.from_environment(), load_shop(arguments.shop)
    if arguments.command == "columns":
        print("\n".join(describe_columns(shop)))
        return
    warehouse, lake = connect(settings), Lake(settings.lake(shop.name))
    if arguments.command == "prepare":
        warehouse.prepare(shop)
        print(f"schema {shop.name} is ready")
    elif arguments.command == "load":
        for as_of in arguments.as_of:
            check_as_of(shop, as_of)
        loaded = [load_scores(warehouse, lake, shop, as_of) for as_of in sorted(set(arguments.as_of))]
        newest = loaded[-1]
        write_result(arguments.result, {"runs": [run.run_id for run in loaded], "model": newest.model_version,
                                        "code": newest.code, "tables": newest.inputs})  # fmt: skip
    elif arguments.command == "reject":
        warehouse.prepare(shop)
        reject(warehouse, shop, arguments.version)
    else:
        warehouse.prepare(shop)
        effective_from = promote(warehouse, shop, arguments.version, arguments.effective_from, arguments.once)
        again = find_day_to_score_again(lake, effective_from)
        write_result(arguments.result, {"version": arguments.version, "effective_from": effective_from,
                                        "score_again": again})  # fmt: skip


def load_scores(warehouse: Warehouse, lake: Lake, shop: Shop, as_of: date) -> PublishedRun:
    """Loads the scores of the day's newest scoring run, unless they were loaded before; returns the visible run.

    Raises MissingInputError if the day was not scored.
    """
    table = churn_risk(shop.churn.horizons_days)
    runs = [run for run in list_runs(lake, "score") if run.as_of == as_of]
    if not runs:
        command = f"python -m spark_jobs.churn_risk --shop {shop.path} --as-of {as_of}"
        raise MissingInputError(f"no scores of {shop.name} for {as_of} yet: run `{command}`, and publish the run")
    run_id, version = runs[-1].run_id, runs[-1].tables[table.name]
    rows = lake.dataset(table, [as_of.isoformat()], version)
    if not are_kept(rows):
        raise MissingInputError(f"the lake no longer has the scores of {as_of} that {run_id} published: score the day"
                                f" again with `churn night --shop {shop.name} --as-of {as_of}`")  # fmt: skip
    versions, is_hindsight = read_origin(rows)
    histories = [run.tables for run in list_runs(lake, "etl") if run.as_of == as_of][-1:]
    inputs = {name: number for tables in (*histories, runs[-1].tables) for name, number in tables.items()}
    origin = RunOrigin(
        model_version=", ".join(sorted(versions)),
        code=product_hash(),
        inputs=inputs,
        known_as_of=find_known_as_of(lake, as_of, inputs.get(CUSTOMER_SERIES.name)),
    )
    warehouse.prepare(shop)
    is_new = warehouse.publish_scores(shop, as_of, run_id, rows, version, is_hindsight, origin)
    print(f"{shop.name} {as_of}: " + (f"{rows.count_rows()} scores visible" if is_new else "was loaded before"), run_id)
    return next(run for run in warehouse.published(shop) if (run.as_of, run.run_id) == (as_of, run_id))


def read_origin(scores: ds.Dataset) -> tuple[set[str], bool]:
    """The versions of the models that made these scores, and whether one was made in hindsight."""
    versions: set[str] = set()
    is_hindsight = False
    for batch in stream(scores, ["model_version", "is_hindsight"]):
        versions.update(pc.unique(batch["model_version"]).to_pylist())
        is_hindsight = is_hindsight or bool(pc.any(batch["is_hindsight"]).as_py())
    return versions, is_hindsight


def promote(warehouse: Warehouse, shop: Shop, version: str, effective_from: date | None, is_once: bool = False) -> date:
    """Promotes the model, prints which model scores the next night, and returns the day from which this one scores.

    is_once: do nothing if the model was promoted before, so that repeating an old training does not bring it back.
    """
    promotion = warehouse.promote_model(shop, version, effective_from, is_once)
    effective_from = promotion.effective_from
    if is_once and not promotion.is_new:
        print(f"{version} was promoted before, to score from {effective_from} on: nothing changes")
        return effective_from
    nights = [run.as_of for run in warehouse.published(shop)]
    next_night = max(nights) + timedelta(days=1) if nights else effective_from
    model = warehouse.model(shop, version)
    scorer, _ = warehouse.model_for(shop, next_night) or (model, False)
    gate = f", although {model.doubts}" if model.doubts else ""
    instead = ""
    if promotion.replaced:
        other, its_day = promotion.replaced
        instead = f", replacing {other}, which was promoted from {its_day} on"
    print(f"{version} scores {shop.name} from {effective_from} on{instead}{gate};"
          f" the next night, that of {next_night}, is scored by {scorer.version}")  # fmt: skip
    return effective_from


def reject(warehouse: Warehouse, shop: Shop, version: str) -> None:
    if warehouse.reject_model(shop, version):
        print(f"{version} is rejected: it stays registered, and may be promoted later")
    else:
        print(f"{version} was promoted or rejected before: nothing changes")


def find_day_to_score_again(lake: Lake, effective_from: date) -> date | None:
    """The newest day with histories, if it is not before `effective_from`."""
    return max((run.as_of for run in list_runs(lake, "etl") if run.as_of >= effective_from), default=None)


def describe_columns(shop: Shop) -> Iterator[str]:
    """One line for every table, view and column, as declared in the contract."""
    for table in (*list_tables(shop), *(view.table for view in list_views(shop))):
        yield f"{table.name}: {table.grain}"
        yield from (f"  {column.name:24} {name_type(column):24} {describe(column)}" for column in table.columns)


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m spark_jobs.warehouse", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in ("prepare", "load", "promote", "reject", "columns"):
        commands.add_parser(name).add_argument("--shop", required=True, metavar="SHOP.toml")
    commands.choices["load"].add_argument("--as-of", required=True, type=day, metavar="DAY", action="append",
                                          help="may be repeated")  # fmt: skip
    for name in ("load", "promote"):
        add_result(commands.choices[name])
    for name in ("promote", "reject"):
        commands.choices[name].add_argument("--version", required=True, help="as in model_registry")
    commands.choices["promote"].add_argument("--effective-from", type=day, metavar="DAY", help="default: the day it "
                                             "was trained through, or the newest with scores if later")  # fmt: skip
    commands.choices["promote"].add_argument("--once", action="store_true", help="do nothing if it was promoted before")
    return parser


if __name__ == "__main__":
    sys.exit(run_command(main))
