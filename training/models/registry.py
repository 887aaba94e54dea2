"""The registry of contenders, the simplest first, and how their members are rebuilt from files."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules

import numpy as np

from training.models import contenders
from training.models.blend import BlendContender, BlendMembers, files_of, read_weights
from training.models.contender import Contender
from training.models.contenders.lstm import Lstm
from training.models.estimator import RowContender
from training.models.members import Members, RowMembers
from training.models.network.architecture import Architecture


def _load() -> dict[str, type[Contender]]:
    modules = [import_module(f"{contenders.__name__}.{module.name}") for module in iter_modules(contenders.__path__)]
    declared: list[type[Contender]] = [
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Contender) and value.__module__ == module.__name__
    ]
    return {one.kind: one for one in sorted(declared, key=lambda one: one.order)}


#: By kind, the simplest first.
CONTENDERS: dict[str, type[Contender]] = _load()
KINDS = tuple(CONTENDERS)
#: Blends with their parts. All other kinds are trained by themselves.
BLENDS = {kind: one.parts for kind, one in CONTENDERS.items() if one.parts}
LEARNING_KINDS = tuple(kind for kind in KINDS if kind not in BLENDS)


def row_contender(kind: str) -> type[RowContender]:
    """The class of a kind that uses single time steps. Raises ValueError for other kinds."""
    contender = CONTENDERS[kind]
    if not issubclass(contender, RowContender):
        raise ValueError(f"{kind} does not learn from single steps")
    return contender


def blend_contender(kind: str) -> type[BlendContender]:
    """The class of a blend. Raises ValueError for other kinds."""
    contender = CONTENDERS[kind]
    if not issubclass(contender, BlendContender):
        raise ValueError(f"{kind} is made of no others")
    return contender


def rebuild_members(kind: str, count: int, files: Mapping[str, bytes], architecture: Architecture) -> Members:
    """The members from the files of `to_files`. Raises ChurnError if the files do not fit."""
    contender = CONTENDERS[kind]
    if contender.parts:
        weights = read_weights(files, contender.parts, len(architecture.horizons_days))
        parts = {part: rebuild_members(part, count, files_of(part, files), architecture) for part in weights}
        return BlendMembers(parts, np.stack(list(weights.values())))
    if contender is Lstm:
        return Lstm.rebuild_members(count, files, architecture)
    return RowMembers.from_files(row_contender(kind), count, files)
