"""Lines with implausible amounts are rejected in any order of runs, large orders are not."""

from collections import Counter
from datetime import date, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest

from spark_jobs.cleaning import plausible
from spark_jobs.cleaning.plausible import IMPLAUSIBLE, count_sizes, find_limits
from spark_jobs.cleaning.records import AMBIGUOUS
from spark_jobs.contract.tables import PURCHASES, quarantine
from tests.spark_jobs.shops import DATED, SHOP, SmallShop

DAY = [date(2011, 3, 1) + timedelta(n) for n in range(5)]


def sizes_of(*amounts) -> Counter:
    lines = [
        {"delivery_id": "d", "verdict": "clean", "reasons": [], "amount": Decimal(str(amount))} for amount in amounts
    ]
    schema = pa.schema(
        {"delivery_id": pa.string(), "verdict": pa.string(), "reasons": pa.list_(pa.string()),
         "amount": pa.decimal128(18, 2)}
    )  # fmt: skip
    return count_sizes(pa.RecordBatch.from_pylist(lines, schema)).get("d", Counter())


def deliver(*days, name="d{}") -> list[dict]:
    return [{"delivery_id": name.format(n), "delivery_day": day, "not_before": None} for n, day in enumerate(days)]


def test_sizes_are_tenths_of_decades():
    assert sizes_of("0.01", 0, 1, "1.01", "1.25", "1.26", 10, "99999999999.99") == {
        -20: 1,
        0: 1,
        1: 2,
        2: 1,
        10: 1,
        110: 1,
    }
    sizes = sizes_of(1, 5, 5)
    assert plausible.from_text(plausible.to_text(sizes)) == sizes
    assert plausible.to_text(Counter()) is None


@pytest.mark.parametrize(
    ("lines", "mistakes", "limit"),
    [
        (999, [9_999], None),  # an order of a thousand times the usual
        (999, [10_500], Decimal("10000.00")),
        (991, [4_006_381] * 9, Decimal("10000.00")),  # several outliers do not hide each other
        (498, [99_000], None),  # with fewer lines: ten thousand times their median
        (498, [101_000], Decimal("100000.00")),
        (26, [4_006_381] * 24, Decimal("100000.00")),
        (48, [4_006_381], None),  # too few lines for a limit
    ],
)
def test_a_thousand_times_the_shops_large_lines_is_the_limit(lines, mistakes, limit):
    found = find_limits(deliver(DAY[0]), {"d0": sizes_of(*[10] * lines, *mistakes)})
    assert found == ({} if limit is None else {"d0": limit})


def test_later_deliveries_do_not_change_the_limit():
    usual, slip = sizes_of(*[10] * 600), sizes_of(20_000)
    registered = deliver(DAY[2], DAY[0], DAY[1])
    assert set(find_limits(registered, {"d1": usual, "d0": slip})) == {"d0"}
    assert find_limits(registered, {"d0": usual, "d1": slip}) == {}  # no other lines were known on its day
    later = sizes_of(*[1_000_000] * 5000)
    assert set(find_limits(registered, {"d1": usual, "d2": slip, "d0": later})) == {"d2"}
    assert set(find_limits(deliver(DAY[0], None), {"d0": slip, "d1": usual})) == {
        "d0"
    }  # a first dump precedes everything


COMMA = 'c1,{} 11:00,p,c,1,"12,50"'


def put_days(shop: SmallShop) -> None:
    """Mistaken amounts on two days, decimal commas on one of them and on a third; every day has a price of 1.234."""
    for number, day in enumerate(DAY[:4]):
        lines = [f"c{n % 50},{day} 10:{n % 60:02},p{n},c,1,{n % 9 + 1}.50" for n in range(250)]
        shop.deliver(f"{day}.csv", *lines, *([f"c1,{day} 11:00,p,c,4006381,2.00"] if number % 2 else []),
                     f"c1,{day} 12:00,p,c,1,1.234", *([COMMA.format(day)] if number in (1, 2) else []))  # fmt: skip


def test_implausible_lines_are_rejected_in_any_order_of_runs(spark, tmp_path, warehouse_url):
    toml = SHOP.format(name="small", exact_duplicates="keep", delivery_day=DATED)
    shops = {name: SmallShop(spark, tmp_path / name, warehouse_url) for name in ("nightly", "at once")}
    shops["any"] = SmallShop(
        spark, tmp_path / "any", warehouse_url, text=toml.replace(DATED, DATED + '\nplausible_amount = "any"')
    )
    for shop in shops.values():
        put_days(shop)
    shops["nightly"].clean(DAY[2])
    for shop in shops.values():
        shop.clean(DAY[3])
    for table in (PURCHASES, quarantine("purchases")):
        assert shops["nightly"].rows(table) == shops["at once"].rows(table)
    held = {name: [(row["delivery_day"], row["reasons"]) for row in shop.rows(quarantine("purchases"))]
            for name, shop in shops.items()}  # fmt: skip
    mixed = [(day, codes) for day in DAY[1:3] for codes in ([AMBIGUOUS], ["price_invalid", "decimal_comma"])]
    assert sorted(held["any"]) == mixed
    assert sorted(held["nightly"]) == sorted([*mixed, (DAY[1], [IMPLAUSIBLE]), (DAY[3], [IMPLAUSIBLE])])
    pointed = [row["delivery_day"] for row in shops["nightly"].rows(PURCHASES) if row["unit_price"] == Decimal("1.234")]
    assert sorted(pointed) == [DAY[0], DAY[3]]
    assert shops["nightly"].accounts() == shops["at once"].accounts()
