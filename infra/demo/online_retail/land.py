"""Writes the demo shop's raw log as a shop would deliver it: one gzipped CSV file a day.

Existing files are left alone, and the same lines always give the same bytes.
"""

from __future__ import annotations

import argparse
import gzip
import io
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from rich.progress import track

SOURCE = Path(__file__).with_name("online_retail.parquet")


def read_lines(until: date | None, customers: int | None) -> pa.Table:
    """The invoice lines, up to a day and of about this many customers."""
    lines = pq.read_table(SOURCE)
    if until:
        lines = lines.filter(pc.less_equal(pc.cast(lines["InvoiceDate"], pa.date32()), until))
    if customers:
        names = pc.drop_null(pc.unique(lines["CustomerID"])).sort("ascending")
        chosen = names.take(pa.array(range(0, len(names), max(1, len(names) // customers))[:customers]))
        keep_anonymous = pc.equal(pc.utf8_slice_codeunits(lines["InvoiceNo"], start=5), "0")
        is_kept = pc.if_else(pc.is_null(lines["CustomerID"]), keep_anonymous, pc.is_in(lines["CustomerID"], chosen))
        lines = lines.filter(is_kept)
    return lines


def to_csv(lines: pa.Table) -> bytes:
    """Gzipped CSV whose bytes depend only on the lines."""
    instants = pc.strftime(lines["InvoiceDate"], format="%Y-%m-%d %H:%M:%S").cast(pa.string())
    texts = lines.set_column(
        lines.column_names.index("InvoiceDate"), "InvoiceDate", pc.utf8_slice_codeunits(instants, 0, 19)
    )
    text = io.BytesIO()
    pa_csv.write_csv(texts, text)
    return gzip.compress(text.getvalue(), compresslevel=6, mtime=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True, help="CHURN_HOME")
    parser.add_argument("--until", type=date.fromisoformat, help="last day to land")
    parser.add_argument("--customers", type=int, help="only about this many customers")
    arguments = parser.parse_args()
    folder = arguments.home / "landing" / "online_retail" / "purchases"
    folder.mkdir(parents=True, exist_ok=True)
    lines = read_lines(arguments.until, arguments.customers)
    days = pc.cast(lines["InvoiceDate"], pa.date32())
    for day in track(pc.unique(days).sort().to_pylist(), "landing daily files"):
        path = folder / f"{day}.csv.gz"
        if not path.exists():
            draft = path.with_suffix(".part")
            draft.write_bytes(to_csv(lines.filter(pc.equal(days, day))))
            draft.rename(path)


if __name__ == "__main__":
    main()
