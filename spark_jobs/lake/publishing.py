"""How does a run replace partitions of a table? The publish protocol; one publish is one log entry.

1. pinned        the table's version, and the generation of every partition to be published, are read
2. written       plain Parquet is in a new run folder, written by Spark's tasks, or taken over from a draft
3. checked       the footers of its files show a finished write, with the expected partitions and columns
4. audited       no nulls in required columns, no repeated keys, and the caller's own audit; any finding ends the run
5. committed     one log entry, based on the pinned version, raises the generation of every partition by one
6. acknowledged  the entry is found in the log, whether the commit reported success or an error

A killed run leaves at most a folder that no log entry lists. Recovery: run again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import wraps
from secrets import token_hex
from typing import TypeVar

import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from spark_jobs.contract.errors import AuditError, TransientError
from spark_jobs.contract.table import Table
from spark_jobs.lake import delta as _delta
from spark_jobs.lake.audit import WrittenFile, find_content_faults, find_structure_faults, make_add_action, read_footers
from spark_jobs.lake.keys import hash_json
from spark_jobs.lake.location import Location
from spark_jobs.lake.reading import make_dataset

T = TypeVar("T")

_COMMIT_ATTEMPTS = 5
_MOST_ATTEMPTS = 3


def _ignore_step(step: str) -> None:
    """The default of on_step."""


#: Called with the name of every step when it is done. The fault tests replace it to kill the process at a step.
on_step: Callable[[str], None] = _ignore_step


class SupersededError(TransientError):
    """Another run has published the same partition meanwhile, so the result of this run may be out of date."""


def replan_if_superseded(job: Callable[..., T]) -> Callable[..., T]:
    """Decorates a job to start again from its plan if another run published first; often little is left to do then."""

    @wraps(job)
    def run(*arguments, **options) -> T:
        for _ in range(_MOST_ATTEMPTS - 1):
            try:
                return job(*arguments, **options)
            except SupersededError as error:
                print(f"planning again: {error}")
        return job(*arguments, **options)

    return run


@dataclass(frozen=True)
class Publication:
    """The result of a publish: the version with the rows, and their number by partition.

    is_new: False if the partitions had been published before under the same keys.
    """

    table: str
    version: int
    row_counts: Mapping[str, int]
    is_new: bool


@dataclass(frozen=True)
class Pinned:
    """The state that a publish starts from, and the partitions that it replaces. `root` is the table's folder."""

    root: Location
    table: Table
    handle: DeltaTable
    run_keys: Mapping[str, str | int]
    generations: Mapping[str, int]
    is_forced: bool = False  # publish even if the same keys are published already

    @classmethod
    def at(cls, root: Location, table: Table, run_keys: Mapping[str, str | int], is_forced: bool = False) -> Pinned:
        """Step 1 of the protocol; creates the table if necessary."""
        for value in run_keys:
            _delta.check_partition(table, value)
        handle = _delta.open_or_create_table(root, table)
        pinned = cls(root, table, handle, run_keys, _delta.read_generations(handle, table, run_keys), is_forced)
        on_step("pinned")
        return pinned

    def find_publication(self) -> Publication | None:
        """The existing publication, if all partitions are published under their keys already."""
        return None if self.is_forced else _find_publication(self.handle, self.table, self.run_keys)


def publish(
    pinned: Pinned,
    write: Callable[[Location], None],
    run_id: str | None = None,
    audit: Callable[[ds.Dataset], list[str]] | None = None,
    metadata: Mapping[str, object] | None = None,
    draft: Location | None = None,
) -> Publication:
    """Steps 2 to 6. `write` puts the files into the run folder that it is given: the draft, or a new one, whose name
    begins with `run_id`.

    Raises AuditError with all findings, SupersededError if another run has published other content meanwhile.
    """
    table, partitions, root = pinned.table, pinned.run_keys, pinned.root
    # With a random suffix: a second attempt must not find the folder of a killed one.
    prefix = re.sub(r"[^A-Za-z0-9_-]", "_", run_id or hash_json(dict(pinned.run_keys))[:12])
    run_id = f"{prefix}-{token_hex(4)}"
    folder = draft or root / "data" / f"run={run_id}"
    with folder.removed_on_failure(), folder.errors_in_one_line():
        write(folder)
        on_step("written")
        files = read_footers(root, folder)
        require_none(table, partitions, find_structure_faults(table, partitions, files))
        on_step("checked")
        findings = find_content_faults(root, table, files)
        if audit:
            findings += audit(make_dataset(root, table, [(f.partition, f.path) for f in files]))
        require_none(table, partitions, findings)
        on_step("audited")
    return _commit(pinned, files, {"run_id": run_id, "run_keys": dict(pinned.run_keys), "metadata": metadata})


def _commit(pinned: Pinned, files: list[WrittenFile], entry: dict) -> Publication:
    """Commits. Whether that worked is read from the log, never taken from the answer of the commit."""
    table, keys, handle = pinned.table, pinned.run_keys, pinned.handle
    adds = [make_add_action(table, file) for file in files]
    failure: Exception | None = None
    for attempt in range(_COMMIT_ATTEMPTS):
        try:
            _delta.replace_partitions(handle, table, keys, pinned.generations, adds, entry)
            on_step("committed")
        except (DeltaError, OSError) as error:
            failure = error
        handle = _delta.open_or_create_table(pinned.root, table)
        version = _delta.find_entry(handle, entry["run_id"], after=pinned.handle.version())
        if version is not None:
            on_step("acknowledged")
            _delta.checkpoint_after(handle, keys)
            return Publication(table.name, version, _count_rows(keys, files), is_new=True)
        existing = _find_publication(handle, table, keys)
        if existing and not pinned.is_forced:
            return existing
        if _delta.read_generations(handle, table, keys) != pinned.generations:
            raise SupersededError(f"{table.name} {_name_range(keys)} was published by another run meanwhile")
        time.sleep(0.1 * attempt)
    raise TransientError(f"{table.name} {_name_range(keys)} could not be committed, run again: {failure}") from failure


def require_none(table: Table, partitions: Collection[str], findings: list[str]) -> None:
    """Raises AuditError where there are findings."""
    if findings:
        raise AuditError(table.name, _name_range(partitions), findings)


def _find_publication(handle: DeltaTable, table: Table, run_keys: Mapping[str, str | int]) -> Publication | None:
    if _delta.select_unpublished(handle, table, run_keys):
        return None
    counts = _count_rows(run_keys, _delta.list_files(handle, table))
    return Publication(table.name, handle.version(), counts, is_new=False)


def _count_rows(partitions: Iterable[str], files: Iterable[_delta.VisibleFile | WrittenFile]) -> dict[str, int]:
    counts = dict.fromkeys(partitions, 0)
    for file in files:
        if file.partition in counts:
            counts[file.partition] += file.row_count
    return counts


def _name_range(partitions: Collection[str]) -> str:
    return min(partitions) if len(partitions) == 1 else f"{min(partitions)} to {max(partitions)}"
