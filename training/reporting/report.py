"""Writes the report of a training, an HTML page for people, and the model card that is stored in the bundle.

Both describe the evaluation at the gate's cut-off with the same words and numbers. The page is one self-contained file:
no scripts, nothing loaded from the network, no customer identified.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from spark_jobs.contract.shop.model import Shop
from spark_jobs.lake.location import Location, Place
from training.evaluation.predictions import MetricRow, Predictions
from training.reporting import charts
from training.reporting import words as report_words
from training.reporting.ablation import describe_ablation
from training.reporting.tables import (
    METRIC_COLUMNS,
    describe_contenders,
    describe_gate,
    describe_horizon,
    describe_segments,
    find_mean,
)
from training.selection.discrimination import list_blind_horizons
from training.selection.profit import ProfitCurve, trace_profit
from training.selection.segments import SegmentCheck
from training.selection.verdict import FEWEST_OUTCOMES, MARGIN, Verdict

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Findings:
    """The results of a training, for its report.

    as_of           the last day of the model's training data; predictions are at the gate's earlier cut-off
    facts           printed at the end: name -> value, or title of a table -> its names and values
    validated       kind -> mean log loss on earlier outcomes, by which the gate ranks the kinds
    ablation        the results of `make ablate` for the shop, from read_ablation
    expected_spend  (N,) expected spend of each customer of the predictions; None: no profit curve
    """

    shop: Shop
    as_of: date
    predictions: Predictions
    metrics: list[MetricRow]
    verdict: Verdict
    facts: Mapping[str, object]
    segments: Sequence[SegmentCheck] = ()
    validated: Mapping[str, float] = field(default_factory=dict)
    expected_spend: np.ndarray | None = None
    ablation: Mapping[str, object] | None = None

    @property
    def primary_index(self) -> int:
        return self.predictions.horizons_days.index(self.shop.churn.primary_horizon_days)

    @property
    def headline(self) -> MetricRow:
        """The metrics of the kind that scores, at the primary horizon."""
        wanted = (self.shop.churn.primary_horizon_days, self.verdict.promoted)
        return next(row for row in self.metrics if (row.horizon_days, row.method) == wanted)

    def trace_profit(self) -> ProfitCurve | None:
        """The profit curve; None if the shop has no [contact] in shop.toml, or no outcome is known."""
        rows = self.predictions.is_measured(self.primary_index)
        if self.shop.contact is None or self.expected_spend is None or not rows.any():
            return None
        outcome, p = self.predictions.outcome_and_p(self.verdict.promoted, self.primary_index)
        return trace_profit(outcome, p, self.expected_spend[rows], self.shop.contact)


def write_report(folder: Place, findings: Findings) -> Location:
    """Writes the page and returns its place."""
    main = findings.verdict.promoted
    context = describe_model(findings) | {
        "charts": draw_charts(findings),
        "reliability": draw_reliability(findings),
        "ablation": describe_ablation(findings.ablation, findings.shop.churn.primary_horizon_days),
        "styles": {method: charts.style_of(method, main) for method in findings.predictions.by_method},
        "colors": {"stayed": charts.STAYED, "churned": charts.CHURNED},
    }
    page = Location.parse(folder) / f"report_{findings.as_of}.html"
    page.write_text(_render("report.html.j2", context))
    return page


def render_model_card(findings: Findings) -> str:
    """The model card, in Markdown."""
    return _render("model_card.md.j2", describe_model(findings))


def _render(template: str, context: Mapping[str, object]) -> str:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": report_words.write_percent, "number": report_words.write_number, "signed": report_words.write_signed,
        "day": report_words.write_day, "cell": report_words.write_cell, "sentence": report_words.start_sentence,
        "money": report_words.write_money,
    }  # fmt: skip
    return environment.get_template(template).render(context)


def describe_model(findings: Findings) -> dict[str, object]:
    """The template variables that both documents use."""
    shop, predictions, verdict = findings.shop, findings.predictions, findings.verdict
    primary, horizons = shop.churn.primary_horizon_days, predictions.horizons_days
    return {
        "shop": shop,
        "as_of": findings.as_of,
        "cutoff": predictions.cutoff,
        "primary": primary,
        "outcome_until": predictions.cutoff + timedelta(days=horizons[-1]),
        "eligible_count": len(predictions.customer_id),
        "expected": find_mean(predictions.outcome_and_p(verdict.promoted, findings.primary_index)[1]),
        "headline": findings.headline,
        "verdict": verdict,
        "margin": MARGIN,
        "fewest": FEWEST_OUTCOMES,
        "verdict_sentence": report_words.write_verdict(verdict),
        "calibration_note": report_words.write_calibration_note(verdict),
        "blind": list(list_blind_horizons(predictions, verdict.promoted)),
        "contenders": describe_contenders(verdict, findings.validated, list(predictions.by_method)),
        "horizons": [describe_horizon(predictions, findings.metrics, index) for index in range(len(horizons))],
        "gate": list(describe_gate(verdict)),
        "segments": describe_segments(findings.segments),
        "profit": findings.trace_profit(),
        "columns": [heading for heading, _ in METRIC_COLUMNS.values()],
        "names": report_words.NAMES,
        "facts": list(report_words.group_facts({**findings.facts, "sha256 of shop.toml": shop.content_hash or None})),
    }


def draw_charts(findings: Findings) -> dict[str, str]:
    """The charts of the primary horizon by name; empty if all outcomes are equal."""
    shop, predictions, main = findings.shop, findings.predictions, findings.verdict.promoted
    index = findings.primary_index
    by_method = {method: predictions.outcome_and_p(method, index)[1] for method in predictions.by_method}
    outcome, p = predictions.outcome_and_p(main, index)
    if not 0 < outcome.sum() < len(outcome):
        return {}
    curves = {
        "roc": charts.draw_roc, "precision_recall": charts.draw_precision_recall, "gains": charts.draw_gains,
        "lift": charts.draw_lift,
    }  # fmt: skip
    drawn: dict[str, str] = {name: draw(outcome, by_method, main) for name, draw in curves.items()}
    drawn["histogram"] = charts.draw_histogram(outcome, p, {"medium": shop.bands.medium, "high": shop.bands.high})
    curve = findings.trace_profit()
    return drawn | ({"profit": charts.draw_profit(curve, shop.currency)} if curve else {})


def draw_reliability(findings: Findings) -> dict[int, str]:
    """Horizon in days -> the reliability chart of the kind that scores, for horizons with known outcomes."""
    main, horizons = findings.verdict.promoted, findings.predictions.horizons_days
    measured = {days: findings.predictions.outcome_and_p(main, index) for index, days in enumerate(horizons)}
    return {days: charts.draw_reliability(outcome, p, main) for days, (outcome, p) in measured.items() if len(p)}
