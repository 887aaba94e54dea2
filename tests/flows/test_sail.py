"""Jobs on Sail, without Java, make the tables that they make on Spark."""

from __future__ import annotations

import time
from datetime import date

import pytest

from spark_jobs.contract.ledger_tables import ACCOUNTS
from spark_jobs.contract.settings import SAIL
from spark_jobs.contract.tables import CUSTOMER_DAY, CUSTOMER_SERIES, EVENTS, quarantine
from spark_jobs.runtime import own_network
from spark_jobs.runtime.engine import find_folder, read_record, stop_engine
from spark_jobs.runtime.sail_server import is_installed
from tests.flows.test_shared_spark import DAY, run_job
from tests.flows.test_three_logs import SHOP, ThreeLogs, browse, buy, review

#: Beside plain times: a zone in a column of its own, and names of months, weekdays and day halves.
FORMATS = ("iso8601", "rfc2822", "EEE d. MMMM yyyy h:mm a z")
ZONED = SHOP.replace(
    'event_at = "at"\nrating',
    f'event_at = {{ column = "at", zone_column = "zone", formats = {list(FORMATS)}, language = "de" }}\nrating',
)
TABLES = (*EVENTS.values(), *map(quarantine, EVENTS), ACCOUNTS, CUSTOMER_DAY, CUSTOMER_SERIES)


@pytest.fixture
def shops(spark, tmp_path, warehouse_url):
    """The same shop with Sail and with the tests' own Spark."""
    if not is_installed():
        pytest.skip("Sail is not installed")
    shops = [ThreeLogs(spark, tmp_path / name, warehouse_url, ZONED) for name in (SAIL, "own")]
    for shop in shops:
        (shop.raw.parent / "home").mkdir(exist_ok=True)
        (shop.raw.parent / "home" / "merged.csv").write_text("customer_id,merged_into,since\nb,a,2024-05-01\n")
        shop.land(
            "2024-05-01",
            [buy(), buy(), buy("b", price="1e1", currency="USD"), buy("c", price="1,5"), buy("d", price="１２"),
             buy("")],
            [browse(1, item="p", category="c", dwell=12.5), browse(2, at="2024-05-01T10:31", kind="add", item="p"),
             browse(3, kind="scroll"), browse(1, item="p", category="c", dwell=12.5)],
            [review(1, at="2024-05-01 20:00", zone="Eastern Time", stars=9, text="great"),
             review(2, at="1/5/2024 20:00", stars=2), review(3, at="2024-W18-3T20:00", stars=2),
             review(4, at="2024-05-01 20:00", zone="+2:00", stars=11),
             review(5, at="Wed, 1 May 2024 20:00:00 +0200 (CEST)"), review(6, at="Mi. 1. Mai 2024 8:00 p.m. MESZ"),
             review(7, at="Mi 1st Mai 2024 8:00 PM soon")],
        )  # fmt: skip
        shop.land(
            DAY,
            [buy("a", "2024-05-02 23:30", "q"), buy("e", "2024-03-31 02:30"), buy("e", "2024-05-03T10:00:00+01:00")],
            [
                browse(1, item="p", category="other"),
                *(browse(n, "bot", f"2024-05-03T10:{n}", item="p") for n in range(10, 17)),
            ],
            [review(1, at="2024-05-01 20:00", zone="Eastern Time", stars=9, text="great")],
        )
    yield shops
    while not stop_engine(shops[0].settings.home):
        time.sleep(0.1)


def test_a_night_makes_the_same_tables_on_sail(shops):
    shop, own = shops
    for job in ("clean", "customer_day", "customer_series"):
        run_job(shop, job, SAIL)
    engine = read_record(find_folder(shop.settings.home))
    assert bool(engine.socket) == own_network.is_allowed()
    own.run_night(date.fromisoformat(DAY))
    assert len(own.rows(CUSTOMER_SERIES)) > 2
    for table in TABLES:
        assert shop.rows(table) == own.rows(table)
