"""Chooses the reasons to show: those whose sentence is bad news, the strongest first, without repetition.

A model may base a risk on something that no person would accept as a reason, such as a purchase seven days ago when two
weeks are usual. Such evidence is left out. A customer without another reason gets the base rate of similar customers.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa

from spark_jobs.contract.reason_words import BASE_RATE
from spark_jobs.contract.shop.model import Shop
from training.serving.explanation import Reasons
from training.serving.reason_texts import write_texts


def choose_reasons(
    reasons: Reasons, batch: pa.RecordBatch | pa.Table, measures: tuple[str, ...], as_of: date, shop: Shop,
    present: np.ndarray,
) -> tuple[Reasons, np.ndarray]:  # fmt: skip
    """The reasons to show, and their sentences (B, MOST_REASONS) object; None if there is no further reason.

    present: (B,) the primary probability.
    """
    texts = write_texts(reasons, batch, measures, as_of, shop, present)
    for rank in range(1, texts.shape[1]):
        is_repeated = (texts[:, :rank] == texts[:, rank : rank + 1]).any(axis=1)
        texts[is_repeated, rank] = None
    is_shown = texts != None  # noqa: E711, of each element
    order = np.argsort(~is_shown, axis=1, kind="stable")
    chosen = reasons.only(is_shown)
    texts = np.take_along_axis(texts, order, axis=1)
    chosen = Reasons(*(np.take_along_axis(values, order, axis=1) for values in chosen))
    bare = np.flatnonzero(~is_shown.any(axis=1))
    chosen.group[bare, 0], chosen.weeks[bare, 0] = BASE_RATE, 0
    base_rate = Reasons(chosen.group[bare], chosen.weeks[bare], chosen.effect[bare])
    texts[bare] = write_texts(base_rate, pa.table(batch).take(pa.array(bare)), measures, as_of, shop, present[bare])
    return chosen, texts
