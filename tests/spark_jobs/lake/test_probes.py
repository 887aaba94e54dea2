"""An object store that could lose commits is not used."""

from __future__ import annotations

import pytest

from spark_jobs.contract.errors import ChurnError
from spark_jobs.lake.store import Lake
from tests.object_store import BUCKET, object_store
from tests.spark_jobs.lake.sample import WORDS, words


def test_a_store_without_conditional_puts_is_refused(monkeypatch):
    with object_store(ignores_conditions=True) as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(ChurnError, match="the store ignores If-None-Match"):
            Lake(f"s3://{BUCKET}/lakes").update(WORDS, "one", lambda rows: words("a"))
