"""Do all started processes listen on this machine only, and are the user's settings kept?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from infra.local import environment
from infra.local.environment import ROOT, choose_engine, make_environment
from spark_jobs.cleaning.deliveries import find_intake
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.runtime.session import open_session

SHOP = ROOT / "infra" / "demo" / "online_retail" / "shop.toml"


def test_airflow_binds_to_localhost_and_keeps_chosen_settings(tmp_path):
    made = make_environment([tmp_path / "shop.toml"], {"PATH": "/bin", "CHURN_HOME": str(tmp_path), "EDITOR": "ed"})
    assert made["EDITOR"] == "ed"
    assert made["CHURN_SHOPS"] == str(tmp_path / "shop.toml")
    assert made["SPARK_LOCAL_IP"] == made["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert Path(made["SPARK_HOME"], "bin", "spark-submit").exists()
    assert made["PATH"].endswith(":/bin")
    assert made["AIRFLOW_HOME"] == str(tmp_path / "airflow")


def test_the_settings_read_the_environment(tmp_path):
    made = make_environment([tmp_path / "a.toml", tmp_path / "b.toml"], {"CHURN_HOME": str(tmp_path)})
    settings = Settings.from_environment(made)
    assert settings.shops == (tmp_path / "a.toml", tmp_path / "b.toml")
    assert Path(settings.jobs_python).exists()


def write_shop(folder: Path, location: str) -> Path:
    file = folder / "shop.toml"
    file.write_text(re.sub('location = ".*"', f'location = "{location}"', SHOP.read_text()))
    return file


def test_jobs_share_one_sail_where_it_fits_else_one_spark(tmp_path, monkeypatch):
    def choose(location: str = "raw", **given: str) -> str:
        shop = write_shop(tmp_path, location)
        return make_environment([shop], {"CHURN_HOME": str(tmp_path), **given})["CHURN_ENGINE"]

    monkeypatch.setattr(environment, "is_allowed", lambda: True)
    monkeypatch.setattr(environment, "is_installed", lambda: True)
    assert choose() == "sail"
    assert choose(CHURN_LAKE=str(tmp_path)) == "sail"
    assert choose(CHURN_LAKE="s3://bucket/lakes") == "connect"
    assert choose("s3://bucket/raw") == "connect"
    assert choose(CHURN_SPARK_MASTER="local[2]") == "connect"
    assert choose(CHURN_SPARK_MASTER="", CHURN_SPARK_REMOTE="", SPARK_CONF_DIR="") == "sail"
    assert choose(CHURN_SPARK_REMOTE="sc://spark:15002") == "connect"
    assert choose(AIRFLOW_CONN_SPARK_DEFAULT="{}") == "classic"
    assert choose(SPARK_CONF_DIR="/etc/spark") == "classic"
    assert choose("s3://bucket/raw", CHURN_ENGINE="sail") == "sail"  # the job refuses it
    monkeypatch.setattr(environment, "is_installed", lambda: False)
    assert choose() == "connect"
    monkeypatch.setattr(environment, "is_installed", lambda: True)
    monkeypatch.setattr(environment, "is_allowed", lambda: False)
    assert choose() == "connect"
    assert choose(CHURN_ENGINE="sail") == "sail"


def test_tasks_of_a_live_airflow_have_a_spark_each_where_sail_does_not_fit(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "is_allowed", lambda: True)
    monkeypatch.setattr(environment, "is_installed", lambda: True)
    assert choose_engine({}, otherwise="classic") == "sail"
    assert choose_engine({"CHURN_LAKE": "s3://bucket/lakes"}, otherwise="classic") == "classic"


def test_a_wrong_shop_is_reported_by_who_reads_it_next(tmp_path):
    (tmp_path / "shop.toml").write_text("name = ")
    assert make_environment([tmp_path / "shop.toml"], {"CHURN_HOME": str(tmp_path)})["CHURN_ENGINE"]


def test_sail_refuses_an_object_store_in_one_line(tmp_path):
    store = {"CHURN_HOME": str(tmp_path), "CHURN_ENGINE": "sail"}
    with pytest.raises(ChurnError, match=r"CHURN_LAKE is s3://bucket/lakes, but .* set CHURN_ENGINE=connect"):
        open_session("none", Settings.from_environment(store | {"CHURN_LAKE": "s3://bucket/lakes"}))
    shop = load_shop(write_shop(tmp_path, "s3://bucket/raw"))
    with pytest.raises(ChurnError, match=r"sources.purchases.location is s3://bucket/raw, but CHURN_ENGINE is sail"):
        find_intake(shop, "purchases", Settings.from_environment(store))
    there = Settings.from_environment(store | {"CHURN_SPARK_REMOTE": "sc://sail:15002"})
    assert find_intake(shop, "purchases", there).folder == "s3://bucket/raw"
