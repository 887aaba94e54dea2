"""Is the customer nowhere after an erasure, are all others unchanged, and does no raw file restore the id?"""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from unittest.mock import Mock

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from psycopg import sql

from spark_jobs import erase
from spark_jobs.cleaning import merges
from spark_jobs.contract.errors import ChurnError, TransientError
from spark_jobs.contract.ledger_tables import ACCOUNTS, MERGES
from spark_jobs.contract.tables import CUSTOMER_DAY, CUSTOMER_SERIES, PURCHASES, churn_risk, quarantine
from spark_jobs.contract.warehouse_tables import CONTACT_PLAN, CONTACTS, CUSTOMER_OUTCOMES
from spark_jobs.customer_day import stale_days
from spark_jobs.lake import publishing
from spark_jobs.lake.store import Lake
from spark_jobs.rebuild import Rebuild, find_targets, rebuild_table
from spark_jobs.warehouse.connection import connect
from spark_jobs.warehouse.postgres import PostgresWarehouse
from tests.spark_jobs.shops import DATED, SHOP, SmallShop
from tests.spark_jobs.warehouse.support import make_rows

DAY = {n: date(2024, 5, n) for n in range(1, 9)}
TEXT = 'merged_customers = "{home}/merged.csv"\n' + SHOP.format(
    name="{name}", exact_duplicates="keep", delivery_day=DATED
)
GONE, FORMER, KEPT = "Gone-77", "Former-76", "Kept-78"


def buy(customer: str, day: int, price: int = 5) -> str:
    return f"{customer},2024-05-0{day} 10:00,tea,drinks,1,{price}"


@pytest.fixture(scope="module")
def small(spark, tmp_path_factory, warehouse_url) -> SmallShop:
    """A shop of two customers and a few nights; one of them was a former id before, and is in every table."""
    folder = tmp_path_factory.mktemp("erase")
    small = SmallShop(spark, folder, warehouse_url, TEXT.replace("{name}", "erasing"))
    small.settings.home.mkdir(exist_ok=True)
    (small.settings.home / "merged.csv").write_text(f"customer_id,merged_into,since\n{FORMER},{GONE},2024-05-02\n")
    small.deliver("2024-05-01.csv", buy(FORMER, 1), buy(KEPT, 1))
    small.deliver("2024-05-02.csv", buy(GONE, 2), buy(GONE, 2, 7), buy(KEPT, 2), buy(GONE, 2, 9), "x,y,z,,,")
    small.deliver("2024-05-03.csv", buy(KEPT, 3))
    for n in (1, 2, 3):
        small.run_night(DAY[n])
    fill_the_rest(small)
    return small


def keys_of(small: SmallShop) -> dict[str, str]:
    rows = connect(small.settings).read(small.shop, "customer_ids").to_pylist()
    return {row["customer_id"]: row["customer_key"] for row in rows}


def fill_the_rest(small: SmallShop) -> None:
    """Scores in the lake and the warehouse, a plan, outcomes, contacts, a page and a backtest of all customers."""
    warehouse, keys = connect(small.settings), keys_of(small)
    rows = make_rows("abc", DAY[3], small.shop.churn.horizons_days)
    rows = rows.set_column(rows.schema.get_field_index("customer_id"), "customer_id", pa.array(sorted(keys.values())))
    small.lake.update(churn_risk(small.shop.churn.horizons_days), str(DAY[3]), lambda _: rows)
    warehouse.publish_scores(small.shop, DAY[3], "run-1", rows, 0, False)
    merges.publish(small.lake, warehouse, small.shop)
    theirs = [{"customer_id": key, "as_of": DAY[3]} for key in keys.values()]
    warehouse.replace(small.shop, CUSTOMER_OUTCOMES, [
        row | {"horizon_days": 4, "churned": False, "spend": Decimal(1)} for row in theirs
    ])  # fmt: skip
    warehouse.replace(small.shop, CONTACTS, [{"customer_id": key, "contacted_on": DAY[3]} for key in keys.values()])
    warehouse.replace(small.shop, CONTACT_PLAN, [
        row | {"rank": n, "expected_profit": Decimal(1), "is_control": False, "run_id": "run-1",
               "planned_at": datetime(2024, 5, 4, tzinfo=UTC)} for n, row in enumerate(theirs, 1)
    ])  # fmt: skip
    pages, results = Path(small.settings.reports(small.shop.name)), small.settings.home / "backtest" / small.shop.name
    for folder in (pages, results):
        folder.mkdir(parents=True)
    (pages / "night_2024-05-03.html").write_text(f"<td>{keys[GONE][:16]}</td>")
    (pages / "night_2024-05-02.html").write_text(f"<td>{keys[KEPT][:16]}</td>")
    lines = [f"{key},2024-05-01,2,0.5,lstm\n" for key in keys.values()]
    (results / "predictions.csv").write_text("customer_id,cutoff,horizon,p,method\n" + "".join(lines))


def find_traces(home: Path, needles: set[str]) -> list[str]:
    """The files below this folder, without the warehouse's own, that contain one of these texts."""
    found = []
    for file in sorted(one for one in home.rglob("*") if one.is_file() and one.name != "merged.csv"):
        texts = [file.read_bytes()]
        if file.suffix == ".parquet":
            texts.append(json.dumps(pq.ParquetFile(file).read().to_pylist(), default=str).encode())
        if any(needle.encode() in text for needle in needles for text in texts):
            found.append(str(file.relative_to(home)))
    return found


def find_rows(small: SmallShop, needles: set[str]) -> list[str]:
    """The tables of the shop and of all identities that have a row with one of these texts."""
    query = "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema IN (%s, 'identity')"
    found = []
    with psycopg.connect(small.settings.warehouse_url) as connection:
        for place in connection.execute(query, [small.shop.name]).fetchall():
            rows = connection.execute(sql.SQL("SELECT row_to_json(t)::text FROM {} t").format(sql.Identifier(*place)))
            if any(needle in row for (row,) in rows for needle in needles):
                found.append(".".join(place))
    return found


def run(small: SmallShop, customer: str, lake: Lake | None = None, home: Path | None = None) -> dict[str, int]:
    lake, warehouse = lake or small.lake, connect(small.settings)
    settings = replace(small.settings, home=home or small.settings.home)
    person = erase.find_person(lake, warehouse, small.shop, settings, customer)
    return erase.erase(lake, warehouse, small.shop, settings, person, DAY[4])


def without(rows: list[dict], gone: set[str]) -> list[dict]:
    return [row for row in rows if row["customer_id"] not in gone]


def test_a_killed_erasure_is_completed_by_the_next(small, tmp_path, monkeypatch):
    """Kills the erasure at every second publish, in copies of the lake; the warehouse does not change."""
    keys = keys_of(small)
    needles = {keys[GONE], keys[FORMER]}
    monkeypatch.setattr(PostgresWarehouse, "remove_customers", lambda *_, **__: {})
    for dies_at in range(1, 100, 2):
        shutil.copytree(small.lake.root, tmp_path / str(dies_at))
        lake, steps = Lake(tmp_path / str(dies_at)), []

        def die(step: str, steps: list[str] = steps, dies_at: int = dies_at) -> None:
            steps.append(step)
            if steps.count("audited") == dies_at:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(publishing, "on_step", die)
            with suppress(KeyboardInterrupt):
                run(small, GONE, lake, tmp_path / "home")
        if steps.count("audited") < dies_at:
            break
        assert find_traces(Path(lake.root), needles)
        run(small, GONE, lake, tmp_path / "home")
        assert find_traces(Path(lake.root), needles) == []
    assert dies_at > 6


def test_the_customer_is_nowhere_and_all_others_are_unchanged(small, monkeypatch):
    keys, tables = keys_of(small), (PURCHASES, CUSTOMER_DAY, CUSTOMER_SERIES)
    gone = {keys[GONE], keys[FORMER]}
    needles = gone | {GONE, FORMER}
    before = {table.name: without(small.rows(table), gone) for table in tables}
    assert find_traces(small.settings.home / "lake", needles)
    assert len(find_rows(small, needles)) >= 6
    with monkeypatch.context() as patch:  # an unreachable warehouse: the former id must still be found afterwards
        patch.setattr(PostgresWarehouse, "remove_customers", Mock(side_effect=TransientError("away")))
        with pytest.raises(TransientError):
            run(small, f" {GONE} ")  # in another spelling
    counts = run(small, GONE)
    assert counts["warehouse identity.customers"] == 2
    assert counts["pages"] == 1
    assert counts["lines of backtests"] == 2
    assert find_traces(small.settings.home, {needle[:16] for needle in needles}) == []
    assert find_rows(small, needles) == []
    for table in tables:
        assert small.rows(table) == before[table.name]
    assert [row["customer_id"] for row in small.rows(churn_risk(small.shop.churn.horizons_days))] == [keys[KEPT]]
    assert [run.rows for run in connect(small.settings).published(small.shop)] == [1]
    assert small.rows(MERGES) == []
    assert stale_days(small.lake, small.shop, DAY[3]) == {}  # up-to-date days are not built again
    by_file = {row["path"]: (row["lines_in"], row["clean"], row["elsewhere"]) for row in small.rows(ACCOUNTS)}
    assert by_file["2024-05-02.csv"] == (5, 1, 3)
    assert sum(run(small, GONE).values()) == 0


def test_raw_files_do_not_restore_an_erased_customer(small):
    keys = {row["customer_id"] for row in small.rows(PURCHASES)}
    small.deliver("2024-05-04.csv", buy(GONE, 4), buy(FORMER, 4), buy(KEPT, 4))
    small.run_night(DAY[4])
    rebuild = Rebuild(small.open_spark, small.lake, small.shop, small.settings, DAY[4])
    target = find_targets(rebuild)["purchases"]
    list(rebuild_table(target, small.lake, ["2024-05-02"], 1 << 30))
    assert {row["customer_id"] for row in small.rows(PURCHASES)} == keys
    assert find_rows(small, {GONE, FORMER}) == []
    assert find_traces(small.settings.home, {GONE, FORMER}) == []
    by_file = {row["path"]: (row["clean"], row["quarantined"], row["elsewhere"]) for row in small.rows(ACCOUNTS)}
    assert by_file["2024-05-04.csv"] == (1, 0, 2)
    assert by_file["2024-05-02.csv"] == (1, 1, 3)
    assert len(small.rows(quarantine("purchases"))) == 1


@pytest.mark.parametrize("customer", ["Nobody-1", "0" * 32])
def test_an_unknown_customer_leaves_no_tombstone(small, customer, monkeypatch):
    monkeypatch.setattr(erase.Settings, "from_environment", lambda: small.settings)
    with pytest.raises(ChurnError, match=f"knows no customer '{customer}'"):
        erase.main(["--shop", str(small.shop.path), customer, "--yes"])


def test_without_yes_nothing_changes(small, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(erase.Settings, "from_environment", lambda: small.settings)
    before = small.rows(PURCHASES), find_rows(small, {KEPT})
    erase.main(["--shop", str(small.shop.path), KEPT, "--result", str(tmp_path / "result.json")])
    assert capsys.readouterr().out.startswith("would be erased:")
    assert json.loads((tmp_path / "result.json").read_text())["counts"]["purchases"] == 4
    assert (small.rows(PURCHASES), find_rows(small, {KEPT})) == before
