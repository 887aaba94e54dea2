"""What the tests share: one Spark session for all of them, and where the real data lies."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def spark(tmp_path_factory):
    """A real local Spark on two cores."""
    from spark_jobs.contract.settings import Settings
    from spark_jobs.session import open_session

    session = open_session("tests", Settings(tmp_path_factory.mktemp("home"), spark_master="local[2]"))
    yield session
    session.stop()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    if not SHARED_DATA.is_dir():
        pytest.skip("needs ../shared/data")
    return SHARED_DATA
