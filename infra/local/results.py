"""Shows the results for a shop: the customers at risk, the model's metrics beside simpler ones, and the next steps."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from infra.cli.closing import name_first_model
from spark_jobs.contract.errors import MissingInputError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.tables import probability_column
from spark_jobs.lake.location import Location
from spark_jobs.runtime.console import PlainConsole
from spark_jobs.runtime.screen import ScreenColumn, show_table
from spark_jobs.warehouse.connection import connect
from spark_jobs.warehouse.records import ModelRecord

TOP = 10
#: Metric to its heading and importance: of the columns that do not fit, those with the largest number go first.
METRICS = {
    "auroc": ("AUROC", 0),
    "pr_auc": ("PR-AUC", 5),
    "log_loss": ("log loss", 0),
    "brier": ("Brier", 4),
    "ece": ("ECE", 0),
    "lift_10": ("lift 10 %", 3),
}


def show_results(console: PlainConsole, settings: Settings, shop: Shop, as_of: date) -> None:
    """Prints the newest scores, and the metrics of their model."""
    warehouse = connect(settings)
    show_risks(console, warehouse.top_at_risk(shop, TOP), shop)
    found = warehouse.model_for(shop, as_of)
    if found is None:
        raise MissingInputError(f"no model scores {shop.name}: {name_first_model(shop)}")
    model, _ = found
    show_metrics(console, read_gate(model), model)
    console.print(f"The model that scores: {model.kind} {model.version}, trained up to {model.trained_through}")
    report = f"{settings.reports(shop.name)}/report_{model.trained_through}.html"
    console.print(f"Its report, with curves: {report}")


def show_risks(console: PlainConsole, rows: Sequence[Mapping[str, Any]], shop: Shop) -> None:
    """The customers with the most money at risk. rows: those of current_churn_risk."""
    title = f"The {len(rows)} customers with the most money at risk" + (f" as of {rows[0]['as_of']}" if rows else "")
    columns = [ScreenColumn("customer", [str(row["customer_id"]) for row in rows])]
    columns += list_probabilities(rows, shop)
    columns += [
        ScreenColumn("band", [row["band"] for row in rows], 1),
        ScreenColumn(f"at risk, {shop.currency}", [f"{row['spend_at_risk']:,.2f}" for row in rows], 0, True),
        ScreenColumn("because of", [row["reason_text"] or "–" for row in rows], 4),
    ]
    show_table(console, title, columns)


def list_probabilities(rows: Sequence[Mapping[str, Any]], shop: Shop) -> list[ScreenColumn]:
    """A column for each horizon, of which the primary one stays longest on a narrow screen."""
    return [
        ScreenColumn(f"{days} days", [f"{row[probability_column(days)]:.0%}" for row in rows],
                     0 if days == shop.churn.primary_horizon_days else 2, True)
        for days in shop.churn.horizons_days
    ]  # fmt: skip


def read_gate(model: ModelRecord) -> Mapping[str, Any]:
    """The gate's results: the cut-off, and a row of metrics for each method and horizon."""
    return json.loads((Location.parse(model.location) / "metrics.json").read_text())


def show_metrics(console: PlainConsole, gate: Mapping[str, Any], model: ModelRecord) -> None:
    """Every method at every horizon, on outcomes that none of them was trained on; the model's own rows are bold."""
    rows = sorted(gate["metrics"], key=lambda row: row["horizon_days"])
    columns = [
        ScreenColumn("days", [str(row["horizon_days"]) for row in rows], 0, True),
        ScreenColumn("method", [row["method"] for row in rows]),
        ScreenColumn("customers", [f"{row['n']:,}" for row in rows], 2, True),
        ScreenColumn("churned", [_write(row["churn_rate"], ".1%") for row in rows], 1, True),
    ]
    columns += [ScreenColumn(heading, [_write(row[name], ".3f") for row in rows], importance, True)
                for name, (heading, importance) in METRICS.items()]  # fmt: skip
    styles = ["bold" if row["method"] == model.kind else None for row in rows]
    show_table(console, f"Predictions of {gate['cutoff']} compared with what happened since", columns, styles)


def _write(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
