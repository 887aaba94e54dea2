"""How good is the model, and may it score? One page that a board can read, and a model card that a bundle keeps.

Both say what happened at the gate's cut-off in the same words and numbers. The page is one file: no scripts, nothing
fetched from anywhere, no customer named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from spark_jobs.contract.shop import Shop
from training import charts
from training.evaluate import HorizonVerdict, MetricRow, Predictions, Verdict

METHOD_NAMES = {
    "recency": "recency alone",
    "bgnbd": "BG/NBD",
    "logistic": "logistic regression",
    "boosting": "boosted trees",
    "lstm": "LSTM network",
    "average": "average of methods",
    "blend": "fitted blend of methods",
}
#: Field of MetricRow -> heading, and whether more is better.
METRIC_COLUMNS = {
    "auroc": ("AUROC", True),
    "pr_auc": ("PR-AUC", True),
    "log_loss": ("Log loss", False),
    "brier": ("Brier", False),
    "ece": ("ECE", False),
    "accuracy": ("Accuracy", True),
    "precision": ("Precision", True),
    "recall": ("Recall", True),
    "f1": ("F1", True),
    "lift_10": ("Lift 10 %", True),
}
NOTHING = "–"
_TEMPLATES = Path(__file__).parent / "templates"


def write_report(
    folder: Path,
    shop: Shop,
    as_of: date,
    predictions: Predictions,
    metrics: list[MetricRow],
    verdict: Verdict,
    model_facts: Mapping[str, object],
) -> Path:
    """Writes the page and gives its path.

    predictions  of the gate's cut-off; `as_of` is the day up to which the model itself has learned
    model_facts  facts to print at the end: name -> value, or title of a table -> its names and values
    """
    context = describe_model(shop, as_of, predictions, metrics, verdict, model_facts)
    context |= {
        "charts": draw_charts(shop, predictions, verdict),
        "styles": {method: charts.style_of(method, list(predictions.by_method)) for method in predictions.by_method},
        "colors": {"stayed": charts.STAYED, "churned": charts.CHURNED},
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"report_{as_of}.html"
    path.write_text(_render("report.html.j2", context), encoding="utf-8")
    return path


def render_model_card(
    shop: Shop,
    as_of: date,
    predictions: Predictions,
    metrics: list[MetricRow],
    verdict: Verdict,
    model_facts: Mapping[str, object],
) -> str:
    """The model card, in Markdown; the arguments are those of write_report."""
    return _render("model_card.md.j2", describe_model(shop, as_of, predictions, metrics, verdict, model_facts))


def _render(template: str, context: Mapping[str, object]) -> str:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": write_percent, "number": write_number, "signed": write_signed, "day": write_day, "cell": write_cell,
        "sentence": start_sentence,
    }  # fmt: skip
    return environment.get_template(template).render(context)


def describe_model(
    shop: Shop,
    as_of: date,
    predictions: Predictions,
    metrics: list[MetricRow],
    verdict: Verdict,
    model_facts: Mapping[str, object],
) -> dict[str, object]:
    """What both documents say."""
    primary = shop.churn.primary_horizon_days
    headline = next(row for row in metrics if (row.horizon_days, row.method) == (primary, verdict.promoted))
    return {
        "shop": shop,
        "as_of": as_of,
        "cutoff": predictions.cutoff,
        "primary": primary,
        "outcome_until": predictions.cutoff + timedelta(days=predictions.horizons_days[-1]),
        "eligible_count": len(predictions.customer_id),
        "expected": _mean(predictions.of(verdict.promoted, predictions.horizons_days.index(primary))[1]),
        "headline": headline,
        "verdict": verdict,
        "verdict_sentence": write_verdict(verdict),
        "calibration_note": write_calibration_note(predictions, verdict),
        "horizons": [_describe_horizon(predictions, metrics, index) for index in range(len(predictions.horizons_days))],
        "gate": [_describe_gate(horizon, verdict) for horizon in verdict.horizons],
        "columns": [heading for heading, _ in METRIC_COLUMNS.values()],
        "names": _MethodNames(METHOD_NAMES),
        "facts": list(_group_facts({**model_facts, "sha256 of shop.toml": shop.content_hash or None})),
    }


class _MethodNames(dict):
    """A method without a name for people goes by its own."""

    def __missing__(self, method: str) -> str:
        return method


def write_verdict(verdict: Verdict) -> str:
    """What the gate says, and why."""
    names = _MethodNames(METHOD_NAMES)
    candidate, promoted = start_sentence(names[verdict.candidate]), start_sentence(names[verdict.promoted])
    if verdict.passed:
        calibrated = ", and as well calibrated as chance allows" if not verdict.warnings else ""
        return f"{candidate}: passes. Nowhere worse than its best contender{calibrated}."
    found = {
        "nobody's outcome is known yet at {}": [h for h in verdict.horizons if not h.comparison],
        "its log loss is worse than the contender's at {}": [
            h for h in verdict.horizons if h.comparison and not h.log_loss_ok
        ],
        "its calibration error is larger than chance explains at {}": [
            h for h in verdict.horizons if h.comparison and not h.ece_ok and h.contender_ece_ok
        ],
    }
    causes = [text.format(join_days(horizons)) for text, horizons in found.items() if horizons]
    return f"{candidate}: refused. {start_sentence(', and '.join(causes))}. {promoted} scores instead."


def join_days(horizons: Sequence[HorizonVerdict]) -> str:
    """30, 60 and 90 days."""
    *most, last = (str(h.horizon_days) for h in horizons)
    return f"{', '.join(most)} and {last} days" if most else f"{last} days"


def write_calibration_note(predictions: Predictions, verdict: Verdict) -> str:
    """Whether the contenders would pass the calibration test themselves; empty where the candidate passed it."""
    failed = [h for h in verdict.horizons if not h.ece_ok and h.comparison]
    if not failed:
        return ""
    also = [h for h in failed if not h.contender_ece_ok]
    if not also:
        return "The contenders pass the same calibration test."
    return (
        f"The contender fails the same calibration test at {join_days(also)}: the miss is shared, as it is when a "
        "season or a trend turns after the cut-off."
    )


def _describe_horizon(predictions: Predictions, metrics: list[MetricRow], index: int) -> dict[str, object]:
    """The metric table of one horizon; the best value of a column is marked."""
    rows = [row for row in metrics if row.horizon_days == predictions.horizons_days[index]]
    best = {
        name: _find_best([getattr(row, name) for row in rows], more_is_better)
        for name, (_, more_is_better) in METRIC_COLUMNS.items()
    }
    lines = [
        {
            "method": row.method,
            "mean_p": _mean(predictions.of(row.method, index)[1]),
            "cells": [(write_number(getattr(row, name)), write_number(getattr(row, name)) == best[name])
                      for name in METRIC_COLUMNS],
        }
        for row in rows
    ]  # fmt: skip
    return {"days": rows[0].horizon_days, "n": rows[0].n, "churn_rate": rows[0].churn_rate, "lines": lines}


def _find_best(values: list[float | None], more_is_better: bool) -> str | None:
    """The best value as it is printed, so that what looks equal is marked alike."""
    known = [value for value in values if value is not None]
    return write_number((max if more_is_better else min)(known)) if known else None


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None


def _describe_gate(horizon: HorizonVerdict, verdict: Verdict) -> dict[str, object]:
    """One line of the gate, with its interval drawn on an axis that all lines share."""
    comparisons = [h.comparison for h in verdict.horizons if h.comparison]
    reach = max((abs(end) for c in comparisons for end in c.log_loss_interval), default=0.0) or 1.0
    drawn = ""
    if horizon.comparison:
        low, high = horizon.comparison.log_loss_interval
        drawn = charts.draw_interval(low, horizon.comparison.log_loss_difference, high, reach)
    return {"horizon": horizon, "comparison": horizon.comparison, "drawn": drawn}


def draw_charts(shop: Shop, predictions: Predictions, verdict: Verdict) -> dict[str, str]:
    """The charts of the primary horizon; none where its outcomes are all alike."""
    index = predictions.horizons_days.index(shop.churn.primary_horizon_days)
    by_method = {method: predictions.of(method, index)[1] for method in predictions.by_method}
    outcome, p = predictions.of(verdict.promoted, index)
    if not 0 < outcome.sum() < len(outcome):
        return {}
    thresholds = {"medium": shop.bands.medium, "high": shop.bands.high}
    return {
        "roc": charts.draw_roc(outcome, by_method, verdict.candidate),
        "precision_recall": charts.draw_precision_recall(outcome, by_method, verdict.candidate),
        "reliability": charts.draw_reliability(outcome, by_method, verdict.candidate),
        "gains": charts.draw_gains(outcome, by_method, verdict.candidate),
        "histogram": charts.draw_histogram(outcome, p, thresholds),
    }


def _group_facts(facts: Mapping[str, object]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Tables of (name, value): loose facts first, then every group under its title."""
    loose = [(name, write_fact(value)) for name, value in facts.items() if not isinstance(value, Mapping)]
    if loose:
        yield "Model", loose
    for title, group in facts.items():
        if isinstance(group, Mapping) and group:
            yield start_sentence(title), [(str(name), write_fact(value)) for name, value in group.items()]


def write_fact(value: object) -> str:
    match value:
        case None:
            return NOTHING
        case bool():
            return "yes" if value else "no"
        case date():
            return write_day(value)
        case int():
            return f"{value:,}"
        case float():
            return f"{value:.4g}"
        case list() | tuple():
            return ", ".join(map(write_fact, value))
        case _:
            return str(value)


def write_day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def start_sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def write_percent(value: float | None, digits: int = 1) -> str:
    return NOTHING if value is None else f"{value:.{digits}%}".replace("%", " %")


def write_number(value: float | None, digits: int = 3) -> str:
    return NOTHING if value is None else f"{value:.{digits}f}"


def write_signed(value: float | None, digits: int = 4) -> str:
    if value is None:
        return NOTHING
    text = f"{value:+.{digits}f}"
    return f"{0:.{digits}f}" if float(text) == 0 else text.replace("-", "−")


def write_cell(value: object) -> str:
    """Text for a cell of a Markdown table: nothing in it ends the cell or starts markup."""
    text = " ".join(str(value).split())
    return "".join("\\" + letter if letter in r"\`*_[]<>|#!" else letter for letter in text)
