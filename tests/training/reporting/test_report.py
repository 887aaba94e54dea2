"""The report and the model card: self-contained, escaped, and with the measured numbers."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from xml.etree import ElementTree

import numpy as np
import pytest

from infra.bench.ablation_results import Row, write_results
from spark_jobs.contract.shop.model import Contact
from tests.training.series import day, make_shop
from training.evaluation.predictions import Predictions, measure
from training.models.registry import KINDS
from training.reporting import charts
from training.reporting.ablation import read_ablation
from training.reporting.drawing import Frame
from training.reporting.report import Findings, render_model_card, write_report
from training.reporting.words import write_fact, write_signed
from training.selection.gate import choose_scorer
from training.selection.segments import check_segments
from training.selection.verdict import judge

HOSTILE = '<script>alert("x")</script> & Sons | [a](b)'
SHOP = replace(make_shop(), title=HOSTILE)
METHODS = ("constant", "recency", "bgnbd", "logistic", "boosting", "average", "blend", "lstm")
AS_OF = date(2024, 9, 1)


def make_predictions(n: int = 400, share_of_right: float = 1.0, outcome: np.ndarray | None = None) -> Predictions:
    """Customers of three horizons; `share_of_right` below 1 makes the network too sure that people stay."""
    rng = np.random.default_rng(3)
    p = 1 / (1 + np.exp(-rng.normal(size=(n, 3))))
    happened = (rng.random((n, 3)) < p).astype(float) if outcome is None else outcome
    by_method = {method: np.clip(p + rng.normal(0, 0.02, p.shape), 0.01, 0.99) for method in METHODS}
    by_method |= {
        "constant": np.full((n, 3), 0.5),
        "recency": np.full((n, 3), 0.5).round(1),
        "lstm": p * share_of_right,
    }
    ids = np.array([f"secret-{k}" for k in range(n)])
    return Predictions(ids, day(100), (30, 60, 90), np.ones((n, 3), bool), happened, by_method)


def document(kind: str, tmp_path, predictions: Predictions, facts: dict | None = None) -> tuple[str, list, object]:
    metrics = measure(predictions)
    verdict = judge(predictions, best=dict.fromkeys((30, 60, 90), "logistic"))
    findings = Findings(SHOP, AS_OF, predictions, metrics, verdict, facts or {})
    return write(kind, tmp_path, findings), metrics, verdict


def write(kind: str, tmp_path, findings: Findings) -> str:
    if kind == "card":
        return render_model_card(findings)
    return write_report(tmp_path / "reports", findings).read_text()


def words(page: str) -> str:
    return " ".join(re.sub(r"<style.*?</style>|<[^>]*>", " ", page, flags=re.DOTALL).split())


def test_the_page_is_one_file_without_scripts_and_requests(tmp_path):
    page, *_ = document("page", tmp_path, make_predictions())
    assert [file.name for file in (tmp_path / "reports").iterdir()] == ["report_2024-09-01.html"]
    assert not re.search(r"<(script|link|iframe|img|object|embed|use|image)\b", page, re.IGNORECASE)
    assert not re.search(r"\b(src|href|srcset|action|on\w+)\s*=|https?:|url\(|@import|javascript:", page, re.IGNORECASE)


def test_names_and_facts_are_escaped_everywhere(tmp_path):
    facts = {HOSTILE: HOSTILE, "Group " + HOSTILE: {"name " + HOSTILE: HOSTILE}}
    page, *_ = document("page", tmp_path, make_predictions(), facts)
    assert "<script>" not in page
    assert page.count("&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt; &amp; Sons") >= 6
    card, *_ = document("card", tmp_path, make_predictions(), facts)
    assert "<script>" not in card
    assert r"\<script\>alert" in card


def test_no_customer_is_named(tmp_path):
    for kind in ("page", "card"):
        assert "secret-" not in document(kind, tmp_path, make_predictions())[0]


@pytest.mark.parametrize("kind", ["page", "card"])
def test_every_measured_number_is_in_the_report(kind, tmp_path):
    text, metrics, verdict = document(kind, tmp_path, make_predictions())
    text = words(text)
    for row in metrics:
        for name in ("auroc", "pr_auc", "log_loss", "brier", "ece", "accuracy", "precision", "recall", "f1", "lift_10"):
            value = getattr(row, name)
            assert ("–" if value is None else f"{value:.3f}") in text, (row.method, name)
        assert f"{100 * row.churn_rate:.1f} %" in text
    for horizon in verdict.horizons:
        low, high = horizon.comparison.log_loss_interval
        assert f"{low:+.4f} to {high:+.4f}".replace("-", "−") in text
        for test in (horizon.calibration, horizon.contender_calibration):
            assert f"{test.ece:.3f} ({test.ece_bound:.3f})" in text
        test = horizon.calibration
        assert f"{100 * test.expected:.1f} % → {100 * test.churned:.1f} %" in text
        assert f"{test.slope:.2f}" in text


@pytest.mark.parametrize("kind", ["page", "card"])
def test_contenders_segments_and_money_are_in_the_report(kind, tmp_path):
    predictions = make_predictions(900)
    rng = np.random.default_rng(5)
    predictions = replace(predictions, traits={"tenure": rng.random(900), "value": rng.random(900)})
    verdict = judge(predictions, best=dict.fromkeys((30, 60, 90), "logistic"))
    cause = "60 days: log loss of boosting is worse than that of lstm, by 0.0010 to 0.0200"
    verdict = replace(verdict, refused={"boosting": (cause,)})
    shop = replace(SHOP, contact=Contact(capacity_per_night=5, cost=2.0, success_rate=0.1, margin=0.3))
    segments = check_segments(predictions, "lstm")
    findings = Findings(shop, AS_OF, predictions, measure(predictions), verdict, {}, segments,
                        dict.fromkeys(METHODS, 0.51234), rng.random(900) * 200)  # fmt: skip
    text = words(write(kind, tmp_path, findings))
    assert text.count("0.5123") == len(METHODS)
    assert "60 days: log loss of boosted trees is worse than that of LSTM network, by" in text
    for segment in segments:
        assert f"{segment.n:,}" in text
        assert f"{100 * segment.churned:.1f} %" in text
    curve = findings.trace_profit()
    assert f"{curve.depth:,} were worth a contact" in text
    assert f"{curve.actual[curve.depth]:,.0f}".replace("-", "−") in text


@pytest.mark.parametrize("kind", ["page", "card"])
def test_a_passed_gate_is_reported(kind, tmp_path):
    text, _, verdict = document(kind, tmp_path, make_predictions())
    assert verdict.passed
    assert "LSTM network: passes." in words(text)
    assert "fails" not in words(text)


@pytest.mark.parametrize("kind", ["page", "card"])
def test_a_refusal_names_its_causes_and_the_model_that_scores_instead(kind, tmp_path):
    text, _, verdict = document(kind, tmp_path, make_predictions(4000, share_of_right=0.5))
    assert not verdict.passed
    sentence = next(part for part in re.split(r"(?=LSTM network: )", words(text)) if part.startswith("LSTM network:"))
    assert sentence.startswith("LSTM network: refused. Its log loss is worse than the contender")
    assert (
        "its calibration is worse than chance explains and than that of the contender at 30, 60 and 90 days" in sentence
    )
    assert "Logistic regression scores instead." in sentence
    assert "The contenders pass the same calibration tests." in sentence


def test_if_all_models_are_refused_the_page_names_the_scoring_one_and_the_causes(tmp_path):
    predictions = make_predictions(800)
    kinds, right = ("logistic", "boosting", "average"), predictions.by_method["logistic"]
    for horizon, kind in enumerate(kinds):  # each is too sure at a horizon of its own
        predictions.by_method[kind] = np.where(np.arange(3) == horizon, 0.05, right)
    predictions = replace(predictions, by_method={kind: predictions.by_method[kind] for kind in kinds})
    losses = {kind: np.full(3, 0.5 + n / 100) for n, kind in enumerate(kinds)}
    verdict = choose_scorer(predictions, losses)
    validated = {kind: float(loss[0]) for kind, loss in losses.items()}
    text = words(write("page", tmp_path, Findings(SHOP, AS_OF, predictions, measure(predictions), verdict, {},
                                                  validated=validated)))  # fmt: skip
    assert (verdict.passed, verdict.promoted, list(verdict.refused)) == (False, "logistic", ["boosting"])
    assert "Logistic regression: refused. Its log loss is worse than the contender" in text
    assert "Logistic regression still scores, because no better one is available." in text
    lines = text[text.index("Who may score") : text.index("The gate")]
    assert "Logistic regression 0.5000 scores 30 days: log loss of logistic regression is worse" in lines
    assert "Boosted trees 0.5100 refused 60 days: log loss of boosted trees is worse" in lines
    assert "Average of methods 0.5200 in reserve" in lines
    assert "No method passes, so the first in the order scores" in lines


def test_results_of_make_ablate_are_shown_at_the_primary_horizon(tmp_path):
    rows = [row for days in (30, 60) for row in (
        Row("the model", days, 10, 0.7123, 0.5, None, None, None, 9.0),
        Row("GRU in its place", days, 10, 0.7, 0.51, days / 1000, (-0.001, days / 500), None, 8.0),
    )]  # fmt: skip
    predictions = make_predictions()
    verdict = judge(predictions, best=dict.fromkeys((30, 60, 90), "logistic"))
    findings = Findings(SHOP, AS_OF, predictions, measure(predictions), verdict, {})
    assert "What is each part worth?" not in write("page", tmp_path, findings)

    write_results(rows, SHOP, [day(100), day(130)], tmp_path / "ablation")
    page = write("page", tmp_path, replace(findings, ablation=read_ablation(tmp_path / "ablation")))
    text = words(page[page.index("What is each part worth?") : page.index("What churn means here")])
    assert f"{day(100)}, {day(130)}" in text
    assert text.count("GRU in its place") == 1
    assert "GRU in its place 0.700 0.5100 +0.0600 −0.0010 to +0.1200 8" in text
    assert "The model 0.712 0.5000 – 9" in text


def test_a_miss_that_all_models_share_is_reported_as_shared(tmp_path):
    predictions = make_predictions(4000, share_of_right=0.7)
    predictions.by_method["logistic"] *= 0.6
    text, _, verdict = document("page", tmp_path, predictions)
    assert [h.log_loss_ok for h in verdict.horizons] == [True] * 3
    assert "The contender fails the calibration tests as well at 30, 60 and 90 days" in words(text)


@pytest.mark.parametrize("value", [0.0, 1.0, np.nan], ids=["all stayed", "all churned", "not known yet"])
@pytest.mark.parametrize("kind", ["page", "card"])
def test_a_report_is_written_without_curves(kind, value, tmp_path):
    text, *_ = document(kind, tmp_path, make_predictions(50, outcome=np.full((50, 3), value)))
    assert "LSTM network: cannot be judged. Too few outcomes to judge 30, 60 and 90 days" in words(text)
    assert "A person decides whether it scores." in words(text)
    if kind == "page":
        assert "No curves" in text
        assert "nan" not in words(text).lower().split()


def test_every_row_of_the_card_has_the_columns_of_its_heading(tmp_path):
    card, *_ = document("card", tmp_path, make_predictions(), {"a|b": "c|d"})
    tables = [block.splitlines() for block in card.split("\n\n") if block.startswith("|")]
    assert len(tables) == 5
    for table in tables:
        cells = {len(re.findall(r"(?<!\\)\|", line)) for line in table}
        assert len(cells) == 1, table
    assert len(tables[1]) == 2 + 3 * len(METHODS)


def test_a_difference_has_a_sign_unless_it_rounds_to_nothing():
    values = [0.00014, -0.2, -0.00001, 0.0, None]
    assert [write_signed(v) for v in values] == ["+0.0001", "−0.2000", "0.0000", "0.0000", "–"]


def test_numbers_and_days_are_formatted_for_readers():
    assert [write_fact(v) for v in (None, True, 12345, 0.123456, AS_OF, (30, 60), "a")] == [
        "–", "yes", "12,345", "0.1235", "1 September 2024", "30, 60", "a",
    ]  # fmt: skip


# Charts


def path_of(svg: str, color: str, frame: Frame = charts._SQUARE) -> np.ndarray:
    """The points of the line with this colour, as shares of the plotting area."""
    [line] = [e for e in ElementTree.fromstring(svg) if e.get("stroke") == color and e.get("stroke-linejoin")]
    points = np.array([[float(v) for v in point.split()] for point in line.get("d")[1:].split("L")])
    width, height = frame.x(1) - frame.x(0), frame.y(0) - frame.y(1)
    return np.column_stack([(points[:, 0] - frame.x(0)) / width, (frame.y(0) - points[:, 1]) / height])


OUTCOME, P = np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.9, 0.6, 0.4, 0.2])
LSTM_COLOR = charts.STYLES["lstm"][0]


def test_curves_have_the_hand_computed_points():
    roc = path_of(charts.draw_roc(OUTCOME, {"lstm": P}, "lstm"), LSTM_COLOR)
    assert roc == pytest.approx(np.array([[0, 0], [0, 0.5], [0.5, 0.5], [0.5, 1], [1, 1]]), abs=1e-3)
    gains = path_of(charts.draw_gains(OUTCOME, {"lstm": P}, "lstm"), LSTM_COLOR)
    assert gains == pytest.approx(np.array([[0, 0], [0.25, 0.5], [0.5, 0.5], [0.75, 1], [1, 1]]), abs=1e-3)
    recall = path_of(charts.draw_precision_recall(OUTCOME, {"lstm": P}, "lstm"), LSTM_COLOR)
    assert recall == pytest.approx(np.array([[0.5, 1], [0.5, 0.5], [1, 2 / 3], [1, 0.5]]), abs=1e-3)
    reliability = path_of(charts.draw_reliability(OUTCOME, P, "lstm"), LSTM_COLOR, charts._SMALL)
    assert reliability == pytest.approx(np.array([[0.2, 0], [0.4, 1], [0.6, 0], [0.9, 1]]), abs=1e-3)


def test_a_long_curve_is_thinned_and_keeps_its_ends():
    rng = np.random.default_rng(0)
    p = rng.random(50_000)
    roc = path_of(charts.draw_roc((rng.random(50_000) < p).astype(float), {"lstm": p}, "lstm"), LSTM_COLOR)
    assert len(roc) <= 250
    assert roc[[0, -1]].tolist() == [[0, 0], [1, 1]]


def test_the_histogram_stacks_churned_on_retained_customers():
    svg = ElementTree.fromstring(charts.draw_histogram(OUTCOME, np.array([0.51, 0.51, 0.51, 0.02]), {"high": 0.7}))
    bars = [bar for bar in svg if bar.tag == "rect"]
    assert sorted(bar.get("fill") for bar in bars) == sorted([charts.STAYED, charts.STAYED, charts.CHURNED])
    [churned] = [bar for bar in bars if bar.get("fill") == charts.CHURNED]
    [stayed] = [bar for bar in bars if bar.get("fill") == charts.STAYED and bar.get("x") == churned.get("x")]
    assert float(churned.get("height")) == pytest.approx(2 * float(stayed.get("height")), abs=0.2)
    assert float(churned.get("y")) + float(churned.get("height")) == pytest.approx(float(stayed.get("y")), abs=0.2)
    assert "high" in [text.text for text in svg.iter("text")]


def test_every_kind_has_its_own_style():
    assert len({charts.style_of(kind) for kind in KINDS}) == len(KINDS)
