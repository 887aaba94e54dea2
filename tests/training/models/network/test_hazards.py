"""Hazards: intervals and likelihood by hand, which intervals are used, and that unfinished ones cause no bias."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_jobs.contract.windows import ChurnDefinition
from tests.training.series import PURCHASE, day, make_series, make_shop
from training.config import ModelSettings
from training.models.network.hazards import cut_intervals, label_intervals
from training.models.network.trainer import masked_log_loss
from training.tensors.dataset import TensorSpec

CHURN = ChurnDefinition((10, 20), 10, eligible_within_days=15)
ENDS = (5, 10, 15, 20)


def build(customers: dict, as_of: int, step_days: int = 7):
    spec = TensorSpec.from_shop(make_shop(churn=CHURN), ModelSettings(step_days=step_days))
    return spec.build(make_series(customers, day(as_of)), day(as_of))


def test_intervals_have_hand_computed_ends():
    assert cut_intervals((30, 60, 90), 10) == (10, 20, 30, 40, 50, 60, 70, 80, 90)
    assert cut_intervals((30, 60, 90), 90) == (30, 60, 90)
    assert cut_intervals((7, 30), 5) == (3, 7, 11, 16, 20, 25, 30)


@given(st.sets(st.integers(1, 400), min_size=1, max_size=5), st.integers(1, 60))
def test_every_horizon_ends_an_interval_and_none_is_too_long(horizons, longest):
    ends = cut_intervals(tuple(sorted(horizons)), longest)
    lengths = np.diff((0, *ends))
    assert horizons <= set(ends)
    assert ends[-1] == max(horizons)
    assert (lengths >= 1).all()
    assert (lengths <= longest).all()


def test_interval_masks_have_hand_computed_values():
    # Steps end on the days 5, 12, 19, 26, 33, 40; purchases on the days 3 and 23; as_of is day 40.
    tensors = build({"a": {3: PURCHASE, 23: PURCHASE}}, 40)
    labels, mask = label_intervals(tensors, ENDS)
    assert mask[0].tolist() == [
        [1, 1, 1, 1],  # the next purchase comes after 18 days, in the last interval
        [1, 1, 1, 0],  # after 11 days, in the third: the fourth is never reached
        [0, 0, 0, 0],  # not eligible: the last purchase is 16 days ago
        [1, 1, 0, 0],  # never; 14 days are known
        [1, 0, 0, 0],  # never; 7 days are known, so this step has a label though neither horizon has passed
        [0, 0, 0, 0],  # the last day itself
    ]
    assert labels[0].tolist() == [[0, 0, 0, 1], [0, 0, 1, 0], *[[0, 0, 0, 0]] * 4]
    assert tensors.label_mask[0, 4].sum() == 0


def test_the_likelihood_has_its_hand_computed_value():
    tensors = build({"a": {3: PURCHASE, 23: PURCHASE}}, 40)
    labels, mask = label_intervals(tensors, ENDS)
    hazards = np.array([0.1, 0.2, 0.3, 0.4])
    logits = np.broadcast_to(np.log(hazards / (1 - hazards)), labels.shape).astype(np.float32)
    likelihood = (0.9 * 0.8 * 0.7 * 0.4) * (0.9 * 0.8 * 0.3) * (0.9 * 0.8) * 0.9
    assert float(masked_log_loss(logits, labels, mask)) == pytest.approx(-math.log(likelihood) / 10, rel=1e-6)


def test_open_intervals_do_not_bias_the_hazards():
    """Customers who buy with the same probability every day: each hazard follows from it and the interval's length."""
    generator, chance, days = np.random.default_rng(0), 0.08, 60
    bought = generator.random((2000, days)) < chance
    bought[:, 0] = True
    customers = {str(n): {int(d): PURCHASE for d in np.flatnonzero(own)} for n, own in enumerate(bought)}
    labels, mask = label_intervals(build(customers, days - 1, step_days=1), ENDS)
    recent = slice(-12, None)  # steps whose longer intervals are all still running
    hazard = labels[:, recent].sum(axis=(0, 1))[:2] / mask[:, recent].sum(axis=(0, 1))[:2]
    assert hazard == pytest.approx(1 - (1 - chance) ** 5, abs=0.02)
