"""The ablation: its variants, that nothing is trained twice, that a search continues, and its tables."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from infra.bench import search
from infra.bench.ablate import Budget, measure_cells
from infra.bench.ablation_results import summarise, write_results
from infra.bench.cells import Cells
from infra.bench.variants import THE_MODEL, StraightLine, Variant, list_variants, register_linear_regression
from spark_jobs.contract.tables import TRAINING_SERIES
from spark_jobs.lake.store import Lake
from tests.training.series import day, draw_shop_series, make_shop
from training.config import ModelSettings
from training.models.registry import CONTENDERS
from training.tensors.series import Series, truncate

SHOP, SETTINGS = make_shop(), ModelSettings(folds=2)
CUTOFFS, LAST = [day(170), day(200)], day(299)
PLENTY, NOTHING = Budget(None, 0.0), Budget(0.0, 0.0)
MODEL = Variant(THE_MODEL, SHOP, SETTINGS, kind="logistic")
LINE = next(variant for variant in list_variants(SHOP, SETTINGS) if variant.kind == "linear")


@pytest.fixture(scope="module", autouse=True)
def lines():
    register_linear_regression()
    yield
    del CONTENDERS[StraightLine.kind]


@pytest.fixture(scope="module")
def series() -> dict[date, Series]:
    drawn = draw_shop_series(200, 300)
    return {at: Series(truncate(drawn, at), at) for at in [*CUTOFFS, LAST]}


@pytest.fixture
def cells(tmp_path, series) -> Cells:
    lake = Lake(tmp_path / "lake")
    for at, known in series.items():
        lake.update(TRAINING_SERIES, at.isoformat(), lambda _, known=known: known.source)
    return Cells(tmp_path / "cells", lake, series)


def measure(cells: Cells, variants: list[Variant], budget: Budget = PLENTY):
    return measure_cells(cells, variants, CUTOFFS, budget, lambda *_: None)


def test_every_variant_differs_and_each_log_is_left_out_once():
    variants = list_variants(make_shop(is_whole=True), SETTINGS)
    assert len(
        {(variant.settings, variant.kind, variant.seed_count, tuple(variant.shop.sources)) for variant in variants}
    ) == len(variants)
    assert len({variant.name for variant in variants}) == len(variants)
    left = {variant.name: set(variant.shop.sources) for variant in variants if variant.name.startswith("without")}
    assert left == {
        "without browses": {"purchases", "reviews"},
        "without reviews": {"purchases", "browses"},
        "without browses and reviews": {"purchases"},
    }
    assert variants[0] == Variant(THE_MODEL, make_shop(is_whole=True), SETTINGS)


def test_measured_variants_are_not_trained_again_and_a_budget_stops_the_rest(cells, monkeypatch):
    first = measure(cells, [MODEL])
    assert measure(cells, [MODEL, LINE], NOTHING)[LINE.name] == []
    with monkeypatch.context() as patched:
        patched.setattr(Variant, "fit", lambda *_: pytest.fail("trained again"))
        again = measure(cells, [MODEL])
    for cell, kept in zip(first[THE_MODEL], again[THE_MODEL], strict=True):
        np.testing.assert_array_equal(cell.p, kept.p)
    assert cells.find(replace(MODEL, settings=replace(SETTINGS, seed=8)), CUTOFFS[0]) is None
    assert cells.find(MODEL, CUTOFFS[0]) is not None


def test_variants_are_compared_on_the_same_customers_and_equal_ones_do_not_differ(cells, tmp_path):
    found = measure(cells, [MODEL, replace(MODEL, name="twin"), LINE])
    rows = {(row.variant, row.horizon_days): row for row in summarise(found, CUTOFFS, SHOP, tmp_path)}
    assert len(rows) == 9
    for days in (30, 60, 90):
        model, twin, line = (rows[name, days] for name in (THE_MODEL, "twin", LINE.name))
        assert model.n == twin.n == line.n > 50
        assert (twin.difference, twin.interval) == (0.0, (0.0, 0.0))
        assert line.difference == pytest.approx(line.log_loss - model.log_loss)
        assert line.interval[0] < line.difference < line.interval[1]
        assert model.interval is None
    write_results(list(rows.values()), SHOP, CUTOFFS, tmp_path)
    assert len(json.loads((tmp_path / "ablation.json").read_text())["rows"]) == 9
    table = [line for line in (tmp_path / "ablation.md").read_text().splitlines() if line.startswith("|")]
    assert len(table) == 11


def test_an_interrupted_search_continues_and_chooses_the_best(tmp_path, series, monkeypatch):
    """A mock objective: the distance of the learning rate from 0.02."""
    tried = []

    class Judged:
        def __init__(self, rate):
            tried.append(rate)
            self.validation_log_loss = np.array([abs(rate - 0.02)])

    monkeypatch.setattr(Variant, "fit", lambda variant, _: [Judged(variant.settings.learning_rate)])

    def run_search(trials: int, is_over: bool = False):
        path, then = tmp_path / "search.db", series[CUTOFFS[0]]
        return search.find_best_settings(path, MODEL, then, trials, lambda: is_over, lambda *_: None)

    run_search(5, is_over=True)
    assert tried == [SETTINGS.learning_rate]  # the model's own settings first
    best = run_search(5)
    assert len(tried) == 5
    assert best.settings.learning_rate == min(tried, key=lambda rate: abs(rate - 0.02))
    run_search(5)
    assert len(tried) == 5
