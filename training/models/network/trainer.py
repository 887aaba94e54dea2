"""Trains the network: gradient steps over batches of customers, with early stopping on held-out customers.

Deterministic: the same batches and seed give the same weights on one device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from spark_jobs.contract.errors import ChurnError
from training.config import ModelSettings
from training.models.network.network import Architecture, ChurnNetwork
from training.models.network.pretraining import pretrain
from training.tensors.dataset import Tensors


def masked_log_loss(logits, labels, label_mask):
    """Mean cross-entropy over the outputs where `label_mask` is 1; 0 if there is none. All (B, T, outputs).

    With hazards this is the censored negative log likelihood.
    """
    losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
    return tf.math.divide_no_nan(tf.reduce_sum(losses * label_mask), tf.reduce_sum(label_mask))


class Trainer:
    """Fits several networks of one architecture in turn; the graph is built and traced only once."""

    def __init__(self, architecture: Architecture, settings: ModelSettings):
        tf.config.experimental.enable_op_determinism()
        # A GPU would round its factors to ten bits: its training would differ from a CPU's.
        tf.config.experimental.enable_tensor_float_32_execution(False)
        self.architecture, self.settings = architecture, settings
        self.network = ChurnNetwork(architecture)
        self.optimizer = keras.optimizers.AdamW(
            settings.learning_rate, weight_decay=settings.weight_decay, clipnorm=settings.clip_norm
        )
        self.optimizer.build(self.network.trainable_variables)
        features = tf.TensorSpec((None, None, architecture.features))
        outputs = tf.TensorSpec((None, None, architecture.outputs))
        self.batch_signature = (features, outputs, outputs)
        self.step = tf.function(self._step, input_signature=self.batch_signature)

    def fit(
        self,
        batches: Callable[[int], Iterator[Tensors]],
        held_out_loss: Callable[[ChurnNetwork], float],
        normalisation: tuple[np.ndarray, np.ndarray],
        seed: int,
        report: Callable[[int, float], None],
    ) -> np.ndarray:
        """The flat weights of the epoch with the lowest `held_out_loss`; stops `patience` epochs after it.

        batches(epoch) is one pass over the training fold; report(epoch, held-out loss) is called after every epoch.
        Raises ChurnError if no epoch has a finite loss.
        """
        self._begin(seed, normalisation)
        warm_up = range(self.settings.epochs, self.settings.epochs + self.settings.pretrain_epochs)
        pretrain(self.network, map(batches, warm_up), self.settings, seed)
        best_loss, best_epoch, best = np.inf, -1, None
        for epoch in range(self.settings.epochs):
            self.optimizer.learning_rate.assign(self._learning_rate(epoch))
            for batch in self._stream(partial(batches, epoch)):
                self.step(*batch)
            loss = held_out_loss(self.network)
            report(epoch, loss)
            if loss < best_loss:
                best_loss, best_epoch, best = loss, epoch, self.network.to_flat()
            if epoch - best_epoch >= self.settings.patience:
                break
        if best is None:
            raise ChurnError("the network's loss is not finite: lower model.learning_rate in shop.toml")
        return best

    def _begin(self, seed: int, normalisation: tuple[np.ndarray, np.ndarray]) -> None:
        """Resets weights, dropout and optimiser, so that the result does not depend on earlier fits."""
        fresh = ChurnNetwork(self.architecture, seed)
        fresh.set_constants(*normalisation)
        for variable, start in zip(self.network.variables, fresh.variables, strict=True):
            variable.assign(start)
        for variable in self.optimizer.variables:
            variable.assign(ops.zeros_like(variable))

    def _step(self, inputs, labels, label_mask):
        """One gradient step; returns the loss before it."""
        with tf.GradientTape() as tape:
            loss = masked_log_loss(self.network(inputs, training=True), labels, label_mask)
        gradients = tape.gradient(loss, self.network.trainable_variables)
        self.optimizer.apply(gradients, self.network.trainable_variables)
        return loss

    def _stream(self, batches: Callable[[], Iterator[Tensors]]) -> tf.data.Dataset:
        """(inputs, labels, label_mask) of every batch, prefetched while the device works on the previous one."""

        def arrays():
            for tensors in batches():
                yield tensors.inputs, *self.architecture.label(tensors)

        return tf.data.Dataset.from_generator(arrays, output_signature=self.batch_signature).prefetch(2)

    def _learning_rate(self, epoch: int) -> float:
        """Cosine decay from the initial value to zero."""
        return self.settings.learning_rate * 0.5 * (1.0 + np.cos(np.pi * epoch / self.settings.epochs))
