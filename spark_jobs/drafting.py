"""From judged records to the files of both tables, not yet published: written in the same pass that judges them.

What comes back from a task is one narrow row: its files, how many records became what, and whom it met. Repeats are
found afterwards, by the columns that identify an event; only the files that hold some are written anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame

from spark_jobs._run_folder import PartitionWriter, rewrite_file
from spark_jobs.accounts import Tally, TallyCounter
from spark_jobs.lake import Draft
from spark_jobs.raw import Hasher
from spark_jobs.repeats import PLACE

IDS = pa.schema([("customer_id", pa.string())])


@dataclass(frozen=True)
class Outcome:
    """What the tasks wrote: files by verdict, tallies, and the raw ids of the customers who have clean records."""

    files: dict[str, list[str]]
    tallies: list[Tally]
    customer_ids: pa.Array


def write_drafts(judged: DataFrame, drafts: dict[str, Draft], hasher: Hasher) -> Outcome:
    """Writes the records of each verdict that has a draft. judged: has the columns of both tables, verdict,
    raw_customer_id and content; where a delivery has more than one delivery day, sorted by it."""
    needed = {name for draft in drafts.values() for name in draft.table.column_names}
    narrow = judged.select(*sorted(needed), "verdict", "raw_customer_id", "content")
    rows = narrow.mapInArrow(_make_writer(drafts, hasher), "told string, customer_ids binary").collect()
    counter, files = TallyCounter(), {verdict: [] for verdict in drafts}
    for told in (json.loads(row["told"]) for row in rows):
        for verdict, paths in told["files"].items():
            files[verdict] += paths
        for tally in told["tallies"]:
            counter.add_tally(Tally.from_json(tally))
    customer_ids = pc.unique(pa.chunked_array([_unpack(row["customer_ids"]) for row in rows], pa.string()))
    return Outcome(files, counter.tallies(), customer_ids)


def _make_writer(
    drafts: dict[str, Draft], hasher: Hasher
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """The function for mapInArrow: judged records in, one row of what became of them out."""

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        writers = {verdict: PartitionWriter(draft.folder, draft.table.partition) for verdict, draft in drafts.items()}
        counter, customer_ids, hash_record = TallyCounter(), [], hasher.of("record")
        for batch in batches:
            counter.add(batch)
            for verdict, writer in writers.items():
                rows = batch.filter(pc.equal(batch["verdict"], verdict))
                if verdict == "quarantined":
                    rows = _with_hashes(rows, hash_record)
                writer.write(rows.select(list(drafts[verdict].table.column_names)))
                if verdict == "clean":
                    customer_ids.append(pc.unique(rows["raw_customer_id"]))
        files = {verdict: writer.close() for verdict, writer in writers.items()}
        told = json.dumps({"files": files, "tallies": [tally.to_json() for tally in counter.tallies()]})
        packed = _pack(pc.unique(pa.chunked_array(customer_ids, pa.string())))
        yield pa.RecordBatch.from_pydict({"told": [told], "customer_ids": [packed]})

    return write


def _with_hashes(rejected: pa.RecordBatch, hash_record: Callable[[str], str]) -> pa.RecordBatch:
    """The rows with the record_hash of those that had none so far."""
    pairs = zip(rejected["record_hash"].to_pylist(), rejected["content"].to_pylist(), strict=True)
    hashes = pa.array([found or hash_record(content) for found, content in pairs], pa.string())
    return rejected.set_column(rejected.schema.get_field_index("record_hash"), "record_hash", hashes)


def _pack(ids: pa.Array) -> bytes:
    """One value for all: row by row they would cost more than the events."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, IDS, options=pa.ipc.IpcWriteOptions(compression="zstd")) as stream:
        stream.write_batch(pa.RecordBatch.from_arrays([ids.sort()], schema=IDS))
    return sink.getvalue().to_pybytes()


def _unpack(packed: bytes) -> pa.Array:
    return pa.ipc.open_stream(packed).read_all().column(0).combine_chunks()


def drop_repeats(draft: Draft, paths: list[str], repeats: DataFrame) -> tuple[list[str], dict[tuple[str, date], int]]:
    """The draft's files without the repeats, and how many duplicates each delivery and delivery day had.

    repeats: as repeats.find_repeats gives them of these files, with file_name.
    """
    by_name = {path.rpartition("/")[2]: path for path in paths}

    def rewrite(told: pa.Table) -> pa.Table:
        path = by_name[told["file_name"][0].as_py()]
        changes = told.select([*PLACE, "new_id", "is_again"])
        other = rewrite_file(draft.folder, path, lambda rows: _change(rows, changes))
        return pa.table({"path": pa.array([path]), "other": pa.array([other], pa.string())})

    repeats = repeats.persist()
    counts = repeats.where("is_again").groupBy("delivery_id", "delivery_day").count().collect()
    changes = repeats.select("file_name", *PLACE, "new_id", "is_again").groupBy("file_name")
    others = {row["path"]: row["other"] for row in changes.applyInArrow(rewrite, "path string, other string").collect()}
    repeats.unpersist()
    kept = [others.get(path, path) for path in paths]
    return [path for path in kept if path], {(row["delivery_id"], row["delivery_day"]): row["count"] for row in counts}


def _change(rows: pa.Table, changes: pa.Table) -> pa.Table:
    """The rows without those that are told again, and with their new ids."""
    told = rows.join(changes, list(PLACE), join_type="left outer")
    kept = told.filter(pc.invert(pc.fill_null(told["is_again"], False)))
    ids = pc.coalesce(kept["new_id"], kept["event_id"])
    return kept.set_column(kept.column_names.index("event_id"), "event_id", ids).select(rows.column_names)
