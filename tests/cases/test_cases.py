"""Exports of real shops: `check` calls none ready that is not, and one setting is enough to read each correctly. The
folders are in ../shared/cases; their README has the sources. `make test-cases` runs this.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from unittest.mock import patch

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from rich.console import Console

from spark_jobs.check import check_shop
from spark_jobs.checking import judged_log
from spark_jobs.cleaning.cache import unpersist_all
from spark_jobs.cleaning.readings import judge_unseen
from spark_jobs.contract.errors import ChurnError, ShopFileError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from tests.conftest import SHARED_CASES as FOLDER

ALL_LINES = {"clean": 4439, "sales": Decimal("1524055.75"), "customers": 220}


@dataclass(frozen=True)
class Case:
    """findings: those of `check` for a user's first shop.toml; none: it is ready. edits: replacements in shop.toml, old
    text -> new text ('' -> a line at its top). right: the purchases after the edits, as `measure` counts them.
    """

    findings: tuple[str, ...] = ()
    edits: dict[str, str] = field(default_factory=dict)
    right: dict[str, object] = field(default_factory=dict)


AT = 'event_at = "at"'
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="needs ../shared/cases")


def _time(pattern: str) -> dict[str, str]:
    return {AT: f'event_at = {{ column = "at", format = "{pattern}" }}'}


SALES = ALL_LINES["sales"]
CSV = 'format = "csv"'
GERMAN, ENGLISH = ({CSV: f'{CSV}\nnumbers = "{spelling}"'} for spelling in ("1.234,56", "1,234.56"))
THREE_COLUMNS = {
    'event_at = { column = "Date", format = "MM/dd/yy" }': 'event_at = { columns = ["Date", "Time"], format = '
    '"MM/dd/yy HH:mm:ss", zone_column = "Time Zone" }'
}
CENTS = {'amount = "amount"': 'amount = { column = "amount", scale = "0.01" }'}
#: The lines of orders that are not pending, cancelled, refunded or failed.
WOOCOMMERCE = {"clean": 3916, "sales": Decimal("1368397.07"), "customers": 220, "quarantined": 523}
DAYS = {"clean": 400, "quarantined": 0, "customers": 117}


def _returns(column: str) -> dict[str, str]:
    """The remedy that the check prints."""
    return {"[sources.purchases.columns]": f"[[sources.purchases.returns]]\ncolumn = '{column}'\nbelow = 0\n"
                                           "[sources.purchases.columns]"}  # fmt: skip


def _reads(pattern: str) -> tuple[str, ...]:
    return (f'event_at = {{ column = "at", format = "{pattern}" }} would read them',)


#: The newest state of each order in full snapshots.
NEWEST = {"clean": 2420, "returns": 252, "sales": Decimal("1253249.82")}
SHOPIFY_REJECT = """[[sources.purchases.reject]]
reason = "not_paid"
column = "Financial Status"
in = ["refunded", "voided", "pending"]
"""
SHOPIFY_STATUS = """[sources.purchases.status]
column = "Financial Status"
counted = ["paid"]
pending = ["pending"]
cancelled = ["refunded", "voided"]
"""
CASES = {
    "a01_shopify_csv": Case(
        ("only the first line of an order has a value of 'Currency', 'Financial Status'",),
        {'event_key = ["Name"]': 'event_key = ["Name"]\ncarry_down = ["Currency"]', SHOPIFY_REJECT: SHOPIFY_STATUS},
        {"clean": 3998, "sales": Decimal("1380924.46"), "quarantined": 441},
    ),
    "a02_german_excel": Case(('numbers = "1.234,56"',), GERMAN, ALL_LINES | {"quarantined": 1}),
    "a02b_thousands_points": Case(
        ("always three digits after the point", 'numbers = "1.234,56"'), GERMAN,
        ALL_LINES | {"sales": Decimal("152405575.00")},
    ),
    "a03_ga4_bigquery": Case(
        ("browses: 0.0% of its 220 customers also occur in the purchases",),
        {'"user_id"': '"user_pseudo_id"',
         'amount = "ecommerce.purchase_revenue"': 'product_id = "items[].item_id"\nquantity = "items[].quantity"\n'
                                                  'unit_price = "items[].price"'}, ALL_LINES,
    ),
    "a04_woocommerce_json": Case(
        ("has no column 'line_items.price'", '"line_items.price" = "line_items[].price"'),
        {'event_id = "id"': 'event_id = "line_items[].id"', **{f'"line_items.{name}"': f'"line_items[].{name}"'
                                                               for name in ("sku", "quantity", "price")}},
        WOOCOMMERCE,
    ),
    "a05_full_snapshots": Case(
        ("124 records have the event_id of another one, but other kind", 'updates = "latest"'),
        {CSV: f'{CSV}\nupdates = "latest"\nsnapshots = true'}, NEWEST,
    ),
    "a05b_full_snapshots_no_id": Case(
        ("came again in a later file with other content and count twice", "event_key", 'updates = "latest"'),
        {CSV: f'{CSV}\nupdates = "latest"\nevent_key = ["order_id"]'}, NEWEST,
    ),
    "a06_ids_spelt_three_ways": Case(('customer_ids = "numeric"',), {"": 'customer_ids = "numeric"'}, ALL_LINES),
    "a07b_amazon_no_preamble": Case(('numbers = "1,234.56"',), ENGLISH, ALL_LINES),
    "a08_square_items": Case(
        ('numbers = "1,234.56"', 'columns = ["Date", "Time"]'), ENGLISH | THREE_COLUMNS, ALL_LINES
    ),
    "a09_email_case": Case(
        ('customer_ids = "case-insensitive"',), {"": 'customer_ids = "case-insensitive"'}, ALL_LINES
    ),
    "a10_nul_in_id": Case(("a customer id that no database can hold",), right={"clean": 3651, "quarantined": 788}),
    "a10b_nul_in_id_json": Case(
        ("a customer id that no database can hold",), right={"clean": 3651, "quarantined": 788}
    ),
    "a10c_long_id": Case(("customer_id_invalid",), right={"clean": 399, "quarantined": 1}),
    "a11_daily_files": Case(right=ALL_LINES | {"quarantined": 0, "duplicates": 146}),
    "a13g_parquet_int64_us": Case(_reads("epoch_us"), _time("epoch_us"), ALL_LINES),
    "a14_epochs_mixed": Case(_reads("unix"), {'format = "epoch_s"': 'format = "unix"'}, ALL_LINES),
    "a14b_epoch_us": Case(_reads("epoch_us"), _time("epoch_us"), ALL_LINES),
    "a15_zip": Case(right=ALL_LINES),
    "a16_json_array": Case(
        ("'0' 884 times", "[sources.purchases.status]"),
        {'"customer_id"': '"billing.email"',
         'amount = "total"': 'amount = "total"\n[sources.purchases.status]\ncolumn = "status"\n'
                             'counted = ["completed", "processing"]\npending = ["pending"]\n'
                             'cancelled = ["cancelled", "failed"]\nreturned = ["refunded"]'},
        {"clean": 2321, "returns": 74, "sales": WOOCOMMERCE["sales"], "customers": 220, "quarantined": 229},
    ),
    "a20_stripe_charges": Case(('scale = "0.01"',), CENTS, {"clean": 2177, "sales": Decimal("1308929.46")}),
    "a20b_stripe_cents_no_currency": Case(
        ('scale = "0.01"',), CENTS, {"clean": 2177, "sales": Decimal("1308929.46")}
    ),
    "a22_negative_prices": Case(
        ("[[sources.purchases.returns]]",), _returns("price"), {"clean": 4790, "returns": 351, "sales": SALES}
    ),
    "a22b_negative_prices_returns": Case(right={"clean": 4790, "returns": 351, "sales": SALES}),
    "a24_trailing_delimiter": Case(right=ALL_LINES),
    "a25_column_added_later": Case(
        ("3,739 records", 'write "currency?"'), {'currency = "currency"': 'currency = "currency?"'}, ALL_LINES,
    ),
    "e02_sparse_json_keys": Case(right=ALL_LINES),
    "e03_minutes_for_months": Case(("mm are minutes, months are MM",), {"dd/mm/yyyy": "dd/MM/yyyy"}, ALL_LINES),
    "e04_rfc2822": Case(right=ALL_LINES),
    "e04c_format_iso8601": Case(right=ALL_LINES),
    "e04d_format_unix": Case(
        _reads("iso8601"), {'format = "unix"': 'format = "iso8601"'}, ALL_LINES
    ),
    "e04e_quarter_week": Case(("deliver the day of each event",)),
    "e06_null_words": Case(
        ("'-' 444 times", "40% would be quarantined"),
        {"": 'no_customer = ["-"]', CSV: f"{CSV}\nmax_quarantined_share = 0.6"},
        {"clean": 2219, "quarantined": 2220},
    ),
    "e07_header_case": Case(right=ALL_LINES | {"quarantined": 0}),
    "e08_square_brackets": Case(right=ALL_LINES),
    "e08c_negative_quantity": Case(
        ("[[sources.purchases.returns]]",), _returns("pieces"), {"clean": 4439, "returns": 222}
    ),
    "e09_suggest_dmy": Case(_reads("dd/MM/yyyy"), _time("dd/MM/yyyy"), DAYS),
    "e09b_suggest_mdy": Case(_reads("M/d/yyyy"), _time("M/d/yyyy"), DAYS),
    "e09c_suggest_dots": Case(_reads("dd.MM.yyyy"), _time("dd.MM.yyyy"), DAYS),
    "e09d_suggest_mmm": Case(_reads("dd-MMM-yy"), _time("dd-MMM-yy"), DAYS),
    "e09e_suggest_dashes": Case(_reads("dd-MM-yyyy"), _time("dd-MM-yyyy"), DAYS),
    "e09f_suggest_ampm": Case(_reads("M/d/yyyy h:mm a"), _time("M/d/yyyy h:mm a"), DAYS),
    "t1_negative_amount": Case(
        ("[[sources.purchases.returns]]",), _returns("line_total"),
        {"clean": 5751, "returns": 297, "sales": Decimal("289907.94"), "refunds": Decimal("15096.24")},
    ),
    "t2_order_number_as_event_id": Case(
        ("3,700 records have the event_id of another one", "event_key"),
        {'event_id = "invoice"': "", CSV: f'{CSV}\nevent_key = ["invoice"]'},
        {"clean": 5550, "sales": Decimal("290949.24")},
    ),
    "t3_file_named_by_utc_day": Case(
        ('zone = "UTC" }',),
        {r"delivery_day = '(\d{4}-\d{2}-\d{2})'": r"delivery_day = { pattern = '(\d{4}-\d{2}-\d{2})', zone = 'UTC' }"},
        {"clean": 5511, "sales": Decimal("290542.70"), "quarantined": 0},
    ),
    "t4_null_words": Case(
        ("87 days have more than max_quarantined_share 20% quarantined",),
        {CSV: f"{CSV}\nmax_quarantined_share = 0.9"},
        {"clean": 4284, "quarantined": 960, "customers": 374},
    ),
    # Its folder has no browses; tests/spark_jobs/checking/test_identity.py creates some.
    "t5_float_ids_in_another_log": Case(("browses: no folder",), right={"clean": 5550}),
    "t6_bar_code_as_quantity": Case(("look for a bar code in the quantity",), right={"clean": 1, "quarantined": 1}),
}  # fmt: skip
#: Their history is too short for training, which the check reports after any correction.
SHORT = {name: "too short to train on" for name in CASES if name.startswith("e09")}


def edit(text: str, edits: dict[str, str]) -> str:
    for old, new in edits.items():
        assert old in text
        text = text.replace(old, new, 1) if old else f"{new}\n{text}"
    return text


def write_shop(name: str, folder: Path, edits: dict[str, str]) -> Path:
    """The case's shop.toml with these edits, in a folder of its own; its files stay where they are."""
    text = (FOLDER / name / "shop.toml").read_text().replace("CASE", str(FOLDER / name))
    text = edit(text, edits)
    for place in ("data", f"../{name}", ".."):
        text = text.replace(f'location = "{place}', f'location = "{FOLDER / name}/{place}')
    path = folder / "shop.toml"
    path.write_text(text)
    return path


def check(spark, path: Path) -> tuple[str, list[DataFrame]]:
    """The findings of `check`, one per line, and the judged records of the purchases."""
    out, judged = io.StringIO(), []

    def judge(*arguments):
        judged.append(judge_unseen(*arguments))
        return judged[-1]

    try:
        shop = load_shop(path)
        with patch.object(judged_log, "judge_unseen", judge):
            check_shop(lambda: spark, shop, Settings(path.parent / "home"), Console(file=out, width=400), 400)
    except ShopFileError as faults:
        return str(faults), judged
    except ChurnError as error:
        return f"{out.getvalue()}\n{error}", judged
    return out.getvalue() + "\nready", judged


def measure(judged: DataFrame) -> dict[str, object]:
    is_clean, is_sale = F.col("verdict") == "clean", F.col("kind") == "sale"
    row = judged.agg(
        F.count_if(is_clean).alias("clean"),
        F.count_if(F.col("verdict") == "quarantined").alias("quarantined"),
        F.count_if(F.col("verdict") == "duplicate").alias("duplicates"),
        F.count_if(is_clean & ~is_sale).alias("returns"),
        F.sum(F.when(is_clean & is_sale, F.col("amount"))).alias("sales"),
        F.sum(F.when(is_clean & ~is_sale, F.col("amount"))).alias("refunds"),
        F.countDistinct(F.when(is_clean, F.col("customer_id"))).alias("customers"),
    ).first()
    return row.asDict()


@pytest.mark.parametrize("name", CASES)
def test_a_case_has_its_findings_and_is_read_correctly(spark, tmp_path, name):
    case = CASES[name]
    output, judged = check(spark, write_shop(name, tmp_path, {}))
    assert [finding for finding in case.findings if finding not in output] == []
    assert output.endswith("\nready") == (not case.findings), output
    if case.edits:
        output, judged = check(spark, write_shop(name, tmp_path, case.edits))
        assert output.endswith("\nready") or SHORT.get(name, "?") in output, output
    if case.right:
        found = measure(judged[0])
        assert {key: found[key] for key in case.right} == case.right
    unpersist_all(spark)


def test_every_case_folder_has_a_test_case():
    assert {path.parent.name for path in FOLDER.glob("*/shop.toml")} == set(CASES)
