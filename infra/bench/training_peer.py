"""What does an epoch of the LSTM cost in TensorFlow, as training runs it, and in PyTorch on one thread?

    python -m venv DIR && DIR/bin/pip install torch numpy          # torch is not in the lock: only this needs it
    python -m infra.bench.training_peer --shop infra/demo/online_retail/shop.toml --python DIR/bin/python [--as-of DAY]

In turn, with the shop's settings but without dropout, from the same weights on the same batches: the customers of all
folds but the first. The medians of several epochs each.

as trained  from the series' kept tensors, in batches that are made meanwhile
in memory   the same steps on batches that are in memory, for PyTorch too
wait        the share of the time in which training waits for batches
apart       the largest difference between both losses of a batch in the first epoch, relative to the loss
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from rich.console import Console
from rich.table import Table

from infra.bench.training import read_training
from spark_jobs.runtime.command import day, load_arguments, make_parser, run_command
from training.device_check import measure_wait
from training.models.network.architecture import FARTHEST_INPUT, Architecture
from training.models.network.trainer import Trainer
from training.selection.recipe import Recipe
from training.tensors.dataset import Tensors
from training.tensors.feed import Part
from training.tensors.series import fold_of

REPEATS = 9
PEER = Path(__file__).with_name("torch_epoch.py")
Arrays = tuple[np.ndarray, ...]
#: Wall seconds, CPU seconds.
Cost = tuple[float, float]


class Epoch:
    """The first epoch of the first fold, in TensorFlow."""

    def __init__(self, recipe: Recipe):
        self.recipe, settings = recipe, recipe.settings
        architecture = Architecture.from_spec(recipe.spec, settings)
        self.trainer = Trainer(replace(architecture, dropout=0.0), settings)
        self.trainer.begin(settings.seed, recipe.normalisation(without_fold=0))
        self.trainer.optimizer.learning_rate.assign(settings.learning_rate)
        self.batches = [batch for part in self.make_parts() for batch in self._cut(*part)]

    def make_parts(self) -> Iterator[Part]:
        settings = self.recipe.settings
        return self.recipe.feed.shuffled(settings.seed, lambda ids: fold_of(ids, settings.folds) != 0)

    def _cut(self, tensors: Tensors, rows: np.ndarray) -> Iterator[Arrays]:
        """Batches in memory, each alone."""
        size = self.recipe.batch_size
        for start in range(0, len(rows), size):
            batch = tensors.take(rows[start : start + size])
            yield batch.inputs, *self.trainer.architecture.label(batch)

    def train(self) -> float:
        """As training does; returns the share of the time in which it waits for batches."""
        return measure_wait(self.trainer.stream([self.make_parts()]), self.learn)

    def learn(self, arrays: Arrays) -> float:
        """The loss before the last step on these rows of arrays."""
        return float(self.trainer.learn(*arrays, self.recipe.batch_size))

    def write(self, file: Path) -> None:
        """The batches, and the weights as they are now."""
        settings, network = self.recipe.settings, self.trainer.network
        weights = [network.mean, network.scale, *network.cell.weights, *network.head.weights]
        content: dict[str, Any] = {
            **{f"weight_{n}": weight.numpy() for n, weight in enumerate(weights)},
            **{f"{n}_{part}": values for n, batch in enumerate(self.batches) for part, values in enumerate(batch)},
        }
        np.savez(
            file, lr=settings.learning_rate, weight_decay=settings.weight_decay, clip_norm=settings.clip_norm,
            farthest=FARTHEST_INPUT, batches=len(self.batches), **content,
        )  # fmt: skip


def measure(work: Callable[[], object]) -> Cost:
    begin, begin_cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - begin, time.process_time() - begin_cpu


def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__, with_as_of=False)
    parser.add_argument("--as-of", type=day, metavar="DAY")
    parser.add_argument("--python", required=True, help="an interpreter that has torch and numpy")
    arguments, shop = load_arguments(parser, argv)
    epoch = Epoch(Recipe.prepare(*read_training(shop, arguments.as_of)))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "epoch.npz")
        epoch.write(file)
        command = [arguments.python, str(PEER), str(file)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as peer:
            compare(epoch, peer, shop.title)


def compare(epoch: Epoch, peer: subprocess.Popen, title: str) -> None:
    def ask() -> tuple[float, float, list[float]]:
        print(file=peer.stdin, flush=True)
        return json.loads(peer.stdout.readline())  # type: ignore[union-attr]

    losses = [epoch.learn((*batch, np.arange(len(batch[0])))) for batch in epoch.batches]
    apart = np.max(np.abs(np.divide(ask()[2], losses) - 1))
    in_memory = [arrays for arrays in epoch.trainer.stream([epoch.make_parts()]) if arrays]
    waits: list[float] = []
    costs: dict[str, list[Cost]] = {"TensorFlow, as trained": [], "TensorFlow, in memory": [], "PyTorch, in memory": []}
    for _ in range(REPEATS):
        trained, remembered, torch = costs.values()
        trained.append(measure(lambda: waits.append(epoch.train())))
        remembered.append(measure(lambda: [epoch.learn(arrays) for arrays in in_memory]))
        torch.append(ask()[:2])
    facts = f"{len(epoch.batches)} batches of {epoch.recipe.batch_size}, apart {apart:.0e}, wait {median(waits):.1%}"
    table = Table("way", "seconds", "CPU seconds", box=None, title=f"{title}: {facts}", title_justify="left")
    for way, cost in costs.items():
        table.add_row(way, *(f"{median(values):.3f}" for values in zip(*cost, strict=True)))
    Console(highlight=False).print(table)


if __name__ == "__main__":
    sys.exit(run_command(main))
