"""Reads the runs in Airflow's own databases on this machine."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress

import psycopg

from infra.local.embedded import EmbeddedPostgres
from infra.local.environment import DATABASE, LIVE_DATABASE
from spark_jobs.contract.settings import Settings

RUNS = "SELECT CAST(start_date AS text), dag_id, state FROM dag_run WHERE start_date IS NOT NULL ORDER BY start_date"


def read_runs(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """Start, DAG and state of every run without a scheduler and, if its database is up, of `make airflow`."""
    file, server = settings.home / "airflow" / DATABASE, EmbeddedPostgres(settings.home)
    if file.exists():
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
            yield from database.execute(RUNS)
    if server.is_answering() and server.has_database(LIVE_DATABASE):
        with psycopg.connect(server.locate(LIVE_DATABASE)) as database, suppress(psycopg.errors.UndefinedTable):
            yield from database.execute(RUNS)
