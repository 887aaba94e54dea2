"""How long does a score take with TensorFlow and with numpy, and how long does a worker take to start?

    python -m infra.bench.serving

One network with random weights and hazards at the default horizons, on one core. All times are CPU times, so that other
work on the machine does not count. XLA is not compared: it cannot compile TensorFlow's fused LSTM.

start     seconds until a new process has loaded what it needs
µs        microseconds per customer
apart     the largest difference of its probabilities to those of tf.function
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial

from infra.bench import ONE_CORE, time_once

os.environ |= ONE_CORE | {"TF_CPP_MIN_LOG_LEVEL": "3"}

import numpy as np
from rich.console import Console
from rich.table import Table

from spark_jobs.contract.features import FEATURES
from spark_jobs.contract.windows import ChurnDefinition
from spark_jobs.runtime.command import run_command
from training.config import ModelSettings
from training.models.network.architecture import Architecture
from training.models.network.hazards import cut_intervals
from training.models.network.served import ServedNetwork

CUSTOMERS = 4096
STEPS = (40, 104)
UNITS = (ModelSettings.lstm_units, 64)
STARTS = {
    "numpy": "import training.models.network.served",
    "tf.function": "import training.models.network.network",
}


def main(argv: Sequence[str] | None = None) -> None:
    del argv  # there is nothing to choose
    starts = {name: time_start(code) for name, code in STARTS.items()}
    table = Table("units", "steps", "served by", "start, s", "µs", "apart", "weights, kB")
    for units in UNITS:
        architecture = describe_network(units)
        served, serve = ServedNetwork(architecture), load_servers(architecture)
        for steps in STEPS:
            inputs, lengths = draw_customers(architecture, steps)
            expected = serve["tf.function"](inputs, lengths)
            for name, predict in serve.items():
                apart = np.abs(predict(inputs, lengths) - expected).max()
                cost = time_best(partial(predict, inputs, lengths)) / CUSTOMERS * 1e6
                size = f"{served.size * 4 / 1000:.0f}"
                table.add_row(str(units), str(steps), name, f"{starts[name]:.1f}", f"{cost:.1f}", f"{apart:.0e}", size)
    Console(highlight=False).print(table)


def describe_network(units: int) -> Architecture:
    settings, horizons = ModelSettings(lstm_units=units), ChurnDefinition().horizons_days
    ends = cut_intervals(horizons, settings.interval_days)
    return Architecture(len(FEATURES), horizons, ends, "lstm", units, settings.dropout)


def load_servers(architecture: Architecture) -> dict[str, Callable]:
    """Name -> a function (inputs, lengths) -> probabilities; all with the same weights."""
    from training.models.network.network import ChurnNetwork

    network, served = ChurnNetwork(architecture), ServedNetwork(architecture)
    served.load_flat(network.to_flat())
    return {"tf.function": network.predict_last, "numpy": served.predict_last}


def draw_customers(architecture: Architecture, steps: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(CUSTOMERS, steps, architecture.features)).astype(np.float32)
    return inputs, np.full(CUSTOMERS, steps, np.int32)


def time_best(work: Callable[[], object], tries: int = 5) -> float:
    return min(time_once(work) for _ in range(tries))


def time_start(code: str) -> float:
    """CPU seconds of a new Python process that runs the code."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    sys.exit(run_command(main))
