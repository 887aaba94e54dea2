"""Does the table of contacts match the current files of the shop?"""

from __future__ import annotations

import gzip
from dataclasses import replace
from datetime import date

import pytest

from spark_jobs import contacts
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.raw.hashing import Hasher
from spark_jobs.warehouse.postgres import PostgresWarehouse
from tests.spark_jobs.shops import CONTACT
from tests.spark_jobs.warehouse.support import make_pairs, select

SHOP = """
name = "contacted"
time_zone = "America/New_York"
currency = "USD"
[sources.purchases]
location = "raw"
files = "*.csv"
format = "csv"
columns = { customer_id = "client", event_at = "at", unit_price = "price" }
"""
SHOP += CONTACT


@pytest.fixture
def home(tmp_path, warehouse_url):
    """A shop whose CRM has logged two clients, one of them twice; the warehouse knows one of them."""
    (tmp_path / "shop.toml").write_text(SHOP)
    (tmp_path / "sent").mkdir()
    (tmp_path / "sent/monday.csv").write_text(
        "client,channel,sent\nAnn,mail,2026-03-02T03:30:00Z\nBob,call,2026-03-02\n\n"
    )
    (tmp_path / "sent/tuesday.csv.gz").write_bytes(
        gzip.compress(b"sent,client\n2026-03-03 09:30, Ann\n2026-03-03,Ann\n")
    )
    shop, settings = load_shop(tmp_path / "shop.toml"), Settings(tmp_path / "home")
    warehouse = PostgresWarehouse(warehouse_url)
    warehouse.prepare(shop)
    hashed = Hasher(settings.id_key().secret, shop.name).for_purpose("customer")
    warehouse.upsert_customers(shop, "k1", [make_pairs(**{hashed("Ann"): "Ann"})])
    return warehouse, shop, settings, hashed


def run(warehouse, shop, settings):
    contacts.run(warehouse, shop, shop.contact.log, settings)
    return set(select(warehouse, shop, "SELECT customer_id, contacted_on FROM contacts"))


def test_the_table_holds_each_customer_and_day_once_under_the_keys_of_the_scores(home, capsys):
    *home, hashed = home
    sunday, monday, tuesday = (date(2026, 3, day) for day in (1, 2, 3))
    assert run(*home) == {(hashed("Ann"), sunday), (hashed("Bob"), monday), (hashed("Ann"), tuesday)}
    assert "3 with 2 customers, of whom 1 are customers of contacted" in capsys.readouterr().out


def test_a_corrected_contact_log_replaces_the_former_and_a_faulty_one_changes_nothing(home):
    *home, hashed = home
    run(*home)
    folder = home[1].path.parent / "sent"
    (folder / "tuesday.csv.gz").unlink()
    (folder / "monday.csv").write_text("client,sent\nAnn,2026-03-05\n")
    assert run(*home) == {(hashed("Ann"), date(2026, 3, 5))}
    for line, found in (("Ann,yesterday", "'yesterday'"), (",2026-03-05", "''"), ("Ann", "fewer fields")):
        (folder / "more.csv").write_text(f"client,sent\nAnn,2026-03-06\n{line}\n")
        with pytest.raises(ChurnError, match=f"more.csv, record 2: .*{found}"):
            run(*home)
    (folder / "more.csv").unlink()
    (folder / "monday.csv").write_text("client,sent\nann@example.org,2026-03-05\n")
    with pytest.raises(ChurnError, match="has none of the 1 customers"):
        run(*home)
    assert select(*home[:2], "SELECT contacted_on FROM contacts") == [(date(2026, 3, 5),)]


def test_a_shop_without_a_contact_log_gets_a_message(home, capsys):
    _, shop, *_ = home
    text = shop.path.read_text()
    shop.path.write_text(text[: text.index("[contact.log]")])
    contacts.main(["--shop", str(shop.path)])
    assert "has no [contact.log]" in capsys.readouterr().out
    assert load_shop(shop.path).contact == replace(shop.contact, log=None)
