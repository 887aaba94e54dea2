"""Which files of a run folder count?"""

from __future__ import annotations

from pathlib import Path

from spark_jobs.lake import run_folder as _run_folder
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
