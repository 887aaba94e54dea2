"""The network: numbers by hand, its invariants, and which steps it must not learn from."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from itertools import pairwise

import keras
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spark_jobs.contract.errors import ChurnError
from tests.training.series import PURCHASE, day, draw_shop_series, make_series, make_shop
from training.config import ModelSettings
from training.evaluation.metrics import log_losses
from training.models.estimator import TrainingRows
from training.models.network.network import CELLS, Architecture, ChurnNetwork, FusedLSTM
from training.models.network.trainer import Trainer, masked_log_loss
from training.models.registry import row_contender
from training.selection.fit import fit_candidates
from training.tensors.dataset import Tensors, TensorSpec
from training.tensors.feed import Part
from training.tensors.outcomes import take_outcomes
from training.tensors.series import truncate

HORIZONS = (30, 60, 90)
SMALL = Architecture(3, HORIZONS, (15, 30, 45, 60, 75, 90), "lstm", lstm_units=4, dropout=0.0)
PER_HORIZON = replace(SMALL, interval_ends=None)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


@pytest.mark.parametrize("features", [3, 4])
def test_the_fused_lstm_has_the_values_and_gradients_of_keras(features):
    inputs = tf.Variable(np.random.default_rng(5).normal(size=(3, 7, features)).astype(np.float32))
    fused, plain = FusedLSTM(5, return_sequences=True), keras.layers.LSTM(5, return_sequences=True)
    for layer in (fused, plain):
        layer.build((None, None, features))
    plain.set_weights(fused.get_weights())
    found = []
    for layer in (fused, plain):
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(tf.sin(layer(inputs)))
        found.append([total, *tape.gradient(total, [inputs, *layer.trainable_variables])])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("interval_ends", [None, (10, 30)])
def test_known_weights_give_known_probabilities(interval_ends):
    network = ChurnNetwork(Architecture(1, (10, 30), interval_ends, "lstm", lstm_units=1, dropout=0.5))
    # mean, scale | kernel i f c o | recurrent i f c o | bias i f c o | head (lstm, input) x 2 outputs | head bias
    network.load_flat(np.array(
        [2.0, 4.0, 0.5, -0.3, 0.8, 0.1, 0.2, 0.4, -0.6, 0.7, 0.0, 1.0, 0.1, -0.2, 1.5, -0.5, 0.25, 2.0, 0.3, -0.1],
        np.float32,
    ))  # fmt: skip
    hidden = cell = 0.0
    expected = []
    for value in (6.0, -2.0, 3.0):
        x = (value - 2.0) / 4.0
        gate_in = sigmoid(0.5 * x + 0.2 * hidden + 0.0)
        gate_forget = sigmoid(-0.3 * x + 0.4 * hidden + 1.0)
        proposal = math.tanh(0.8 * x - 0.6 * hidden + 0.1)
        gate_out = sigmoid(0.1 * x + 0.7 * hidden - 0.2)
        cell = gate_forget * cell + gate_in * proposal
        hidden = gate_out * math.tanh(cell)
        first, second = 1.5 * hidden + 0.25 * x + 0.3, -0.5 * hidden + 2.0 * x - 0.1
        if interval_ends:
            expected.append([1 - sigmoid(first), (1 - sigmoid(first)) * (1 - sigmoid(second))])
        else:
            expected.append([sigmoid(first), sigmoid(first - math.log1p(math.exp(second)))])
    inputs = np.array([[[6.0], [-2.0], [3.0]]], np.float32)
    np.testing.assert_allclose(network.predict_steps(inputs)[0], expected, rtol=1e-5)
    np.testing.assert_allclose(network.predict_last(inputs, np.array([2], np.int32))[0], expected[1], rtol=1e-5)


@pytest.mark.parametrize("architecture", [SMALL, PER_HORIZON])
def test_probabilities_never_rise_with_the_horizon_whatever_the_weights(architecture):
    generator = np.random.default_rng(0)
    network = ChurnNetwork(architecture)
    for _ in range(20):
        network.load_flat(generator.normal(0, 3, network.to_flat().size).astype(np.float32))
        p = network.predict_steps(generator.normal(0, 5, (30, 6, 3)).astype(np.float32))
        assert (np.diff(p, axis=-1) <= 0).all()


@pytest.mark.parametrize("cell", CELLS)
def test_padding_and_later_steps_change_nothing(cell):
    network = ChurnNetwork(replace(SMALL, cell=cell), seed=3)
    inputs = np.random.default_rng(0).normal(size=(8, 5, 3)).astype(np.float32)
    lengths = np.array([1, 2, 3, 4, 5, 1, 2, 3], np.int32)
    padded = np.full((8, 40, 3), 9.0, np.float32)
    padded[:, :5] = inputs
    np.testing.assert_allclose(network.predict_last(padded, lengths), network.predict_last(inputs, lengths), atol=1e-6)
    np.testing.assert_allclose(network.predict_steps(padded)[:, :5], network.predict_steps(inputs), atol=1e-6)


def test_the_loss_is_the_mean_over_labelled_cells():
    logits = np.array([[[0.0, 2.0], [50.0, -50.0]]], np.float32)
    labels = np.array([[[1.0, 0.0], [0.0, 1.0]]], np.float32)
    label_mask = np.array([[[1.0, 1.0], [0.0, 0.0]]], np.float32)
    expected = (math.log(2) + math.log1p(math.exp(2))) / 2
    assert float(masked_log_loss(logits, labels, label_mask)) == pytest.approx(expected, rel=1e-6)
    assert float(masked_log_loss(logits, labels, label_mask * 0)) == 0.0


def test_one_training_step_moves_every_weight_and_no_constant():
    trainer = Trainer(SMALL, ModelSettings())
    generator = np.random.default_rng(0)
    trainer.network.set_constants(generator.normal(size=3), generator.uniform(1, 2, 3))
    before = [variable.numpy() for variable in trainer.network.trainable_variables]
    constants = trainer.network.mean.numpy(), trainer.network.scale.numpy()
    inputs = generator.normal(size=(16, 6, 3)).astype(np.float32)
    labels = generator.integers(0, 2, (16, 6, SMALL.outputs)).astype(np.float32)
    trainer.learn(inputs, labels, np.ones_like(labels), np.arange(16), 16)
    for variable, old in zip(trainer.network.trainable_variables, before, strict=True):
        assert (variable.numpy() != old).mean() > 0.99, variable.path
    np.testing.assert_array_equal((trainer.network.mean.numpy(), trainer.network.scale.numpy()), constants)


def test_rows_are_learned_batch_by_batch_in_their_order():
    """Two whole batches and a rest: the weights of three calls with one batch each."""
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(20, 6, 3)).astype(np.float32)
    labels = generator.integers(0, 2, (20, 6, SMALL.outputs)).astype(np.float32)
    chunk = inputs, labels, np.ones_like(labels)
    rows, found = generator.permutation(20), []
    trainer = Trainer(SMALL, ModelSettings())
    for starts in ([0], [0, 8, 16]):
        trainer.begin(1, (np.zeros(3), np.ones(3)))
        trainer.optimizer.learning_rate.assign(0.01)
        for start in starts:
            end = start + 8 if starts[1:] else None
            own = np.arange(len(rows[start:end])) if starts[1:] else rows
            arrays = [values[rows[start:end]] if starts[1:] else values for values in chunk]
            trainer.learn(*arrays, own, 8)
        found.append(trainer.network.to_flat())
    np.testing.assert_array_equal(*found)
    assert (found[0] != ChurnNetwork(SMALL, seed=1).to_flat()).mean() > 0.7


WILD = st.sampled_from([0.0, -0.0, 1.0, 1e-30, -3e4, 1e30, float(np.finfo(np.float32).max)])


@cache
def steps_of(architecture: Architecture):
    """A network as training starts it, and its (loss, gradients) of a batch."""
    trainer = Trainer(architecture, ModelSettings())
    trainer.network.set_constants(np.zeros(3), np.array([1.0, 1e-5, 0.0]))

    @tf.function(input_signature=trainer.batch_signature)
    def step(inputs, labels, label_mask):
        with tf.GradientTape() as tape:
            loss = masked_log_loss(trainer.network(inputs), labels, label_mask)
        return loss, tape.gradient(loss, trainer.network.trainable_variables)

    return trainer.network, step


@pytest.mark.parametrize("architecture", [SMALL, PER_HORIZON])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_loss_and_gradients_are_finite_for_any_input(architecture, data):
    """Zeros, numbers at the limits of float32, no labels, a single step."""
    network, step = steps_of(architecture)
    shape = (data.draw(st.integers(1, 3)), data.draw(st.integers(1, 4)))
    inputs = data.draw(arrays(np.float32, (*shape, 3), elements=WILD))
    labels, label_mask = (
        data.draw(arrays(np.float32, (*shape, architecture.outputs), elements=st.sampled_from([0.0, 1.0])))
        for _ in range(2)
    )
    loss, gradients = step(inputs, labels, label_mask)
    assert np.isfinite(loss)
    assert all(np.isfinite(gradient).all() for gradient in gradients)
    p = network.predict_steps(inputs)
    assert ((p >= 0) & (p <= 1)).all()


def test_a_constant_input_is_harmless():
    network = ChurnNetwork(SMALL)
    network.set_constants(np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.0, 1e-9]))
    assert network.scale.numpy().tolist() == [1.0, 1.0, 1.0]


def test_weights_are_restored_and_foreign_ones_are_refused():
    first, second = ChurnNetwork(SMALL, seed=1), ChurnNetwork(SMALL, seed=2)
    assert (first.to_flat() != second.to_flat()).any()
    second.load_flat(first.to_flat())
    np.testing.assert_array_equal(second.to_flat(), first.to_flat())
    for foreign in (first.to_flat()[:-1], first.to_flat().astype(np.float64), first.to_flat() * np.nan):
        with pytest.raises(ChurnError, match="finite float32"):
            second.load_flat(foreign)


def test_a_loss_that_is_not_finite_is_an_error():
    trainer = Trainer(SMALL, ModelSettings(epochs=1))
    with pytest.raises(ChurnError, match="not finite"):
        trainer.fit(lambda _: iter(()), 8, lambda _: math.nan, (np.zeros(3), np.ones(3)), 1, lambda *_: None)


def test_the_best_epoch_is_kept_and_patience_ends_the_fit():
    trainer = Trainer(SMALL, ModelSettings(epochs=50, patience=2))
    losses, seen = iter([0.5, 0.4, 0.6, 0.41, 0.1]), []

    def parts(epoch):
        generator = np.random.default_rng(epoch)
        days = generator.integers(1, 120, (2, 8, 5)).astype(np.float32)
        empty = np.zeros(8, np.float32)
        tensors = Tensors(pa.array([""] * 8), generator.normal(size=(8, 5, 3)).astype(np.float32), empty, empty, empty,
                      empty, upcoming_days=days[0], known_days=days[1], step_ends=empty)  # fmt: skip
        yield Part(tensors, np.arange(8))

    def held_out_loss(network):
        seen.append(network.to_flat())
        return next(losses)

    best = trainer.fit(parts, 8, held_out_loss, (np.zeros(3), np.ones(3)), 1, lambda *_: None)
    assert len(seen) == 4
    np.testing.assert_array_equal(best, seen[1])
    assert all((a != b).any() for a, b in pairwise(seen))


def test_two_trainings_are_the_same_to_the_byte():
    series = draw_shop_series(80, 200)
    settings = ModelSettings(lstm_units=4, epochs=2, folds=2)
    twins = [fit_candidates(series, day(199), make_shop(), settings, ("lstm",))["lstm"] for _ in range(2)]
    assert twins[0].members.to_files() == twins[1].members.to_files()
    assert twins[0].calibration.slope.tobytes() == twins[1].calibration.slope.tobytes()
    other = fit_candidates(series, day(199), make_shop(), replace(settings, seed=8), ("lstm",))["lstm"]
    assert other.members.to_files() != twins[0].members.to_files()


# Which steps have labels? Two tempting masks are wrong (DESIGN, section 2): both drop churners from the training data.


def mask_missing_next_activity(tensors: Tensors) -> np.ndarray:
    """Wrong: a step is used only if the next activity is known."""
    days_to_end = tensors.last(tensors.step_ends)[:, None] - tensors.step_ends
    has_next = tensors.last(tensors.quiet_days)[:, None] < days_to_end
    return tensors.label_mask * has_next[..., None]


def mask_not_eligible_today(tensors: Tensors) -> np.ndarray:
    """Wrong: only customers who are eligible at as_of are used."""
    return tensors.label_mask * (tensors.last(tensors.quiet_days) < 90)[:, None, None]


def learn_and_measure(mask) -> float:
    """Log loss at 60 days of a logistic regression trained with the mask, on outcomes after its as_of."""
    shop, cutoff = make_shop(), day(330)
    series = draw_shop_series(700, 420, seed=3)
    spec = TensorSpec.from_shop(shop, ModelSettings())
    tensors = spec.build(truncate(series, cutoff), cutoff)
    label_mask = mask(tensors)
    rows = label_mask.any(axis=2)
    model = row_contender("logistic")()
    cells = (values[rows] for values in (tensors.inputs, tensors.labels, label_mask))
    model.fit(TrainingRows(*cells, spec.feature_names, shop.churn.horizons_days, seed=0))
    outcomes = take_outcomes(series, cutoff, shop)
    counted = np.flatnonzero(outcomes.active[:, 1])
    then = spec.build(truncate(series.take(pa.array(counted)), cutoff), cutoff)
    return log_losses(outcomes.outcome[counted, 1], model.predict(then.last(then.inputs))[:, 1]).mean()


def test_a_missing_next_activity_is_a_label_and_not_a_mask():
    series = make_series({"gone": {0: PURCHASE}, "stays": {n: PURCHASE for n in range(0, 200, 20)}}, day(199))
    tensors = TensorSpec.from_shop(make_shop(), ModelSettings()).build(series, day(199))
    gone = tensors.customer_id.to_pylist().index("gone")
    assert tensors.label_mask[gone].sum() > 0
    assert tensors.labels[gone][tensors.label_mask[gone] > 0].all()
    assert mask_missing_next_activity(tensors)[gone].sum() == 0
    assert mask_not_eligible_today(tensors)[gone].sum() == 0


def test_wrong_masks_ruin_the_probabilities():
    right = learn_and_measure(lambda tensors: tensors.label_mask)
    assert learn_and_measure(mask_missing_next_activity) > right + 0.05
    assert learn_and_measure(mask_not_eligible_today) > right + 0.05
