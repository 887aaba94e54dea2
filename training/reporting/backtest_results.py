"""Writes the results of a backtest as JSON and CSV, and as a table on the screen or in Markdown."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
from rich.console import Console

from spark_jobs.contract.shop.model import Shop
from spark_jobs.runtime.console import PlainConsole
from spark_jobs.runtime.screen import ScreenColumn, show_table
from training.evaluation.predictions import MetricRow, Predictions
from training.reporting.backtest_cutoff import PROMOTED, CutoffResult
from training.reporting.markdown import write_table

if TYPE_CHECKING:
    from training.reporting.backtest_summary import Summary

#: The place of the column with the method's name.
METHOD_PLACE = 2
#: Of columns that do not fit on a screen, those with the largest number go first. The others stay.
IMPORTANCES = {"n": 2, "churn": 3, "PR-AUC": 8, "Brier": 7, "lift 10 %": 5, "expected": 4, "z": 9, "slope": 6,
               "log loss, promoted − method (95 %)": 1}  # fmt: skip
COLUMNS = {
    "auroc": "AUROC",
    "pr_auc": "PR-AUC",
    "log_loss": "log loss",
    "brier": "Brier",
    "ece": "ECE",
    "lift_10": "lift 10 %",
    "expected_rate": "expected",
    "z": "z",
    "slope": "slope",
}


def describe_results(results: list[CutoffResult], summary: Summary | None, shop: Shop, data_until: date) -> dict:
    """The content of backtest.json."""
    churn = shop.churn
    return {
        "shop": shop.name,
        "data_until": data_until.isoformat(),
        "churned": f"no {churn.activity} in the H days after the cut-off",
        "counted": f"customers with a {churn.activity} in the H days up to the cut-off",
        "eligible_within_days": churn.eligible_within_days,
        "summary": summary and asdict(summary),
        "cutoffs": [_describe_result(result) for result in results],
    }


def _describe_result(result: CutoffResult) -> dict:
    def describe_row(row: MetricRow) -> dict:
        comparison = result.comparisons.get((row.horizon_days, row.method))
        return asdict(row) | {"promoted_against": comparison and asdict(comparison)}

    return {
        "cutoff": result.predictions.cutoff.isoformat(),
        "eligible": len(result.predictions.customer_id),
        "promoted": result.promoted,
        "gate": result.verdict and result.verdict.to_dict(),
        "notes": list(result.notes),
        "metrics": [describe_row(row) for row in result.metrics],
    }


def list_predictions(predictions: Predictions) -> pa.Table:
    """Long form: a row for each customer, horizon and method."""
    count = len(predictions.customer_id)
    customers = pa.array(predictions.customer_id, pa.string())
    parts = [
        pa.table({
            "customer_id": customers,
            "cutoff": pa.array([predictions.cutoff] * count, pa.date32()),
            "horizon": pa.array(np.full(count, days)),
            "p": pa.array(p[:, index]),
            "method": pa.array([method] * count, pa.string()),
        })
        for method, p in predictions.by_method.items()
        for index, days in enumerate(predictions.horizons_days)
    ]  # fmt: skip
    return pa.concat_tables(parts)


def list_lines(results: list[CutoffResult]) -> list[list[str]]:
    """The rows of the table, heading first: one for each cut-off, horizon and method."""
    heading = ["cut-off", "days", "method", "n", "churn", *COLUMNS.values(), "log loss, promoted − method (95 %)"]
    return [heading] + [_write_line(result, row) for result in results for row in result.metrics]


def _write_line(result: CutoffResult, row: MetricRow) -> list[str]:
    method = f"{PROMOTED} ({result.promoted})" if row.method == PROMOTED else row.method
    numbers = [_write_number(getattr(row, name)) for name in COLUMNS]
    cutoff = result.predictions.cutoff.isoformat()
    churn_rate = _write_number(row.churn_rate)
    return [cutoff, str(row.horizon_days), method, f"{row.n:,}", churn_rate, *numbers, _write_comparison(result, row)]


def _write_number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _write_comparison(result: CutoffResult, row: MetricRow) -> str:
    comparison = result.comparisons.get((row.horizon_days, row.method))
    if comparison is None:
        return "promoted" if row.method in (PROMOTED, result.promoted) else "–"
    return _write_interval(comparison.log_loss_difference, comparison.log_loss_interval)


def _write_interval(value: float, interval: tuple[float, float]) -> str:
    return f"{value:+.4f} ({interval[0]:+.4f} to {interval[1]:+.4f})"


def list_summary(summary: Summary) -> list[list[str]]:
    """The rows of the summary, heading first: one for each method, over all tasks."""
    heading = ["method", "mean rank", "log loss, promoted − method (95 %)", "AUROC, promoted − method (95 %)",
               f"promoted better / worse, of {summary.tasks} tasks"]  # fmt: skip
    lines = [
        [row.method, f"{row.mean_rank:.2f}", _write_interval(row.log_loss_difference, row.log_loss_interval),
         _write_interval(row.auroc_difference, row.auroc_interval), f"{row.better_tasks} / {row.worse_tasks}"]
        for row in summary.methods
    ]  # fmt: skip
    return [heading, [PROMOTED, f"{summary.mean_rank:.2f}", "", "", ""], *lines]


def write_summary(summary: Summary) -> str:
    """A paragraph about the promoted kinds over all tasks."""
    return (
        f"Over {summary.tasks} tasks, the promoted models have a log loss of {summary.log_loss:.4f}; with perfect "
        f"calibration in hindsight it would be {summary.bound:.4f}. Expected less actual churn is {summary.bias:+.3f}, "
        f"{summary.absolute_bias:.3f} in absolute value. AUROC is {summary.auroc:.3f}. {summary.calibrated_tasks}"
        " tasks are "
        "calibrated within chance."
    )


def write_markdown(results: list[CutoffResult], summary: Summary | None) -> str:
    """The summary, the table and the notes as Markdown."""
    over_all = [write_summary(summary), "", *write_table(list_summary(summary)), ""] if summary else []
    notes = [f"- {result.predictions.cutoff}: {note}" for result in results for note in result.notes]
    return "\n".join([*over_all, *write_table(list_lines(results), names=3), *(["", *notes] if notes else [])]) + "\n"


def show_results(results: list[CutoffResult], console: Console) -> None:
    """Prints a table for each cut-off; on a narrow screen the less important metrics are left to the files."""
    plain = PlainConsole(console)
    for result in results:
        heading, *lines = list_lines([result])
        columns = [
            ScreenColumn(name, [line[place] for line in lines], IMPORTANCES.get(name, 0), place != METHOD_PLACE)
            for place, name in enumerate(heading) if place  # the cut-off is in the title
        ]  # fmt: skip
        cutoff = result.predictions.cutoff
        show_table(plain, f"{cutoff}, promoted: {result.promoted}", columns)
        for note in result.notes:
            plain.print(f"{cutoff}: {note}")


def write_results(
    results: list[CutoffResult],
    summary: Summary | None,
    shop: Shop,
    data_until: date,
    out: Path,
    with_markdown: bool,
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    description = describe_results(results, summary, shop, data_until)
    (out / "backtest.json").write_text(json.dumps(description, indent=1, allow_nan=False) + "\n")
    predictions = pa.concat_tables(list_predictions(result.predictions) for result in results)
    pacsv.write_csv(predictions, out / "predictions.csv", pacsv.WriteOptions(quoting_style="none"))
    if with_markdown:
        (out / "backtest.md").write_text(write_markdown(results, summary))
