"""What is Spark started with for a lake in S3?"""

from __future__ import annotations

import pytest

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings
from spark_jobs.runtime import object_store


def test_a_lake_in_a_folder_needs_nothing_and_one_in_s3_the_libraries(tmp_path, monkeypatch):
    local, stored = Settings(tmp_path), Settings(tmp_path, lake_place="s3://bucket/lakes")
    assert object_store.make_options(local) == object_store.make_local_options(local) == {}
    assert object_store.make_options(stored) == object_store.S3A_OPTIONS
    monkeypatch.setattr(object_store, "S3A_JARS", tmp_path / "missing")
    with pytest.raises(ChurnError, match=r"run python -m infra\.local\.object_store_jars"):
        object_store.make_local_options(stored)
    monkeypatch.setattr(object_store, "S3A_JARS", tmp_path)
    assert object_store.make_local_options(stored) == {"spark.driver.extraClassPath": f"{tmp_path}/*"}
