"""Fixtures for all tests: one Spark session, the embedded PostgreSQL, and the place of the real data."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from infra.local.environment import make_java_options

ENGINE = "CHURN_TEST_ENGINE"
ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"
SHARED_CASES = ROOT.parent / "shared" / "cases"


def pytest_addoption(parser):
    parser.addoption("--with-engine-only", action="store_true", help="only tests that take the fixture spark")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--with-engine-only"):
        config.hook.pytest_deselected(items=[item for item in items if "spark" not in item.fixturenames])
        items[:] = [item for item in items if "spark" in item.fixturenames]


@pytest.fixture(scope="session")
def spark(tmp_path_factory):
    """A real local Spark on two cores; with CHURN_TEST_ENGINE=connect or sail in a separate server."""
    os.environ.setdefault("SPARK_SUBMIT_OPTS", make_java_options())
    from spark_jobs.contract.settings import CLASSIC, Settings
    from spark_jobs.runtime.session import open_session

    engine = os.environ.get(ENGINE) or CLASSIC
    home = tmp_path_factory.mktemp("home")
    settings = Settings(home, spark_master="local[2]", engine=engine, engine_idle_seconds=0)
    session = open_session("tests", settings)
    session.conf.set("spark.sql.shuffle.partitions", "2")  # the tests' tables are tiny
    # Generating and compiling code for each of hundreds of tiny queries takes a quarter of the time. The
    # end-to-end and the live tests start the jobs as users do, compiled.
    session.conf.set("spark.sql.codegen.wholeStage", "false")
    session.conf.set("spark.sql.codegen.factoryMode", "NO_CODEGEN")
    yield session
    session.stop()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    if not SHARED_DATA.is_dir():
        pytest.skip("needs ../shared/data")
    return SHARED_DATA


@pytest.fixture(scope="session")
def warehouse_url(tmp_path_factory):
    """A real PostgreSQL for the whole session: the embedded one, in a folder of its own."""
    from infra.local.embedded import EmbeddedPostgres

    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"))
    yield server.start()
    server.stop()
