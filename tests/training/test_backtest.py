"""The backtest: its output agrees with the data, it uses nothing of the future, and it reports what is missing."""

from __future__ import annotations

import csv
import io
import json
from datetime import date, timedelta

import numpy as np
import pytest
from rich.console import Console
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from spark_jobs.contract.errors import ChurnError, MissingInputError
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.tables import TRAINING_SERIES
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import run_command
from tests.training.series import PURCHASE, day, draw_shop_series, make_series, make_shop
from training.backtest import (
    check_cutoffs,
    compare_promoted,
    main,
    read_series,
    take_later_outcomes,
)
from training.evaluation.predictions import Predictions, measure
from training.models.registry import KINDS
from training.reporting.backtest_cutoff import PROMOTED, CutoffResult
from training.reporting.backtest_results import list_lines, show_results
from training.tensors.series import Series, truncate

SHOP_FILE = """
name = "corner"
time_zone = "UTC"
currency = "EUR"
[churn]
horizons_days = [14, 28]
[model]
lstm_units = 4
epochs = 1
folds = 2
[sources.purchases]
location = "raw"
files = "*.csv"
format = "csv"
columns = { customer_id = "c", event_at = "t", quantity = "q", unit_price = "p" }
"""
#: The first is too early for a gate of its own, the second is late enough; of its horizons only the first is over.
EARLY, LATE, UNTIL = day(34), day(100), day(120)


def publish(lake: Lake, series, as_of: date) -> None:
    lake.update(TRAINING_SERIES, as_of.isoformat(), lambda _: series)


@pytest.fixture(scope="module")
def everything():
    """The series of the last day."""
    return draw_shop_series(240, 121, seed=3)


@pytest.fixture(scope="module")
def shop_path(tmp_path_factory, everything):
    """A shop with published series; one customer of the early one was erased before the last day."""
    home = tmp_path_factory.mktemp("home")
    path = home / "shop.toml"
    path.write_text(SHOP_FILE)
    lake = Lake(home / "lake" / "corner")
    publish(lake, truncate(everything, EARLY), EARLY)
    publish(lake, truncate(everything, LATE), LATE)
    publish(lake, everything.slice(1), UNTIL)
    return path


@pytest.fixture(scope="module")
def written(shop_path):
    """What one backtest over both cut-offs wrote: backtest.json, the rows of predictions.csv, backtest.md."""
    out = shop_path.parent / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHURN_HOME", str(shop_path.parent))
        main(["--shop", str(shop_path), "--cutoffs", f"{LATE},{EARLY}", "--data-until", str(UNTIL),
              "--out", str(out), "--markdown"])  # fmt: skip
    with (out / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    return json.loads((out / "backtest.json").read_text()), rows, (out / "backtest.md").read_text()


def bought_on(everything) -> dict[str, list[date]]:
    return {
        row["customer_id"]: [d for d, n in zip(row["days"], row["sale_count"], strict=True) if n > 0]
        for row in everything.to_pylist()
    }


def has_bought(days: list[date], first: date, last: date) -> bool:
    return any(first <= d <= last for d in days)


def test_predictions_cover_exactly_the_eligible_with_every_horizon_and_method(written, everything):
    _, rows, _ = written
    assert set(rows[0]) == {"customer_id", "cutoff", "horizon", "p", "method"}
    for cutoff in (EARLY, LATE):
        eligible = {c for c, days in bought_on(everything).items() if has_bought(days, cutoff - timedelta(27), cutoff)}
        own = [row for row in rows if row["cutoff"] == cutoff.isoformat()]
        expected = {(c, h, m) for c in eligible for h in ("14", "28") for m in (*KINDS, PROMOTED)}
        assert {(row["customer_id"], row["horizon"], row["method"]) for row in own} == expected
        assert len(own) == len(expected)


def test_metrics_follow_from_the_written_predictions_and_the_outcomes(written, everything):
    described, rows, _ = written
    bought, erased = bought_on(everything), everything["customer_id"][0].as_py()
    for result in described["cutoffs"]:
        cutoff = date.fromisoformat(result["cutoff"])
        for metric in result["metrics"]:
            days = metric["horizon_days"]
            p = {
                row["customer_id"]: float(row["p"]) for row in rows
                if (row["cutoff"], row["horizon"], row["method"]) == (result["cutoff"], str(days), metric["method"])
            }  # fmt: skip
            counted = [c for c in p if c != erased and has_bought(bought[c], cutoff - timedelta(days - 1), cutoff)]
            churned = [not has_bought(bought[c], cutoff + timedelta(1), cutoff + timedelta(days)) for c in counted]
            predicted = [p[c] for c in counted]
            assert metric["n"] == len(counted) > 50
            assert metric["churn_rate"] == pytest.approx(np.mean(churned))
            assert metric["auroc"] == pytest.approx(roc_auc_score(churned, predicted))
            assert metric["log_loss"] == pytest.approx(log_loss(churned, predicted))
            assert metric["brier"] == pytest.approx(brier_score_loss(churned, predicted))


def test_the_promoted_method_is_a_copy_of_the_promoted_kind(written):
    described, rows, _ = written
    for result in described["cutoffs"]:
        by_method = {
            method: [(row["customer_id"], row["horizon"], row["p"]) for row in rows
                     if (row["cutoff"], row["method"]) == (result["cutoff"], method)]
            for method in (PROMOTED, result["promoted"])
        }  # fmt: skip
        assert by_method[PROMOTED] == by_method[result["promoted"]]


def test_a_gate_decides_where_the_history_allows_one(written):
    early, late = written[0]["cutoffs"]
    assert early["gate"] is None
    assert any(note.startswith("no gate, the best on validation is promoted") for note in early["notes"])
    assert late["gate"]["promoted"] == late["promoted"]
    assert {h["horizon_days"] for h in late["gate"]["horizons"]} == {14, 28}
    gate = late["gate"]
    assert sum(note.startswith("gate: ") for note in late["notes"]) == len(gate["reasons"]) + sum(
        map(len, gate["refused"].values())
    )


def test_a_horizon_that_is_not_over_is_left_out_with_a_note(written):
    early, late = written[0]["cutoffs"]
    assert {m["horizon_days"] for m in early["metrics"]} == {14, 28}
    assert {m["horizon_days"] for m in late["metrics"]} == {14}
    assert f"28 days: not over by {UNTIL}, no metrics" in late["notes"]
    assert not any("not over" in note for note in early["notes"])


def test_a_customer_missing_from_the_later_series_is_noted(written):
    early, late = written[0]["cutoffs"]
    assert "1 customers are not in the series" in " ".join(early["notes"] + late["notes"])


def test_the_promoted_method_is_compared_with_every_other(written):
    for result in written[0]["cutoffs"]:
        for metric in result["metrics"]:
            comparison = metric["promoted_against"]
            assert (comparison is None) == (metric["method"] in (PROMOTED, result["promoted"]))
            if comparison:
                [promoted] = [m for m in result["metrics"]
                              if (m["method"], m["horizon_days"]) == (PROMOTED, metric["horizon_days"])]  # fmt: skip
                low, high = comparison["log_loss_interval"]
                assert comparison["log_loss_difference"] == pytest.approx(promoted["log_loss"] - metric["log_loss"])
                assert low <= comparison["log_loss_difference"] <= high


def test_the_markdown_table_has_the_same_numbers(written):
    described, _, text = written
    over_all, table = text.split("| cut-off", 1)
    assert f"Over {described['summary']['tasks']} tasks" in over_all
    heading, rule, *lines = [line for line in ("| cut-off" + table).splitlines() if line.startswith("|")]
    assert len(lines) == sum(len(result["metrics"]) for result in described["cutoffs"])
    assert {line.count("|") for line in (heading, rule, *lines)} == {16}
    for result in described["cutoffs"]:
        for metric in result["metrics"]:
            name = f"{PROMOTED} ({result['promoted']})" if metric["method"] == PROMOTED else metric["method"]
            start = f"| {result['cutoff']} | {metric['horizon_days']} | {name} | {metric['n']} |"
            [line] = [line for line in lines if line.startswith(start)]
            assert f" {metric['log_loss']:.3f} |" in line


# What is missing or late


def test_a_missing_series_is_an_error_that_names_the_command(shop_path, monkeypatch, capsys):
    monkeypatch.setenv("CHURN_HOME", str(shop_path.parent))
    cutoffs = f"{day(50)},{day(40)}"
    arguments = ["--shop", str(shop_path), "--cutoffs", cutoffs, "--data-until", str(UNTIL), "--out", "x"]
    assert run_command(main, arguments) == 1
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert f"customer_series --shop {shop_path} --all --as-of {day(40)} --as-of {day(50)}" in message
    with pytest.raises(MissingInputError, match="lacks 2024-02-20"):
        read_series(Lake(shop_path.parent / "nothing"), load_shop(shop_path), [day(50)])


def test_a_cutoff_without_any_outcome_is_an_error():
    shop = make_shop()
    assert check_cutoffs([day(70), day(10), day(70)], day(100), shop) == [day(10), day(70)]
    with pytest.raises(ChurnError, match=f"cut-off {day(71)} is too late.*up to {day(70)}"):
        check_cutoffs([day(10), day(71)], day(100), shop)


@pytest.mark.parametrize("cutoffs", ["", "2024-01-01,", "yesterday"])
def test_invalid_cutoffs_are_usage_errors(cutoffs, shop_path, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--shop", str(shop_path), "--cutoffs", cutoffs, "--data-until", str(UNTIL), "--out", "x"])
    assert caught.value.code == 2
    assert "--cutoffs" in capsys.readouterr().err


# The parts


def make_predictions(ids: list[str], **by_method: float) -> Predictions:
    shape = (len(ids), 3)
    probabilities = {method: np.full(shape, p) for method, p in by_method.items()}
    unknown = np.full(shape, np.nan)
    return Predictions(np.array(ids), day(10), (30, 60, 90), np.ones(shape, bool), unknown, probabilities)


def test_outcomes_are_matched_by_customer_in_any_order():
    days = {"c": [1, 60], "b": [1], "a": [1, 12]}
    later = make_series({who: dict.fromkeys(own, PURCHASE) for who, own in days.items()}, day(100))
    found, missing_count = take_later_outcomes(
        make_predictions(["a", "gone", "b", "c"], m=0.5), Series(later, day(100)), make_shop()
    )
    assert missing_count == 1
    expected = [[0, 0, 0], [np.nan] * 3, [1, 1, 1], [1, 0, 0]]
    assert np.array_equal(found.outcome, np.array(expected), equal_nan=True)
    assert found.customer_id.tolist() == ["a", "gone", "b", "c"]


def test_comparisons_leave_out_the_promoted_method_and_unknown_outcomes():
    predictions = make_predictions(["a", "b"], logistic=0.5, boosting=0.6, promoted=0.5)
    predictions.outcome[:, :2] = [[0, 1], [1, 1]]
    assert set(compare_promoted(predictions, "logistic")) == {(30, "boosting"), (60, "boosting")}


@pytest.mark.parametrize("width", [80, 140, 200])
def test_results_fit_the_screen_and_the_important_columns_stay(width):
    predictions = make_predictions(["a", "b"], logistic=0.5, boosting=0.6, promoted=0.5)
    predictions.outcome[:] = [[0, 0, 0], [1, 1, 1]]
    comparisons = compare_promoted(predictions, "logistic")
    notes = ("a note " * 30,)
    result = CutoffResult("logistic", None, predictions, measure(predictions), comparisons, notes)
    shown = io.StringIO()
    show_results([result], Console(file=shown, width=width))
    table = [line for line in shown.getvalue().splitlines() if "│" in line or "┃" in line]
    assert max(map(len, table)) <= width
    assert "…" not in shown.getvalue()
    heading, *lines = list_lines([result])
    kept = [place for place, name in enumerate(heading) if name in ("days", "method", "AUROC", "log loss", "ECE")]
    for line in lines:
        for place in range(1, len(line)) if width == 200 else kept:
            assert line[place] in shown.getvalue()
    assert notes[0].strip() in shown.getvalue()
