"""Writes judged records to the unpublished files of both tables, in the same pass that judges them.

A task returns one row: the names of its files and its tallies. Its customers' own ids are in one of the files, see
customer_files.py. Duplicates are found afterwards, by the columns that identify an event; only files that contain some
are rewritten.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame

from spark_jobs.cleaning import plausible
from spark_jobs.cleaning.accounts import Tally, TallyCounter
from spark_jobs.cleaning.customer_files import CustomerFiles
from spark_jobs.cleaning.plausible import Sizes
from spark_jobs.cleaning.repeats import NO_CONFLICTS, Conflicts
from spark_jobs.lake.run_folder import PartitionWriter
from spark_jobs.lake.store import Draft
from spark_jobs.raw.hashing import Hasher
from spark_jobs.raw.reader import Reader

#: A task's report: its files and tallies as JSON.
REPORT = pa.schema([("report", pa.string())])
REPORT_DDL = "report string"
#: Columns of clean records whose values hardly repeat.
UNIQUE = ("event_id", "event_at", "record_number")


@dataclass(frozen=True)
class Outcome:
    """The result of all tasks: files by verdict, tallies, the names of the files with the ids of the customers with
    clean records, line sizes by delivery (see plausible.py), and the duplicates that conflict with the event that
    counts.
    """

    files: dict[str, list[str]]
    tallies: list[Tally]
    customer_files: list[str]
    sizes: dict[str, Sizes]
    conflicts: Conflicts = NO_CONFLICTS


class _Drafter:
    """Writes the records of one task and reports on them."""

    def __init__(self, drafts: Mapping[str, Draft], customer_files: CustomerFiles, hasher: Hasher):
        self.drafts, self.customer_files, self.hasher = drafts, customer_files, hasher
        self.writers = {
            verdict: PartitionWriter(draft.folder, draft.table.partition, UNIQUE if verdict == "clean" else ())
            for verdict, draft in drafts.items()
        }
        self.counter = TallyCounter()
        self.customer_ids: list[pa.Array] = []
        self.sizes: dict[str, Sizes] = defaultdict(Counter)

    def write(self, verdict: str, rows: pa.RecordBatch) -> None:
        """rows: records of one verdict, with the columns of its table and, if clean, raw_customer_id."""
        self.writers[verdict].write(rows.select(list(self.drafts[verdict].table.column_names)))
        if verdict == "clean":
            self.customer_ids.append(pc.unique(rows["raw_customer_id"]))

    def write_states(self, rows: pa.RecordBatch) -> None:
        """rows: rejected records after which their order no longer counts, see updates.py."""
        self.writers["clean"].write(rows.select(list(self.drafts["clean"].table.column_names)))

    def add_sizes(self, sizes: Mapping[str, Sizes]) -> None:
        for delivery_id, counts in sizes.items():
            self.sizes[delivery_id].update(counts)

    def report(self) -> dict[str, object]:
        """A row of REPORT."""
        files = {verdict: writer.close() for verdict, writer in self.writers.items()}
        tallies = [tally.to_json() for tally in self.counter.tallies()]
        sizes = {delivery_id: plausible.to_text(counts) for delivery_id, counts in self.sizes.items()}
        raw_ids = pc.unique(pa.chunked_array(self.customer_ids, pa.string()))
        customers = [self.customer_files.write(raw_ids, self.hasher)] if len(raw_ids) else []
        report = {"files": files, "tallies": tallies, "sizes": sizes, "customers": customers}
        return {"report": json.dumps(report)}


def write_drafts(judged: DataFrame, drafts: dict[str, Draft], customer_files: CustomerFiles, hasher: Hasher) -> Outcome:
    """Writes the records of each verdict that has a draft. judged: has the columns of both tables, verdict,
    raw_customer_id and content; sorted by delivery day if a delivery has several."""
    needed = {name for draft in drafts.values() for name in draft.table.column_names}
    narrow = judged.select(*sorted(needed), "verdict", "raw_customer_id", "content")
    rows = narrow.mapInArrow(_make_writer(drafts, customer_files, hasher), REPORT_DDL).collect()
    counter = TallyCounter()
    files: dict[str, list[str]] = {verdict: [] for verdict in drafts}
    customers: list[str] = []
    sizes: dict[str, Sizes] = defaultdict(Counter)
    for report in (json.loads(row["report"]) for row in rows):
        for verdict, paths in report["files"].items():
            files[verdict] += paths
        customers += report["customers"]
        for tally in report["tallies"]:
            counter.add_tally(Tally.from_json(tally))
        for delivery_id, text in report["sizes"].items():
            sizes[delivery_id].update(plausible.from_text(text))
    return Outcome(files, counter.tallies(), customers, dict(sizes))


def _make_writer(drafts: dict[str, Draft], customer_files: CustomerFiles, hasher: Hasher) -> Reader:
    """The function for mapInArrow: judged records in, one report out."""
    has_amounts, has_weights = (name in drafts["clean"].table.column_names for name in ("amount", "weight"))

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        drafter, hash_record = _Drafter(drafts, customer_files, hasher), hasher.for_purpose("record")
        for records in batches:
            drafter.counter.add(records)
            if has_amounts:
                drafter.add_sizes(plausible.count_sizes(records))
            for verdict in drafts:
                rows = records.filter(pc.equal(records["verdict"], verdict))
                drafter.write(verdict, _with_hashes(rows, hash_record) if verdict == "quarantined" else rows)
            if has_weights:
                drafter.write_states(records.filter(pc.equal(records["weight"], 0)))
        yield pa.RecordBatch.from_pylist([drafter.report()], REPORT)

    return write


def _with_hashes(rejected: pa.RecordBatch, hash_record: Callable[[str], str]) -> pa.RecordBatch:
    """The rows, with a record_hash for those that had none."""
    pairs = zip(rejected["record_hash"].to_pylist(), rejected["content"].to_pylist(), strict=True)
    hashes = pa.array([found or hash_record(content) for found, content in pairs], pa.string())
    return rejected.set_column(rejected.schema.get_field_index("record_hash"), "record_hash", hashes)
