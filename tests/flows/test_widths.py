"""Do the tables of all verbs fit 80 and 140 columns and a pipe, with uncut headings and ids?

One prepared home serves all verbs. `check`, `backtest` and `demo` print by the same function; theirs is tested with it.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from infra.cli.__main__ import run
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.raw.hashing import make_hasher
from spark_jobs.warehouse.connection import connect
from tests.spark_jobs.warehouse.support import DAY, make_model, make_pairs, make_rows, publish

SHOP = """
name = "widths"
time_zone = "Europe/Berlin"
currency = "EUR"
[sources.purchases]
location = "raw"
files = "*.csv"
format = "csv"
columns = { customer_id = "client", event_at = "at", unit_price = "price" }
"""
LONG_ID = "customer-of-the-shop-0123456789"
PIPE = 200
#: Verb -> texts that must be uncut on every screen.
VERBS = {
    "models": ("version", "state", "lstm-2011-01-31-0123abcd", "waits for approval"),
    f"customer {LONG_ID}": ("as of", "30 days", "2011-09-06"),
    "status": ("warehouse", "scores", "approval"),
    f"erase {LONG_ID}": ("churn_risk", "identity.customers"),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory, warehouse_url):
    home = tmp_path_factory.mktemp("widths")
    (home / "shop.toml").write_text(SHOP)
    settings = Settings(home, warehouse_url=warehouse_url)
    shop, warehouse = load_shop(home / "shop.toml"), connect(settings)
    warehouse.prepare(shop)
    key = make_hasher(settings, shop).customer_key(LONG_ID)
    warehouse.upsert_customers(shop, "k1", [make_pairs(**{key: LONG_ID})])
    reason = "A purchase only every 203 days, the last one 41 days ago; half as many visits as in the weeks before"
    for back in range(3):
        rows = make_rows([key], DAY - timedelta(back), reason_text=reason)
        publish(warehouse, shop, f"run-{back}", rows, DAY - timedelta(back))
    for version in ("lstm-2011-01-31-0123abcd", "blend-2011-01-30-0123abcd"):
        warehouse.register_model(shop, make_model(version))
    return home


@pytest.mark.parametrize("width", [80, 140, None])
@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.split()[0])
def test_a_verb_fits_the_screen(verb, width, home, warehouse_url, monkeypatch, capfd):
    monkeypatch.setenv("CHURN_HOME", str(home))
    monkeypatch.setenv("CHURN_WAREHOUSE_URL", warehouse_url)
    monkeypatch.delenv("COLUMNS", raising=False)
    if width:
        monkeypatch.setenv("COLUMNS", str(width))
    run([*verb.split(), "--shop", str(home / "shop.toml")])
    shown = capfd.readouterr().out
    tables = [line for line in shown.splitlines() if line[:1] in "│┃┏┡├└┌✓✗ "]
    assert tables
    assert max(map(len, tables)) <= (width or PIPE)
    assert "…" not in shown
    assert [text for text in VERBS[verb] if text not in shown] == []
