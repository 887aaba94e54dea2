"""Do all started processes listen on this machine only, and are the user's settings kept?"""

from __future__ import annotations

from pathlib import Path

from infra.local.environment import make_environment
from spark_jobs.contract.settings import Settings


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


def test_jobs_share_one_spark_unless_configured_otherwise(tmp_path):
    def choose(**given: str) -> str:
        return make_environment([], {"CHURN_HOME": str(tmp_path), **given})["CHURN_ENGINE"]

    assert choose() == "connect"
    assert choose(CHURN_ENGINE="classic") == "classic"
    assert choose(AIRFLOW_CONN_SPARK_DEFAULT="{}") == "classic"
    assert choose(SPARK_CONF_DIR="/etc/spark") == "classic"
