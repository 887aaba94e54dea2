"""Does every job report the tables that it reads and writes to OpenLineage, under standard names?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dags.jobs import CommandOperator
from dags.lineage import lake, locate, raw, warehouse
from dags.shops import find_shops
from dags.spark_submit import SparkJobOperator
from infra.local.check_commands import is_command
from spark_jobs.contract import ledger_tables, tables, warehouse_tables
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.table import Table

SHOP = next(shop for shop in find_shops() if shop.name == "simulated")
LAKE_TABLES = {"churn_risk"} | {
    table.name for module in (tables, ledger_tables) for table in vars(module).values() if isinstance(table, Table)
}
KNOWN = {
    *raw(*tables.EVENTS),
    *lake(*LAKE_TABLES, *(tables.quarantine(log).name for log in tables.EVENTS)),
    *warehouse("churn_risk", "published_runs", "models", "promotions", "identity.customers"),
    *warehouse(*(table.name for table in warehouse_tables.WAREHOUSE_TABLES)),
}
UPKEEP = {"compact", "retain", "vacuum"}  # change no table's content


def test_every_job_names_existing_tables(dags):
    jobs = [task for dag in dags.values() for task in dag.tasks if isinstance(task, CommandOperator | SparkJobOperator)]
    for job in jobs:
        assert {*job.reads, *job.writes} <= KNOWN, job
        assert bool(job.reads or job.writes) is (job.task_id not in UPKEEP), job


def test_every_command_of_a_job_exists(dags):
    jobs = [task for dag in dags.values() for task in dag.tasks if isinstance(task, CommandOperator)]
    assert len(jobs) > 10
    assert [job.command for job in jobs if not is_command(job.command[0])] == []


def test_every_table_that_a_night_reads_is_written_earlier(dags):
    """From the raw files to the warehouse without a gap."""
    known = {*raw(*SHOP.sources), *lake("merges", "training_series")}
    known |= {*warehouse("models", "promotions", "outcomes", "churn_risk")}  # of earlier nights
    for family in ("etl", "score"):
        for task in dags[f"churn_{family}__simulated"].topological_sort():
            if reads := getattr(task, "reads", ()):
                assert set(reads) <= known, task
            known.update(getattr(task, "writes", ()))
    assert set(warehouse("published_runs", "contact_plan", "expected_sales")) <= known


@pytest.mark.parametrize(
    ("table", "namespace", "name"),
    [
        (raw("purchases"), "file", "/home/churn/landing/simulated/purchases"),
        (raw("browses"), "s3://bucket", "shop/browses"),
        (lake("customer_day"), "file", "/home/churn/lake/simulated/customer_day"),
        (warehouse("churn_risk"), "postgres://db.example.com:5432", "bi.simulated.churn_risk"),
        (warehouse("identity.customers"), "postgres://db.example.com:5432", "bi.identity.customers"),
    ],
)
def test_data_sets_follow_openlineages_naming_and_contain_no_password(table, namespace, name):
    settings = Settings(Path("/home/churn"), warehouse_url="postgresql://loader:secret@db.example.com/bi")
    browses = replace(SHOP.sources["browses"], location="s3://bucket/shop/browses")
    shop = replace(SHOP, sources={**SHOP.sources, "browses": browses})
    assert locate(*table, shop, settings) == (namespace, name)


def test_inputs_have_the_version_that_the_job_reported(monkeypatch):
    monkeypatch.setenv("CHURN_WAREHOUSE_URL", "postgresql://db.example.com/bi")
    job = CommandOperator(task_id="load", command=["x"], shop=SHOP, days=[], reads=lake("churn_risk"),
                          writes=warehouse("churn_risk"))  # fmt: skip
    job.result = {"tables": {"churn_risk": 7, "purchases": 3}}
    lineage = job.get_openlineage_facets_on_start()
    versions = {data_set.name.rpartition("/")[2]: data_set.facets["version"] for data_set in lineage.inputs}
    assert {name: facet.datasetVersion for name, facet in versions.items()} == {"churn_risk": "7", "purchases": "3"}
    assert [data_set.name for data_set in lineage.outputs] == ["bi.simulated.churn_risk"]
