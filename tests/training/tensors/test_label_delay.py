"""Do labels wait for files that are still to come, and are they biased if they do not?"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from spark_jobs.contract.tables import CUSTOMER_DAY
from spark_jobs.lake.store import Lake
from tests.training.candidates import draw_candidate
from tests.training.series import PURCHASE, day, draw_shop_series, make_series, make_shop
from training.config import ModelSettings
from training.selection import gate
from training.selection.gate import predict_cutoff
from training.tensors.dataset import TensorSpec
from training.tensors.label_delay import read_label_delay
from training.tensors.series import Series, truncate

SHOP, LATE = make_shop(), 5
SETTINGS = ModelSettings(folds=2, validation_days=28)


def test_the_delay_of_a_day_uses_only_what_had_been_delivered_by_then(tmp_path):
    lake, first = Lake(tmp_path), date(2026, 1, 1)
    assert read_label_delay(lake, SHOP, first) == 0
    empty = {c.name: [] if c.type.startswith("array") else 0 for c in CUSTOMER_DAY.columns}
    for n in range(0, 80, 4):  # on time for 40 days, from then on three days late
        event_day, delivered = first + timedelta(days=n), first + timedelta(days=n + (3 if n >= 40 else 0))
        rows = [empty | {"customer_id": f"c{k}", "event_day": event_day, "sale_count": 2, "browse_count": 9,
                         "delivery_day": delivered} for k in range(10)]  # fmt: skip
        lake.update(CUSTOMER_DAY, str(delivered), lambda now, rows=rows: pa.Table.from_pylist(rows, now.schema))
    delays = [read_label_delay(lake, SHOP, first + timedelta(days=n)) for n in (20, 60, 69, 70, 110)]
    assert delays == [0, 0, 0, 2, 3]


@pytest.fixture(scope="module")
def truth() -> pa.Table:
    """Customers who buy every sixty days by chance, in the course of a year and more, and leave after a while."""
    generator = np.random.default_rng(3)
    drawn = {}
    for number in range(700):
        at = float(generator.integers(0, 300))
        left, days = at + generator.exponential(400), [int(at)]
        while (at := at + generator.exponential(60)) < min(left, 420):
            days.append(int(at))
        drawn[f"c{number:04d}"] = dict.fromkeys(days, PURCHASE)
    return make_series(drawn, day(419))


@pytest.fixture(scope="module")
def known(truth) -> pa.Table:
    """The same as of day 299, without the files of its last days."""
    seen = truncate(truth, day(299 - LATE))
    return seen.set_column(seen.column_names.index("as_of"), "as_of", pa.array([day(299)] * seen.num_rows))


def measure_label_bias(known: pa.Table, truth: pa.Table, delay: int) -> np.ndarray:
    """(H,) the excess of churned labels on the newest labelled day over the truth."""
    spec, bias = TensorSpec.from_shop(SHOP, replace(SETTINGS, step_days=1, history_steps=500)), []
    tensors = spec.build(known, day(299), delay_days=delay)
    right = spec.build(truth.filter(pc.is_in(truth["customer_id"], known["customer_id"])), day(419))
    for h in range(3):
        has_label = tensors.label_mask[..., h] > 0
        has_label &= tensors.step_ends == tensors.step_ends[has_label].max()
        rows, steps = np.nonzero(has_label)
        steps_right = [int(np.flatnonzero(right.step_ends[row] == tensors.step_ends[row, step])[0])
                       for row, step in zip(rows, steps, strict=True)]  # fmt: skip
        bias.append(np.mean(tensors.labels[rows, steps, h] - right.labels[rows, steps_right, h]))
    return np.array(bias)


def test_labels_that_do_not_wait_for_late_files_overstate_churn(known, truth):
    assert measure_label_bias(known, truth, delay=0)[0] > 0.02
    assert measure_label_bias(known, truth, delay=LATE).tolist() == [0, 0, 0]


def test_the_gate_waits_for_late_files_too(monkeypatch):
    series, candidate = Series(draw_shop_series(60, 300), day(299), 6), draw_candidate("logistic", SHOP, SETTINGS)

    def find_unknown(cutoff: date) -> list[bool]:
        outcome = predict_cutoff({"logistic": candidate}, series, cutoff, SHOP).outcome
        return np.isnan(outcome).any(axis=0).tolist()

    assert find_unknown(day(299 - 90 - 6)) == [False, False, False]
    assert find_unknown(day(299 - 90 - 5)) == [False, False, True]
    learned_until = []

    def learn(known: Series, cutoff: date, *_, **__) -> dict:
        learned_until.append(cutoff)
        return {"logistic": candidate, "recency": draw_candidate("recency", SHOP, SETTINGS)}

    monkeypatch.setattr(gate, "fit_candidates", learn)
    assert gate.run_gate(series, day(299), SHOP, SETTINGS).cutoff == learned_until[0] == day(299 - 90 - 6)
