"""Trains the network: gradient steps over batches of customers, with early stopping on held-out customers.

Deterministic: the same batches and seed give the same weights on one device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from spark_jobs.contract.errors import ChurnError
from training.config import ModelSettings
from training.models.network.devices import add_up, choose_strategy, take_share
from training.models.network.network import Architecture, ChurnNetwork
from training.models.network.pretraining import pretrain
from training.tensors.dataset import Tensors
from training.tensors.feed import Part

Arrays = tuple[tf.Tensor, ...]
Item = TypeVar("Item")
_END: Any = object()


def masked_log_loss(logits, labels, label_mask):
    """Mean cross-entropy over the outputs where `label_mask` is 1; 0 if there is none. All (B, T, outputs). Where
    several devices share a batch: this one's part of the mean over the batch.

    With hazards this is the censored negative log likelihood.
    """
    losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
    [count] = add_up([tf.reduce_sum(label_mask)])
    return tf.math.divide_no_nan(tf.reduce_sum(losses * label_mask), count)


class Trainer:
    """Fits several networks of one architecture in turn; the graph is built and traced only once.

    strategy: how devices share the batches; by default all GPUs do, or the CPU works alone.
    """

    def __init__(
        self, architecture: Architecture, settings: ModelSettings, strategy: tf.distribute.Strategy | None = None
    ):
        tf.config.experimental.enable_op_determinism()
        # A GPU would round its factors to ten bits: its training would differ from a CPU's.
        tf.config.experimental.enable_tensor_float_32_execution(False)
        self.architecture, self.settings = architecture, settings
        self.strategy = strategy or choose_strategy([] if settings.pretrain_epochs else None)
        self.devices = self.strategy.num_replicas_in_sync
        with self.strategy.scope():
            self.network = ChurnNetwork(architecture)
            self.optimizer = keras.optimizers.AdamW(
                settings.learning_rate, weight_decay=settings.weight_decay, clipnorm=settings.clip_norm / self.devices
            )
            self.optimizer.build(self.network.trainable_variables)
        features = tf.TensorSpec((None, None, architecture.features))
        outputs = tf.TensorSpec((None, None, architecture.outputs))
        self.batch_signature = (features, outputs, outputs)
        rows, batch_size = tf.TensorSpec((None,), tf.int32), tf.TensorSpec((), tf.int32)
        self.learn = tf.function(self._learn, input_signature=(*self.batch_signature, rows, batch_size))
        self._on_device: WeakKeyDictionary[Tensors, Arrays] = WeakKeyDictionary()

    def fit(
        self,
        parts: Callable[[int], Iterator[Part]],
        batch_size: int,
        held_out_loss: Callable[[ChurnNetwork], float],
        normalisation: tuple[np.ndarray, np.ndarray],
        seed: int,
        report: Callable[[int, float], None],
    ) -> np.ndarray:
        """The flat weights of the epoch with the lowest `held_out_loss`; stops `patience` epochs after it.

        parts(epoch) is one pass over the training fold, each cut into batches of batch_size customers and a rest;
        report(epoch, held-out loss) is called after every epoch.
        Raises ChurnError if no epoch has a finite loss.
        """
        self.begin(seed, normalisation)
        warm_up = range(self.settings.epochs, self.settings.epochs + self.settings.pretrain_epochs)
        pretrain(self.network, (_cut(parts(epoch), batch_size) for epoch in warm_up), self.settings, seed)
        best_loss, best_epoch, best = np.inf, -1, None
        stream = self.stream(map(parts, range(self.settings.epochs)))
        for epoch in range(self.settings.epochs):
            self.optimizer.learning_rate.assign(self._learning_rate(epoch))
            for arrays in iter(partial(next, stream), None):
                self.learn(*arrays, batch_size)
            loss = held_out_loss(self.network)
            report(epoch, loss)
            if loss < best_loss:
                best_loss, best_epoch, best = loss, epoch, self.network.to_flat()
            if epoch - best_epoch >= self.settings.patience:
                break
        if best is None:
            raise ChurnError("the network's loss is not finite: lower model.learning_rate in shop.toml")
        return best

    def begin(self, seed: int, normalisation: tuple[np.ndarray, np.ndarray]) -> None:
        """Resets weights, dropout and optimiser, so that the result does not depend on earlier fits."""
        fresh = ChurnNetwork(self.architecture, seed)
        fresh.set_constants(*normalisation)
        for variable, start in zip(self.network.variables, fresh.variables, strict=True):
            variable.assign(start)
        for variable in self.optimizer.variables:
            variable.assign(ops.zeros_like(variable))

    def _learn(self, inputs, labels, label_mask, rows, batch_size):
        """A gradient step for each batch of these rows; returns the loss before the last one. One call for all steps,
        because a call from Python costs as much as a small step."""
        loss = 0.0
        for start in tf.range(0, tf.shape(rows)[0], batch_size):
            own = rows[start : start + batch_size]
            batch = [tf.gather(values, own) for values in (inputs, labels, label_mask)]
            loss = self.strategy.reduce("SUM", self.strategy.run(self.take_step, args=batch), axis=None)
        return loss

    def take_step(self, inputs, labels, label_mask):
        """One gradient step; returns this device's part of the loss before it."""
        inputs, labels, label_mask = take_share((inputs, labels), label_mask)
        with tf.GradientTape() as tape:
            loss = masked_log_loss(self.network(inputs, training=True), labels, label_mask)
        gradients = add_up(tape.gradient(loss, self.network.trainable_variables))
        if self.devices > 1:  # the optimiser adds them up once more
            gradients = [gradient / self.devices for gradient in gradients]
        self.optimizer.apply(gradients, self.network.trainable_variables)
        return loss

    def stream(self, epochs: Iterable[Iterator[Part]]) -> Iterator[Arrays | None]:
        """(inputs, labels, label_mask, rows) of every part, and None after each epoch. Each is made while the device
        learns from the one before, the first of an epoch while the held-out loss is found. (Measured: tf.data costs a
        third as much as the steps of a small shop's epoch.)"""

        def make() -> Iterator[Arrays | None]:
            for parts in epochs:
                for tensors, rows in parts:
                    yield *self._put(tensors), tf.convert_to_tensor(rows, tf.int32)
                yield None

        return make_ahead(make())

    def _put(self, tensors: Tensors) -> Arrays:
        """(inputs, labels, label_mask) on the device, for as long as the tensors are kept: all folds and epochs use
        the same."""
        if tensors not in self._on_device:
            arrays = tensors.inputs, *self.architecture.label(tensors)
            self._on_device[tensors] = tuple(map(tf.convert_to_tensor, arrays))
        return self._on_device[tensors]

    def _learning_rate(self, epoch: int) -> float:
        """Cosine decay from the initial value to zero."""
        return self.settings.learning_rate * 0.5 * (1.0 + np.cos(np.pi * epoch / self.settings.epochs))


def make_ahead(items: Iterator[Item]) -> Iterator[Item]:
    """The items, each made in a thread while the one before is used."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, _END)
        while (item := coming.result()) is not _END:
            coming = pool.submit(next, items, _END)
            yield item


def _cut(parts: Iterator[Part], batch_size: int) -> Iterator[Tensors]:
    for tensors, rows in parts:
        yield from (tensors.take(rows[start : start + batch_size]) for start in range(0, len(rows), batch_size))
