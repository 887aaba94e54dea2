"""Does `churn init` map the columns of unknown exports correctly, in a valid shop.toml?"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pandas as pd
import pytest

from infra.local.init import draft_shop, read_draft, write_shop
from infra.local.recipes import RECIPES, find_like, list_recipes
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.shop.source import Source
from tests.spark_jobs.raw.workbooks import write_workbook

GERMAN = """Bestellnummer;Kunden-Nr;Bestelldatum;Artikel;Menge;Einzelpreis;Währung
1;0017;03.11.2026 14:20;A-1;2;12,50;EUR
2;0021;13.11.2026 14:31;A-2;1;1.299,00;EUR
"""
ENGLISH = """Order ID,Email,Created at,Lineitem sku,Lineitem quantity,Lineitem price,Currency
1001,anna@example.org,2026-11-03 14:20:00 +0100,A-1,2,12.50,EUR
1001,anna@example.org,2026-11-03 14:20:00 +0100,A-2,1,3.00,EUR
"""


def guess(folder: Path, name: str, content: str | bytes) -> Source:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    text = draft_shop([file], folder)
    assert "anna@" not in text  # no customer id in shop.toml
    (source,) = read_draft(text, folder).sources.values()
    return source


def columns(source: Source) -> dict[str, str | None]:
    return {name: mapping.column for name, mapping in source.columns.items()}


TURKISH = "Sipariş No;Müşteri No;Tarih;Ürün Kodu;Adet;Birim Fiyat\n7;17;01.06.2026 10:00;A;2;1.234,50 TL\n"
POLISH = "Nr zamówienia;Klient;Data zamówienia;Kod produktu;Ilość;Cena\n7;k@x.pl;2026-06-01;A;2;1\u00a0234,50 zł\n"
RUSSIAN = "Заказ;Клиент;Дата;Товар;Количество;Цена\n7;17;01.06.2026;A;2;1234,50\n"
AMERICAN = "Sales report\nGenerated: 11/01/2026\n\nSale ID,Date,Customer,Item,Qty,Price\n" + "".join(
    f"{n},06/{n:02}/2026,c{n},A,1,$2.50\n" for n in range(1, 29)) + "Total,,,,,$70.00\n"  # fmt: skip
ORDERS = [{"order": n, "customer": {"id": n}, "created_at": "2026-06-01T10:00:00Z",
           "lines": [{"sku": "A", "qty": 1, "price": "2.50"}]} for n in range(3)]  # fmt: skip
#: name -> (file name, content, raw columns of customer, time, price, settings)
LAYOUTS: dict[str, tuple[str, bytes, tuple, dict]] = {
    "Turkish": ("a.csv", TURKISH.encode("cp1254"), ("Müşteri No", "Tarih", "Birim Fiyat"),
                {"encoding": "cp1254", "numbers": "1.234,56", "event_key": ("Sipariş No",)}),
    "Polish": ("a.csv", POLISH.encode("cp1250"), ("Klient", "Data zamówienia", "Cena"), {"encoding": "cp1250"}),
    "Russian": ("a.csv", RUSSIAN.encode("cp1251"), ("Клиент", "Дата", "Цена"), {"encoding": "cp1251"}),
    "lines before the header, American days": (
        "a.csv", AMERICAN.encode(), ("Customer", "Date", "Price"), {"finds_header": True, "numbers": "1,234.56"}),
    "UTF-16": ("a.txt", GERMAN.replace(";", "\t").encode("utf-16"), ("Kunden-Nr", "Bestelldatum", "Einzelpreis"),
               {"delimiter": "\t"}),
    "an envelope": ("a.json", json.dumps({"data": {"orders": ORDERS}}).encode(),
                    ("customer.id", "created_at", "lines[].price"), {"records": "data.orders[]"}),
    "by key": ("a.json", json.dumps({f"k{n}": one for n, one in enumerate(ORDERS)}).encode(),
               ("customer.id", "created_at", "lines[].price"), {"records": "{}"}),
    "rows": ("a.json", json.dumps([line.split(",") for line in ENGLISH.splitlines()]).encode(),
             ("Email", "Created at", "Lineitem price"), {}),
    "rows beside their names": (
        "a.json", json.dumps({"columns": ENGLISH.splitlines()[0].split(","),
                              "data": [line.split(",") for line in ENGLISH.splitlines()[1:]]}).encode(),
        ("Email", "Created at", "Lineitem price"), {"records": "data[]"}),
}  # fmt: skip


def test_the_sheet_and_the_row_with_known_names(tmp_path):
    head = ["Order", "Customer", "Date", "SKU", "Qty", "Price"]
    rows = [["Report"], [], head, *[[n, f"c{n}", f"2026-06-0{n}", "A", 1, 2.5] for n in range(1, 5)]]
    source = guess(tmp_path, "a.xlsx", write_workbook({"Info": [["x"]], "Orders": rows}))
    assert (source.sheet, source.finds_header, source.event_key) == ("Orders", True, ("Order",))
    assert columns(source)["customer_id"] == "Customer"
    plain = guess(tmp_path, "b.xlsx", write_workbook({"Orders": rows[2:], "Info": [["x"]]}))
    assert (plain.sheet, plain.finds_header) == (None, False)


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_and_languages(tmp_path, name):
    file, content, wanted, settings = LAYOUTS[name]
    source = guess(tmp_path, file, content)
    found = columns(source)
    assert (found["customer_id"], found["event_at"], found["unit_price"]) == wanted
    assert {key: getattr(source, key) for key in settings} == settings
    if "American" in name:
        assert source.columns["event_at"].formats == ("MM/dd/yyyy",)


def test_the_export_of_a_known_system_is_recognised(tmp_path):
    for recipe in list_recipes():
        files = sorted((RECIPES / recipe / "sample").iterdir())
        assert (find_like(files) or recipe) == recipe
        assert find_like(files) or recipe == "shopify_api"
    (tmp_path / "orders.csv").write_text(GERMAN)
    assert find_like([tmp_path / "orders.csv"]) is None


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_a_german_csv(tmp_path, encoding):
    source = guess(tmp_path, "orders.csv", GERMAN.encode(encoding))
    assert columns(source) == {
        "customer_id": "Kunden-Nr", "event_at": "Bestelldatum", "product_id": "Artikel", "quantity": "Menge",
        "unit_price": "Einzelpreis", "currency": "Währung",
    }  # fmt: skip
    assert source.columns["event_at"].formats == ("dd.MM.yyyy HH:mm",)
    assert (source.log, source.format, source.numbers) == ("purchases", "csv", "1.234,56")


def test_an_english_csv_in_gzip(tmp_path):
    source = guess(tmp_path, "orders.csv.gz", gzip.compress(ENGLISH.encode()))
    assert columns(source)["customer_id"] == "Email"
    assert columns(source)["unit_price"] == "Lineitem price"
    assert source.columns["event_at"].formats == ("yyyy-MM-dd HH:mm:ss xx",)


RECORD = {"userId": 7, "createdAt": "2026-11-03T14:20:00Z", "sku": "A-1", "total": 12.5}


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("orders.jsonl", lambda file: file.write_text(json.dumps(RECORD) + "\n")),
        ("orders.json", lambda file: file.write_text(json.dumps([RECORD, RECORD]))),
        ("orders.parquet", lambda file: pd.DataFrame([RECORD]).to_parquet(file)),
    ],
)
def test_other_formats(tmp_path, name, write):
    write(tmp_path / name)
    (source,) = read_draft(draft_shop([tmp_path / name], tmp_path), tmp_path).sources.values()
    wanted = {"customer_id": "userId", "event_at": "createdAt", "product_id": "sku", "amount": "total"}
    assert {key: column for key, column in columns(source).items() if column} == wanted
    assert source.columns["quantity"].constant == "1"


def test_each_kind_of_file_is_a_source(tmp_path):
    (tmp_path / "orders_2026-11-03.csv").write_text(ENGLISH)
    (tmp_path / "orders_2026-11-04.csv").write_text(ENGLISH)
    (tmp_path / "reviews.csv").write_text("user_id,date,product,stars,comment\n1,2026-11-03,A,5,fine\n")
    (tmp_path / "visits.csv").write_text("visitor_id,timestamp,page\n1,1793700000,home\n")
    files = sorted(tmp_path.iterdir())
    sources = read_draft(draft_shop(files, tmp_path), tmp_path).sources
    assert {log: source.files for log, source in sources.items()} == {
        "purchases": "orders_*.csv", "reviews": "reviews.csv", "browses": "visits.csv",
    }  # fmt: skip
    assert sources["purchases"].delivery_day
    assert read_draft(draft_shop(files[-1:], tmp_path), tmp_path).churn.activity == "visit"
    with pytest.raises(ChurnError, match="reviews alone"):
        draft_shop(files[2:3], tmp_path)


def test_the_written_file_has_the_name_and_currency_of_the_shop(tmp_path):
    folder = tmp_path / "corner_shop"
    folder.mkdir()
    (folder / "orders.csv").write_text(GERMAN)
    write_shop(folder / "shop.toml", None, [folder / "orders.csv"], None, None, "Europe/Berlin")
    shop = load_shop(folder / "shop.toml")
    assert (shop.name, shop.currency, shop.time_zone) == ("corner_shop", "EUR", "Europe/Berlin")


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"", "cannot be read"), ("a,b\n1,2\n", "no column looks like customer_id or event_at"), (b"\x00\x01" * 50, None)],
    ids=["empty", "other columns", "binary"],
)
def test_a_failed_guess_is_one_line(tmp_path, content, why):
    with pytest.raises(ChurnError, match=why) as raised:
        guess(tmp_path, "orders.csv", content)
    assert "\n" not in str(raised.value)
