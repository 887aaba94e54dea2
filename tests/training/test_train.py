"""The command, end to end: a published series becomes a bundle, a registered model, a report and an MLflow run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.tables import TRAINING_SERIES
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import run_command
from spark_jobs.warehouse.connection import connect
from tests.training.series import day, draw_shop_series
from training import train
from training.models.registry import KINDS
from training.serving.bundle import load_bundle
from training.serving.integrity import read_files
from training.serving.scorer import load_scorer

AS_OF = day(299)
SHOP_FILE = """
name = "corner"
time_zone = "UTC"
currency = "EUR"
[model]
epochs = 2
folds = 2
lstm_units = 4
[sources.purchases]
location = "raw"
files = "*.csv"
format = "csv"
[sources.purchases.columns]
customer_id = "c"
event_at = "t"
quantity = "q"
unit_price = "p"
kind = "k"
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A home with one published training series."""
    home = tmp_path_factory.mktemp("home")
    (home / "shop.toml").write_text(SHOP_FILE)
    series = draw_shop_series(250, 300)
    Lake(home / "lake" / "corner").update(TRAINING_SERIES, AS_OF.isoformat(), lambda _: series)
    return home


@pytest.fixture
def run(home, monkeypatch, warehouse_url):
    """Runs the command with these arguments; returns its exit code."""
    monkeypatch.setenv("CHURN_HOME", str(home))
    monkeypatch.setenv("CHURN_WAREHOUSE_URL", warehouse_url)
    monkeypatch.delenv("CHURN_MLFLOW_URI", raising=False)

    def call(*arguments: str, as_of: str = AS_OF.isoformat()) -> int:
        return run_command(train.main, ["--shop", str(home / "shop.toml"), "--as-of", as_of, *arguments])

    return call


def read_models(home: Path) -> list[Path]:
    return sorted(p for p in (home / "models" / "corner").iterdir() if p.name.startswith(AS_OF.isoformat()))


def test_a_training_writes_a_scoring_model_a_report_and_a_tracked_run(run, home, capsys, warehouse_url):
    from mlflow import MlflowClient

    assert run("--promote", "--report", str(home / "report")) == 0
    printed = capsys.readouterr().out
    [folder] = read_models(home)
    shop, warehouse = load_shop(home / "shop.toml"), connect(Settings(home, warehouse_url))
    record, is_hindsight = warehouse.model_for(shop, AS_OF)
    assert (record.version, record.location, is_hindsight) == (folder.name, str(folder), False)
    assert record.metrics["60d"]["n"] > 50

    loaded = load_bundle(folder, record.bundle_hash)
    assert loaded.candidate.kind == record.kind
    assert loaded.trained_through == AS_OF
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["verdict"]["promoted"] == record.kind
    assert {(row["method"], row["horizon_days"]) for row in metrics["metrics"]} == {
        (kind, h) for kind in KINDS for h in (30, 60, 90)
    }
    batch = draw_shop_series(20, 300, seed=9).to_batches()[0]
    scores = load_scorer(read_files(folder, record.bundle_hash)).score(batch, AS_OF, shop, record.version, False)
    assert scores.num_rows == 20

    [report] = (home / "report").glob("*.html")
    assert str(report) in printed.replace("\n", "")
    for expected in ("AUROC", "boosting", folder.name, "gate"):
        assert expected in printed

    client = MlflowClient(Settings(home).mlflow_tracking_uri)
    experiment = client.get_experiment_by_name("corner")
    [tracked] = client.search_runs([experiment.experiment_id])
    assert tracked.data.params["version"] == folder.name
    assert tracked.data.metrics["lstm_60d_log_loss"] > 0
    assert experiment.artifact_location.startswith(home.as_uri())
    assert [Path(f.path).suffix for f in client.list_artifacts(tracked.info.run_id)] == [".html"]


def test_a_repeated_training_trains_nothing_and_restores_a_lost_bundle(run, home, capsys):
    assert run() == 0
    [folder] = read_models(home)
    capsys.readouterr()
    assert run() == 0
    assert "nothing to train" in capsys.readouterr().out
    assert read_models(home) == [folder]
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    shutil.rmtree(folder)
    assert run() == 0
    assert "nothing to train" not in capsys.readouterr().out
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_a_missing_series_is_an_error_that_names_its_command(run, capsys):
    assert run(as_of="2024-05-01") == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "python -m spark_jobs.customer_series" in error
    assert "--all --as-of 2024-05-01" in error


def test_a_history_too_short_for_the_gate_is_reported(run, home, capsys):
    early = day(100)
    short = draw_shop_series(30, 101)
    short = short.set_column(short.column_names.index("as_of"), "as_of", pa.array([early] * short.num_rows))
    Lake(home / "lake" / "corner").update(TRAINING_SERIES, early.isoformat(), lambda _: short)
    assert run(as_of=early.isoformat()) == 1
    assert "the gate trains as of" in capsys.readouterr().err


def test_faulty_model_settings_are_reported_before_anything_runs(run, home, capsys):
    faulty = home / "faulty.toml"
    faulty.write_text(SHOP_FILE.replace("epochs = 2", "epoch = 2"))
    assert run_command(train.main, ["--shop", str(faulty), "--as-of", AS_OF.isoformat()]) == 1
    assert "did you mean 'epochs'?" in capsys.readouterr().err
