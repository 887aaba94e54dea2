"""accounts: what became of every record of every raw file.

Grain: one raw file. Input: the judged records. Their expected number is known independently: from the number that the
reader gave to a file's last record, and from its count of all records. So records that are lost or doubled on the way
are noticed.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from spark_jobs.contract.errors import AuditError
from spark_jobs.contract.ledger_tables import ACCOUNTS

if TYPE_CHECKING:  # the status reads accounts, and does without Spark
    from pyspark.sql import DataFrame

#: The columns of ACCOUNTS that add up to lines_in.
PARTS = ("clean", "quarantined", "duplicates", "elsewhere")
NO_RECORD = {"line_empty", "line_skipped"}  # reasons of lines that hold no data
CODE_SEPARATOR = " "  # occurs in no reason code


@dataclass(frozen=True)
class Tally:
    """The number of records of a delivery with the same delivery day, verdict and reasons; `last` is the highest record
    number."""

    delivery_id: str
    delivery_day: date
    verdict: str
    reasons: tuple[str, ...]
    records: int
    last: int

    def to_json(self) -> str:
        return json.dumps([self.delivery_id, self.delivery_day.isoformat(), self.verdict, self.reasons, self.records,
                           self.last])  # fmt: skip

    @staticmethod
    def from_json(text: str) -> Tally:
        delivery_id, day, verdict, reasons, records, last = json.loads(text)
        return Tally(delivery_id, date.fromisoformat(day), verdict, tuple(reasons), records, last)


class TallyCounter:
    """Counts records by delivery, delivery day, verdict and reasons, batch by batch."""

    def __init__(self):
        self.counts: dict[tuple, list[int]] = {}

    def add(self, batch: pa.RecordBatch) -> None:
        """batch: has delivery_id, record_number, delivery_day, verdict and reasons."""
        keys = {name: batch[name] for name in ("delivery_id", "delivery_day", "verdict")}
        keys["codes"] = pc.binary_join(batch["reasons"].cast(pa.list_(pa.string())), CODE_SEPARATOR)
        rows = pa.table({**keys, "record_number": batch["record_number"]})
        counts = rows.group_by(list(keys)).aggregate([("record_number", "count"), ("record_number", "max")])
        for delivery_id, day, verdict, codes, records, last in zip(
            *map(pa.ChunkedArray.to_pylist, counts), strict=True
        ):
            reasons = tuple(codes.split(CODE_SEPARATOR)) if codes else ()
            self.add_tally(Tally(delivery_id, day, verdict, reasons, records, last))

    def add_tally(self, tally: Tally) -> None:
        count = self.counts.setdefault((tally.delivery_id, tally.delivery_day, tally.verdict, tally.reasons), [0, 0])
        count[:] = count[0] + tally.records, max(count[1], tally.last)

    def tallies(self) -> list[Tally]:
        return [Tally(*key, *count) for key, count in self.counts.items()]


def take_tallies(judged: DataFrame) -> list[Tally]:
    """All tallies, in one pass. judged: has delivery_id, record_number, delivery_day, verdict and reasons."""

    def count(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        counter = TallyCounter()
        for batch in batches:
            counter.add(batch)
        yield pa.RecordBatch.from_pydict({"tally": pa.array([t.to_json() for t in counter.tallies()], pa.string())})

    counted = judged.select("delivery_id", "record_number", "delivery_day", "verdict", "reasons")
    total = TallyCounter()
    for row in counted.mapInArrow(count, "tally string").collect():
        total.add_tally(Tally.from_json(row["tally"]))
    return total.tallies()


def with_duplicates(tallies: list[Tally], duplicates: dict[tuple[str, date], int]) -> list[Tally]:
    """The tallies with clean records moved to duplicates: their number by (delivery_id, delivery_day)."""
    changed = []
    for tally in tallies:
        count = duplicates.get((tally.delivery_id, tally.delivery_day), 0) if tally.verdict == "clean" else 0
        changed.append(replace(tally, records=tally.records - count))
        if count:
            changed.append(replace(tally, verdict="duplicate", records=count))
    return changed


def make_accounts(tallies: list[Tally], deliveries: tuple[dict, ...]) -> list[dict]:
    """One row of ACCOUNTS for each delivery, also for a file without records."""
    by_delivery = defaultdict(list)
    for tally in tallies:
        by_delivery[tally.delivery_id].append(tally)
    return [_make_account(delivery, by_delivery[delivery["delivery_id"]]) for delivery in deliveries]


def _make_account(delivery: dict, tallies: list[Tally]) -> dict:
    days = [tally.delivery_day for tally in tallies]

    def count(verdict: str) -> int:
        return sum(tally.records for tally in tallies if tally.verdict == verdict)

    return {
        **{name: delivery[name] for name in ("delivery_id", "path", "log")},
        "lines_in": max((tally.last for tally in tallies), default=0),
        "clean": count("clean"),
        "quarantined": count("quarantined"),
        "duplicates": count("duplicate"),
        "elsewhere": count("elsewhere"),
        "first_delivery_day": min(days, default=None),
        "last_delivery_day": max(days, default=None),
    }


def count_reasons(tallies: list[Tally]) -> Counter[str]:
    """The number of rejected records by reason; one record may have several reasons."""
    counts: Counter[str] = Counter()
    for tally in tallies:
        counts.update(dict.fromkeys(tally.reasons, tally.records))
    return counts


def count_expected(tallies: Iterable[Tally], expected: Collection[str]) -> int:
    """The quarantined records that are no fault of the data: empty lines, and those with an expected reason."""
    return sum(tally.records for tally in tallies if _is_expected(tally, expected))


def _is_expected(tally: Tally, expected: Collection[str]) -> bool:
    return tally.verdict == "quarantined" and not {*NO_RECORD, *expected}.isdisjoint(tally.reasons)


def find_rejected_days(
    tallies: Iterable[Tally], most_share: float, expected: Collection[str] = ()
) -> dict[date, float]:
    """Delivery day -> share of its records that would be quarantined, for days where it exceeds most_share.

    Records of other logs and expected rejections (count_expected) do not count.
    """
    rejected, records = Counter[date](), Counter[date]()
    for tally in tallies:
        if tally.verdict != "elsewhere" and not _is_expected(tally, expected):
            records[tally.delivery_day] += tally.records
            rejected[tally.delivery_day] += tally.records if tally.verdict == "quarantined" else 0
    return {day: rejected[day] / records[day] for day in sorted(records) if rejected[day] > most_share * records[day]}


def sum_accounts(accounts: list[dict]) -> dict[str, int]:
    """The totals of all these files."""
    return {name: sum(row[name] for row in accounts) for name in ("lines_in", *PARTS)}


def check_total(accounts: list[dict], records: int) -> None:
    """Raises AuditError if the accounts do not cover all records that were read."""
    if (total := sum(row["lines_in"] for row in accounts)) != records:
        raise AuditError(ACCOUNTS.name, "this run", [f"expected all {records} records that were read, found {total}"])


def check_accounts(
    log: str,
    accounts: list[dict],
    max_quarantined_share: float,
    as_of: object,
    refusals: Sequence[str] = (),
    expected: int = 0,
) -> None:
    """Raises AuditError if a file's records do not add up, or if too many of all records were rejected.

    refusals: further findings, about refused files. expected: the number of quarantined records that are no fault, see
    count_expected.
    """
    findings = [
        f"{row['path']}: {row['lines_in']} records in, but {row['clean']} clean + {row['quarantined']} quarantined"
        f" + {row['duplicates']} duplicates + {row['elsewhere']} of other logs or erased customers"
        for row in accounts
        if row["lines_in"] != sum(row[part] for part in PARTS)
    ]
    totals = sum_accounts(accounts)
    lines_in = totals["lines_in"] - totals["elsewhere"] - expected
    quarantined = totals["quarantined"] - expected
    if lines_in and quarantined / lines_in > max_quarantined_share:
        findings.append(
            f"{quarantined} of {lines_in} records ({quarantined / lines_in:.0%}) would be quarantined, more than"
            f" max_quarantined_share {max_quarantined_share:.0%}; see the reasons and correct shop.toml or the files"
        )
    findings += refusals
    if findings:
        raise AuditError(log, as_of, findings)


def with_accounts(current: pa.Table, accounts: list[dict]) -> pa.Table:
    """The current accounts, with the rows of these files replaced."""
    replaced = pa.array([row["delivery_id"] for row in accounts], pa.string())
    kept = current.filter(pc.invert(pc.is_in(current.column("delivery_id"), replaced)))
    return pa.concat_tables([kept, pa.Table.from_pylist(accounts, schema=current.schema)])
