"""Is the world still the one that the model knows? Looks at a night before its scores are published.

    python -m training.drift --shop SHOP.toml --as-of 2011-09-06

volume   records of the day by log, beside the same weekdays before, each as far as it was known equally soon; where
         all logs are low and their files whole, it warns of a holiday instead of blocking; of a
         log that is delivered days later, the newest day that should be there; customers to score, beside those of the
         night before
values   money per line, items per line, time per page, ratings: medians, beside the four weeks before; the largest
         purchases and refund of one customer; refunds beyond all that customers ever paid
inputs   what the model sees tonight, beside what it learned from; inputs that grow with the calendar are not compared
scores   tonight's probabilities, beside the model's first night, and whether they tell customers apart; before the
         scoring job there are none to look at
labels   the newest outcomes, beside what was predicted

Each finding asks for an action: ok, warn, retrain, or block. All are kept in the warehouse's `drift`; one that blocks
ends the command with exit code 1, so that the night is not published. drift_checks.py has the thresholds.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import groupby

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.table import Table

from spark_jobs.contract.errors import ChurnError, MissingInputError
from spark_jobs.contract.ledger_tables import ACCOUNTS, DELIVERIES
from spark_jobs.contract.logs import LOGS
from spark_jobs.contract.measures import available_measures
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.tables import (
    CUSTOMER_DAY,
    CUSTOMER_SERIES,
    TRAINING_SERIES,
    churn_risk,
    probability_column,
    quarantine,
)
from spark_jobs.contract.warehouse_tables import DRIFT
from spark_jobs.lake.restatement import find_known_as_of
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import load_arguments, make_parser, run_command
from spark_jobs.warehouse.connection import connect
from spark_jobs.warehouse.protocol import Warehouse
from spark_jobs.warehouse.records import ModelRecord
from training.config import ModelSettings
from training.evaluation.predictions import take_outcomes
from training.models.members import CONSTANT
from training.monitoring import checks
from training.monitoring.checks import BLOCK, OK, USUAL_WEEKS, Finding
from training.tensors.dataset import Series, TensorSpec, fold_of
from training.tensors.grid import read_rows
from training.tensors.money import MEASURES, find_excess

#: The measures that count a log's records.
COUNTS = {name: log.counted_by for name, log in LOGS.items()}
#: What is compared by its median over the customers of a day: a sum, and what it is divided by.
VALUES = {subject: ratio for log in LOGS.values() for subject, ratio in log.typical.items()}
#: What one customer's day may have too much of.
LARGEST = {measure: subject for log in LOGS.values() for measure, subject in log.largest.items()}
#: What the codes of reasons begin with that speak of a whole file.
FILE_REASONS = "file_"
#: So many customers, chosen by their hash, show how an input is spread.
SAMPLE = 20_000


def read_days(lake: Lake, as_of: date, since: date | None = None, known: date | None = None) -> pd.DataFrame:
    """customer_day since a day, by default of the last weeks, as known at the end of `known`, by default as_of.

    Measures are floats; `late` are the days between a row's events and their delivery.
    """
    deliveries = [day for day in lake.partitions(CUSTOMER_DAY) if day <= (known or as_of).isoformat()]
    first = since or as_of - timedelta(weeks=USUAL_WEEKS)
    is_inside = (pc.field("event_day") >= pa.scalar(first)) & (pc.field("event_day") <= pa.scalar(as_of))
    names = sorted({name for pair in (*COUNTS.values(), *VALUES.values()) for name in pair})
    columns = {name: pc.field(name).cast(pa.float64()) for name in names}
    event_day, delivery_day = pc.field("event_day"), pc.field("delivery_day").cast(pa.date32())
    columns |= {"event_day": event_day, "late": pc.days_between(event_day, delivery_day)}
    return lake.dataset(CUSTOMER_DAY, deliveries).to_table(columns=columns, filter=is_inside).to_pandas()


def find_whole_logs(lake: Lake, shop: Shop, as_of: date) -> set[str]:
    """The logs whose files of this delivery day are there and could be read to their end; all of a log whose files have
    no day."""
    whole = {log for log, source in shop.sources.items() if source.delivery_day is None}
    for log in shop.sources.keys() - whole:
        files = lake.arrow(DELIVERIES, [log], columns=["delivery_id", "delivery_day"])
        files = files.filter(pc.equal(files["delivery_day"], pa.scalar(as_of)))["delivery_id"].to_pylist()
        read = lake.arrow(ACCOUNTS, [log], columns=["delivery_id"])["delivery_id"].to_pylist()
        reasons = lake.arrow(quarantine(log), [as_of.isoformat()], columns=["reasons"])["reasons"]
        is_broken = pc.any(pc.starts_with(pc.list_flatten(reasons), FILE_REASONS)).as_py()
        if files and set(files) <= set(read) and not is_broken:
            whole.add(log)
    return whole


def look_at_days(
    days: pd.DataFrame, shop: Shop, as_of: date, known: date | None = None, whole_logs: Collection[str] = ()
) -> Iterator[Finding]:
    """volume and values; days as read_days gives them, known at the end of `known`, by default as_of.

    whole_logs: as find_whole_logs gives them; by default nothing is known of the files.
    """
    yield from checks.excuse_quiet_day(list(_look_at_volumes(days, shop, as_of, known)), whole_logs)
    mapped = {measure.name for measure in available_measures(shop.mapped_columns)}
    for subject, (total, count) in VALUES.items():
        if {total, count} <= mapped:
            having = days[days[count] > 0]
            by_day = (having[total] / having[count]).groupby(having["event_day"])
            yield checks.check_values(by_day.agg(["median", "count"]), subject, as_of)


def _look_at_volumes(days: pd.DataFrame, shop: Shop, as_of: date, known: date | None) -> Iterator[Finding]:
    for log in shop.sources:
        records = days[list(COUNTS[log])].sum(axis=1)
        of_log = days.assign(records=records)[records > 0]
        delay = checks.find_delay(of_log.groupby("event_day")["late"].min())
        in_time = of_log[of_log["late"] <= delay + ((known or as_of) - as_of).days]
        by_day = in_time.groupby("event_day").agg(records=("records", "sum"), customers=("records", "count"))
        yield checks.check_volume(by_day, log, shop, as_of - timedelta(days=delay))


def look_at_largest(lake: Lake, shop: Shop, as_of: date, known: date | None) -> list[Finding]:
    """The largest purchases and the largest refund of one customer that day, beside those of the weeks before."""
    deliveries = [day for day in lake.partitions(CUSTOMER_DAY) if day <= (known or as_of).isoformat()]
    first = as_of - timedelta(weeks=USUAL_WEEKS)
    is_inside = (pc.field("event_day") >= pa.scalar(first)) & (pc.field("event_day") <= pa.scalar(as_of))
    columns = ["customer_id", "event_day", *LARGEST]
    rows = lake.dataset(CUSTOMER_DAY, deliveries).to_table(columns=columns, filter=is_inside)
    days = rows.group_by(["customer_id", "event_day"]).aggregate([(name, "sum") for name in LARGEST])
    is_today = pc.equal(days["event_day"], pa.scalar(as_of))
    today, before = days.filter(is_today), days.filter(pc.invert(is_today))
    findings = []
    for name, subject in LARGEST.items():
        values = today[f"{name}_sum"].cast(pa.float64()).to_numpy()
        customer = today["customer_id"][int(values.argmax())].as_py() if len(values) else None
        usual = before[f"{name}_sum"].cast(pa.float64()).to_numpy().max(initial=0.0)
        largest = values.max(initial=0.0)
        findings.append(checks.check_largest(subject, customer, largest, usual, as_of, shop.currency))
    return findings


def look_at_refunds(lake: Lake, shop: Shop, as_of: date) -> Finding:
    """By how much the refunds of tonight's customers exceed what they ever paid."""
    series = Series(lake.dataset(CUSTOMER_SERIES, [as_of.isoformat()]), as_of)
    found = [find_excess(read_rows(chunk, MEASURES)) for chunk in series.chunks()]
    customers, excess, paid = map(sum, zip(*found, strict=True)) if found else (0, 0.0, 0.0)
    return checks.check_refunds(customers, excess, paid, shop.currency)


def look_at_customers(lake: Lake, as_of: date) -> Finding:
    """How many are to be scored."""
    nights = lake.partitions(CUSTOMER_SERIES)
    before = max((day for day in nights if day < as_of.isoformat()), default=None)
    count, count_before = (
        lake.dataset(CUSTOMER_SERIES, [day]).count_rows() if day in nights else None
        for day in (as_of.isoformat(), before)
    )
    if count is None:
        raise MissingInputError(f"no customer_series as of {as_of}: run the ETL of that day first")
    return checks.check_eligible(count, count_before)


def look_at_inputs(lake: Lake, shop: Shop, as_of: date, model: ModelRecord) -> list[Finding]:
    """Nothing where the series that the model learned from is not kept any more."""
    learned = model.trained_through.isoformat()
    if learned not in lake.partitions(TRAINING_SERIES):
        return [Finding("inputs", "all inputs", None, None, None, OK, f"the series of {learned} is not kept any more")]
    spec = without_younger(TensorSpec.of(shop, ModelSettings.from_shop(shop)), lake, learned)
    then = Series(lake.dataset(TRAINING_SERIES, [learned]), model.trained_through)
    tonight = Series(lake.dataset(CUSTOMER_SERIES, [as_of.isoformat()]), as_of)
    growing = {feature.name for feature in spec.features if feature.grows}
    return checks.check_inputs(take_inputs(then, spec, shop), take_inputs(tonight, spec, shop), growing)


def without_younger(spec: TensorSpec, lake: Lake, learned: str) -> TensorSpec:
    """The inputs whose measures the series of that day has: there may be younger ones, which no model knows yet."""
    first = lake.dataset(TRAINING_SERIES, [learned]).head(1, columns=list(spec.measures))
    younger = {name for name in spec.measures if first[name].null_count}
    return replace(spec, features=tuple(f for f in spec.features if not younger.intersection(f.measures)))


def take_inputs(series: Series, spec: TensorSpec, shop: Shop) -> dict[str, np.ndarray]:
    """Every input at the end of the series' day, of a sample of the customers who were eligible then."""
    folds = 1 + series.count // SAMPLE
    parts = []
    for chunk in series.chunks():
        chosen = fold_of(chunk["customer_id"].combine_chunks(), folds) == 0
        chunk = chunk.filter(pa.array(chosen & take_outcomes(chunk, series.as_of, shop).eligible))
        if chunk.num_rows:
            tensors = spec.build(chunk, series.as_of)
            parts.append(tensors.last(tensors.inputs))
    if not parts:
        raise ChurnError(f"nobody is eligible as of {series.as_of}: there is nothing to score")
    return dict(zip(spec.feature_names, np.concatenate(parts).T, strict=True))


def look_at_scores(lake: Lake, warehouse: Warehouse, shop: Shop, as_of: date, model: ModelRecord) -> list[Finding]:
    """Nothing before the scoring job has scored the night."""
    table, horizon = churn_risk(shop.churn.horizons_days), shop.churn.primary_horizon_days
    column = probability_column(horizon)
    if as_of.isoformat() not in lake.partitions(table):
        return []
    tonight = lake.arrow(table, [as_of.isoformat()], columns=[column, "band"])
    current, bands = tonight[column].to_numpy(), tonight["band"].to_numpy()
    first = warehouse.read(shop, "first_scores", model_version=model.version, before=as_of, horizons_days=[horizon])
    reference = first[column].to_numpy()
    reference = reference if len(reference) else None
    scores = checks.check_scores(current, reference, horizon, is_constant=model.kind == CONSTANT)
    return [scores, *([checks.check_bands(current, bands)] if len(current) else [])]


def look_at_labels(warehouse: Warehouse, shop: Shop, as_of: date) -> list[Finding]:
    """The newest outcomes of every horizon that were known on the day."""
    rows = warehouse.read(shop, "newest_outcomes", known=as_of).to_pylist()
    return [checks.check_labels(row, len(rows)) for row in rows]


def look(lake: Lake, warehouse: Warehouse, shop: Shop, as_of: date) -> list[Finding]:
    """Every finding of the night."""
    known = find_known_as_of(lake, as_of)
    days = read_days(lake, as_of, known=known)
    findings = [
        look_at_customers(lake, as_of),
        *look_at_days(days, shop, as_of, known, find_whole_logs(lake, shop, as_of)),
    ]
    if "purchases" in shop.sources:
        findings += [*look_at_largest(lake, shop, as_of, known), look_at_refunds(lake, shop, as_of)]
    if found := warehouse.model_for(shop, as_of):
        findings += look_at_inputs(lake, shop, as_of, found[0])
        findings += look_at_scores(lake, warehouse, shop, as_of, found[0])
    return findings + look_at_labels(warehouse, shop, as_of)


def keep(warehouse: Warehouse, shop: Shop, as_of: date, findings: list[Finding]) -> None:
    warehouse.replace(shop, DRIFT, [{"as_of": as_of, **vars(finding)} for finding in findings], as_of=as_of)


def show(findings: list[Finding], console: Console) -> None:
    """One line for each thing that asks for an action, and one for each kind that does not."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for kind, group in groupby(findings, key=lambda finding: finding.kind):
        of_kind = list(group)
        for finding in of_kind:
            if finding.action != OK:
                table.add_row(finding.action, kind, finding.subject, finding.finding)
        table.add_row(OK, kind, f"{sum(f.action == OK for f in of_kind)} of {len(of_kind)}", "")
    console.print(table)


def list_blocking(findings: list[Finding], as_of: date) -> list[str]:
    return [f"{as_of} {f.subject}: {f.finding}" for f in findings if f.action == BLOCK]


def main(argv: Sequence[str] | None = None) -> None:
    arguments, shop = load_arguments(make_parser(__doc__, many_days=True), argv)
    settings, console = Settings.from_environment(), Console(highlight=False)
    lake, warehouse = Lake(settings.lake(shop.name)), connect(settings)
    warehouse.prepare(shop)
    blocking = []
    for as_of in arguments.as_of:
        findings = look(lake, warehouse, shop, as_of)
        keep(warehouse, shop, as_of, findings)
        show(findings, console)
        blocking += list_blocking(findings, as_of)
    if blocking:
        raise ChurnError(f"not to be published: {'; '.join(blocking)}. Mend the delivery; if the day is right, list it "
                         "under closed_days, or mark this task as success")  # fmt: skip


if __name__ == "__main__":
    sys.exit(run_command(main))
