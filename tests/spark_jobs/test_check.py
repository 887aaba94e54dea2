"""Every planted mistake in a shop.toml is found before any run, with a sentence that says what to correct."""

import io
import json
import re
import sys

import pytest
from rich.console import Console

from spark_jobs import clean
from spark_jobs.check import check_shop
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from tests.spark_jobs.shops import CONTACT

GOOD = """
name = "planted"
time_zone = "Europe/London"
currency = "GBP"
[churn]
horizons_days = [5, 10]
eligible_within_days = 10
[sources.purchases]
location = "raw"
files = "*.csv"
format = "csv"
delivery_day = '(\\d{4}-\\d{2}-\\d{2})'
[sources.purchases.columns]
customer_id = "customer"
event_at = { column = "at", format = "dd/MM/yyyy HH:mm" }
quantity = "quantity"
unit_price = "price"
product_id = "product"
returns = []
[sources.browses]
location = "raw"
files = "*.jsonl"
format = "jsonl"
delivery_day = '(\\d{4}-\\d{2}-\\d{2})'
[sources.browses.columns]
customer_id = "visitor"
event_at = { column = "ts", format = "epoch_ms" }
kind = { column = "type", values = { look = "view", cart = "cart_add" } }
""".replace("returns = []\n", '[[sources.purchases.returns]]\ncolumn = "quantity"\nbelow = 0\n')
GOOD += CONTACT
DAYS = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Forty days of purchases with some returns, and of browsing."""
    folder = tmp_path_factory.mktemp("planted")
    (folder / "raw").mkdir()
    (folder / "sent").mkdir()
    (folder / "sent" / "all.csv").write_text("client,sent\nc1,2024-02-01\nc2,2024-02-03\nc1,2024-02-05\n")
    for n in range(DAYS):
        day, month = n % 28 + 1, n // 28 + 1
        name = f"2024-{month:02}-{day:02}"
        bought = [
            f"c{(n * 7 + k) % 30},{day:02}/{month:02}/2024 1{k}:00,{-1 if k == 3 else 2},1.50,Tee [/Aktion]"
            for k in range(6)
        ]
        header = "customer,at,quantity,price,product"
        header = header.title() if n == 5 else header
        (folder / "raw" / f"{name}.csv").write_text("\n".join([header, *bought]) + "\n")
        ms = 1_704_067_200_000 + 86_400_000 * (n + (3 if month == 2 else 0)) + 36_000_000
        seen = [{"visitor": f"c{(n * 5 + k) % 30}", "ts": ms + k, "type": "cart" if k else "look"} for k in range(3)]
        (folder / "raw" / f"{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in seen))
    (folder / "raw" / "2024-02-14.csv").write_bytes(b"")
    mixed = ['c1,16/01/2024 10:00,1,"12,50",Tee', "c1,16/01/2024 10:00,1,1.234,Tee"]
    (folder / "raw" / "2024-01-16.xsv").write_text("\n".join(["customer,at,quantity,price,product", *mixed]) + "\n")
    (folder / "raw" / "2024-01-15.tsv").write_text("customer,at,qty\nc1,15/01/2024 10:00,[/2]\n" * 2)
    return folder


def run_check(spark, folder, text) -> tuple[str, str]:
    """The output of the check, and its result."""
    (folder / "shop.toml").write_text(text)
    out = io.StringIO()
    console = Console(file=out, width=300, highlight=False)
    shop = load_shop(folder / "shop.toml")
    try:
        check_shop(lambda: spark, shop, Settings(folder / "home"), console, 400)
        ending = "ready"
    except ChurnError as error:
        ending = str(error)
    return " ".join(out.getvalue().split()), ending


def test_a_correct_shop_is_ready_and_its_mapping_is_shown(spark, folder):
    shown, ending = run_check(spark, folder, GOOD)
    assert ending == "ready", shown
    assert "240 clean, 0 quarantined (0.0%), 0 duplicates" in shown
    assert "events of 2024-01-01 to 2024-02-12, 30 customers" in shown
    assert "sales of 600.00 GBP in 200 lines, refunds of 60.00 GBP in 40 lines" in shown
    assert re.search(r"│ 2024-02 │ 180\.00 │ 60 │ \d+ │ 18\.00 │ 12 │", shown)
    assert "lines of a file: fewest 0 (2024-02-14.csv), half have at most 6" in shown
    assert "01/01/2024 10:00" in shown
    assert "→ event_at │ 2024-01-01 10:00:00" in shown
    assert "Tee [/Aktion]" in shown
    assert "accepted in another spelling: 2024-01-06.csv: 'At', 'Customer', 'Price', 'Product', 'Quantity'" in shown
    assert "3 contacts of 2024-02-01 to 2024-02-05, 2 customers" in shown
    assert "history: 43 days; a training needs 27" in shown
    assert not (folder / "home").exists()  # it only reads


def test_file_contents_are_printed_without_markup_and_control_characters(spark, tmp_path):
    nasty = ["[/b]", "[bold red]", "\x1b[31mred", "\u202eabc", "商品" * 30, "שלום", "]]["]
    (tmp_path / "raw").mkdir()
    lines = [f"{text},2024-01-0{n + 1} 10:00,{text},{text},{text},{text}" for n, text in enumerate(nasty)]
    (tmp_path / "raw" / "a[bold]\u202e[x].csv").write_text("\n".join(["k[1],at,q,[/p],c,Status", *lines]))
    text = GOOD[: GOOD.index("[sources.browses]")].replace("delivery_day = ", "# ")
    columns = {"customer_id": "k[1]", "event_at": "at", "quantity": "q", "unit_price": "[/p]", "currency": "c"}
    text = text[: text.index("customer_id =")] + "\n".join(f'{name} = "{raw}"' for name, raw in columns.items())
    (tmp_path / "shop.toml").write_text(text)
    out, shop = io.StringIO(), load_shop(tmp_path / "shop.toml")
    with pytest.raises(ChurnError, match="see above"):
        check_shop(lambda: spark, shop, Settings(tmp_path / "home"), Console(file=out, width=80), 400)
    assert not re.search("[\x00-\x09\x0b-\x1f\u202a-\u202e]", out.getvalue())
    assert all(text in out.getvalue() for text in ("[/b]", "k[1]", "[/p]"))


MISTAKES = {
    "a file with other columns": (
        'files = "*.csv"',
        'files = "*.[ct]sv"',
        "1 of 42 files, with 3 records, are refused: 2024-01-15.tsv (3 records) has no column 'price', 'product',"
        " 'quantity', it has 'customer', 'at', 'qty'",
    ),
    "points among decimal commas": (
        'files = "*.csv"',
        'files = "*.[cx]sv"',
        "purchases: 1 of 242 have a number like 1.234 in a file that also has decimal commas: 1234, or 1.234:"
        ' set under [sources.purchases] what such a point means: numbers = "1.234,56" if',
    ),
    "a misspelt column": ('"customer"', '"custommer"', "has no column 'custommer', it has 'customer'"),
    "the nearest column": ('"quantity"\nunit', '"quantty"\nunit', "did you mean 'quantity'?"),
    "a wrong time format": ("dd/MM/yyyy HH:mm", "yyyy-MM-dd", 'format = "dd/MM/yyyy HH:mm" } would read them'),
    "day and month swapped": (
        "dd/MM/yyyy HH:mm",
        "MM/dd/yyyy HH:mm",
        "check time_zone and the zone of event_at",
    ),
    "the wrong unit of time": ("epoch_ms", "epoch_s", "epoch_ms"),
    "a wrong delimiter": ('format = "csv"', 'format = "csv"\ndelimiter = ";"', 'set delimiter = ","'),
    "a kind that is not named": (', cart = "cart_add"', "", "a kind of event that is not known, e.g. 'cart'"),
    "returns that no rule names": (
        "below = 0",
        "below = -9",
        "negative quantity that no rule calls a return, e.g. '-1'",
    ),
    "the wrong column": ('unit_price = "price"', 'unit_price = "customer"', "a price that is no number, e.g. 'c0'"),
    "a folder that is not there": (
        'location = "raw"\nfiles = "*.csv"',
        'location = "row"\nfiles = "*.csv"',
        "no folder",
    ),
    "a pattern without a day": ("(\\d{4}-\\d{2}-\\d{2})", "day=(\\d+)", "correct delivery_day"),
    "a number of several records": (
        'quantity = "quantity"\nunit',
        'quantity = "quantity"\nevent_id = "price"\nunit',
        'set event_key = ["price"]',
    ),
    "customers nobody knows": ('customer_id = "visitor"', 'customer_id = "ts"', "map customer_id in sources.browses"),
    "contacts without a time": ('= "sent" }', '= "client" }', "found 'c1' and 'c1'"),
    "too long horizons": ("[5, 10]", "[5, 30]", "the history is 24 days too short to train on"),
}


#: Mistakes that do not hide each other, for example in different logs; all are reported at once.
AT_ONCE = [
    ("too long horizons", "a kind that is not named", "contacts without a time", "a file with other columns"),
    ("the nearest column", "the wrong unit of time"),
    ("the wrong column", "returns that no rule names"),
    ("points among decimal commas", "customers nobody knows"),
]
PLANTED = [*AT_ONCE, *((name,) for name in MISTAKES if name not in sum(AT_ONCE, ()))]


@pytest.mark.parametrize("names", PLANTED, ids=", ".join)
def test_each_planted_mistake_is_found_with_its_sentence(spark, folder, names):
    text = GOOD
    for right, wrong, _ in map(MISTAKES.get, names):
        assert right in text
        text = text.replace(right, wrong, 1)
    shown, ending = run_check(spark, folder, text)
    assert [name for name in names if MISTAKES[name][2] not in shown] == []
    assert "problems to fix, see above" in ending


def test_clean_check_still_works_as_the_old_name_of_the_job(monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, "spark_jobs.check")  # as in a new process
    with pytest.raises(SystemExit) as ending:
        clean.main(["check", "--help"])
    assert ending.value.code == 0
    assert "usage: python -m spark_jobs.check" in capsys.readouterr().out
