"""Values in exports: what they become, and the findings about them."""

import io
from decimal import Decimal
from unittest.mock import patch

import pytest
from pyspark.sql import functions as F
from rich.console import Console

from spark_jobs.check import check_shop
from spark_jobs.checking import judged_log
from spark_jobs.cleaning.readings import judge_unseen
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from tests.conftest import SHARED_CASES


class ScoredInputs:
    """The findings of a case, and the amounts of its clean records."""

    def __init__(self, spark, folder, name, more="", change=("", "")):
        case, frames = SHARED_CASES / name, []
        if not case.is_dir():
            pytest.skip("needs ../shared/cases")
        text = (case / "shop.toml").read_text().replace(*change).replace("CASE", str(case)) + more
        text = text.replace('"../', f'"{SHARED_CASES}/').replace('"data"', f'"{case}/data"')
        (folder / "shop.toml").write_text(text)

        def judge(*arguments):
            frames.append(judge_unseen(*arguments).persist())
            return frames[-1]

        self.out = io.StringIO()
        console = Console(file=self.out, width=300, highlight=False)
        try:
            shop = load_shop(folder / "shop.toml")
            with patch.object(judged_log, "judge_unseen", judge):
                check_shop(lambda: spark, shop, Settings(folder / "home"), console, 400)
            self.is_ready = True
        except ChurnError:
            self.is_ready = False
        judged = frames[0]
        rows = (
            judged.where("verdict = 'clean'").groupBy("kind").agg(F.count("*").alias("n"), F.sum("amount").alias("m"))
        )
        self.money = {row["kind"]: (row["n"], row["m"]) for row in rows.collect()}
        reasons = judged.select(F.explode("reasons").alias("code")).groupBy("code").count()
        self.reasons = {row["code"]: row["count"] for row in reasons.collect()}
        rejected = judged.where("verdict = 'quarantined'").select("content").collect()
        self.rejected = [row["content"] for row in rejected]
        judged.unpersist()

    @property
    def output(self) -> str:
        return self.out.getvalue()


def returns_of(column: str) -> str:
    return f'[[sources.purchases.returns]]\ncolumn = "{column}"\nbelow = 0'


@pytest.mark.parametrize(
    ("case", "column", "found", "corrected"),
    [
        ("t1_negative_amount", "line_total", {"sale": (5454, Decimal("289907.94"))},
         {"sale": (5454, Decimal("289907.94")), "return": (297, Decimal("15096.24"))}),
        ("a22_negative_prices", "price", {"sale": (4439, Decimal("1524055.75"))},
         {"sale": (4439, Decimal("1524055.75")), "return": (351, Decimal("85862.70"))}),
        ("e08c_negative_quantity", "pieces", {"sale": (4217, Decimal("1458045.45"))},
         {"sale": (4217, Decimal("1458045.45")), "return": (222, Decimal("52910.05"))}),
    ],
)  # fmt: skip
def test_a_negative_number_without_a_rule_is_no_sale_and_the_remedy_works(
    spark, tmp_path, case, column, found, corrected
):
    scored = ScoredInputs(spark, tmp_path, case)
    assert (scored.money, scored.is_ready) == (found, False)
    assert returns_of(column) in scored.output
    assert ScoredInputs(spark, tmp_path, case, "\n" + returns_of(column) + "\n").money == corrected


def test_currencies_are_known_in_lower_case_and_unknown_ones_are_reported(spark, tmp_path):
    scored = ScoredInputs(spark, tmp_path, "a20_stripe_charges")
    assert scored.reasons == {"customer_id_missing": 249, "failed": 135}
    abroad = ScoredInputs(spark, tmp_path, "a20_stripe_charges", change=('currency = "EUR"', 'currency = "GBP"'))
    assert "what one unit of each is worth in GBP:\n[rates]\nEUR = " in abroad.output


GERMAN = ("[sources.purchases]\n", '[sources.purchases]\nnumbers = "1.234,56"\n')


@pytest.mark.parametrize(
    ("case", "remedy", "change", "count", "money", "rejected"),
    [
        ("a02_german_excel", 'numbers = "1.234,56"', GERMAN, 4439, "1524055.75", ["Summe"]),
        ("a02b_thousands_points", 'numbers = "1.234,56"', GERMAN, 4439, "152405575.00", []),
        ("a20b_stripe_cents_no_currency", 'amount = { column = "amount", scale = "0.01" }',
         ('amount = "amount"', 'amount = { column = "amount", scale = "0.01" }'), 2177, None, None),
    ],
)  # fmt: skip
def test_ambiguous_numbers_are_reported_until_their_format_is_set(
    spark, tmp_path, case, remedy, change, count, money, rejected
):
    found = ScoredInputs(spark, tmp_path, case)
    assert (remedy in found.output, found.is_ready) == (True, False)
    read = ScoredInputs(spark, tmp_path, case, change=change)
    assert read.is_ready
    sold = read.money["sale"]
    assert sold[0] == count
    if rejected is not None:
        assert [word in line for word, line in zip(rejected, read.rejected, strict=True)] == [True] * len(rejected)
    assert sold[1] == (Decimal(money) if money else found.money["sale"][1] / 100)
