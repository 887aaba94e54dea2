"""Shows the results for a shop: the customers at risk, the model's metrics beside simpler ones, and the next steps."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from spark_jobs.contract.errors import MissingInputError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.tables import probability_column
from spark_jobs.warehouse.connection import connect
from spark_jobs.warehouse.records import ModelRecord

TOP = 10
METRICS = {
    "auroc": "AUROC",
    "pr_auc": "PR-AUC",
    "log_loss": "log loss",
    "brier": "Brier",
    "ece": "ECE",
    "lift_10": "lift 10 %",
}


def show_results(console: Console, settings: Settings, shop: Shop, as_of: date) -> None:
    """Prints the newest scores, the metrics of their model, and the next steps."""
    warehouse = connect(settings)
    console.print(make_risk_table(warehouse.top_at_risk(shop, TOP), shop))
    found = warehouse.model_for(shop, as_of)
    if found is None:
        raise MissingInputError(f"no promoted model for {shop.name}: make train SHOP=… AS_OF=… PROMOTE=1")
    model, _ = found
    console.print(make_metrics_table(read_gate(model), model))
    console.print(f"The model that scores: {model.kind} {model.version}, trained up to {model.trained_through}")
    report = settings.reports(shop.name) / f"report_{model.trained_through}.html"
    console.print(f"Its report, with curves:  {report}", soft_wrap=True)
    console.print("Query everything:         make sql     for example: TABLE current_churn_risk LIMIT 20;")
    console.print("Check the shop:           make status")


def make_risk_table(rows: Sequence[Mapping[str, Any]], shop: Shop) -> Table:
    """The customers with the most money at risk. rows: those of current_churn_risk."""
    days = shop.churn.horizons_days
    title = f"The {len(rows)} customers with the most money at risk" + (f" as of {rows[0]['as_of']}" if rows else "")
    table = Table(title=title)
    for name in ("customer", *(f"{h} days" for h in days), "band", f"at risk, {shop.currency}", "because of"):
        table.add_column(name, justify="right" if "days" in name or "at risk" in name else "left",
                         no_wrap=name != "because of")  # fmt: skip
    for row in rows:
        probabilities = [f"{row[probability_column(h)]:.0%}" for h in days]
        money = f"{row['spend_at_risk']:,.2f}"
        table.add_row(str(row["customer_id"])[:12] + "…", *probabilities, row["band"], money, row["reason_text"] or "–")
    return table


def read_gate(model: ModelRecord) -> Mapping[str, Any]:
    """The gate's results: the cut-off, and a row of metrics for each method and horizon."""
    return json.loads(Path(model.location, "metrics.json").read_text())


def make_metrics_table(gate: Mapping[str, Any], model: ModelRecord) -> Table:
    """Every method at every horizon, on outcomes that none of them was trained on."""
    table = Table(title=f"Predictions of {gate['cutoff']} compared with what happened since")
    for name in ("days", "method", "customers", "churned", *METRICS.values()):
        table.add_column(name, justify="left" if name == "method" else "right")
    before = None
    for row in sorted(gate["metrics"], key=lambda row: row["horizon_days"]):
        if before not in (None, row["horizon_days"]):
            table.add_section()
        before = row["horizon_days"]
        numbers = ["–" if row[name] is None else f"{row[name]:.3f}" for name in METRICS]
        rate = "–" if row["churn_rate"] is None else f"{row['churn_rate']:.1%}"
        style = "bold" if row["method"] == model.kind else ""
        table.add_row(str(row["horizon_days"]), row["method"], f"{row['n']:,}", rate, *numbers, style=style)
    return table
