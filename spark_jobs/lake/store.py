"""Which rows of a lake table are visible, and how does a run replace some of them? The only reader and publisher.

A table is a folder with a Delta log; data files are immutable and lie in `data/run=<run_id>/`. Visible is what one
version of the log lists, never what a folder holds. One publish is one log entry that replaces whole partitions:

1. pinned        the table's version and the generation of every partition to be published are read
2. written       plain Parquet lies in a fresh run folder, written by Spark's tasks, or beforehand into a draft
3. checked       by the footers of that folder alone: finished, partitions and columns as agreed
4. audited       nulls, keys, and the caller's own audit; a finding leaves nothing visible
5. committed     one log entry from the pinned version; every partition is one generation on
6. acknowledged  the entry was found in the log, whatever answer the commit itself gave

A killed run leaves at most a folder that nobody lists. Recovery: run again.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from functools import wraps
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from spark_jobs.contract.errors import AuditError, TransientError
from spark_jobs.contract.tables import RUNS, Table
from spark_jobs.lake import delta as _delta
from spark_jobs.lake import run_folder as _run_folder
from spark_jobs.lake.keys import hash_json

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

T = TypeVar("T")

_COMMIT_ATTEMPTS = 5
_PLANS = 3
_UPDATE_ATTEMPTS = 30


def _ignore_step(step: str) -> None:
    """What normally happens at a step of the protocol."""


#: Called with the name of every step of the protocol as it is done; the fault tests die in it.
on_step: Callable[[str], None] = _ignore_step


class SupersededError(TransientError):
    """Another run published the same partition meanwhile: what this one made may be out of date."""


def planned_anew(job: Callable[..., T]) -> Callable[..., T]:
    """A job that begins again, from its plan, where another run was faster: often little is left to do."""

    @wraps(job)
    def run(*arguments, **options) -> T:
        for _ in range(_PLANS - 1):
            try:
                return job(*arguments, **options)
            except SupersededError as error:
                print(f"planning anew: {error}")
        return job(*arguments, **options)

    return run


@dataclass(frozen=True)
class Publication:
    """What a publish led to: the version that holds the rows, and how many each partition has.

    `is_new` is false where these rows had been published before under the same keys.
    """

    table: str
    version: int
    row_counts: Mapping[str, int]
    is_new: bool


@dataclass(frozen=True)
class Run:
    """One published run: the table versions that belong together."""

    run_id: str
    run_key: str
    tables: Mapping[str, int]
    published_at: datetime
    as_of: date
    pipeline: str


@dataclass(frozen=True)
class Draft:
    """A folder for files that tasks write before it is known which of them are to be published, and as what."""

    table: Table
    folder: Path

    def read(self, spark: SparkSession, paths: Iterable[str]) -> DataFrame:
        """The rows of these of its files, in the contract's columns, and file_name."""
        base = f"file://{self.folder}"
        reader = spark.read.schema(self.table.ddl).option("basePath", base)
        return reader.parquet(*(f"{base}/{path}" for path in paths)).select(
            *self.table.column_names, "_metadata.file_name"
        )


@dataclass(frozen=True)
class _Pinned:
    """What a publish starts from and what it replaces."""

    table: Table
    handle: DeltaTable
    run_keys: Mapping[str, str]
    generations: Mapping[str, int]


class Lake:
    """The lake of one shop: a folder that every worker sees under the same path."""

    def __init__(self, root: Path | str):
        self.root = Path(root).resolve()

    def version(self, table: Table) -> int | None:
        """The newest version; None where the table does not exist yet."""
        handle = self._open(table)
        return None if handle is None else handle.version()

    def partitions(self, table: Table, version: int | None = None) -> dict[str, tuple[str, ...]]:
        """Partition value to its sorted data files. Files never change, so their paths identify the content."""
        found: dict[str, list[str]] = {}
        for value, path in _list_files(self._open(table, version), table):
            found.setdefault(value, []).append(path)
        return {value: tuple(paths) for value, paths in found.items()}

    def read(
        self,
        spark: SparkSession,
        table: Table,
        partitions: Collection[str] | None = None,
        version: int | None = None,
    ) -> DataFrame:
        """The contract's columns in order, of the newest or a pinned version; an empty frame where there is nothing."""
        files = _list_files(self._open(table, version), table, partitions)
        if not files:
            return spark.createDataFrame([], table.ddl)
        base = f"file://{self._folder(table)}"
        reader = spark.read.schema(table.ddl).option("basePath", f"{base}/data")
        return reader.parquet(*(f"{base}/{path}" for _, path in files)).select(*table.column_names)

    def dataset(
        self, table: Table, partitions: Collection[str] | None = None, version: int | None = None
    ) -> ds.FileSystemDataset:
        """The same for Arrow, to stream."""
        files = _list_files(self._open(table, version), table, partitions)
        return _run_folder.make_dataset(self._folder(table), table, files)

    def arrow(
        self,
        table: Table,
        partitions: Collection[str] | None = None,
        version: int | None = None,
        columns: Collection[str] | None = None,
    ) -> pa.Table:
        """The same in memory, for small tables or few columns."""
        return self.dataset(table, partitions, version).to_table(columns=list(columns or table.column_names))

    def unpublished(self, table: Table, run_keys: Mapping[str, str]) -> dict[str, str]:
        """Those of the partitions whose current content was not published under its run key: what is to be done."""
        handle = self._open(table)
        return dict(run_keys) if handle is None else _delta.select_unpublished(handle, table, run_keys)

    def is_published(self, table: Table, partition: str, key: str) -> bool:
        """Whether the partition's current content, be it no rows at all, was published under this key."""
        return not self.unpublished(table, {partition: key})

    def publish(
        self,
        frame: DataFrame,
        table: Table,
        run_keys: Mapping[str, str],
        run_id: str | None = None,
        audit: Callable[[ds.Dataset], list[str]] | None = None,
        metadata: Mapping[str, object] | None = None,
    ) -> Publication:
        """Replaces the partitions of `run_keys` by the rows of `frame`, all in one commit; the same again is a no-op.

        A partition without rows becomes empty. `audit` gets the written rows and names what is wrong with them;
        `metadata` goes into the log entry; the run folder's name begins with `run_id`.

        Raises AuditError with all findings, SupersededError where another run published other content meanwhile.
        """
        pinned = self._pin(table, run_keys)
        if not _delta.select_unpublished(pinned.handle, table, run_keys):
            return _find_publication(pinned.handle, table, run_keys)
        _require_none(table, run_keys, _delta.find_mismatches(table, dict(frame.dtypes)))

        return self._publish(pinned, lambda f: _run_folder.write_frame(f, table, frame), run_id, audit, metadata)

    @contextmanager
    def draft(self, table: Table) -> Iterator[Draft]:
        """A new draft of the table; what is not published of it is removed."""
        draft = Draft(table, self._folder(table) / "data" / f"run=draft-{token_hex(8)}")
        with _run_folder.removed(draft.folder):
            yield draft

    def publish_draft(
        self,
        draft: Draft,
        paths: Iterable[str],
        run_keys: Mapping[str, str],
        metadata: Mapping[str, object] | None = None,
    ) -> Publication:
        """The same as `publish`, of the rows that lie in these files of a draft."""
        pinned = self._pin(draft.table, run_keys)
        if not _delta.select_unpublished(pinned.handle, draft.table, run_keys):
            return _find_publication(pinned.handle, draft.table, run_keys)

        return self._publish(pinned, lambda f: _run_folder.take_over(f, draft.folder, paths), metadata=metadata)

    def update(self, table: Table, partition: str, change: Callable[[pa.Table], pa.Table]) -> int:
        """Replaces a partition of a small table by `change` of its rows; gives the version that holds the result.

        Where another writer was faster, `change` is called again, with the rows that one left.
        """
        for attempt in range(_UPDATE_ATTEMPTS):
            pinned = self._pin(table, {partition: f"update {token_hex(16)}"})
            files = _list_files(pinned.handle, table, [partition])
            before = _run_folder.make_dataset(self._folder(table), table, files).to_table()
            after = change(before)
            _require_none(table, [partition], _delta.find_mismatches(table, _delta.type_names(after.schema)))
            rows = pa.table([after[name] for name in table.column_names], names=list(table.column_names))
            if rows.columns == before.columns:
                return pinned.handle.version()
            try:
                return self._publish(pinned, lambda f, r=rows: _run_folder.write_rows(f, table, partition, r)).version
            except SupersededError:
                time.sleep(random.uniform(0, 0.02 * (attempt + 1)))
        raise TransientError(f"{table.name} {partition} is being changed by too many others: run again")

    def runs(self, pipeline: str) -> list[Run]:
        """The published runs of a pipeline, by published_at."""
        rows = self.arrow(RUNS, [pipeline]).sort_by("published_at").to_pylist()
        return [Run(**{**row, "tables": json.loads(row["tables"])}) for row in rows]

    def newest_night(self) -> date | None:
        """The newest day whose histories are published."""
        return max((run.as_of for run in self.runs("etl")), default=None)

    def append_run(self, run: Run) -> Run:
        """Appends the run unless the newest run of its day has its key already; gives the one that stands."""
        row = {**vars(run), "tables": json.dumps(dict(run.tables), sort_keys=True)}
        addition = pa.Table.from_pylist([row], _delta.arrow_schema(RUNS))

        def append(rows: pa.Table) -> pa.Table:
            same_day = rows.filter(pc.field("as_of") == run.as_of).sort_by("published_at")
            is_standing = same_day.num_rows > 0 and same_day["run_key"][-1].as_py() == run.run_key
            return rows if is_standing else pa.concat_tables([rows, addition])

        self.update(RUNS, run.pipeline, append)
        return [other for other in self.runs(run.pipeline) if other.as_of == run.as_of][-1]

    def _folder(self, table: Table) -> Path:
        return self.root / table.name

    def _open(self, table: Table, version: int | None = None) -> DeltaTable | None:
        return _delta.open_table(self._folder(table), table, version)

    def _pin(self, table: Table, run_keys: Mapping[str, str]) -> _Pinned:
        for value in run_keys:
            _delta.check_partition(table, value)
        handle = _delta.open_or_create_table(self._folder(table), table)
        pinned = _Pinned(table, handle, run_keys, _delta.read_generations(handle, table, run_keys))
        on_step("pinned")
        return pinned

    def _publish(
        self,
        pinned: _Pinned,
        write: Callable[[Path], None],
        run_id: str | None = None,
        audit: Callable[[ds.Dataset], list[str]] | None = None,
        metadata: Mapping[str, object] | None = None,
    ) -> Publication:
        """Steps 2 to 6."""
        table, partitions, root = pinned.table, pinned.run_keys, self._folder(pinned.table)
        # Never the given id alone: a second attempt must not meet the folder of a killed one.
        prefix = re.sub(r"[^A-Za-z0-9_-]", "_", run_id or hash_json(dict(pinned.run_keys))[:12])
        run_id = f"{prefix}-{token_hex(4)}"
        folder = root / "data" / f"run={run_id}"
        with _run_folder.removed_on_failure(folder):
            write(folder)
            on_step("written")
            files = _run_folder.read_footers(root, folder)
            _require_none(table, partitions, _run_folder.find_structure_faults(table, partitions, files))
            on_step("checked")
            findings = _run_folder.find_content_faults(root, table, files)
            if audit:
                findings += audit(_run_folder.make_dataset(root, table, [(f.partition, f.path) for f in files]))
            _require_none(table, partitions, findings)
            on_step("audited")
        return self._commit(pinned, files, {"run_id": run_id, "run_keys": dict(pinned.run_keys), "metadata": metadata})

    def _commit(self, pinned: _Pinned, files: list[_run_folder.WrittenFile], entry: dict) -> Publication:
        """Commits, and believes only the log about the outcome."""
        table, keys, handle = pinned.table, pinned.run_keys, pinned.handle
        adds = [_run_folder.make_add_action(table, file) for file in files]
        failure: Exception | None = None
        for attempt in range(_COMMIT_ATTEMPTS):
            try:
                _delta.replace_partitions(handle, table, keys, pinned.generations, adds, entry)
                on_step("committed")
            except (DeltaError, OSError) as error:
                failure = error
            handle = _delta.open_or_create_table(self._folder(table), table)
            version = _delta.find_entry(handle, entry["run_id"], after=pinned.handle.version())
            if version is not None:
                on_step("acknowledged")
                return Publication(table.name, version, _count_rows(keys, files), is_new=True)
            if not _delta.select_unpublished(handle, table, keys):
                return _find_publication(handle, table, keys)
            if _delta.read_generations(handle, table, keys) != pinned.generations:
                raise SupersededError(f"{table.name} {_say(keys)} was published by another run meanwhile")
            time.sleep(0.1 * attempt)
        raise TransientError(f"{table.name} {_say(keys)} could not be committed, run again: {failure}") from failure


def _list_files(
    handle: DeltaTable | None, table: Table, partitions: Collection[str] | None = None
) -> list[tuple[str, str]]:
    """Pairs of partition value and path, sorted; none where there is no table."""
    files = [] if handle is None else _delta.list_files(handle, table)
    return [(file.partition, file.path) for file in files if partitions is None or file.partition in partitions]


def _find_publication(handle: DeltaTable, table: Table, partitions: Collection[str]) -> Publication:
    counts = _count_rows(partitions, _delta.list_files(handle, table))
    return Publication(table.name, handle.version(), counts, is_new=False)


def _count_rows(
    partitions: Iterable[str], files: Iterable[_delta.VisibleFile | _run_folder.WrittenFile]
) -> dict[str, int]:
    counts = dict.fromkeys(partitions, 0)
    for file in files:
        if file.partition in counts:
            counts[file.partition] += file.row_count
    return counts


def _require_none(table: Table, partitions: Collection[str], findings: list[str]) -> None:
    if findings:
        raise AuditError(table.name, _say(partitions), findings)


def _say(partitions: Collection[str]) -> str:
    return min(partitions) if len(partitions) == 1 else f"{min(partitions)} to {max(partitions)}"
