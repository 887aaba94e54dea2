"""Days in file names: read in the formats of shops, refused if invalid, and proposed."""

import tomllib
from datetime import date, timedelta

import pytest

from spark_jobs.contract.arrivals import find_delivery_day, is_due
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.shop.path_days import is_format, propose, read_day, write_setting
from spark_jobs.contract.shop.source import DeliveryDay
from tests.spark_jobs.contract.shop.test_file import GOOD, faults_of, write

DAY = date(2026, 10, 20)
#: A format, the text in a file name, and its day.
FORMATS = [
    (None, "2026-10-20", DAY), (None, "20261020", DAY), ("yyyyMMdd", "20261020", DAY),
    ("dd.MM.yyyy", "20.10.2026", DAY),
    ("d.M.yyyy", "2.1.2026", date(2026, 1, 2)), ("MM-dd-yyyy", "10-20-2026", DAY), ("ddMMyy", "201026", DAY),
    ("dd-MMM-yyyy", "20-Oct-2026", DAY), ("dd MMMM yyyy", "20 October 2026", DAY), ("epoch_s", "1792454400", DAY),
    ("epoch_ms", "1792540799999", DAY), ("'y='yyyy'/m='M'/d='d", "y=2026/m=10/d=20", DAY),
    ("yyyy-MM", "2026-02", date(2026, 2, 28)), ("yyyyMM", "202612", date(2026, 12, 31)),
    ("MMM yyyy", "Oct 2026", date(2026, 10, 31)), ("yyyy-'W'ww", "2026-W43", date(2026, 10, 25)),
]  # fmt: skip


@pytest.mark.parametrize(("day_format", "text", "day"), FORMATS)
def test_a_day_is_read_as_the_shop_writes_it_and_a_month_or_week_is_its_last_day(day_format, text, day):
    assert read_day(text, day_format) == day
    assert day_format is None or is_format(day_format)


BAD_FORMATS = ["yyyy", "MM-dd", "dd.mm.yyyy", "yyyy-MM-dd HH", "yyyy-yyyy-MM", "%Y-%m-%d", "", 5, "ww-MM-yyyy", "unix"]


@pytest.mark.parametrize("day_format", BAD_FORMATS)
def test_a_format_that_means_no_day_is_refused_in_one_line(tmp_path, day_format):
    assert not is_format(day_format)
    value = f'"{day_format}"' if isinstance(day_format, str) else day_format
    text = GOOD.replace('files = "*.csv"', f"files = \"*.csv\"\ndelivery_day = {{ pattern = '(x)', format = {value} }}")
    (fault,) = faults_of(tmp_path, text)
    assert "delivery_day.format: expected a format like dd.MM.yyyy, yyyyMMdd" in fault


@pytest.mark.parametrize(
    ("day_format", "text"),
    [("dd.MM.yyyy", "31.02.2026"), ("dd.MM.yyyy", "2026-10-20"), (None, "x"), ("epoch_s", "9" * 30),
     ("yyyy-'W'ww", "2026-W60")],
)  # fmt: skip
def test_a_file_name_without_a_day_is_an_error(day_format, text):
    with pytest.raises(ChurnError, match=r"is no day like .*; correct delivery_day"):
        find_delivery_day(f"orders_{text}.csv", DeliveryDay(r"orders_(.*)\.csv", format=day_format))


def test_a_monthly_file_is_expected_on_the_last_day_only(tmp_path):
    setting = "delivery_day = { pattern = '(\\d{4}-\\d{2})', format = \"yyyy-MM\", lag_days = %d }"
    for lag, due in ((0, {31}), (1, {30}), (-1, {1})):
        text = GOOD.replace('files = "*.csv"', 'files = "*.csv"\n' + setting % lag)
        shop = load_shop(write(tmp_path, text))
        days = [date(2026, 10, 1) + timedelta(days=n) for n in range(31)]
        assert {day.day for day in days if is_due(shop, "purchases", day)} == due
        assert find_delivery_day("2026-10.csv", shop.sources["purchases"].delivery_day) == date(
            2026, 10, 31
        ) - timedelta(lag)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["o_20.10.2026.csv", "o_01.02.2026.csv"], [(r"(\d{2}\.\d{2}\.\d{4})", "dd.MM.yyyy")]),
        (["o_01-02-2026.csv"], [(r"(\d{2}-\d{2}-\d{4})", "dd-MM-yyyy"), (r"(\d{2}-\d{2}-\d{4})", "MM-dd-yyyy")]),
        (["2026-10-20T04.csv", "2026-10-21T04.csv"], [(r"(\d{4}-\d{2}-\d{2})", None)]),
        (["20261020.csv", "20261021040000.csv"], [(r"(?<!\d)(\d{8})", None)]),
        (["20102026.csv"], [(r"(?<!\d)(\d{8})", "ddMMyyyy")]),
        (["1792454400_a.csv"], [(r"(?<!\d)(\d{10})(?!\d)", "epoch_s")]),
        (["2026/10/20/x.csv"], [(r"(\d{4}/\d{2}/\d{2})", "yyyy/MM/dd")]),
        (["year=2026/month=9/day=1/x.csv"],
         [(r"(year=\d{4}/month=\d{1,2}/day=\d{1,2})", "'year='yyyy'/month='M'/day='d")]),
        (["orders 2026-10.xlsx", "orders 2026-11.xlsx"], [(r"(\d{4}-\d{2})(?!\d)", "yyyy-MM")]),
        (["orders_export_1.csv"], []),
        (["2026-10-20.csv", "all.csv"], []),
        ([], []),
    ],
)  # fmt: skip
def test_the_setting_that_reads_all_names_is_proposed_and_can_be_pasted(tmp_path, names, found):
    assert propose(names) == found
    for pattern, day_format in found:
        text = GOOD.replace('files = "*.csv"', f'files = "*"\n{write_setting(pattern, day_format, lag_days=1)}')
        named = load_shop(write(tmp_path, text)).sources["purchases"].delivery_day
        assert named == DeliveryDay(pattern, None, 1, day_format)
        assert all(find_delivery_day(name, named) for name in names)
        assert tomllib.loads(write_setting(pattern, day_format))
