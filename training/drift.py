"""Checks a night for drift and broken deliveries before its scores are published.

    python -m training.drift --shop SHOP.toml --as-of 2011-09-06

volume   records of the day by log, compared with the same weekday of earlier weeks as it was known after the same
         delay; for a log that is delivered days later, the newest day that should be complete. If all logs are low and
         their files are complete, it warns of a holiday instead of blocking. Also customers to score, compared with
         the night before
values   medians of money per line, items per line, time per page and ratings, compared with the four weeks before; the
         largest purchases and refund of one customer; refunds beyond everything that customers ever paid
inputs   the model's inputs tonight, compared with its training data, except inputs that grow with the calendar
scores   tonight's probabilities, compared with the model's first night, and whether they discriminate between
         customers; skipped if the night is not scored yet
labels   the newest outcomes, compared with the predictions

Each finding has an action: ok, warn, retrain, or block. All are stored in the warehouse table `drift`; a repeated night
with the same inputs shows these again. A finding that blocks ends the command with exit code 1, so that the night is
not published. The thresholds are in monitoring/thresholds.py.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import fields
from datetime import date
from itertools import groupby

from rich.console import Console
from rich.table import Table

from spark_jobs.contract.errors import ChurnError, MissingInputError
from spark_jobs.contract.ledger_tables import ACCOUNTS, DELIVERIES
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
from spark_jobs.runtime.screen import make_rich_console
from spark_jobs.warehouse.connection import connect
from spark_jobs.warehouse.protocol import Warehouse
from spark_jobs.warehouse.records import ModelRecord
from spark_jobs.warehouse.stored import RUN_KEY, find_result, make_result_key
from training.models.contenders.constant import CONSTANT
from training.monitoring.days import find_whole_logs, monitor_days, monitor_largest, monitor_refunds, read_days
from training.monitoring.findings import BLOCK, OK, Finding
from training.monitoring.inputs import monitor_inputs
from training.monitoring.stability import check_bands, check_labels, check_scores
from training.monitoring.volume import check_eligible
from training.tensors.money import MEASURES


def monitor_customers(lake: Lake, as_of: date) -> Finding:
    """Compares the number of customers to score with the night before."""
    nights = lake.partitions(CUSTOMER_SERIES)
    before = max((day for day in nights if day < as_of.isoformat()), default=None)
    count, count_before = (
        lake.dataset(CUSTOMER_SERIES, [day]).count_rows() if day in nights else None
        for day in (as_of.isoformat(), before)
    )
    if count is None:
        raise MissingInputError(f"no customer_series as of {as_of}: run the ETL of that day first")
    return check_eligible(count, count_before)


def monitor_scores(lake: Lake, warehouse: Warehouse, shop: Shop, as_of: date, model: ModelRecord) -> list[Finding]:
    """Checks the night's scores; empty if the night is not scored yet."""
    table, horizon = churn_risk(shop.churn.horizons_days), shop.churn.primary_horizon_days
    column = probability_column(horizon)
    if as_of.isoformat() not in lake.partitions(table):
        return []
    tonight = lake.arrow(table, [as_of.isoformat()], columns=[column, "band"])
    current, bands = tonight[column].to_numpy(), tonight["band"].to_numpy()
    first = warehouse.read(shop, "first_scores", model_version=model.version, before=as_of, horizons_days=[horizon])
    reference = first[column].to_numpy()
    reference = reference if len(reference) else None
    scores = check_scores(current, reference, horizon, is_constant=model.kind == CONSTANT)
    return [scores, *([check_bands(current, bands)] if len(current) else [])]


def monitor_labels(warehouse: Warehouse, shop: Shop, as_of: date) -> list[Finding]:
    """Compares predictions with the newest outcomes of every horizon that were known on the day."""
    rows = warehouse.read(shop, "newest_outcomes", known=as_of).to_pylist()
    return [check_labels(row, len(rows)) for row in rows]


def monitor_night(lake: Lake, warehouse: Warehouse, shop: Shop, as_of: date) -> list[Finding]:
    """Every finding of the night."""
    known = find_known_as_of(lake, as_of)
    days = read_days(lake, shop, as_of, known=known)
    findings = [
        monitor_customers(lake, as_of),
        *monitor_days(days, shop, as_of, known, find_whole_logs(lake, shop, as_of)),
    ]
    findings += monitor_largest(lake, shop, as_of, known)
    if set(MEASURES) <= {measure.name for measure in available_measures(shop.mapped_columns)}:
        findings.append(monitor_refunds(lake, shop, as_of))
    if found := warehouse.model_for(shop, as_of):
        findings += monitor_inputs(lake, shop, as_of, found[0])
        findings += monitor_scores(lake, warehouse, shop, as_of, found[0])
    return findings + monitor_labels(warehouse, shop, as_of)


def make_key(lake: Lake, warehouse: Warehouse, shop: Shop, as_of: date) -> str:
    """The key of the night's findings: it covers all that `monitor_night` reads."""
    quarantines, scores = map(quarantine, shop.sources), churn_risk(shop.churn.horizons_days)
    tables = [*quarantines, DELIVERIES, ACCOUNTS, CUSTOMER_DAY, CUSTOMER_SERIES, TRAINING_SERIES, scores]
    outcomes = warehouse.read(shop, "newest_outcomes", known=as_of).to_pylist()
    earlier = [run for run in warehouse.published(shop) if run.as_of < as_of]
    return make_result_key(lake, shop, tables, as_of, warehouse.model_for(shop, as_of), outcomes, earlier)


def find_findings(warehouse: Warehouse, shop: Shop, as_of: date, key: str) -> list[Finding]:
    """The findings that were stored for the night with this key; otherwise none."""
    stored = find_result(warehouse, shop, "stored_drift", as_of, key)
    return [Finding(**{field.name: row[field.name] for field in fields(Finding)}) for row in stored]


def store_findings(warehouse: Warehouse, shop: Shop, as_of: date, findings: list[Finding], key: str) -> None:
    rows = [{"as_of": as_of, **vars(finding), RUN_KEY: key} for finding in findings]
    warehouse.replace(shop, DRIFT, rows, as_of=as_of)


def check_night(lake: Lake, warehouse: Warehouse, shop: Shop, as_of: date) -> list[Finding]:
    """Every finding of the night, which is stored; those of an earlier run if nothing has changed since."""
    key = make_key(lake, warehouse, shop, as_of)
    if findings := find_findings(warehouse, shop, as_of, key):
        print(f"drift {as_of}: was checked before, with the same data")
        return findings
    findings = monitor_night(lake, warehouse, shop, as_of)
    store_findings(warehouse, shop, as_of, findings, key)
    return findings


def show(findings: list[Finding], console: Console) -> None:
    """Prints a line for each finding that is not ok, and for each kind how many are ok."""
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
    settings, console = Settings.from_environment(), make_rich_console()
    lake, warehouse = Lake(settings.lake(shop.name)), connect(settings)
    warehouse.prepare(shop)
    blocking = []
    for as_of in arguments.as_of:
        findings = check_night(lake, warehouse, shop, as_of)
        show(findings, console)
        blocking += list_blocking(findings, as_of)
    if blocking:
        raise ChurnError(f"not to be published: {'; '.join(blocking)}. Correct the delivery; if the data is right, "
                         "list the day under closed_days, or mark this task as success")  # fmt: skip


if __name__ == "__main__":
    sys.exit(run_command(main))
