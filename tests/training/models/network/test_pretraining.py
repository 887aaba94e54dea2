"""Pretraining: only the cell's weights change, and padding has no effect."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from tests.training.models.network.test_network import SMALL
from training.config import ModelSettings
from training.models.network.network import ChurnNetwork
from training.models.network.pretraining import pretrain
from training.tensors.dataset import Tensors


def draw_batch(padding: float) -> Tensors:
    generator, empty = np.random.default_rng(0), np.zeros(8, np.float32)
    inputs = generator.normal(size=(8, 6, 3)).astype(np.float32)
    lengths = np.array([1, 2, 3, 4, 5, 6, 6, 6], np.int32)
    inputs[np.arange(6) >= lengths[:, None]] = padding
    return Tensors(pa.array([""] * 8), inputs, lengths, *[empty] * 6)


def pretrained(padding: float, epochs: int) -> ChurnNetwork:
    network = ChurnNetwork(SMALL, seed=1)
    settings = ModelSettings(lstm_units=SMALL.lstm_units, pretrain_epochs=epochs)
    pretrain(network, [[draw_batch(padding)] for _ in range(epochs)], settings, seed=1)
    return network


def test_pretraining_changes_the_cell_only_and_ignores_padding():
    untouched, network, padded_otherwise = pretrained(0.0, 0), pretrained(0.0, 2), pretrained(9.0, 2)
    for weight, before in zip(network.cell.weights, untouched.cell.weights, strict=True):
        assert (weight.numpy() != before.numpy()).any()
    for weight, before in zip(network.head.weights, untouched.head.weights, strict=True):
        np.testing.assert_array_equal(weight.numpy(), before.numpy())
    np.testing.assert_array_equal(network.to_flat(), padded_otherwise.to_flat())
