"""The network in TensorFlow: an LSTM over the time steps, which predicts the hazards, or horizons, at every step.

Importing this file imports TensorFlow, so other modules import it inside functions. The network has no mask: sequences
are padded on the right and an LSTM is causal, so padding cannot affect earlier steps, and the loss ignores padded
steps. Without a mask Keras can use cuDNN's LSTM on a GPU.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from spark_jobs.contract.errors import ChurnError
from training.models.network.architecture import FARTHEST_INPUT, Architecture
from training.models.network.devices import GPUS

PREDICT_ROWS = 2048


class FusedLSTM(keras.layers.LSTM):
    """Keras' LSTM, whose steps are one operation of TensorFlow on a CPU: a gradient step then costs half as
    much as with Keras' loop over the steps (infra/bench/training.py). On a GPU Keras uses cuDNN."""

    def call(self, sequences, initial_state=None, mask=None, training=False):
        if GPUS:
            return super().call(sequences, initial_state, mask, training)
        fill = sequences.shape[-1] % 2  # the operation is slow for an odd number of inputs
        steps = tf.pad(tf.transpose(sequences, (1, 0, 2)), ((0, 0), (0, 0), (0, fill)))
        start = tf.zeros((tf.shape(sequences)[0], self.units), sequences.dtype)
        nothing = tf.zeros((self.units,), sequences.dtype)
        kernel = tf.concat([tf.pad(self.cell.kernel, ((0, fill), (0, 0))), self.cell.recurrent_kernel], axis=0)
        states = tf.raw_ops.BlockLSTM(
            seq_len_max=tf.shape(steps, tf.int64)[0], x=steps, cs_prev=start, h_prev=start,
            w=self._order_gates(kernel), b=self._order_gates(self.cell.bias), wci=nothing, wcf=nothing, wco=nothing,
            forget_bias=0.0, cell_clip=-1.0,
        ).h  # fmt: skip
        return tf.ensure_shape(tf.transpose(states, (1, 0, 2)), (None, None, self.units))

    def _order_gates(self, weights):
        """From Keras' order, input, forget, candidate, output, to the operation's. BlockLSTMV2 has Keras' order, but in
        TensorFlow 2.21 its gradient on a CPU is that of the other order."""
        gates = tf.split(weights, 4, axis=-1)
        return tf.concat([gates[0], gates[2], gates[1], gates[3]], axis=-1)


def _recurrent(layer: type[keras.layers.Layer]) -> Callable[[int, int], keras.layers.Layer]:
    return lambda units, seed: layer(
        units,
        return_sequences=True,
        kernel_initializer=keras.initializers.GlorotUniform(seed),
        recurrent_initializer=keras.initializers.Orthogonal(seed=seed + 1),
    )


def _convolution(units: int, seed: int) -> keras.layers.Layer:
    """Two causal layers that see the last sixteen steps."""
    return keras.Sequential([
        keras.layers.Conv1D(units, 4, padding="causal", dilation_rate=dilation, activation="tanh",
                            kernel_initializer=keras.initializers.GlorotUniform(seed + number))
        for number, dilation in enumerate((1, 4))
    ])  # fmt: skip


def _dense(units: int, seed: int) -> keras.layers.Layer:
    """A layer that sees only the current step."""
    return keras.layers.Dense(units, activation="tanh", kernel_initializer=keras.initializers.GlorotUniform(seed))


#: By ModelSettings.cell: (units, seed) -> a causal layer (B, T, F) -> (B, T, units).
CELLS: dict[str, Callable[[int, int], keras.layers.Layer]] = {
    "lstm": _recurrent(FusedLSTM),
    "gru": _recurrent(keras.layers.GRU),
    "rnn": _recurrent(keras.layers.SimpleRNN),
    "cnn": _convolution,
    "dense": _dense,
}


class ChurnNetwork(keras.layers.Layer):
    """inputs (B, T, F) float32 -> logits (B, T, outputs), for the labels of `Architecture.label`.

    The inputs are standardised inside, by constants that are stored as weights. The head sees the cell's output and the
    step's inputs. P(churn within H) never rises with H: with hazards it is a product of (1 - hazard); without, each
    logit after the first is its predecessor minus a softplus.
    """

    def __init__(self, architecture: Architecture, seed: int = 0):
        super().__init__(name="churn")
        self.architecture = architecture
        self.cell = CELLS[architecture.cell](architecture.lstm_units, seed)
        self.dropout = keras.layers.Dropout(architecture.dropout, seed=seed + 2)
        self.head = keras.layers.Dense(
            architecture.outputs, kernel_initializer=keras.initializers.GlorotUniform(seed + 3)
        )
        self.build((None, None, architecture.features))
        steps, lengths = tf.TensorSpec((None, None, architecture.features)), tf.TensorSpec((None,), tf.int32)
        self._at_steps = tf.function(self.log_churn, input_signature=[steps])
        self._at_last = tf.function(
            lambda inputs, lengths: tf.gather(self.log_churn(inputs), lengths - 1, batch_dims=1),
            input_signature=[steps, lengths],
        )

    def build(self, input_shape):
        features = input_shape[-1:]
        self.mean = self.add_weight(shape=features, initializer="zeros", trainable=False, name="mean")
        self.scale = self.add_weight(shape=features, initializer="ones", trainable=False, name="scale")
        self.cell.build(input_shape)
        self.head.build((*input_shape[:2], self.architecture.lstm_units + features[0]))

    def call(self, inputs, training=False):
        standard = self.standardise(inputs)
        seen = ops.concatenate([self.cell(standard), standard], axis=-1)
        free = self.head(self.dropout(seen, training=training))
        if self.architecture.interval_ends:
            return free
        falls = ops.concatenate([free[..., :1], -ops.softplus(free[..., 1:])], axis=-1)
        return ops.cumsum(falls, axis=-1)

    def log_churn(self, inputs):
        """(B, T, H) the logarithm of P(churn within H), numerically exact also near 0 and 1."""
        logits, ends = self(inputs), self.architecture.interval_ends
        if not ends:
            return ops.log_sigmoid(logits)
        quiet_so_far = ops.cumsum(ops.log_sigmoid(-logits), axis=-1)
        return ops.take(quiet_so_far, [ends.index(days) for days in self.architecture.horizons_days], axis=-1)

    def standardise(self, inputs):
        return ops.clip((inputs - self.mean) / self.scale, -FARTHEST_INPUT, FARTHEST_INPUT)

    def set_constants(self, mean: np.ndarray, deviation: np.ndarray) -> None:
        """Sets the constants of the standardisation. An input without variance is only centred."""
        self.mean.assign(mean)
        self.scale.assign(np.where(deviation > 1e-6, deviation, 1.0))

    @property
    def size(self) -> int:
        """The length of to_flat."""
        return sum(int(np.prod(weight.shape)) for weight in self._kept_weights())

    def to_flat(self) -> np.ndarray:
        """All weights and constants as one float32 vector, in a fixed order."""
        return np.concatenate([weight.numpy().reshape(-1) for weight in self._kept_weights()])

    def load_flat(self, flat: np.ndarray) -> None:
        """Loads the weights of to_flat. Raises ChurnError if their number is wrong or not all are finite."""
        weights = self._kept_weights()
        sizes = [int(np.prod(weight.shape)) for weight in weights]
        if flat.dtype != np.float32 or flat.shape != (sum(sizes),) or not np.isfinite(flat).all():
            raise ChurnError(f"the model's weights must be {sum(sizes)} finite float32, found {flat.size}: train again")
        for weight, part in zip(weights, np.split(flat, np.cumsum(sizes)[:-1]), strict=True):
            weight.assign(part.reshape(weight.shape))

    def _kept_weights(self) -> list:
        return [self.mean, self.scale, *self.cell.weights, *self.head.weights]

    def predict_steps(self, inputs: np.ndarray) -> np.ndarray:
        """(B, T, H) float64 probabilities at every step."""
        return self._in_parts(lambda part: self._at_steps(tf.constant(inputs[part])), len(inputs))

    def predict_last(self, inputs: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """(B, H) float64 probabilities at every customer's last step."""
        return self._in_parts(
            lambda part: self._at_last(tf.constant(inputs[part]), tf.constant(lengths[part])), len(inputs)
        )

    def predict_with_states(
        self, inputs: np.ndarray, lengths: np.ndarray, spans: tuple[int, ...]
    ) -> tuple[np.ndarray, tuple]:
        return self.predict_last(inputs, lengths), (inputs, lengths)

    def predict_tails(
        self, memory: tuple, rows: np.ndarray, tails: np.ndarray, lengths: np.ndarray, spans: np.ndarray
    ) -> np.ndarray:
        """See Members.predict_tails. Recomputes all steps, while ServedNetwork continues from stored states."""
        whole, whole_lengths = memory[0][rows], memory[1][rows]
        step = np.arange(tails.shape[1])
        row, place = np.nonzero((step >= (lengths - spans)[:, None]) & (step < lengths[:, None]))
        whole[row, place + (whole_lengths - lengths)[row]] = tails[row, place]
        return self.predict_last(whole, whole_lengths)

    def _in_parts(self, log_churn: Callable, count: int) -> np.ndarray:
        parts = [slice(start, start + PREDICT_ROWS) for start in range(0, max(count, 1), PREDICT_ROWS)]
        log_p = np.concatenate([log_churn(part).numpy() for part in parts]).astype(np.float64)
        # On some processors TensorFlow's log_sigmoid differs in the last bit for equal inputs: enforce the order.
        return np.exp(np.minimum.accumulate(log_p, axis=-1))
