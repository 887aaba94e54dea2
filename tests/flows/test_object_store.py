"""Does a night whose lake, models, corrected records and raw files are in an object store equal one in folders?"""

from __future__ import annotations

import ast
import os
import subprocess
import sys

import pytest

from infra.cli.pages import find_newest
from spark_jobs.lake.location import Location
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.object_store import S3A_JARS
from tests.flows.stored_shop import (
    NIGHTS,
    SHOP_NAME,
    STEPS,
    make_shop,
    make_variables,
    move_to_store,
    read_tables,
)
from tests.object_store import BUCKET, ROOT, object_store

LAKES = f"s3://{BUCKET}/lakes"
#: What takes Python functions for executors.
SENDERS = {"mapInArrow", "applyInArrow", "mapInPandas", "applyInPandas", "udf", "pandas_udf", "foreachPartition"}

#: Of their senders, those that only Sail needs, which runs on one machine, and the one that only `check` needs.
NOT_IN_A_NIGHT = {
    "spark_jobs.lake.frames",
    "spark_jobs.cleaning.cache",
    "spark_jobs.cleaning.dialect",
    "spark_jobs.cleaning.counting",
    "spark_jobs.cleaning.accounts",
}


def list_senders() -> set[str]:
    """The modules of the jobs that send Python functions to executors."""
    found = set()
    for file in (ROOT / "spark_jobs").rglob("*.py"):
        calls = (node.func for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call))
        if any(isinstance(call, ast.Attribute) and call.attr in SENDERS for call in calls):
            found.add(".".join(file.relative_to(ROOT).with_suffix("").parts))
    return found


@pytest.mark.skipif(not S3A_JARS.is_dir(), reason="needs python -m infra.local.object_store_jars")
def test_a_night_in_an_object_store_equals_one_in_a_folder(spark, warehouse_url, tmp_path, monkeypatch):
    (local, local_file), (stored, stored_file) = (
        make_shop(tmp_path / name, warehouse_url) for name in ("local", "stored")
    )
    _, before, night = NIGHTS
    steps = [("histories", before), ("correct", before), ("histories", night), ("score", night), ("report", night)]
    for step, day in steps:
        STEPS[step](lambda: spark, local, local_file, day)
    expected = read_tables(Lake(local.lake(SHOP_NAME)), local_file)
    with object_store(lost_every=10) as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        move_to_store(stored, stored_file, f"s3://{BUCKET}/raw", LAKES)
        program = [sys.executable, "-m", "tests.flows.stored_shop", str(stored_file)]
        command = [*program, *(f"{step}@{day}" for step, day in steps)]
        environment = os.environ | make_variables(stored, LAKES) | {"CHURN_SPARK_MASTER": "local[2]"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "test-secret" not in done.stdout + done.stderr
        assert find_unwatched(done.stdout) == NOT_IN_A_NIGHT
        found = read_tables(Lake(f"{LAKES}/{SHOP_NAME}"), stored_file)
        beside = Location.parse(f"{LAKES}/{SHOP_NAME}")
        assert len((beside / "_fixes" / "purchases").list_files()) == 1
        page = find_newest(beside / "_reports", "night")
        assert page is not None
        assert "customers who can still be kept" in page.read_text()
    assert found == expected
    assert all(expected[table] for table in ("purchases", "customer_day", "customer_series", "churn_risk"))
    left = {file.name for file in stored.home.rglob("*") if file.is_file()}
    assert left <= {"warehouse.sql", "fixed.jsonl"} | {file.name for file in (stored.home / "secrets").glob("*")}


def find_unwatched(printed: str) -> set[str]:
    """The senders of code whose functions the program has not sent, so that its check did not see them."""
    (line,) = (line for line in printed.splitlines() if line.startswith("sent to executors:"))
    modules = set(line.split()[3:])
    readers = {"spark_jobs.cleaning.records": "spark_jobs.raw.reader"}  # where the function that it sends is defined
    return {sender for sender in list_senders() if readers.get(sender, sender) not in modules}
