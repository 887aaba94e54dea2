"""Does the command find the warehouse, and never print its password?"""

from __future__ import annotations

import os
import subprocess
import sys

from psycopg.conninfo import conninfo_to_dict

from infra.local.environment import make_environment, read_settings
from infra.local.warehouse import main
from spark_jobs.contract.settings import EMBEDDED
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.warehouse.postgres import PostgresWarehouse
from tests.conftest import ROOT


def test_no_output_contains_the_password(warehouse_url, monkeypatch, capfd):
    monkeypatch.setenv("CHURN_WAREHOUSE_URL", warehouse_url)
    for command in ("start", "url"):
        main([command])
    shown = "".join(capfd.readouterr())
    assert shown.count("postgresql://churn@127.0.0.1:") == 2
    assert conninfo_to_dict(warehouse_url)["password"] not in shown + repr(PostgresWarehouse(warehouse_url))


def test_local_commands_name_the_embedded_warehouse_unless_another_is_named(monkeypatch):
    assert make_environment([], {})["CHURN_WAREHOUSE_URL"] == EMBEDDED
    assert (
        make_environment([], {"CHURN_WAREHOUSE_URL": "postgresql://h/d"})["CHURN_WAREHOUSE_URL"] == "postgresql://h/d"
    )
    monkeypatch.setenv("CHURN_WAREHOUSE_URL", "")
    assert read_settings().warehouse_url == EMBEDDED


def test_psql_passes_arguments_through_and_sets_the_shops_search_path(warehouse_url):
    file = ROOT / "infra" / "demo" / "cdnow" / "shop.toml"
    PostgresWarehouse(warehouse_url).prepare(load_shop(file))
    command = [sys.executable, "-m", "infra.local.warehouse", "psql", "--shop", file, "-At", "-c", "SHOW search_path"]
    environment = {**os.environ, "CHURN_WAREHOUSE_URL": warehouse_url}
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (ran.stdout, ran.stderr, ran.returncode) == ("cdnow\n", "", 0)
