"""Does a publish that is killed, loses its answer or conflicts with another writer leave complete old or new content?

Run as a program, this file is a writer, usually one that is killed: `test_publish_faults.py COMMAND FOLDER`.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.table import Column, Table
from spark_jobs.lake import delta as _delta
from spark_jobs.lake import publishing as lake
from spark_jobs.lake.publishing import SupersededError
from spark_jobs.lake.schemas import arrow_schema
from spark_jobs.lake.store import Lake

ROOT = Path(__file__).resolve().parents[2]
STEPS = ("pinned", "written", "checked", "audited", "committed", "acknowledged")
VISIBLE_AFTER = ("committed", "acknowledged")
DIED = 42
WORDS = Table(
    "words",
    "one word",
    (Column("word", "string", "it"), Column("rank", "bigint", "its place"), Column("log", "string", "of which log")),
    key=("word",),
    partition="log",
)
OLD = {"one": ["old 1"], "two": ["old 2"]}
NEW = {"one": ["new 1", "new 2"], "two": ["new 3"]}
NEW_KEYS = {"one": "new", "two": "new"}


def words(*names: str, log: str = "one") -> pa.Table:
    rows = [{"word": name, "rank": rank, "log": log} for rank, name in enumerate(names)]
    return pa.Table.from_pylist(rows, arrow_schema(WORDS))


def frame_of(spark, rows: pa.Table):
    return spark.createDataFrame(rows).coalesce(1)


def content(a_lake: Lake) -> dict[str, list[str]]:
    """The words of each partition, with repeats if there were any."""
    found = a_lake.arrow(WORDS).sort_by("word").to_pylist()
    return {log: [row["word"] for row in found if row["log"] == log] for log in ("one", "two")}


def seed(a_lake: Lake) -> None:
    for log, names in OLD.items():
        a_lake.update(WORDS, log, lambda rows, log=log, names=names: words(*names, log=log))


def update_all(a_lake: Lake) -> None:
    a_lake.update(WORDS, "one", lambda rows: words(*NEW["one"]))


def publish_all(a_lake: Lake, spark) -> lake.Publication:
    rows = pa.concat_tables([words(*names, log=log) for log, names in NEW.items()])
    return a_lake.publish(frame_of(spark, rows), WORDS, NEW_KEYS)


@pytest.fixture
def a_lake(tmp_path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture
def at_step(monkeypatch):
    """Sets the callback for the protocol's steps in this process."""
    return lambda hook: monkeypatch.setattr(lake, "on_step", hook)


# Death at every step


def start_writer(command: str, folder: Path) -> subprocess.Popen:
    """A process in its own session, with our output."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, __file__, command, str(folder)], env=environment, start_new_session=True)


def wait_until(is_true: Callable[[], object], writer: subprocess.Popen) -> None:
    deadline = time.monotonic() + 200
    while not is_true():
        assert writer.poll() is None, "the writer ended too early, see its output"
        assert time.monotonic() < deadline, "the writer has not come that far in 200 s"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def dead_publishers(tmp_path_factory) -> Path:
    """A lake for each step at which a publish died, and one whose driver was killed while Spark wrote."""
    folder = tmp_path_factory.mktemp("lakes")
    for step in (*STEPS, "writing"):
        seed(Lake(folder / step))
    writer = start_writer("publish", folder)
    try:
        wait_until(lambda: find_unfinished(folder / "writing"), writer)
    finally:
        os.killpg(writer.pid, signal.SIGKILL)  # the driver and its JVM
        writer.wait()
    return folder


def find_unfinished(lake_root: Path) -> list[Path]:
    """The files of runs whose writer has not finished."""
    files = lake_root.glob("words/data/run=*/*/*.parquet")
    return [file for file in files if not (file.parents[1] / "_SUCCESS").exists()]


def test_an_update_interrupted_at_any_step_leaves_old_or_new_rows_and_can_be_repeated(tmp_path):
    for step in STEPS:
        seed(Lake(tmp_path / step))
    writer = start_writer("update", tmp_path)
    assert writer.wait(100) == 0
    for step in STEPS:
        died = Lake(tmp_path / step)
        is_done = step in VISIBLE_AFTER
        assert content(died) == (OLD | {"one": NEW["one"]} if is_done else OLD)
        versions = [died.version(WORDS)]
        for _ in range(2):
            update_all(died)
            versions.append(died.version(WORDS))
            assert content(died) == OLD | {"one": NEW["one"]}
        assert versions == ([3, 3, 3] if is_done else [2, 3, 3])


def test_a_publish_interrupted_at_any_step_leaves_all_old_or_all_new_rows_and_can_be_repeated(spark, dead_publishers):
    for step in STEPS:
        died = Lake(dead_publishers / step)
        is_done = step in VISIBLE_AFTER
        assert content(died) == (NEW if is_done else OLD)
        assert died.unpublished(WORDS, NEW_KEYS) == ({} if is_done else NEW_KEYS)
        assert [publish_all(died, spark).is_new for _ in range(2)] == [not is_done, False]
        assert (content(died), died.version(WORDS)) == (NEW, 3)


def test_a_driver_killed_while_it_writes_leaves_nothing_visible(spark, dead_publishers):
    died = Lake(dead_publishers / "writing")
    assert (content(died), died.version(WORDS)) == (OLD, 2)
    assert len(list(Path(died.root).glob("words/data/run=*"))) == 3  # two of the seed, one torn
    assert publish_all(died, spark).is_new
    assert (content(died), died.version(WORDS)) == (NEW, 3)


def test_a_folder_that_its_writer_did_not_finish_is_refused(a_lake, at_step):
    seed(a_lake)

    def lose_the_mark(step: str) -> None:
        if step == "written":
            for mark in Path(a_lake.root).glob("words/data/run=*/_SUCCESS"):
                mark.unlink()

    at_step(lose_the_mark)
    with pytest.raises(ChurnError, match="no _SUCCESS"):
        update_all(a_lake)
    assert (content(a_lake), a_lake.version(WORDS)) == (OLD, 2)


# A commit whose answer does not arrive


def lose_answers(times: int) -> Callable[[str], None]:
    remaining = [times]

    def hook(step: str) -> None:
        if step == "committed" and remaining[0]:
            remaining[0] -= 1
            raise OSError("connection lost")

    return hook


def test_a_commit_with_a_lost_answer_is_found_in_the_log_and_not_repeated(spark, a_lake, at_step):
    seed(a_lake)
    at_step(lose_answers(1))
    publication = publish_all(a_lake, spark)
    assert (publication.is_new, publication.version, a_lake.version(WORDS)) == (True, 3, 3)
    assert content(a_lake) == NEW
    at_step(lose_answers(1))
    assert a_lake.update(WORDS, "one", lambda rows: pa.concat_tables([rows, words("more")])) == 4
    assert content(a_lake)["one"] == ["more", *NEW["one"]]
    assert a_lake.version(WORDS) == 4


def test_a_lost_answer_is_a_success_even_if_another_run_has_replaced_the_rows_since(a_lake, at_step):
    seed(a_lake)

    def replace_and_lose(step: str) -> None:
        if step == "committed":
            at_step(lambda step: None)
            a_lake.update(WORDS, "one", lambda rows: words("theirs"))
            raise OSError("connection lost")

    at_step(replace_and_lose)
    assert a_lake.update(WORDS, "one", lambda rows: words("mine")) == 3
    assert content(a_lake)["one"] == ["theirs"]
    assert a_lake.version(WORDS) == 4


def test_a_failed_commit_is_retried_a_few_times_and_then_reported(a_lake, monkeypatch):
    seed(a_lake)
    monkeypatch.setattr(lake.time, "sleep", lambda seconds: None)
    real, failures = _delta.replace_partitions, [OSError("no space left on device")]

    def fail(*arguments):
        if failures:
            raise failures[0] if len(failures) > 1 else failures.pop()
        real(*arguments)

    monkeypatch.setattr(_delta, "replace_partitions", fail)
    update_all(a_lake)
    assert (content(a_lake), a_lake.version(WORDS)) == (OLD | {"one": NEW["one"]}, 3)
    failures += [OSError("no space left on device")] * 2
    with pytest.raises(ChurnError, match="no space left on device"):
        a_lake.update(WORDS, "one", lambda rows: words("never"))
    assert (content(a_lake), a_lake.version(WORDS)) == (OLD | {"one": NEW["one"]}, 3)


# Several writers


@pytest.mark.parametrize("is_full", [False, True], ids=["empty", "full"])
@pytest.mark.parametrize("is_same_key", [False, True], ids=["other content", "same key"])
def test_one_of_several_writers_from_the_same_version_wins(spark, a_lake, at_step, is_full, is_same_key):
    if is_full:
        seed(a_lake)
    else:
        a_lake.update(WORDS, "one", lambda rows: rows)  # the table alone
    before = a_lake.version(WORDS)
    together = threading.Barrier(3)
    at_step(lambda step: together.wait(60) if step == "audited" else None)

    def publish(number: int) -> lake.Publication | None:
        key = "key" if is_same_key else f"key {number}"
        try:
            return a_lake.publish(frame_of(spark, words(f"by {number}", "by all")), WORDS, {"one": key})
        except SupersededError:
            return None

    with ThreadPoolExecutor(3) as threads:
        outcomes = list(threads.map(publish, range(3)))
    assert a_lake.version(WORDS) == before + 1
    (winner,) = [number for number, outcome in enumerate(outcomes) if outcome and outcome.is_new]
    assert content(a_lake)["one"] == [f"by {winner}", "by all"]
    others = [outcome for number, outcome in enumerate(outcomes) if number != winner]
    if is_same_key:
        assert [(o.is_new, o.version, o.row_counts) for o in others] == [(False, before + 1, {"one": 2})] * 2
    else:
        assert others == [None, None]


def test_processes_that_create_and_fill_a_table_at_once_lose_nothing(a_lake):
    writers = [start_writer(f"append:{number}", a_lake.root) for number in range(3)]
    seen: list[list[str]] = []
    while any(writer.poll() is None for writer in writers):
        seen.append(content(a_lake)["one"])
        time.sleep(0.05)
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert content(a_lake)["one"] == sorted(f"{number}.{i}" for number in range(3) for i in range(5))
    table = DeltaTable(Path(a_lake.root) / "words")
    # Publishes are counted, not log entries: a second concurrent creator may add an entry that changes no row.
    assert len([entry for entry in table.history() if "run_id" in entry]) == 15
    assert len(table.file_uris()) == 1
    for earlier, later in itertools.pairwise(seen):  # a reader meanwhile saw words come, never go
        assert set(earlier) <= set(later)


# The writers that die


def die_in_children(folder: Path, write: Callable[[Lake], object]) -> None:
    """One child per step; nothing may have used delta-rs before, it does not survive a fork."""
    for step in STEPS:
        child = os.fork()
        if child == 0:
            lake.on_step = lambda reached, step=step: os._exit(DIED) if reached == step else None
            write(Lake(folder / step))
            os._exit(1)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) != DIED:
            sys.exit(f"the writer that was to die at {step} ended with {status}")


def write_long(folder: Path, spark) -> None:
    """Writes for some seconds, and never publishes."""
    lake.on_step = lambda step: time.sleep(600) if step == "written" else None
    frame = spark.range(1_000_000).selectExpr("sha2(cast(id as string), 256) as word", "id as rank", "'one' as log")
    Lake(folder).publish(frame, WORDS, {"one": "torn"})


def append_words(folder: Path, number: str) -> None:
    for i in range(5):
        Lake(folder).update(WORDS, "one", lambda rows, i=i: pa.concat_tables([rows, words(f"{number}.{i}")]))


def main(command: str, folder: Path) -> None:
    if command == "update":
        die_in_children(folder, update_all)
    elif command.startswith("append:"):
        append_words(folder, command.removeprefix("append:"))
    else:
        from spark_jobs.runtime.session import open_session

        spark = open_session("dying", Settings(folder, spark_master="local[2]"))
        die_in_children(folder, lambda a_lake: publish_all(a_lake, spark))
        write_long(folder / "writing", spark)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
