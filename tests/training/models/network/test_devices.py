"""Do several devices learn what one learns? Two virtual CPUs stand for GPUs, in a process of their own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PROGRAM = """
import json
import numpy as np, tensorflow as tf
[cpu] = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from tests.training.models.network.test_network import SMALL
from dataclasses import replace
from training.config import ModelSettings
from training.models.network.devices import choose_strategy
from training.models.network.trainer import Trainer

generator = np.random.default_rng(0)
inputs = generator.normal(size=(41, 6, 3)).astype(np.float32)
labels = generator.integers(0, 2, (41, 6, SMALL.outputs)).astype(np.float32)
mask = generator.integers(0, 2, labels.shape).astype(np.float32)

def fit(devices, dropout):
    trainer = Trainer(replace(SMALL, dropout=dropout), ModelSettings(clip_norm=0.1), choose_strategy(devices))
    trainer.begin(1, (np.zeros(3), np.ones(3)))
    trainer.optimizer.learning_rate.assign(0.01)
    losses = [float(trainer.learn(inputs, labels, mask, np.arange(41), 8)) for _ in range(5)]
    return trainer.devices, losses, trainer.network.to_flat().tolist()

both = ["CPU:0", "CPU:1"]
print(json.dumps([fit([], 0.0), fit(both, 0.0), fit(both, 0.5), fit(both, 0.5)]))
"""


def test_two_devices_learn_what_one_learns():
    """Batches of 8 and a rest of one customer; the gradients are clipped. With dropout a training repeats exactly."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    (one, losses, weights), (two, shared_losses, shared_weights), *with_dropout = json.loads(done.stdout)
    assert (one, two) == (1, 2)
    assert shared_losses == pytest.approx(losses, abs=1e-5)
    assert shared_weights == pytest.approx(weights, abs=1e-5)
    assert shared_losses[-1] < shared_losses[0]
    assert with_dropout[0] == with_dropout[1]
    assert with_dropout[0][2] != shared_weights
