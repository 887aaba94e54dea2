"""Does a job find the configured warehouse, and report in one line what is missing?"""

from __future__ import annotations

from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from spark_jobs import churn_risk, clean, night_report
from spark_jobs.contract.errors import ChurnError, TransientError
from spark_jobs.contract.settings import EMBEDDED, Settings
from spark_jobs.warehouse.connection import connect
from spark_jobs.warehouse.postgres import PostgresWarehouse
from tests.conftest import ROOT

DEMO_SHOP = ROOT / "infra" / "demo" / "cdnow" / "shop.toml"


@pytest.mark.parametrize("url", [
    "postgresql://churn:s3cret@127.0.0.1:1/churn",
    "postgresql://churn:s3cret@127.0.0.1:notaport/churn",
    "postgres//churn:s3cret@127.0.0.1/churn",
    "s3cret",
])  # fmt: skip
def test_unreachable_or_mistyped_url_is_reported_in_one_line_without_the_password(url):
    with pytest.raises(ChurnError) as failure:
        connect(Settings(home=Path("unused"), warehouse_url=url))
    assert "s3cret" not in str(failure.value)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize("job", [clean, churn_risk, night_report])
def test_a_job_without_a_warehouse_says_what_to_set_and_starts_none(job, tmp_path, monkeypatch):
    monkeypatch.setenv("CHURN_HOME", str(tmp_path))
    monkeypatch.delenv("CHURN_WAREHOUSE_URL", raising=False)
    with pytest.raises(ChurnError, match=r"^no warehouse: set CHURN_WAREHOUSE_URL to postgresql:.* or to embedded"):
        job.main(["--shop", str(DEMO_SHOP), "--as-of", "1997-09-30"])
    assert list(tmp_path.iterdir()) == []


def test_embedded_is_the_server_of_this_home_which_no_job_starts(warehouse_url, tmp_path):
    settings = Settings(tmp_path, warehouse_url=EMBEDDED)
    with pytest.raises(ChurnError, match=r"port cannot be read .* start .*python -m infra\.local\.warehouse start"):
        connect(settings)
    running = conninfo_to_dict(warehouse_url)
    for file, word in ((settings.embedded_port_file, "port"), (settings.embedded_password_file, "password")):
        file.parent.mkdir()
        file.write_text(running[word])
    assert connect(settings) == PostgresWarehouse(warehouse_url)
    settings.embedded_port_file.write_text("1")
    with pytest.raises(TransientError, match=r"is not running: start it with .*; a later try may succeed"):
        connect(settings)
