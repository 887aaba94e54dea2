"""The network in numpy predicts the same as in TensorFlow."""

from __future__ import annotations

import numpy as np
import pytest

from spark_jobs.contract.errors import ChurnError
from training.models.network.architecture import Architecture
from training.models.network.served import ServedNetwork


@pytest.mark.parametrize("interval_ends", [(10, 20, 30, 60), None], ids=["hazards", "horizons"])
def test_the_served_network_predicts_like_the_trained_one(interval_ends):
    from training.models.network.network import ChurnNetwork

    architecture = Architecture(5, (30, 60), interval_ends, "lstm", 7, 0.2)
    network, served = ChurnNetwork(architecture), ServedNetwork(architecture)
    generator = np.random.default_rng(0)
    flat = generator.normal(0, 0.7, network.size).astype(np.float32)
    flat[5:10] = generator.uniform(0.1, 2, 5)  # the scale of the inputs
    network.load_flat(flat)
    served.load_flat(flat)
    inputs = generator.normal(0, 3, (1100, 12, 5)).astype(np.float32)
    inputs[0] = 1e6  # beyond what is cut off
    lengths = generator.integers(1, 13, len(inputs)).astype(np.int32)
    np.testing.assert_allclose(served.predict_last(inputs, lengths), network.predict_last(inputs, lengths), atol=1e-5)
    np.testing.assert_allclose(served.predict_steps(inputs[:9]), network.predict_steps(inputs[:9]), atol=1e-5)


@pytest.mark.parametrize("flat", [np.zeros(3, np.float32), np.full(97, np.nan, np.float32), np.zeros(97)])
def test_foreign_weights_are_refused(flat):
    served = ServedNetwork(Architecture(3, (30,), None, "lstm", 3, 0.0))
    assert served.size == 3 + 3 + 3 * 12 + 3 * 12 + 12 + 6 + 1
    with pytest.raises(ChurnError, match="train again"):
        served.load_flat(flat)
