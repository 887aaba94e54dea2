"""Creates and migrates Airflow's own database for runs without a scheduler, where that is due."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path


def make_metadata(file: Path) -> None:
    """Creates or migrates the database in this file, unless this version of Airflow has done so.

    The file itself notes the version, in a number that SQLite keeps for its users. Airflow's own check reads all
    migrations and loads the server's parts, which costs more than a task with nothing to do.
    """
    from airflow import __version__
    from airflow.utils import db

    wanted = int.from_bytes(sha256(__version__.encode()).digest()[:4]) >> 1
    if file.exists() and _read_note(file) == wanted:
        return
    try:
        db.check_migrations(timeout=0)
    except TimeoutError:
        db.initdb()
    with closing(sqlite3.connect(file)) as database:
        database.execute(f"PRAGMA user_version = {wanted}")


def _read_note(file: Path) -> int:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        return database.execute("PRAGMA user_version").fetchone()[0]
