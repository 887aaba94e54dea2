"""The LSTM over all time steps of a history; models/network/ builds, trains and serves it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from training.models.contender import Appearance, Contender
from training.models.members import NetworkMembers
from training.models.network.architecture import Architecture
from training.models.network.served import ServedNetwork

if TYPE_CHECKING:
    from training.models.network.network import ChurnNetwork

LSTM = "lstm"


class Lstm(Contender):
    kind = LSTM
    order = 6
    appearance: ClassVar[Appearance] = Appearance("LSTM network", "#0077bb", "12 2")

    @staticmethod
    def rebuild_members(count: int, files: Mapping[str, bytes], architecture: Architecture) -> NetworkMembers:
        """Raises ChurnError if the weights do not fit the architecture."""
        return NetworkMembers.from_files(build_network(architecture), count, files)


def build_network(architecture: Architecture) -> ChurnNetwork | ServedNetwork:
    """The LSTM served without TensorFlow; other cells, which exist for ablations, need TensorFlow."""
    if architecture.cell == "lstm":
        return ServedNetwork(architecture)
    from training.models.network.network import ChurnNetwork

    return ChurnNetwork(architecture)
