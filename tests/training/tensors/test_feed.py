"""Does training get every labelled customer in random order, and the same tensors whether stored or built?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

import numpy as np
import pyarrow as pa
import pytest

from tests.training.series import PURCHASE, day, draw_shop_series, make_series, make_shop
from training.config import ModelSettings
from training.tensors import feed as feeding
from training.tensors import series as series_module
from training.tensors.dataset import Tensors, TensorSpec, concat
from training.tensors.feed import Feed
from training.tensors.series import Series

SPEC = TensorSpec.from_shop(make_shop(), ModelSettings())


def test_training_and_scoring_tensors_are_identical():
    """The same customer, in the training series of a shop and alone in a nightly batch."""
    series = draw_shop_series(60, 200)
    as_of = day(199)
    trained = next(_feed(Feed(Series(series, as_of), SPEC, 32), _seed_of_phase(0)))
    for row in range(0, len(trained.lengths), 7):
        name = trained.customer_id[row].as_py()
        alone = series.filter(pa.array([n == name for n in series["customer_id"].to_pylist()]))
        scored = SPEC.build(alone.to_batches()[0], as_of)
        steps = scored.lengths[0]
        assert trained.inputs[row, :steps].tobytes() == scored.inputs[0].tobytes()
        assert not trained.inputs[row, steps:].any()


def _everybody(ids: pa.Array) -> np.ndarray:
    return np.ones(len(ids), bool)


def _feed(feed: Feed, seed: int, keep=_everybody) -> Iterator[Tensors]:
    """The rows that are fed, chunk by chunk."""
    return (tensors.take(rows) for tensors, rows in feed.shuffled(seed, keep))


def _seed_of_phase(phase: int) -> int:
    return next(s for s in range(1000) if np.random.default_rng(s).integers(7) == phase)


def test_an_epoch_has_every_labelled_customer_once_and_epochs_cover_every_weekday():
    series = Series(make_series({f"c{n}": {n % 40: PURCHASE} for n in range(50)}, day(199)), day(199))
    weekdays = set()
    for epoch in range(40):
        chunks = list(_feed(Feed(series, SPEC, 32), epoch))
        ids = [i for chunk in chunks for i in chunk.customer_id.to_pylist()]
        assert sorted(ids) == sorted(f"c{n}" for n in range(50))
        weekdays |= {int(day_number) % 7 for chunk in chunks for day_number in chunk.last(chunk.step_ends)}
    assert weekdays == set(range(7))


def test_the_order_of_an_epoch_comes_from_its_seed_not_from_the_rows():
    table = make_series({f"c{n}": {n % 40: PURCHASE} for n in range(50)}, day(199))
    backwards = table.take(pa.array(range(49, -1, -1)))

    def order(rows: pa.Table, seed: int) -> list[str]:
        chunks = _feed(Feed(Series(rows, day(199)), SPEC, 32), seed)
        return [name for chunk in chunks for name in chunk.customer_id.to_pylist()]

    assert order(table, 1) == order(backwards, 1)
    assert order(table, 1) != order(table, 2)


@pytest.mark.parametrize("phase", [0, 3])
def test_stored_tensors_give_the_same_chunks_as_built_ones(monkeypatch, phase):
    """In several chunks, for some of the customers, of whom some came after the end of the grid."""
    monkeypatch.setattr(feeding, "CHUNK_ROWS", 16)
    monkeypatch.setattr(series_module, "CHUNK_ROWS", 16)
    series = Series(draw_shop_series(60, 200), day(199)).truncated(day(150))

    def keep(ids: pa.Array) -> np.ndarray:
        return np.array([int(name.as_py()[-1]) % 3 > 0 for name in ids])

    kept = Feed(series, SPEC, 32)
    monkeypatch.setattr(feeding, "MOST_BYTES", 0)
    built = Feed(series, SPEC, 32)
    seed = _seed_of_phase(phase)
    pairs = list(zip(_feed(kept, seed, keep), _feed(built, seed, keep), strict=True))
    assert len(pairs) > 2
    for one, other in [*pairs, (concat(list(kept.in_order(keep))), concat(list(built.in_order(keep))))]:
        assert one.customer_id.equals(other.customer_id)
        for field in fields(Tensors)[1:]:
            np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))
