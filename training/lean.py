"""How is the LSTM served? The same numbers as training.model.ChurnNetwork, in numpy.

A worker that scores needs no TensorFlow: it starts seconds sooner and scores no slower (python -m infra.bench.serving).
The weights are the bundle's own, so there is no second file to trust and none to keep in step.
"""

from __future__ import annotations

import numpy as np

from spark_jobs.contract.errors import ChurnError
from training.architecture import FARTHEST_INPUT, Architecture

#: Few enough that a step's arrays stay in the processor's cache.
ROWS_AT_ONCE = 1024


class LeanNetwork:
    """An LSTM network that only predicts. Weights as ChurnNetwork.to_flat orders them; gates as Keras: i, f, c, o."""

    def __init__(self, architecture: Architecture):
        self.architecture = architecture
        features, units, outputs = architecture.features, architecture.lstm_units, architecture.outputs
        self.shapes = ((features,), (features,), (features, 4 * units), (units, 4 * units), (4 * units,),
                       (units + features, outputs), (outputs,))  # fmt: skip
        self.size = sum(int(np.prod(shape)) for shape in self.shapes)

    def load_flat(self, flat: np.ndarray) -> None:
        """Raises ChurnError where these are not exactly this architecture's weights, or not all finite."""
        if flat.dtype != np.float32 or flat.shape != (self.size,) or not np.isfinite(flat).all():
            raise ChurnError(f"the model's weights must be {self.size} finite float32, found {flat.size}: train again")
        parts = np.split(flat, np.cumsum([int(np.prod(shape)) for shape in self.shapes])[:-1])
        parts = [part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True)]
        self.mean, self.scale, self.kernel, self.recurrent, self.bias, self.head, self.head_bias = parts

    def predict_steps(self, inputs: np.ndarray) -> np.ndarray:
        """(B, T, H) float64 probabilities at every step."""
        return self._in_parts(lambda part: self._tell(*self._run(inputs[part])), len(inputs))

    def predict_last(self, inputs: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """(B, H) float64 probabilities at every customer's last step."""

        def tell(part: slice) -> np.ndarray:
            own = inputs[part, : lengths[part].max(initial=1)]
            at = np.arange(len(own)), lengths[part] - 1
            state, standard = self._run(own)
            return self._tell(state[at], standard[at])

        return self._in_parts(tell, len(inputs))

    def _run(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(B, T, units) the LSTM's output at every step, and (B, T, F) the standardised inputs."""
        standard = np.clip((inputs - self.mean) / self.scale, -FARTHEST_INPUT, FARTHEST_INPUT)
        units = self.architecture.lstm_units
        driven = standard @ self.kernel + self.bias
        states = np.empty((*inputs.shape[:2], units), np.float32)
        state = memory = np.zeros((len(inputs), units), np.float32)
        for step in range(inputs.shape[1]):
            gates = driven[:, step] + state @ self.recurrent
            taken, kept, shown = (_sigmoid(gates[:, n * units : (n + 1) * units]) for n in (0, 1, 3))
            memory = kept * memory + taken * np.tanh(gates[:, 2 * units : 3 * units])
            states[:, step] = state = shown * np.tanh(memory)
        return states, standard

    def _tell(self, state: np.ndarray, standard: np.ndarray) -> np.ndarray:
        """(…, H) float64, as ChurnNetwork.log_churn has it."""
        logits = (np.concatenate([state, standard], axis=-1) @ self.head + self.head_bias).astype(np.float64)
        ends = self.architecture.interval_ends
        if ends:
            quiet_so_far = np.cumsum(-np.logaddexp(0.0, logits), axis=-1)
            return np.exp(quiet_so_far[..., [ends.index(days) for days in self.architecture.horizons_days]])
        logits[..., 1:] = -np.logaddexp(0.0, logits[..., 1:])
        return np.exp(-np.logaddexp(0.0, -np.cumsum(logits, axis=-1)))

    def _in_parts(self, tell, count: int) -> np.ndarray:
        return np.concatenate([tell(slice(n, n + ROWS_AT_ONCE)) for n in range(0, max(count, 1), ROWS_AT_ONCE)])


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * np.tanh(0.5 * values)
