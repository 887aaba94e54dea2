"""Do publishers that are killed leave an object store whole, where answers to commits are lost as well?

Run as a program, this file is a publisher: it appends words until it is killed, and prints each once it is published.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest

from spark_jobs.lake.store import Lake
from tests.faults.test_publish_faults import WORDS, words
from tests.object_store import BUCKET, ROOT, object_store

KILLS, AT_ONCE = 50, 2
PLACE = f"s3://{BUCKET}/lake"


def start_publisher(number: int, folder: Path) -> subprocess.Popen:
    with (folder / str(number)).open("w") as output:
        return subprocess.Popen([sys.executable, "-m", __spec__.name, str(number)], cwd=ROOT, stdout=output)


def kill_while_it_publishes(publishers: list[subprocess.Popen], folder: Path, draw: random.Random) -> None:
    deadline = time.monotonic() + 100
    for publisher, output in zip(publishers, sorted(folder.iterdir()), strict=True):
        while not output.read_text():
            assert publisher.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
    for publisher in publishers:
        time.sleep(draw.uniform(0, 0.2))
        publisher.kill()
        publisher.wait()


@pytest.mark.slow
def test_killed_publishers_lose_no_word_that_was_published_and_repeat_none(tmp_path, monkeypatch):
    draw, acknowledged = random.Random(1), set[str]()
    with object_store(lost_every=10) as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        lake = Lake(PLACE)
        for group in range(KILLS // AT_ONCE):
            folder = tmp_path / str(group)
            folder.mkdir()
            numbers = range(group * AT_ONCE, (group + 1) * AT_ONCE)
            kill_while_it_publishes([start_publisher(number, folder) for number in numbers], folder, draw)
            # The last line may be cut off.
            acknowledged |= {line for file in folder.iterdir() for line in file.read_text().split("\n")[:-1]}
            found = lake.arrow(WORDS)["word"].to_pylist()
            assert len(found) == len(set(found))
            assert acknowledged <= set(found)
        entries = [entry["run_id"] for entry in lake.open(WORDS).history() if "run_id" in entry]
    assert len(entries) == len(set(entries)) == len(found)
    print(f"{KILLS} kills, {len(entries)} commits, {len(acknowledged)} known to their publishers")


def main(number: str) -> None:
    lake, partition, i = Lake(PLACE), str(int(number) % AT_ONCE), 0
    while True:
        lake.update(WORDS, partition, lambda rows: pa.concat_tables([rows, words(f"{number}.{i}", log=partition)]))  # noqa: B023
        print(f"{number}.{i}", flush=True)
        i += 1


if __name__ == "__main__":
    main(sys.argv[1])
