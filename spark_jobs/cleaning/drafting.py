"""Writes judged records to the unpublished files of both tables, in the same pass that judges them.

A task returns one row: its files, its tallies and the customers of its records. Duplicates are found afterwards, by the
columns that identify an event; only files that contain some are rewritten.
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
from spark_jobs.cleaning.plausible import Sizes
from spark_jobs.cleaning.repeats import NO_CONFLICTS, Conflicts
from spark_jobs.lake.run_folder import PartitionWriter
from spark_jobs.lake.store import Draft
from spark_jobs.raw.hashing import Hasher
from spark_jobs.raw.reader import Reader

IDS = pa.schema([("customer_id", pa.string())])
#: A task's report: its files and tallies as JSON, and the raw ids of the customers in its clean records.
REPORT = pa.schema([("report", pa.string()), ("customer_ids", pa.binary())])
REPORT_DDL = "report string, customer_ids binary"
#: Columns of clean records whose values hardly repeat.
UNIQUE = ("event_id", "event_at", "record_number")


@dataclass(frozen=True)
class Outcome:
    """The result of all tasks: files by verdict, tallies, raw ids of the customers with clean records, line sizes by
    delivery (see plausible.py), and the duplicates that conflict with the event that counts.
    """

    files: dict[str, list[str]]
    tallies: list[Tally]
    customer_ids: pa.Array
    sizes: dict[str, Sizes]
    conflicts: Conflicts = NO_CONFLICTS


class _Drafter:
    """Writes the records of one task and reports on them."""

    def __init__(self, drafts: Mapping[str, Draft]):
        self.drafts = drafts
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
        report = json.dumps({"files": files, "tallies": tallies, "sizes": sizes})
        return {"report": report, "customer_ids": _pack(pc.unique(pa.chunked_array(self.customer_ids, pa.string())))}


def write_drafts(judged: DataFrame, drafts: dict[str, Draft], hasher: Hasher) -> Outcome:
    """Writes the records of each verdict that has a draft. judged: has the columns of both tables, verdict,
    raw_customer_id and content; sorted by delivery day if a delivery has several."""
    needed = {name for draft in drafts.values() for name in draft.table.column_names}
    narrow = judged.select(*sorted(needed), "verdict", "raw_customer_id", "content")
    rows = narrow.mapInArrow(_make_writer(drafts, hasher), REPORT_DDL).collect()
    counter = TallyCounter()
    files: dict[str, list[str]] = {verdict: [] for verdict in drafts}
    sizes: dict[str, Sizes] = defaultdict(Counter)
    for report in (json.loads(row["report"]) for row in rows):
        for verdict, paths in report["files"].items():
            files[verdict] += paths
        for tally in report["tallies"]:
            counter.add_tally(Tally.from_json(tally))
        for delivery_id, text in report["sizes"].items():
            sizes[delivery_id].update(plausible.from_text(text))
    customer_ids = pc.unique(pa.chunked_array([_unpack(row["customer_ids"]) for row in rows], pa.string()))
    return Outcome(files, counter.tallies(), customer_ids, dict(sizes))


def _make_writer(drafts: dict[str, Draft], hasher: Hasher) -> Reader:
    """The function for mapInArrow: judged records in, one report out."""
    has_amounts, has_weights = (name in drafts["clean"].table.column_names for name in ("amount", "weight"))

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        drafter, hash_record = _Drafter(drafts), hasher.for_purpose("record")
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


def _pack(ids: pa.Array) -> bytes:
    """Packs all ids into one value: row by row they would cost more than the events."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, IDS, options=pa.ipc.IpcWriteOptions(compression="zstd")) as stream:
        stream.write_batch(pa.RecordBatch.from_arrays([ids.sort()], schema=IDS))
    return sink.getvalue().to_pybytes()


def _unpack(packed: bytes) -> pa.Array:
    return pa.ipc.open_stream(packed).read_all().column(0).combine_chunks()
