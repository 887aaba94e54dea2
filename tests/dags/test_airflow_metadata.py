"""Does Airflow look for migrations of its database only where they may be due?"""

from __future__ import annotations

import sqlite3
from contextlib import closing

import airflow
import pytest
from airflow.utils import db

from infra.local.airflow_metadata import make_metadata


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """What Airflow is asked to do; its check finds a database without tables out of date."""
    made: list[str] = []

    def check(timeout):
        made.append("check")
        with closing(sqlite3.connect(tmp_path / "airflow.db")) as database:
            if not database.execute("SELECT 1 FROM sqlite_master").fetchall():
                raise TimeoutError

    def create():
        made.append("create")
        with closing(sqlite3.connect(tmp_path / "airflow.db")) as database:
            database.execute("CREATE TABLE dag_run (state text)")

    monkeypatch.setattr(db, "check_migrations", check)
    monkeypatch.setattr(db, "initdb", create)
    return made


def test_migrations_are_looked_for_once_by_each_version_of_airflow_and_in_each_file(calls, tmp_path, monkeypatch):
    file = tmp_path / "airflow.db"
    make_metadata(file)
    assert calls == ["check", "create"]
    make_metadata(file)
    assert calls == ["check", "create"]
    monkeypatch.setattr(airflow, "__version__", "99.0.0")
    make_metadata(file)
    make_metadata(file)
    assert calls == ["check", "create", "check"]
    file.unlink()
    make_metadata(file)
    assert calls == ["check", "create", "check", "check", "create"]


def test_a_failed_migration_is_tried_again(calls, tmp_path, monkeypatch):
    monkeypatch.setattr(db, "initdb", lambda: 1 / 0)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            make_metadata(tmp_path / "airflow.db")
    assert calls == ["check", "check"]
