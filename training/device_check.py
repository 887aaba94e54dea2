"""Does training use this machine's devices as it should, how fast, and does it learn the same as on the CPU?

    python -m training.device_check [--require-gpu] [--customers 2048]

devices    what TensorFlow finds
LSTM       the operations that compute the layer, read from the graph that Keras builds. The graph is also built as if
           there were a GPU: does the layer meet Keras' conditions for cuDNN?
step       milliseconds of one gradient step of the network with default settings, as training runs it, with XLA, and
           with mixed precision; training uses neither
wait       the share of an epoch in which the device waits for its next batch
agreement  one step without dropout, beside Keras' own loop over the steps on the CPU: the difference of the losses, and
           the largest difference of gradients relative to the largest gradient

The last line is the result. Exit code 0: all is as it should be; 1: a GPU does not use cuDNN, the agreement is worse
than the tolerance, or there is no GPU and --require-gpu is given; 2: wrong arguments.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from unittest.mock import patch

import keras
import numpy as np
import pyarrow as pa
import tensorflow as tf
from rich.console import Console
from rich.table import Table

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.features import FEATURES
from spark_jobs.runtime.command import run_command
from training.config import ModelSettings
from training.models.network import devices
from training.models.network import network as networks
from training.models.network.architecture import Architecture
from training.models.network.hazards import cut_intervals
from training.models.network.trainer import Arrays, Trainer, masked_log_loss
from training.tensors.dataset import Tensors
from training.tensors.feed import Part

#: A training repeats exactly on one device, and within this on another.
TOLERANCE = 1e-4
STEPS, HORIZONS = 104, (30, 60, 90)
WARM_UPS, REPEATS = 3, 15
CPU = "/CPU:0"
RECURRENT = ("CudnnRNN", "BlockLSTM", "While", "StatelessWhile")
_GPU_TEST = "keras.src.backend.tensorflow.rnn._is_gpu_available"


@dataclass(frozen=True)
class Figures:
    """Milliseconds of a step by way, None where the device cannot; and the share of time spent waiting for batches."""

    steps: dict[str, float | None]
    wait: float


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--require-gpu", action="store_true", help="fail on a machine without a GPU")
    parser.add_argument("--customers", type=int, default=2048, help="of the random histories that are learned from")
    arguments = parser.parse_args(argv)
    console, gpus = Console(highlight=False, soft_wrap=True), name_gpus()
    console.print(f"devices: the CPU; {', '.join(gpus) or 'no GPU'}")
    operations, on_gpu = trace_lstm(), trace_lstm(as_on_gpu=True)
    console.print(f"LSTM: computed by {', '.join(operations)}; on a GPU by {', '.join(on_gpu)}")
    tensors = make_tensors(arguments.customers, len(FEATURES))
    figures = {"CPU": on_cpu(lambda: measure(tensors)), **({"GPU": measure(tensors)} if gpus else {})}
    console.print(make_table(figures))
    difference = compare_step(tensors)
    faults = find_faults(gpus, operations, difference, arguments.require_gpu)
    fastest = figures["GPU" if gpus else "CPU"]
    device = gpus[0] if gpus else "no GPU: the CPU"
    summary = (f"{device} needs {fastest.steps['as trained']:.1f} ms a step and waits {fastest.wait:.0%} of the time;"
               f" differs by {difference:.0e} from Keras' loop on the CPU (tolerance {TOLERANCE:.0e})")  # fmt: skip
    if faults:
        console.print(summary)
        raise ChurnError(f"{'; '.join(faults)}. See infra/docs/howto/gpu.md")
    console.print(f"result: ok: {summary}")


def name_gpus() -> list[str]:
    """The GPUs that TensorFlow finds. Training shares every batch among them."""
    details = map(tf.config.experimental.get_device_details, networks.GPUS)
    return [str(found.get("device_name", "a GPU")) for found in details]


def find_faults(gpus: Sequence[str], operations: Sequence[str], difference: float, needs_gpu: bool) -> list[str]:
    faults = []
    if gpus and not any(name.startswith("CudnnRNN") for name in operations):
        faults.append(f"the LSTM is computed by {', '.join(operations)} instead of cuDNN")
    if not gpus and needs_gpu:
        faults.append("TensorFlow finds no GPU")
    if not difference <= TOLERANCE:
        faults.append(f"a step differs by {difference:.0e} from the CPU's, more than {TOLERANCE:.0e}")
    return faults


def make_architecture() -> Architecture:
    """The default network for all inputs."""
    settings = ModelSettings()
    ends = cut_intervals(HORIZONS, settings.interval_days)
    return Architecture(len(FEATURES), HORIZONS, ends, settings.cell, settings.lstm_units, settings.dropout)


def make_tensors(customers: int, features: int) -> Tensors:
    """Random histories, with outcomes of all horizons."""
    chance = np.random.default_rng(7)
    shape = (customers, STEPS)
    days = chance.uniform(0, 200, (3, *shape)).astype(np.float32)
    nothing = np.zeros((*shape, len(HORIZONS)), np.float32)
    return Tensors(
        customer_id=pa.array([str(number) for number in range(customers)]),
        inputs=chance.normal(size=(*shape, features)).astype(np.float32),
        lengths=np.full(customers, STEPS, np.int32), labels=nothing, label_mask=nothing,
        quiet_days=days[0], upcoming_days=days[1], known_days=days[2], step_ends=np.zeros(shape, np.int32),
    )  # fmt: skip


def trace_lstm(as_on_gpu: bool = False) -> list[str]:
    """The operations in the layer's graph that compute recurrent layers. as_on_gpu: built as if there were a GPU."""
    with _pretend_gpu(True) if as_on_gpu else _pretend_gpu(bool(networks.GPUS)):
        layer = networks.CELLS["lstm"](ModelSettings().lstm_units, 0)
        inputs = tf.TensorSpec((None, STEPS, len(FEATURES)))
        layer.build(inputs.shape)
        graph = tf.function(layer, input_signature=[inputs]).get_concrete_function().graph.as_graph_def()
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    return sorted({node.op for node in nodes if node.op.startswith(RECURRENT)}) or ["none of the known operations"]


@contextmanager
def _pretend_gpu(is_there: bool) -> Iterator[None]:
    """Lets Keras and our layer build what they build with a GPU, or without one."""
    gpus = (networks.GPUS or ["pretended"]) if is_there else []
    with patch(_GPU_TEST, lambda: is_there), patch.object(networks, "GPUS", gpus), patch.object(devices, "GPUS", gpus):
        yield


def on_cpu(work: Callable[[], Figures]) -> Figures:
    with tf.device(CPU), _pretend_gpu(False):
        return work()


def measure(tensors: Tensors) -> Figures:
    """The figures of the device that TensorFlow chooses."""
    ways = {"as trained": {}, "with XLA": {"jit_compile": True}, "mixed precision": {}}
    steps: dict[str, float | None] = {}
    for way, options in ways.items():
        trainer = Trainer(make_architecture(), ModelSettings())
        if way == "mixed precision":
            trainer.network.cell.dtype_policy = keras.DTypePolicy("mixed_float16")
        step = tf.function(trainer.take_step, input_signature=trainer.batch_signature, **options)
        try:
            steps[way] = time_step(trainer, tensors, step if options else None)
        except (tf.errors.OpError, TypeError, ValueError):  # an operation that the device or the way does not have
            steps[way] = None
    return Figures(steps, find_wait(Trainer(make_architecture(), ModelSettings()), tensors))


def take_batch(tensors: Tensors) -> Tensors:
    return tensors.take(shuffle(tensors)[: ModelSettings().batch_size])


def shuffle(tensors: Tensors) -> np.ndarray:
    return np.random.default_rng(1).permutation(len(tensors.lengths))


def time_step(trainer: Trainer, tensors: Tensors, step: Callable | None = None) -> float:
    """Median milliseconds of a step on data that are on the device; by default of the steps that training takes."""
    batch, batch_size = take_batch(tensors), ModelSettings().batch_size
    on_device = [tf.identity(values) for values in (batch.inputs, *trainer.architecture.label(batch))]
    stream = trainer.stream([iter([Part(tensors, shuffle(tensors))])])
    [whole] = [arrays for arrays in stream if arrays]
    batches, times = 1 if step else -(-len(tensors.lengths) // batch_size), []
    for _ in range(WARM_UPS + REPEATS):
        begin = time.perf_counter()
        (step(*on_device) if step else trainer.learn(*whole, batch_size)).numpy()
        times.append(1000 * (time.perf_counter() - begin) / batches)
    return median(times[WARM_UPS:])


def find_wait(trainer: Trainer, tensors: Tensors) -> float:
    """The share of an epoch that passes until the next batches are there, after a first epoch."""
    size = ModelSettings().batch_size
    stream = trainer.stream(iter([Part(tensors, shuffle(tensors))]) for _ in range(2))
    for chunk in iter(partial(next, stream), None):
        trainer.learn(*chunk, size).numpy()
    return measure_wait(stream, lambda chunk: trainer.learn(*chunk, size).numpy())


def measure_wait(stream: Iterator[Arrays | None], learn: Callable[[Arrays], object]) -> float:
    """Learns from an epoch of Trainer.stream; returns the share of its time that passes until the next batches are
    there."""
    begin, waited = time.perf_counter(), 0.0
    while True:
        asked = time.perf_counter()
        arrays = next(stream)
        waited += time.perf_counter() - asked
        if arrays is None:
            return waited / (time.perf_counter() - begin)
        learn(arrays)


def compare_step(tensors: Tensors) -> float:
    """The larger of the differences of loss and gradients between training's step and Keras' loop on the CPU."""
    ours = _differentiate(tensors)
    with tf.device(CPU), _pretend_gpu(False), patch.object(networks.FusedLSTM, "call", keras.layers.LSTM.call):
        theirs = _differentiate(tensors)
    return max(abs(ours[0] - theirs[0]), float(np.abs(ours[1] - theirs[1]).max() / np.abs(theirs[1]).max()))


def _differentiate(tensors: Tensors) -> tuple[float, np.ndarray]:
    """The loss of one batch, and all its gradients."""
    trainer = Trainer(replace(make_architecture(), dropout=0.0), ModelSettings())
    batch = take_batch(tensors)
    inputs, labels, mask = map(tf.constant, (batch.inputs, *trainer.architecture.label(batch)))
    with tf.GradientTape() as tape:
        loss = masked_log_loss(trainer.network(inputs, training=True), labels, mask)
    gradients = tape.gradient(loss, trainer.network.trainable_variables)
    return float(loss), np.concatenate([gradient.numpy().ravel() for gradient in gradients])


def make_table(figures: dict[str, Figures]) -> Table:
    table = Table("device", *(f"{way}, ms" for way in next(iter(figures.values())).steps), "wait", box=None)
    for device, found in figures.items():
        table.add_row(device, *("not possible" if ms is None else f"{ms:.1f}" for ms in found.steps.values()),
                      f"{found.wait:.0%}")  # fmt: skip
    return table


if __name__ == "__main__":
    sys.exit(run_command(main))
