"""The models of a candidate, one per fold, whose mean it predicts; one interface for all kinds.

Members are stored as data only, JSON or plain arrays, and are rebuilt by code, never unpickled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from spark_jobs.contract.errors import ChurnError
from training.models.estimator import RowContender
from training.models.network.architecture import Architecture
from training.models.network.served import ServedNetwork

if TYPE_CHECKING:
    from training.models.network.network import ChurnNetwork

WEIGHTS_FILE = "weights.f32"


def serve_network(architecture: Architecture) -> ChurnNetwork | ServedNetwork:
    """The LSTM is served without TensorFlow; other cells, which exist for ablations, need TensorFlow."""
    if architecture.cell == "lstm":
        return ServedNetwork(architecture)
    from training.models.network.network import ChurnNetwork

    return ChurnNetwork(architecture)


class Members(Protocol):
    """The K fold models of one candidate."""

    count: int

    def predict_cells(self, member: int, inputs: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """(n, H) float64 probabilities of one member at the n steps where `chosen` (B, T) is true, in row order."""
        ...

    def predict_last(self, inputs: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """(B, H) float64 probabilities at every customer's last step, the mean over the members."""
        ...

    def predict_with_states(
        self, inputs: np.ndarray, lengths: np.ndarray, spans: tuple[int, ...]
    ) -> tuple[np.ndarray, Any]:
        """The result of predict_last, and the states before the last `spans` steps, which predict_tails needs."""
        ...

    def predict_tails(
        self, memory: Any, rows: np.ndarray, tails: np.ndarray, lengths: np.ndarray, spans: np.ndarray
    ) -> np.ndarray:
        """(P, H) the result of predict_last for customers with stored states, rows (P,), with changed last steps.

        spans (P,): how many of their last steps are replaced by those at the end of tails (P, S, F), which have
        lengths (P,).
        """
        ...

    def for_serving(self) -> Members:
        """The same members in the code that a night scores with."""
        ...

    def to_files(self) -> dict[str, bytes]: ...


class RowMembers:
    """Members that use the inputs of one time step only."""

    def __init__(self, estimators: Sequence[RowContender]):
        self.estimators, self.count = estimators, len(estimators)

    def predict_cells(self, member: int, inputs: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        return self.estimators[member].predict(inputs[chosen])

    def predict_last(self, inputs: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        rows = inputs[np.arange(len(lengths)), lengths - 1]
        return np.mean([estimator.predict(rows) for estimator in self.estimators], axis=0)

    def predict_with_states(
        self, inputs: np.ndarray, lengths: np.ndarray, spans: tuple[int, ...]
    ) -> tuple[np.ndarray, None]:
        return self.predict_last(inputs, lengths), None

    def predict_tails(
        self, memory: None, rows: np.ndarray, tails: np.ndarray, lengths: np.ndarray, spans: np.ndarray
    ) -> np.ndarray:
        return self.predict_last(tails, lengths)

    def for_serving(self) -> RowMembers:
        return self

    def to_files(self) -> dict[str, bytes]:
        return {
            f"member_{number}_{name}": content
            for number, estimator in enumerate(self.estimators)
            for name, content in estimator.to_files().items()
        }

    @classmethod
    def from_files(cls, contender: type[RowContender], count: int, files: Mapping[str, bytes]) -> RowMembers:
        own = [{name.removeprefix(f"member_{n}_"): content for name, content in files.items()
                if name.startswith(f"member_{n}_")} for n in range(count)]  # fmt: skip
        return cls([contender.from_files(part) for part in own])


class NetworkMembers:
    """The weights of several networks of one architecture, loaded in turn into a network that is built and traced once.

    weights: (K, W) float32, a row per member, in the order of ChurnNetwork.to_flat.
    """

    def __init__(self, network: ChurnNetwork | ServedNetwork, weights: np.ndarray):
        self.network, self.weights, self.count = network, weights, len(weights)

    def predict_cells(self, member: int, inputs: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        self.network.load_flat(self.weights[member])
        return self.network.predict_steps(inputs)[chosen]

    def predict_last(self, inputs: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        total = np.zeros((len(lengths), len(self.network.architecture.horizons_days)))
        for weights in self.weights:
            self.network.load_flat(weights)
            total += self.network.predict_last(inputs, lengths)
        return total / self.count

    def predict_with_states(
        self, inputs: np.ndarray, lengths: np.ndarray, spans: tuple[int, ...]
    ) -> tuple[np.ndarray, list]:
        results = []
        for weights in self.weights:
            self.network.load_flat(weights)
            results.append(self.network.predict_with_states(inputs, lengths, spans))
        return np.sum([p for p, _ in results], axis=0) / self.count, [memory for _, memory in results]

    def predict_tails(
        self, memory: list, rows: np.ndarray, tails: np.ndarray, lengths: np.ndarray, spans: np.ndarray
    ) -> np.ndarray:
        results = []
        for weights, own in zip(self.weights, memory, strict=True):
            self.network.load_flat(weights)
            results.append(self.network.predict_tails(own, rows, tails, lengths, spans))
        return np.sum(results, axis=0) / self.count

    def for_serving(self) -> NetworkMembers:
        return NetworkMembers(serve_network(self.network.architecture), self.weights)

    def to_files(self) -> dict[str, bytes]:
        """The weights as raw float32 numbers, without a header or an archive that would have to be trusted."""
        return {WEIGHTS_FILE: self.weights.astype("<f4").tobytes()}

    @classmethod
    def from_files(
        cls, network: ChurnNetwork | ServedNetwork, count: int, files: Mapping[str, bytes]
    ) -> NetworkMembers:
        """Raises ChurnError if the weights do not fit the architecture."""
        content = files.get(WEIGHTS_FILE, b"")
        width = 4 * network.size
        if len(content) != count * width:
            raise ChurnError(f"the model's {WEIGHTS_FILE} has {len(content)} bytes, not {count * width}: train again")
        weights = np.frombuffer(content, "<f4").astype(np.float32).reshape(count, -1)
        for member in weights:
            network.load_flat(member)
        return cls(network, weights)
