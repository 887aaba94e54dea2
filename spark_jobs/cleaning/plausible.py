"""Finds lines with an implausibly large amount. Pure, except that collect_sizes runs a Spark query.

A scanning error or a wrong unit can exceed a year's sales of the shop. The limit follows from the shop's own lines: a
thousand times their 99th percentile. It is taken over the lines of the delivery, of all deliveries of its day and of
earlier days, so it depends neither on later data nor on the order of runs. One line in a hundred may be an error
without moving the limit. With fewer than 500 lines it is ten thousand times the median; below 50 lines there is none.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from itertools import groupby

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

IMPLAUSIBLE = "amount_implausible"
#: (fewest lines, quantile, decades above the quantile). The largest real order of Online Retail is 846 times its 99th
#: percentile.
RULES = ((500, 0.99, 3), (50, 0.5, 4))
STEPS = 10  # sizes per decade
LOWEST, HIGHEST = -2 * STEPS, 12 * STEPS  # 0.01 and 10^12

Delivery = Mapping
#: Size -> number of lines. Lines of size n are worth more than 10 ** ((n - 1) / STEPS) and up to 10 ** (n / STEPS).
Sizes = Counter[int]


def count_sizes(rows: pa.RecordBatch) -> dict[str, Sizes]:
    """The sizes of judged lines by delivery. rows: has delivery_id, amount, reasons and verdict."""
    is_sole = pc.equal(pc.binary_join(rows["reasons"], " "), IMPLAUSIBLE)
    lines = rows.filter(pc.or_(pc.equal(rows["verdict"], "clean"), is_sole))
    amounts = lines["amount"].cast(pa.float64()).to_numpy(zero_copy_only=False)
    sized = pa.table({"delivery_id": lines["delivery_id"], "amount": amounts}).filter(pa.array(amounts > 0))
    sizes = np.ceil(np.log10(sized["amount"].to_numpy()) * STEPS - 1e-9).astype(np.int64)
    counts = (
        pa.table({"id": sized["delivery_id"], "size": sizes}).group_by(["id", "size"]).aggregate([([], "count_all")])
    )
    found: dict[str, Sizes] = {}
    for row in counts.to_pylist():
        found.setdefault(row["id"], Counter())[row["size"]] = row["count_all"]
    return found


def collect_sizes(judged: DataFrame) -> dict[str, Sizes]:
    """The sizes of judged lines by delivery, from a Spark frame."""
    size = F.ceil(F.log10(F.col("amount").cast("double")) * STEPS - 1e-9).cast("int").alias("size")
    lines = judged.where("verdict = 'clean' and amount > 0").select("delivery_id", size)
    found: dict[str, Sizes] = {}
    for row in lines.groupBy("delivery_id", "size").count().collect():
        found.setdefault(row["delivery_id"], Counter())[row["size"]] = row["count"]
    return found


def find_limits(deliveries: Iterable[Delivery], sizes: Mapping[str, Sizes]) -> dict[str, Decimal]:
    """delivery_id -> largest plausible amount, for deliveries with larger lines.

    deliveries: all registered ones. sizes: by delivery_id, including deliveries that were cleaned before.
    """
    before: Sizes = Counter()
    limits: dict[str, Decimal] = {}
    for _, group in groupby(sorted(deliveries, key=_known_from), key=_known_from):
        ids = [delivery["delivery_id"] for delivery in group if delivery["delivery_id"] in sizes]
        for delivery_id in ids:
            before.update(sizes[delivery_id])
        largest = _largest_plausible(before)
        if largest is not None:
            limit = Decimal(f"{10 ** (largest / STEPS):.2f}")
            limits |= {one: limit for one in ids if max(sizes[one], default=LOWEST) > largest}
    return limits


def _known_from(delivery: Delivery) -> date:
    return delivery["delivery_day"] or delivery["not_before"] or date.min


def _largest_plausible(sizes: Sizes) -> int | None:
    lines = sizes.total()
    for fewest, share, decades in RULES:
        if lines >= fewest:
            ascending = sorted(sizes)
            below = np.cumsum([sizes[size] for size in ascending])
            return ascending[int(np.searchsorted(below, share * lines))] + decades * STEPS
    return None


def to_text(sizes: Sizes | None) -> str | None:
    """The JSON text of accounts.amount_sizes; None if there are no sizes."""
    return json.dumps({str(size): sizes[size] for size in sorted(sizes)}) if sizes else None


def from_text(text: str | None) -> Sizes:
    return Counter({int(size): count for size, count in json.loads(text or "{}").items()})
