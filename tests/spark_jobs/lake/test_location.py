"""What does CHURN_LAKE mean, and does a lake in an object store behave like one in a folder?"""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings
from spark_jobs.lake import location, upkeep
from spark_jobs.lake import run_folder as _run_folder
from spark_jobs.lake.location import Location
from spark_jobs.lake.store import Lake
from tests.object_store import BUCKET, object_store
from tests.spark_jobs.lake.sample import WORDS, names_in, words


@pytest.mark.parametrize(
    ("place", "parsed", "spark_url"),
    [
        ("/data/lake/", "/data/lake", "file:///data/lake"),
        ("file:///data/lake", "/data/lake", "file:///data/lake"),
        ("s3://bucket/lakes/", "s3://bucket/lakes", "s3a://bucket/lakes"),
        ("s3a://bucket", "s3://bucket", "s3a://bucket"),
        ("gs://bucket/lakes", "gs://bucket/lakes", "gs://bucket/lakes"),
        ("hdfs://name:8020/lakes", "hdfs://name:8020/lakes", "hdfs://name:8020/lakes"),
        ("abfss://box@one.dfs.core.windows.net/l", "abfss://box@one.dfs.core.windows.net/l",
         "abfss://box@one.dfs.core.windows.net/l"),
    ],
)  # fmt: skip
def test_each_place_has_its_form_for_every_library(place, parsed, spark_url):
    found = Location.parse(place)
    assert (str(found), found.spark_url) == (parsed, spark_url)
    assert str(found / "table") == f"{parsed}/table"


@pytest.mark.parametrize(
    ("place", "kind", "path"),
    [
        ("/data/lake", "LocalFileSystem", "/data/lake"),
        ("gs://bucket/lakes", "GcsFileSystem", "bucket/lakes"),
        ("abfss://box@one.dfs.core.windows.net/lakes", "AzureFileSystem", "box/lakes"),
    ],
)
def test_arrow_opens_each_place_with_its_own_file_system(place, kind, path):
    found = Location.parse(place)
    assert (type(found.file_system).__name__, found.path) == (kind, path)


@pytest.mark.parametrize(
    ("place", "error"),
    [
        ("ftp://host/lake", "ftp:// is no place for a lake"),
        ("s3://", "is no place for a lake"),
        ("s3://key:secret@bucket/lake", "must not contain credentials"),
        ("s3://bucket/lake?secret_key=x", "must not contain credentials"),
    ],
)
def test_other_places_and_credentials_in_a_url_are_refused_without_repeating_them(place, error):
    with pytest.raises(ChurnError, match=error) as raised:
        Location.parse(place)
    assert "secret" not in str(raised.value)


def test_churn_lake_holds_a_lake_for_each_shop(tmp_path):
    assert Settings.from_environment({"CHURN_HOME": str(tmp_path)}).lake("corner") == f"{tmp_path}/lake/corner"
    below = Settings.from_environment({"CHURN_LAKE": "lakes"})  # of the working folder, as CHURN_HOME is
    assert below.lake("corner") == str(Path("lakes/corner").resolve())
    elsewhere = Settings.from_environment({"CHURN_HOME": str(tmp_path), "CHURN_LAKE": "s3://bucket/lakes/"})
    assert elsewhere.lake("corner") == "s3://bucket/lakes/corner"


@pytest.mark.parametrize("kind", ["models", "fixes", "reports"])
def test_models_reports_and_corrected_records_are_beside_the_lake(kind, tmp_path):
    at_home = Settings.from_environment({"CHURN_HOME": str(tmp_path)})
    assert getattr(at_home, kind)("corner") == f"{tmp_path}/{kind}/corner"
    elsewhere = Settings.from_environment({"CHURN_HOME": str(tmp_path), "CHURN_LAKE": "s3://bucket/lakes"})
    assert getattr(elsewhere, kind)("corner") == f"s3://bucket/lakes/corner/_{kind}"


@pytest.fixture(scope="module")
def stored_lakes():
    """The URL of lakes in an object store that does not answer every third commit."""
    with object_store(lost_every=3) as variables, pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield f"s3://{BUCKET}/lakes"


def test_writers_at_once_lose_nothing_in_an_object_store_that_loses_answers(stored_lakes):
    lake = Lake(f"{stored_lakes}/updates")

    def append(number: int) -> None:
        for i in range(4):
            lake.update(WORDS, "one", lambda rows, i=i: pa.concat_tables([rows, words(f"{number}.{i}")]))

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(append, range(3)))
    assert names_in(lake) == sorted(f"{number}.{i}" for number in range(3) for i in range(4))
    published = [entry for entry in lake.open(WORDS).history() if "run_id" in entry]
    assert len(published) == len({entry["run_id"] for entry in published}) == 12


def test_a_draft_is_published_where_it_is_and_removed_if_it_is_not(stored_lakes):
    lake = Lake(f"{stored_lakes}/drafts")
    for is_published in (True, False):
        with lake.draft(WORDS) as draft:
            writer = _run_folder.PartitionWriter(draft.folder, WORDS.partition)
            writer.write(words("a", "b").to_batches()[0])
            (path,) = writer.close()
            other = _run_folder.rewrite_file(draft.folder, path, lambda rows: rows.slice(1))
            if is_published:
                assert lake.publish_draft(draft, [other], {"one": "k"}).row_counts == {"one": 1}
        assert (draft.folder / other).exists() is is_published
    assert names_in(lake) == ["b"]


def test_a_vacuum_of_an_object_store_keeps_what_is_listed_or_young(stored_lakes):
    lake = Lake(f"{stored_lakes}/vacuum")
    for name in ("a", "b"):
        lake.update(WORDS, "one", lambda rows, name=name: words(name))
    assert (upkeep.vacuum(lake, WORDS, is_dry_run=True), upkeep.vacuum(lake, WORDS, is_dry_run=False)) == ([], [])
    assert names_in(lake) == ["b"]
    assert lake.arrow(WORDS, version=1).num_rows == 1


def test_only_location_uses_the_file_system_of_this_machine():
    package = Path(location.__file__).parent
    users = [file.name for file in package.glob("*.py")
             if re.search(r"^(import|from) (os|pathlib|shutil|glob)\b", file.read_text(), re.MULTILINE)]  # fmt: skip
    assert sorted(users) == ["keys.py", "location.py"]  # keys.py reads source code, no data


def test_a_store_takes_no_file_operations_of_this_machine():
    with pytest.raises(ChurnError, match="no folder of this machine"):
        Path(os.fspath(Location.parse("s3://bucket/lakes")))
