"""A lake of its own for every test."""

from __future__ import annotations

import pytest

from spark_jobs.lake.store import Lake


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "a lake")  # with a space: paths are not URLs
