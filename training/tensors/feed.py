"""Feeds the tensors of a series to training: in order, or as shuffled chunks of one pass.

Building tensors costs more than a gradient step on them. They are therefore built once for each phase of the grid,
kept in memory, and shared by folds, epochs and kinds of model. Where they are too large for that, every pass builds
them, chunk by chunk; the chunks are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from training.tensors.dataset import Tensors, TensorSpec, concat
from training.tensors.series import CHUNK_ROWS, Series

#: The most memory for kept tensors, with what training has of them on its device; about 30,000 customers with a year of
#: history need it.
MOST_BYTES = 4 * 2**30

#: (customers,) bool of customer ids: who is fed.
Keep = Callable[[pa.Array], np.ndarray]


class Part(NamedTuple):
    """Tensors, and which of their rows are fed, in which order."""

    tensors: Tensors
    rows: np.ndarray


@dataclass(frozen=True)
class _Phase:
    """The tensors of one phase. place: by row of the series, the row in tensors, -1 where the customer is left out."""

    tensors: Tensors
    place: np.ndarray


class Feed:
    """The tensors of a series, padded to `steps`."""

    def __init__(self, series: Series, spec: TensorSpec, steps: int):
        self.series, self.spec, self.steps = series, spec, steps
        values = 2 * (len(spec.features) + 2 * len(spec.churn.horizons_days)) + 4
        needed = 4 * series.count * steps * values * spec.step_days
        self._keeps = series.is_in_memory and needed <= MOST_BYTES
        self._phases: dict[int, _Phase] = {}
        self._lock = Lock()  # several kinds learn at a time

    def in_order(self, keep: Keep | None = None) -> Iterator[Tensors]:
        """All customers, or those of `keep`, on the grid that ends at as_of; CHUNK_ROWS or fewer at a time."""
        if self._keeps:
            tensors = self._find(0).tensors
            rows = np.arange(len(tensors.lengths)) if keep is None else np.flatnonzero(keep(tensors.customer_id))
            yield from (tensors.take(rows[start : start + CHUNK_ROWS]) for start in range(0, len(rows), CHUNK_ROWS))
            return
        for chunk in self.series.chunks():
            kept = chunk if keep is None else chunk.filter(pa.array(keep(_ids(chunk))))
            if kept.num_rows:
                yield self._build(kept, 0)

    def shuffled(self, seed: int, keep: Keep) -> Iterator[Part]:
        """One pass over the customers of `keep` who have labels, in an order and on a phase drawn from `seed`;
        CHUNK_ROWS or fewer at a time. The tensors are the phase's where they are kept, and else hold a chunk."""
        phase = int(np.random.default_rng(seed).integers(self.spec.step_days))
        for tensors, rows in self._find_shuffled(phase, seed, keep):
            teaching = rows[tensors.known_days[rows].any(axis=1)]
            if len(teaching):
                yield Part(tensors, teaching)

    def _find_shuffled(self, phase: int, seed: int, keep: Keep) -> Iterator[Part]:
        """All of `keep`, chunk by chunk."""
        if not self._keeps:
            for chunk in self.series.chunks(seed):
                tensors = self._build(chunk.filter(pa.array(keep(_ids(chunk)))), phase)
                yield Part(tensors, np.arange(len(tensors.lengths)))
            return
        found = self._find(phase)
        is_kept = keep(found.tensors.customer_id)
        order = found.place[self.series.shuffle(seed)]
        for start in range(0, len(order), CHUNK_ROWS):
            rows = order[start : start + CHUNK_ROWS]
            rows = rows[rows >= 0]
            yield Part(found.tensors, rows[is_kept[rows]])

    def _find(self, phase: int) -> _Phase:
        with self._lock:
            if phase not in self._phases:
                tensors = concat([self._build(chunk, phase) for chunk in self.series.chunks()])
                place = pc.index_in(self.series.customer_id, value_set=tensors.customer_id)
                self._phases[phase] = _Phase(tensors, pc.fill_null(place, -1).to_numpy(zero_copy_only=False))
            return self._phases[phase]

    def _build(self, chunk: pa.Table, phase: int) -> Tensors:
        return self.spec.build(chunk, self.series.as_of, phase, self.steps, self.series.delay_days)


def _ids(chunk: pa.Table) -> pa.Array:
    return chunk["customer_id"].combine_chunks()
