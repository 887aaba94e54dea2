"""What the peers, DuckDB and Polars, have in common: arguments, files, the columns' names, texts to sentiments."""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa

from spark_jobs.cleaning.sentiment import score_reviews
from spark_jobs.contract.measures import MEASURES, SERIES_MEASURES, SETS
from spark_jobs.runtime.command import day

SUM_NAMES = [measure.name for measure in MEASURES]
SET_NAMES = [measure.name for measure in SETS]
SERIES_NAMES = [measure.name for measure in SERIES_MEASURES]
COUNT_NAMES = ["session_count", "viewed_category_count", "abandoned_cart_count", "new_category_count"]


def read_arguments(description: str | None, argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw", type=Path, required=True, metavar="DIR", help="with a folder for each log")
    parser.add_argument("--state", type=Path, required=True, metavar="DIR", help="where the tables are kept")
    parser.add_argument("--as-of", type=day, required=True, metavar="DAY")
    parser.add_argument("--after", type=day, metavar="DAY", help="the last day that was read before")
    parser.add_argument("--result", type=Path, required=True, metavar="FILE", help="gets the CPU seconds by step")
    return parser.parse_args(argv)


def list_files(raw: Path, log: str, after: date | None, as_of: date) -> list[str]:
    """The log's files whose name begins with a day after `after` and up to as_of, in their order."""
    files = sorted((raw / log).iterdir())
    return [str(file) for file in files if (str(after) if after else "") < file.name[:10] <= str(as_of)]


def score_texts(reviews: pa.Table) -> pa.Table:
    """Adds sentiment to distinct pairs of text and rating, by the product's own word lists: no engine has any."""
    scores = score_reviews(reviews["text"].to_pylist(), reviews["rating"].cast(pa.float64()).to_pylist())
    exact = [None if score is None else Decimal(f"{score:.3f}") for score in scores]
    return reviews.append_column("sentiment", pa.array(exact, pa.decimal128(4, 3)))


class Phases:
    """The CPU seconds of a process by step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def measure(self, name: str) -> Iterator[None]:
        start = time.process_time()
        yield
        self.seconds[name] = time.process_time() - start

    def write(self, file: Path) -> None:
        """With the rest, the start of the interpreter and its libraries, as `start`."""
        start = time.process_time() - sum(self.seconds.values())
        file.write_text(json.dumps({"start": start, **self.seconds}))
