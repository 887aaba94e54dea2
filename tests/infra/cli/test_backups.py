"""Does a backup bring back warehouse, keys and models in another CHURN_HOME?"""

from __future__ import annotations

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from infra.cli.backups import back_up, restore_backup
from infra.cli.running import Output
from infra.cli.shops import find_shop
from infra.local.embedded import EmbeddedPostgres
from infra.local.environment import read_settings
from spark_jobs.contract.errors import ChurnError
from spark_jobs.warehouse.connection import connect
from spark_jobs.warehouse.records import ModelRecord
from tests.conftest import ROOT


@pytest.fixture
def homes(tmp_path, monkeypatch):
    """Two folders, of which the first is CHURN_HOME; the second becomes it by calling what this yields."""
    first, second = tmp_path / "first", tmp_path / "second"
    monkeypatch.delenv("CHURN_WAREHOUSE_URL", raising=False)
    monkeypatch.setenv("CHURN_HOME", str(first))
    yield first, second, lambda: monkeypatch.setenv("CHURN_HOME", str(second))
    for home in (first, second):
        EmbeddedPostgres(home).stop()


def test_a_restored_home_has_the_same_warehouse_keys_and_models(homes, tmp_path):
    first, second, move = homes
    file = tmp_path / "state.tar"
    with pytest.raises(ChurnError, match="has no lake"):
        back_up(file, Output())
    settings = read_settings()
    EmbeddedPostgres(first).start()
    shop = find_shop(str(ROOT / "infra" / "demo" / "online_retail"), settings)
    warehouse = connect(settings)
    warehouse.prepare(shop)
    location = first / "models" / shop.name / "v1"
    location.mkdir(parents=True)
    (location / "weights").write_text("w")
    model = ModelRecord("v1", "lstm", str(location), "h", date(2011, 9, 4), True, {}, datetime.now(UTC))
    warehouse.register_model(shop, model)
    pair = pa.record_batch([["k1"], ["c1"]], ["customer_key", "customer_id"])
    warehouse.upsert_customers(shop, settings.id_key().key_id, [pair])
    (first / "lake" / shop.name).mkdir(parents=True)
    (first / "fixes").mkdir()
    (first / "fixes" / "corrected.jsonl").write_text("{}")

    back_up(file, Output())
    assert file.stat().st_mode & 0o077 == 0
    move()
    restore_backup(file, Output())

    there = read_settings()
    assert there.id_key().secret == settings.id_key().secret
    assert connect(there).model(shop, "v1").location == str(second / "models" / shop.name / "v1")
    assert (second / "models" / shop.name / "v1" / "weights").read_text() == "w"
    assert (second / "fixes" / "corrected.jsonl").read_text() == "{}"
    assert connect(there).read(shop, "customer_ids").to_pylist() == [{"customer_key": "k1", "customer_id": "c1"}]
    with pytest.raises(ChurnError, match="has a lake already"):
        restore_backup(file, Output())
