"""Rejected records can be shown as delivered, corrected and replayed, and count once."""

import json
from datetime import date

import pytest

from spark_jobs import quarantine
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.tables import CUSTOMER_SERIES, PURCHASES
from tests.spark_jobs.shops import SmallShop

DAY = {n: date(2011, 3, n) for n in range(1, 10)}
GOOD, FREE, CUT = "a,2011-03-01 10:00,p,c,1,2.00", "b,2011-03-01 11:00,p,c,1,free", "c,2011-03-01 12:00"
MENDED = "b,2011-03-01 11:00,p,c,1,3.00"


@pytest.fixture
def shop(spark, tmp_path, warehouse_url, monkeypatch):
    one = SmallShop(spark, tmp_path, warehouse_url)
    monkeypatch.setenv("CHURN_HOME", str(one.settings.home))
    one.deliver("2011-03-01.csv", GOOD, FREE, CUT, GOOD, GOOD)
    one.shop_file = str(tmp_path / "shop.toml")
    one.clean(DAY[1])
    return one


def command(shop, *words):
    quarantine.main([words[0], "--shop", shop.shop_file, *map(str, words[1:])])


def fix(shop, file, **values):
    """Writes the records to correct, and gives new values to those that could be parsed."""
    command(shop, "fix", "--log", "purchases", "--file", file)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    file.write_text("".join(json.dumps(line | values) + "\n" for line in lines if line["customer"]))
    return lines


def test_rejected_records_are_shown_as_they_were_delivered(shop, capsys):
    command(shop, "show")
    shown = " ".join(capsys.readouterr().out.split())
    assert "purchases: 2 rejected records" in shown
    assert "price_invalid, 1: a price that is no number. Map the right column to unit_price or amount." in shown
    assert "fields_missing, 1" in shown
    assert "free" in shown
    assert "2011-03-01 12:00" in shown
    command(shop, "show", "--reason", "price_invalid")
    assert "fields_missing" not in capsys.readouterr().out


def test_a_corrected_record_counts_once_however_often_it_is_replayed_or_delivered(shop, tmp_path, capsys):
    file = tmp_path / "fixed.jsonl"
    shop.run_night(DAY[1])
    (free, cut) = fix(shop, file, price="3.00")
    assert (free["customer"], free["price"], free["_reasons"]) == ("b", "free", ["price_invalid"])
    assert (cut["customer"], json.loads(cut["_text"])) == (None, ["c", "2011-03-01 12:00"])
    first_night = shop.rows(CUSTOMER_SERIES, "2011-03-01")
    command(shop, "replay", "--log", "purchases", "--file", file)
    command(shop, "replay", "--log", "purchases", "--file", file)
    assert "nothing new, 1 records were replayed before" in capsys.readouterr().out
    shop.deliver("2011-03-02.csv", GOOD, MENDED)  # the shop corrected it too
    shop.run_night(DAY[2])
    shop.run_night(DAY[2])
    spends = sorted(row["spend"][0] for row in shop.rows(CUSTOMER_SERIES, "2011-03-02"))
    assert spends == [3.0, 6.0]
    assert len(shop.rows(PURCHASES)) == 4
    assert shop.rows(CUSTOMER_SERIES, "2011-03-01") == first_night
    (corrected,) = [account for path, account in shop.accounts().items() if path.startswith("fixed:")]
    # Of the corrected record and the shop's own, the earliest by path wins; both are in the accounts.
    assert {corrected, shop.accounts()["2011-03-02.csv"]} == {(1, 0, 0, 1), (2, 1, 0, 1)}
    file.write_text(json.dumps({"_place": "x"}) + "\n")
    with pytest.raises(ChurnError, match="line 1: 'x' is no rejected record of purchases"):
        command(shop, "replay", "--log", "purchases", "--file", file)


def test_an_overwritten_file_gives_no_record_of_its_former_content(shop, tmp_path, capsys):
    path, file = shop.raw / "2011-03-01.csv", tmp_path / "fixed.jsonl"
    content = path.read_text()
    path.write_text(content.replace("b,", "somebody,").replace("c,2011", "else,2011"))
    command(shop, "show")
    shown = " ".join(capsys.readouterr().out.split())
    assert "2011-03-01.csv has changed since" in shown
    assert "somebody" not in shown
    with pytest.raises(ChurnError, match="the files of these records were removed or changed"):
        fix(shop, file)
    path.write_text(content)  # put back: the time has changed, the content has not
    assert {line["customer"] for line in fix(shop, file)} == {"b", None}


def test_wrong_usage_is_an_error_with_a_remedy(shop, tmp_path):
    with pytest.raises(ChurnError, match="fix needs --log, one of purchases"):
        command(shop, "fix")
    with pytest.raises(ChurnError, match="small has no log reviews: choose among purchases"):
        command(shop, "show", "--log", "reviews")
    with pytest.raises(ChurnError, match="there are no such rejected records"):
        command(shop, "fix", "--log", "purchases", "--reason", "nope", "--file", tmp_path / "none")
    with pytest.raises(ChurnError, match="replay needs --file FILE"):
        command(shop, "replay", "--log", "purchases")
    (tmp_path / "bad").write_text("no json\n")
    with pytest.raises(ChurnError, match="line 1: expected a JSON object with _place"):
        command(shop, "replay", "--log", "purchases", "--file", tmp_path / "bad")
