"""The page about a night: customers by risk band, changes since the day before, the most money at risk, the model.

Reads the scores of the day's published run, and of the published day before it. The page is one self-contained file
beside the lake, which loads nothing from the network. It shows customer keys only, no ids of the shop.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from spark_jobs.contract.errors import MissingInputError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.table import Column
from spark_jobs.contract.tables import CUSTOMER_SERIES, churn_risk, probability_column
from spark_jobs.lake.backlog import list_waiting
from spark_jobs.lake.fingerprints import hash_keys
from spark_jobs.lake.incomplete import list_incomplete
from spark_jobs.lake.ledger import Run, list_runs
from spark_jobs.lake.location import Location, Place
from spark_jobs.lake.reading import stream
from spark_jobs.lake.restatement import find_known_as_of
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import add_result, load_arguments, make_parser, run_command, write_result
from spark_jobs.warehouse.connection import connect
from spark_jobs.warehouse.protocol import Warehouse
from spark_jobs.warehouse.records import ModelRecord

TOP = 20
BANDS = ("high", "medium", "low")
MONEY = "shop currency"
_TEMPLATES = Path(__file__).parent / "templates"


def find_runs(lake: Lake, as_of: date) -> tuple[Run, Run | None]:
    """The newest scoring run of the day, and that of the newest scored day before it."""
    newest = {run.as_of: run for run in list_runs(lake, "score")}
    if as_of not in newest:
        raise MissingInputError(f"no published scores as of {as_of}: score that day first")
    before = max((day for day in newest if day < as_of), default=None)
    return newest[as_of], newest[before] if before else None


def read_scores(lake: Lake, shop: Shop, run: Run) -> ds.Dataset:
    table = churn_risk(shop.churn.horizons_days)
    return lake.dataset(table, [run.as_of.isoformat()], run.tables[table.name])


def sum_bands(scores: ds.Dataset) -> dict[str, dict[str, Any]]:
    """The number of customers and the money at risk of every band, empty ones included."""
    found: dict[str, dict[str, Any]] = {band: {"customers": 0, "at_risk": 0} for band in BANDS}
    for batch in stream(scores, ["band", "spend_at_risk"]):
        sums = pa.table(batch).group_by("band").aggregate([("spend_at_risk", "sum"), ([], "count_all")])
        for row in sums.to_pylist():
            found[row["band"]]["customers"] += row["count_all"]
            found[row["band"]]["at_risk"] += row["spend_at_risk_sum"] or 0
    return found


def count_moves(scores: ds.Dataset, before: ds.Dataset) -> dict[str, int]:
    """How many customers entered and left the highest band, are scored for the first time, and are no longer scored."""
    (now, high), (then, was_high) = (_split_high(rows) for rows in (scores, before))
    return {
        "into_high": int((~np.isin(high, was_high)).sum()),
        "out_of_high": int((~np.isin(was_high, high)).sum()),
        "new": int((~np.isin(now, then)).sum()),
        "gone": int((~np.isin(then, now)).sum()),
    }


def _split_high(scores: ds.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """The hashes of all customers, and of those in the highest band."""
    is_high: list[pa.Array] = []

    def read_ids() -> Iterator[pa.RecordBatch]:
        for batch in stream(scores, ["customer_id", "band"]):
            is_high.append(pc.equal(batch["band"], BANDS[0]))
            yield batch.select(["customer_id"])

    customers = hash_keys(read_ids())
    return customers, customers[pa.chunked_array(is_high, pa.bool_()).to_numpy()]


def list_top(scores: ds.Dataset, before: ds.Dataset | None, primary: str) -> list[dict]:
    """The customers with the most money at risk, each with the primary probability of the day before, if any."""
    top: list[dict] = []
    for batch in stream(scores, scores.schema.names):
        highest = pc.select_k_unstable(batch, TOP, [("spend_at_risk", "descending"), ("customer_id", "ascending")])
        top = sorted([*top, *batch.take(highest).to_pylist()], key=_rank)[:TOP]
    known = {}
    if before is not None:
        is_shown = pc.field("customer_id").isin([row["customer_id"] for row in top])
        rows = before.to_table(columns=["customer_id", primary], filter=is_shown)
        known = dict(zip(rows["customer_id"].to_pylist(), rows[primary].to_pylist(), strict=True))
    return [
        {**row, "p": row[primary], "p_before": known.get(row["customer_id"]),
         "reason_text": row["reason_text"] or row["reason"]}
        for row in top
    ]  # fmt: skip


def _rank(row: Mapping[str, Any]) -> tuple[Any, str]:
    return -row["spend_at_risk"], row["customer_id"]


def is_of_hindsight(scores: ds.Dataset) -> bool:
    return any(pc.any(batch["is_hindsight"]).as_py() for batch in stream(scores, ["is_hindsight"]))


def show_value(column: Column, value: object) -> str:
    """The value as text, formatted by the column's unit."""
    if value is None:
        return "–"
    formats = {MONEY: "{:,.2f}", "0..1": "{:.0%}"}
    return formats.get(column.unit, "{}").format(value)


def render(
    shop: Shop,
    run: Run,
    scores: ds.Dataset,
    earlier: tuple[Run, ds.Dataset] | None,
    model: ModelRecord,
    known_as_of: date | None = None,
    waiting: Sequence[object] = (),
    incomplete: Sequence[str] = (),
) -> str:
    """The page as HTML.

    earlier: the run and the scores of the day before.
    known_as_of: for a restated night, the later day up to whose deliveries it was rebuilt.
    waiting: the tables with days that wait to be rebuilt.
    incomplete: sentences about snapshots that lack events of earlier files.
    """
    primary = probability_column(shop.churn.primary_horizon_days)
    before_run, before = earlier or (None, None)
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=select_autoescape(["html.j2"]), undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template("night.html.j2").render(
        shop=shop, run=run, model=model, customers=scores.count_rows(), bands=sum_bands(scores),
        is_hindsight=is_of_hindsight(scores), known_as_of=known_as_of, before_run=before_run,
        bands_before=sum_bands(before) if before else None, moves=count_moves(scores, before) if before else None,
        top=list_top(scores, before, primary), primary_days=shop.churn.primary_horizon_days,
        columns=[column for column in churn_risk(shop.churn.horizons_days).columns if column.heading],
        show=show_value, money=MONEY,
        waiting=waiting, incomplete=incomplete,
    )  # fmt: skip


def write_page(lake: Lake, warehouse: Warehouse, shop: Shop, as_of: date, folder: Place) -> Location:
    run, before_run = find_runs(lake, as_of)
    scores = read_scores(lake, shop, run)
    first = scores.head(1, columns=["model_version"])
    if not first.num_rows:
        raise MissingInputError(f"the run of {as_of} scored no customers: there is nothing to report")
    earlier = (before_run, read_scores(lake, shop, before_run)) if before_run else None
    model = warehouse.model(shop, first["model_version"][0].as_py())
    page = Location.parse(folder) / f"night_{as_of}.html"
    known_as_of = find_known_as_of(lake, as_of, run.tables[CUSTOMER_SERIES.name])
    page.write_text(
        render(shop, run, scores, earlier, model, known_as_of, list_waiting(lake), list_incomplete(lake, as_of))
    )
    return page


def main(argv: Sequence[str] | None = None) -> None:
    arguments, shop = load_arguments(add_result(make_parser(__doc__, many_days=True)), argv)
    settings = Settings.from_environment()
    lake, warehouse, folder = Lake(settings.lake(shop.name)), connect(settings), settings.reports(shop.name)
    pages = [write_page(lake, warehouse, shop, as_of, folder) for as_of in sorted(set(arguments.as_of))]
    for page in pages:
        print(f"report: {page}")
    write_result(arguments.result, {"report": f"{shop.name}/{pages[-1].name}"})


if __name__ == "__main__":
    sys.exit(run_command(main))
