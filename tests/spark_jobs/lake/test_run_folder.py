"""Which files of a run folder count?"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from spark_jobs.lake import run_folder as _run_folder
from spark_jobs.lake.location import Location
from tests.spark_jobs.lake.sample import (
    WORDS,
    names_in,
    run_folders,
    words,
)


def test_only_the_published_files_of_a_draft_are_visible_and_kept(lake):
    with lake.draft(WORDS) as draft:
        first, second = (_run_folder.PartitionWriter(draft.folder, WORDS.partition) for _ in range(2))
        for name in ("a", "b"):  # two batches of one partition are one file
            first.write(words(name).to_batches()[0])
        second.write(words("from a task that failed").to_batches()[0])
        (kept,), _ = first.close(), second.close()
        assert _run_folder.rewrite_file(draft.folder, kept, lambda rows: rows.slice(0, 0)) is None
        changed = _run_folder.rewrite_file(draft.folder, kept, lambda rows: rows.slice(1))
        assert lake.publish_draft(draft, [changed], {"one": "k"}).row_counts == {"one": 1}
    assert names_in(lake) == ["b"]
    with lake.draft(WORDS) as again:
        Path(again.folder).mkdir(parents=True)
        assert not lake.publish_draft(again, [], {"one": "k"}).is_new
    assert (names_in(lake), len(run_folders(lake, WORDS))) == (["b"], 1)


def test_long_rows_make_small_row_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(_run_folder, "ROW_GROUP_BYTES", 1000)
    folder = Location.parse(tmp_path)
    writer = _run_folder.PartitionWriter(folder, "day")
    for size in (1, 1200, 1, 1):
        writer.write(pa.RecordBatch.from_pydict({"text": ["x" * size], "day": ["2024-01-01"]}))
    [path] = writer.close()
    footer = pq.read_metadata(tmp_path / path)
    assert [footer.row_group(number).num_rows for number in range(footer.num_row_groups)] == [2, 2]
