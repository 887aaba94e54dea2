"""The LSTM in numpy, for serving: the same results as training.models.network.network.ChurnNetwork.

Without TensorFlow a scoring worker starts seconds sooner and scores as fast (python -m infra.bench.serving). It reads
the same weights file, so no second file has to be verified or kept in sync.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from spark_jobs.contract.errors import ChurnError
from training.models.network.architecture import FARTHEST_INPUT, Architecture

#: Small enough for a step's arrays to fit into the processor's cache.
ROWS_AT_ONCE = 1024
#: By what a loaded network's weights of each gate differ from those of Keras.
GATE_FACTORS = np.array([0.5, 0.5, 1.0, 0.5], np.float32)
#: Number of steps before the end -> the LSTM state at that step, (B, 2, units): output and cell state.
Memory = dict[int, np.ndarray]


class ServedNetwork:
    """An inference-only LSTM network. Weights in the order of ChurnNetwork.to_flat; gates as in Keras: i, f, c, o."""

    def __init__(self, architecture: Architecture):
        self.architecture = architecture
        features, units, outputs = architecture.features, architecture.lstm_units, architecture.outputs
        self.shapes = ((features,), (features,), (features, 4 * units), (units, 4 * units), (4 * units,),
                       (units + features, outputs), (outputs,))  # fmt: skip
        self.size = sum(int(np.prod(shape)) for shape in self.shapes)

    def load_flat(self, flat: np.ndarray) -> None:
        """Loads the weights of ChurnNetwork.to_flat. Raises ChurnError if their number is wrong or any is infinite."""
        if flat.dtype != np.float32 or flat.shape != (self.size,) or not np.isfinite(flat).all():
            raise ChurnError(f"the model's weights must be {self.size} finite float32, found {flat.size}: train again")
        parts = np.split(flat, np.cumsum([int(np.prod(shape)) for shape in self.shapes])[:-1])
        parts = [part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True)]
        self.mean, self.scale, kernel, recurrent, bias, self.head, self.head_bias = parts
        # sigmoid(x) = 0.5 + 0.5 tanh(0.5 x): with these gates halved, which is exact, one tanh serves all four.
        halved = np.repeat(GATE_FACTORS, self.architecture.lstm_units)
        self.kernel, self.recurrent, self.bias = kernel * halved, recurrent * halved, bias * halved

    def predict_steps(self, inputs: np.ndarray) -> np.ndarray:
        """(B, T, H) float64 probabilities at every step."""

        def predict(rows: np.ndarray) -> np.ndarray:
            standard = self._standardise(inputs[rows]).swapaxes(0, 1)
            outputs = [now[:, 0].copy() for _, now in self._walk(standard, np.full(len(rows), inputs.shape[1]))]
            return self._predict(np.stack(outputs), standard).swapaxes(0, 1)

        return _in_parts(predict, np.arange(len(inputs)))

    def predict_last(self, inputs: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """(B, H) float64 probabilities at every customer's last step."""
        return self.predict_with_states(inputs, lengths, ())[0]

    def predict_with_states(
        self, inputs: np.ndarray, lengths: np.ndarray, spans: tuple[int, ...]
    ) -> tuple[np.ndarray, Memory]:
        """The result of predict_last, and for each span every customer's state before the last `span` steps."""
        memory = {span: np.zeros((len(inputs), 2, self.architecture.lstm_units), np.float32) for span in spans}

        def predict(rows: np.ndarray) -> np.ndarray:
            standard = self._align(inputs[rows], lengths[rows], int(lengths[rows].max(initial=1)))
            for steps_left, now in self._walk(standard, lengths[rows]):
                if steps_left in memory:
                    memory[steps_left][rows] = now
            return self._predict(now[:, 0], standard[-1])

        return _in_parts(predict, np.argsort(-lengths)), memory

    def predict_tails(
        self, memory: Memory, rows: np.ndarray, tails: np.ndarray, lengths: np.ndarray, spans: np.ndarray
    ) -> np.ndarray:
        """(P, H) probabilities of customers with stored states and changed last steps, see Members.predict_tails."""
        begun = np.zeros((len(rows), 2, self.architecture.lstm_units), np.float32)
        for span, states in memory.items():
            is_own = spans == span
            begun[is_own] = states[rows[is_own]]

        def predict(chosen: np.ndarray) -> np.ndarray:
            going_on = np.minimum(spans, lengths)[chosen]
            standard = self._align(tails[chosen], lengths[chosen], int(going_on.max(initial=1)))
            *_, (_, now) = self._walk(standard, going_on, begun[chosen])
            return self._predict(now[:, 0], standard[-1])

        return _in_parts(predict, np.argsort(-np.minimum(spans, lengths)))

    def _standardise(self, inputs: np.ndarray) -> np.ndarray:
        """The inputs, standardised in place."""
        inputs -= self.mean
        inputs /= self.scale
        return np.clip(inputs, -FARTHEST_INPUT, FARTHEST_INPUT, out=inputs)

    def _align(self, inputs: np.ndarray, lengths: np.ndarray, most: int) -> np.ndarray:
        """(most, n, F) the standardised inputs of the last steps, aligned at every customer's last step."""
        steps = np.maximum(lengths + np.arange(-most, 0)[:, None], 0)
        return self._standardise(inputs[np.arange(len(inputs)), steps])

    def _walk(
        self, standard: np.ndarray, spans: np.ndarray, now: np.ndarray | None = None
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Runs the LSTM over each customer's last `spans` (n,) steps; customers are sorted by falling span, so that no
        padding is computed. Yields after each step how many are left, and the state `now` (n, 2, units), output and
        cell state, which is updated in place."""
        steps_left = len(standard)
        now = np.zeros((len(spans), 2, self.architecture.lstm_units), np.float32) if now is None else now
        for own in standard:
            going = np.searchsorted(-spans, -steps_left, side="right")
            gates = own[:going] @ self.kernel
            gates += self.bias
            gates += now[:going, 0] @ self.recurrent
            np.tanh(gates, out=gates)
            taken, kept, added, shown = np.split(gates, 4, axis=1)
            now[:going, 1] = memory = _half(kept) * now[:going, 1] + _half(taken) * added
            now[:going, 0] = _half(shown) * np.tanh(memory)
            steps_left -= 1
            yield steps_left, now

    def _predict(self, state: np.ndarray, standard: np.ndarray) -> np.ndarray:
        """(…, H) float64 probabilities, see ChurnNetwork.log_churn."""
        logits = (np.concatenate([state, standard], axis=-1) @ self.head + self.head_bias).astype(np.float64)
        ends = self.architecture.interval_ends
        if ends:
            quiet_so_far = np.cumsum(-np.logaddexp(0.0, logits), axis=-1)
            return np.exp(quiet_so_far[..., [ends.index(days) for days in self.architecture.horizons_days]])
        logits[..., 1:] = -np.logaddexp(0.0, logits[..., 1:])
        return np.exp(np.minimum.accumulate(-np.logaddexp(0.0, -np.cumsum(logits, axis=-1)), axis=-1))


def _in_parts(predict: Callable[[np.ndarray], np.ndarray], order: np.ndarray) -> np.ndarray:
    """Applies `predict` to parts of the rows in this order; returns the results in the original order."""
    parts = [order[n : n + ROWS_AT_ONCE] for n in range(0, max(len(order), 1), ROWS_AT_ONCE)]
    values = np.concatenate([predict(rows) for rows in parts])
    ordered = np.empty_like(values)
    ordered[order] = values
    return ordered


def _half(tanh: np.ndarray) -> np.ndarray:
    """The sigmoid of twice what this is the hyperbolic tangent of."""
    return 0.5 + 0.5 * tanh
