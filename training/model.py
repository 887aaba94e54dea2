"""The network: an LSTM over the steps whose every step says the churn probability of every horizon.

Importing this file imports TensorFlow, so other files import it where they need it. There is no mask in the network:
steps are padded on the right and an LSTM is causal, so padding cannot reach a step before it; the loss leaves padding
out. That keeps the LSTM on cuDNN's path on a GPU, with the same code on a CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from spark_jobs.contract.errors import ChurnError
from training.config import ModelSettings
from training.dataset import Tensors

PREDICT_ROWS = 2048


@dataclass(frozen=True)
class Architecture:
    """What decides the shapes of the weights."""

    features: int
    horizons: int
    lstm_units: int
    dropout: float


class ChurnNetwork(keras.layers.Layer):
    """inputs (B, T, F) float32 -> logits (B, T, H) that never rise with the horizon at any step.

    The inputs are standardised inside, by constants that are weights. The head sees the LSTM's output beside its own
    input. P(churn within H) cannot rise with H: logit 1 is free, each further one is its predecessor minus softplus.
    """

    def __init__(self, architecture: Architecture, seed: int = 0):
        super().__init__(name="churn")
        self.architecture = architecture
        self.lstm = keras.layers.LSTM(
            architecture.lstm_units,
            return_sequences=True,
            kernel_initializer=keras.initializers.GlorotUniform(seed),
            recurrent_initializer=keras.initializers.Orthogonal(seed=seed + 1),
        )
        self.dropout = keras.layers.Dropout(architecture.dropout, seed=seed + 2)
        self.head = keras.layers.Dense(
            architecture.horizons, kernel_initializer=keras.initializers.GlorotUniform(seed + 3)
        )
        self.build((None, None, architecture.features))
        steps, lengths = tf.TensorSpec((None, None, architecture.features)), tf.TensorSpec((None,), tf.int32)
        self._step_logits = tf.function(self.call, input_signature=[steps])
        self._last_logits = tf.function(
            lambda inputs, lengths: tf.gather(self.call(inputs), lengths - 1, batch_dims=1),
            input_signature=[steps, lengths],
        )

    def build(self, input_shape):
        features = input_shape[-1:]
        self.mean = self.add_weight(shape=features, initializer="zeros", trainable=False, name="mean")
        self.scale = self.add_weight(shape=features, initializer="ones", trainable=False, name="scale")
        self.lstm.build(input_shape)
        self.head.build((*input_shape[:2], self.architecture.lstm_units + features[0]))

    def call(self, inputs, training=False):
        standard = (inputs - self.mean) / self.scale
        seen = ops.concatenate([self.lstm(standard), standard], axis=-1)
        free = self.head(self.dropout(seen, training=training))
        falls = ops.concatenate([free[..., :1], -ops.softplus(free[..., 1:])], axis=-1)
        return ops.cumsum(falls, axis=-1)

    def standardise(self, mean: np.ndarray, deviation: np.ndarray) -> None:
        """Sets the constants; an input that never varies is left at its distance from its mean."""
        self.mean.assign(mean)
        self.scale.assign(np.where(deviation > 1e-6, deviation, 1.0))

    def to_flat(self) -> np.ndarray:
        """All weights and constants as one float32 vector, in a fixed order."""
        return np.concatenate([weight.numpy().reshape(-1) for weight in self._kept_weights()])

    def load_flat(self, flat: np.ndarray) -> None:
        """Raises ChurnError where these are not exactly this architecture's weights, or not all finite."""
        weights = self._kept_weights()
        sizes = [int(np.prod(weight.shape)) for weight in weights]
        if flat.dtype != np.float32 or flat.shape != (sum(sizes),) or not np.isfinite(flat).all():
            raise ChurnError(f"the model's weights must be {sum(sizes)} finite float32, found {flat.size}: train again")
        for weight, part in zip(weights, np.split(flat, np.cumsum(sizes)[:-1]), strict=True):
            weight.assign(part.reshape(weight.shape))

    def _kept_weights(self) -> list:
        cell = self.lstm.cell
        return [self.mean, self.scale, cell.kernel, cell.recurrent_kernel, cell.bias, self.head.kernel, self.head.bias]

    def predict_steps(self, inputs: np.ndarray) -> np.ndarray:
        """(B, T, H) float64 probabilities at every step."""
        return self._in_parts(lambda part: self._step_logits(tf.constant(inputs[part])), len(inputs))

    def predict_last(self, inputs: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """(B, H) float64 probabilities at every customer's last step."""
        return self._in_parts(
            lambda part: self._last_logits(tf.constant(inputs[part]), tf.constant(lengths[part])), len(inputs)
        )

    def _in_parts(self, logits: Callable, count: int) -> np.ndarray:
        parts = [slice(start, start + PREDICT_ROWS) for start in range(0, max(count, 1), PREDICT_ROWS)]
        found = np.concatenate([logits(part).numpy() for part in parts]).astype(np.float64)
        return 0.5 * (1.0 + np.tanh(found / 2.0))


def masked_log_loss(logits, labels, taught):
    """Mean cross-entropy over the cells (step, horizon) that teach; 0 where none does. All (B, T, H)."""
    losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
    return tf.math.divide_no_nan(tf.reduce_sum(losses * taught), tf.reduce_sum(taught))


class Trainer:
    """Fits networks of one architecture, one after another; building and tracing happen once for all of them."""

    def __init__(self, architecture: Architecture, settings: ModelSettings):
        tf.config.experimental.enable_op_determinism()
        self.architecture, self.settings = architecture, settings
        self.network = ChurnNetwork(architecture)
        self.optimizer = keras.optimizers.AdamW(
            settings.learning_rate, weight_decay=settings.weight_decay, clipnorm=settings.clip_norm
        )
        self.optimizer.build(self.network.trainable_variables)
        features = tf.TensorSpec((None, None, architecture.features))
        cells = tf.TensorSpec((None, None, architecture.horizons))
        self.batch_signature = (features, cells, cells)
        self.step = tf.function(self._step, input_signature=self.batch_signature)

    def fit(
        self,
        batches: Callable[[int], Iterator[Tensors]],
        held_out_loss: Callable[[ChurnNetwork], float],
        normalisation: tuple[np.ndarray, np.ndarray],
        seed: int,
        report: Callable[[int, float], None],
    ) -> np.ndarray:
        """The flat weights of the epoch with the least `held_out_loss`; stops `patience` epochs after it.

        batches(epoch) is one pass over the training fold; report(epoch, held-out loss) hears of every epoch's end.
        Raises ChurnError where no epoch has a finite loss.
        """
        self._begin(seed, normalisation)
        best_loss, best_epoch, best = np.inf, -1, None
        for epoch in range(self.settings.epochs):
            self.optimizer.learning_rate.assign(self._learning_rate(epoch))
            for batch in self._stream(lambda epoch=epoch: batches(epoch)):
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
        """Fresh weights, dropout and optimiser, as if this were the first fit."""
        fresh = ChurnNetwork(self.architecture, seed)
        fresh.standardise(*normalisation)
        for variable, start in zip(self.network.variables, fresh.variables, strict=True):
            variable.assign(start)
        for variable in self.optimizer.variables:
            variable.assign(ops.zeros_like(variable))

    def _step(self, inputs, labels, taught):
        """One gradient step; gives the loss before it."""
        with tf.GradientTape() as tape:
            loss = masked_log_loss(self.network(inputs, training=True), labels, taught)
        gradients = tape.gradient(loss, self.network.trainable_variables)
        self.optimizer.apply(gradients, self.network.trainable_variables)
        return loss

    def _stream(self, batches: Callable[[], Iterator[Tensors]]) -> tf.data.Dataset:
        """(inputs, labels, taught) of every batch, prepared while the device works on the one before."""

        def arrays():
            for tensors in batches():
                yield tensors.inputs, tensors.labels, tensors.taught

        return tf.data.Dataset.from_generator(arrays, output_signature=self.batch_signature).prefetch(2)

    def _learning_rate(self, epoch: int) -> float:
        """From its start value towards zero along a cosine."""
        return self.settings.learning_rate * 0.5 * (1.0 + np.cos(np.pi * epoch / self.settings.epochs))
