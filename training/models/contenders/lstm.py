"""The LSTM over all time steps of a history; models/network/ builds, trains and serves it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from training.models.contender import Appearance, Contender
from training.models.members import NetworkMembers, serve_network
from training.models.network.architecture import Architecture

LSTM = "lstm"


class Lstm(Contender):
    kind = LSTM
    order = 6
    appearance: ClassVar[Appearance] = Appearance("LSTM network", "#0077bb", "12 2")

    @staticmethod
    def rebuild_members(count: int, files: Mapping[str, bytes], architecture: Architecture) -> NetworkMembers:
        """Raises ChurnError if the weights do not fit the architecture."""
        return NetworkMembers.from_files(serve_network(architecture), count, files)
