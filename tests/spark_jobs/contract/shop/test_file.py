"""A valid shop.toml is read completely; an invalid one reports all faults at once."""

from datetime import date, time

import pytest

from spark_jobs.contract.customer_ids import CustomerIds
from spark_jobs.contract.errors import ShopFileError
from spark_jobs.contract.formats import FORMATS
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.shop.model import Bands, Schedule
from tests.conftest import ROOT

NAMED = r"pattern = '(\d{4}-\d{2}-\d{2})'"
CONTACT = "\n[contact]\ncapacity_per_night = 50\ncost = 2\nsuccess_rate = 0.1\nmargin = 0.3\n"
GOOD = """
name = "corner_shop"
time_zone = "Europe/Berlin"
currency = "EUR"
[sources.purchases]
location = "raw"
files = "*.csv"
format = "csv"
[sources.purchases.columns]
customer_id = "Customer"
event_at = "At"
unit_price = "Price"
"""


def write(tmp_path, text):
    path = tmp_path / "shop.toml"
    path.write_text(text)
    return path


def faults_of(tmp_path, text):
    with pytest.raises(ShopFileError) as failure:
        load_shop(write(tmp_path, text))
    return [line.strip() for line in str(failure.value).splitlines()[1:]]


def test_the_demo_shops_are_valid():
    shops = {load_shop(path).name for path in (ROOT / "infra" / "demo").rglob("shop.toml")}
    assert {"online_retail", "cdnow"} <= shops


def test_a_short_file_gets_the_documented_defaults(tmp_path):
    shop = load_shop(write(tmp_path, GOOD))
    assert shop.churn.horizons_days == (30, 60, 90)
    assert (shop.churn.primary_horizon_days, shop.churn.eligible_within_days) == (60, 90)
    assert shop.sources["purchases"].location == str(tmp_path / "raw")
    assert shop.sources["purchases"].exact_duplicates == "keep"


def test_all_faults_are_reported_together_with_key_expected_and_found(tmp_path):
    text = (
        GOOD.replace("Europe/Berlin", "Europe/Berln")
        .replace('format = "csv"', 'format = "cvs"\nfilles = "*"')
        .replace('currency = "EUR"', 'currency = "euro"')
        .replace('customer_id = "Customer"', 'custmer_id = "Customer"')
    )
    assert faults_of(tmp_path, text) == [
        "time_zone: expected a time zone like Europe/London, found 'Europe/Berln'; did you mean 'Europe/Berlin'?",
        "currency: expected a currency code like GBP, found 'euro'",
        f"sources.purchases.format: expected one of {', '.join(FORMATS)}, found 'cvs'; did you mean 'csv'?",
        "sources.purchases.columns.customer_id: expected a raw column name, found nothing",
        "sources.purchases.columns.custmer_id: expected no such key, found 'Customer'; did you mean 'customer_id'?",
        "sources.purchases.filles: expected no such key, found '*'; did you mean 'files'?",
    ]


@pytest.mark.parametrize(
    ("addition", "key"),
    [
        ("[churn]\nhorizons_days = [60, 30]", "churn.horizons_days"),
        ("[churn]\nhorizons_days = [30, 60]\nprimary_horizon_days = 45", "churn.primary_horizon_days"),
        ("[churn]\neligible_within_days = 0", "churn.eligible_within_days"),
        ("[churn]\nundone_within_days = 31", "churn.undone_within_days"),
        ("[churn]\nactivity = 'purchases'", "churn.activity"),
        ("[sources.purchases.delivery_day]\nzone = 'UTC'", "sources.purchases.delivery_day.pattern"),
        (f"[sources.purchases.delivery_day]\n{NAMED}\nzone = 'UCT1'", "sources.purchases.delivery_day.zone"),
        (f"[sources.purchases.delivery_day]\n{NAMED}\nlag_days = 32", "sources.purchases.delivery_day.lag_days"),
        (f"[sources.purchases.delivery_day]\n{NAMED}\nlag = 1", "sources.purchases.delivery_day.lag"),
        ("[bands]\nhigh = 0.3\nmedium = 0.5", "bands.medium"),
        ("[sources.purchases.columns.event_id]\nconstant = 'a'\ncolumn = 'b'", "sources.purchases.columns.event_id"),
        ("[[sources.purchases.reject]]\nreason = 'x'\ncolumn = 'a'", "sources.purchases.reject[0]"),
        ("[[sources.purchases.reject]]\nreason = 'x'\ncolumn = 'a'\nbelow = 'b'", "sources.purchases.reject[0].below"),
        ("[[sources.purchases.returns]]\ncolumn = 'a'\nin = 'b'", "sources.purchases.returns[0].in"),
        ("[[sources.purchases.returns]]\ncolumn = 'a'\nmatches = '('", "sources.purchases.returns[0].matches"),
        ("[[sources.purchases.returns]]\ncolumn = 'a'\nabove = nan", "sources.purchases.returns[0].above"),
        ("[[sources.purchases.returns]]\ncolumn = 'a'\nbelow = 1e40", "sources.purchases.returns[0].below"),
        ("[rates]\nUSD = inf", "rates.USD"),
        ("[sources.purchase]\nformat = 'csv'", "sources.purchase"),
        ("[churn]\nactivity = 'visit'", "churn.activity"),
        ("[rates]\nUSD = 'dear'", "rates.USD"),
        ("[rates]\ndollar = 0.9", "rates.dollar"),
        ("[[rates.USD]]\nfrom = 'May'\nrate = 0.9", "rates.USD[0].from"),
        ("[sources.purchases.bots]\nmax_events_per_hour = 0", "sources.purchases.bots.max_events_per_hour"),
        ("[sources.purchases.limits]\nnesting = -1", "sources.purchases.limits.nesting"),
        ("[[sources.purchases.only]]\ncolumn = 'a'", "sources.purchases.only[0]"),
        (
            "[sources.purchases.columns.kind]\ncolumn = 'k'\nvalues = { bought = 'sold' }",
            "sources.purchases.columns.kind.values.bought",
        ),
        (
            "[sources.reviews]\nlocation = 'r'\nfiles = '*'\nformat = 'csv'\n"
            "[sources.reviews.columns]\ncustomer_id = 'c'\nevent_at = 'at'",
            "sources.reviews.columns.rating",
        ),
    ],
)
def test_each_kind_of_fault_names_its_key(tmp_path, addition, key):
    assert [line.split(":")[0] for line in faults_of(tmp_path, GOOD + addition)] == [key]


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        ("%Y-%m-%d", "strftime's % is not known here"),
        ("YYYY-MM-dd", "the year is yyyy"),
        ("yyyy-MM-DD", "the day of the month is dd"),
        ("yyyy-MM-ddTHH:mm:ss", "stands in quotes: 'T'"),
        ("yyyy-MM-dd'T", "a quote has no end"),
        ("yyyy-MM-dd'T'HH:mm:ss 'UTC'", None),
        ("dd/MM/yyyy hh:mm a", None),
        ("epoch_s", None),
        ("epoch_ns", None),
        ("dd/mm/yyyy", "mm are minutes, months are MM"),
        ("yyyy-MM-dd HH:MM", "MM are months, minutes are mm"),
        ("yyyy-MM-dd hh:mm", "hours up to 23 are HH"),
        ("yyyy-'W'ww", "deliver the day of each event"),
        ("timestamp", "name what it is: iso8601 or unix"),
        ("HH:mm:ss", "mm are minutes, months are MM"),
        ("yyyy-MM", "it has no day, dd"),
        ("yyyy-MM-dd [HH:mm", "do not match"),
        ("yyyy-MM-dd'T'HH:mm:ssXXXXXX", "repeated 1 or 2 or 3 or 4 or 5 times"),
    ],
)
def test_a_time_pattern_that_would_end_a_job_is_refused(tmp_path, pattern, hint):
    line = next(line for line in GOOD.splitlines() if line.startswith("event_at"))
    text = GOOD.replace(line, f'event_at = {{ column = "at", format = "{pattern}" }}')
    if hint is None:
        load_shop(write(tmp_path, text))
        return
    (fault,) = faults_of(tmp_path, text)
    assert fault.startswith("sources.purchases.columns.event_at.format: expected a time pattern like")
    assert fault.endswith(hint)


def read_event_at(tmp_path, table):
    line = next(line for line in GOOD.splitlines() if line.startswith("event_at"))
    return load_shop(write(tmp_path, GOOD.replace(line, f"event_at = {table}"))).sources["purchases"]


def test_a_time_may_have_several_columns_and_formats(tmp_path):
    formats = 'formats = ["Unix Timestamp", "d. MMMM yyyy", "ISO 8601"]'
    zones = 'zone_column = "Time Zone", zones = { "Store 3" = "Europe/Paris" }'
    source = read_event_at(tmp_path, f'{{ columns = ["Date", "Time"], {formats}, {zones}, language = "pt-BR" }}')
    mapping = source.columns["event_at"]
    assert mapping.formats == ("unix", "d. MMMM yyyy", "iso8601")
    assert (mapping.columns, mapping.language, mapping.zones) == (
        ("Date", "Time"), "pt", (("Store 3", "Europe/Paris"),),
    )  # fmt: skip
    assert {"Date", "Time", "Time Zone"} <= set(source.raw_columns)
    assert {"Date", "Time"} <= source.needed_columns


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ('{ column = "a", columns = ["b", "c"] }', "event_at.columns: expected either column or columns"),
        ('{ columns = [] }', "event_at.columns: expected a list of raw column names"),
        ('{ columns = ["a", "a"] }', "event_at.columns: expected a list of raw column names"),
        ('{ column = "a", format = "unix", formats = ["excel"] }', "formats: expected either format or formats"),
        ('{ column = "a", formats = ["unix", "dd/mm/yyyy"] }', "mm are minutes, months are MM"),
        ('{ column = "a", language = "xx" }', "event_at.language: expected a language like de"),
        ('{ column = "a", zones = { b = "UTC" } }', "event_at.zones: expected zone_column"),
        ('{ column = "a", zone_column = "z", zones = { b = "Berlin" } }', "event_at.zones.b: expected a time zone"),
        ('{ column = "a", zone_column = "z", format = "yyyy-MM-dd Z" }', "event_at.zone_column: expected none"),
        ('{ zone = "UTC" }', "event_at: expected either column or constant"),
    ],
)  # fmt: skip
def test_contradictory_or_incomplete_time_settings_are_one_line_each(tmp_path, table, fault):
    line = next(line for line in GOOD.splitlines() if line.startswith("event_at"))
    (found,) = faults_of(tmp_path, GOOD.replace(line, f"event_at = {table}"))
    assert fault in found


def test_a_date_of_the_wrong_type_and_a_bad_pattern_are_found(tmp_path):
    text = GOOD.replace("[sources.purchases]", 'end_date = "soon"\n[sources.purchases]\ndelivery_day = "(a)(b)"')
    assert [line.split(":")[0] for line in faults_of(tmp_path, text)] == ["end_date", "sources.purchases.delivery_day"]


def test_broken_toml_and_a_missing_file_are_one_line_each(tmp_path):
    with pytest.raises(ShopFileError, match="not valid TOML"):
        load_shop(write(tmp_path, "name = "))
    with pytest.raises(ShopFileError, match="cannot be read"):
        load_shop(tmp_path / "none.toml")


def test_end_date_is_a_day(tmp_path):
    assert load_shop(write(tmp_path, "end_date = 2011-09-06\n" + GOOD)).end_date == date(2011, 9, 6)


def test_closed_days_are_weekdays_and_days(tmp_path):
    shop = load_shop(write(tmp_path, 'closed_days = ["sunday", 2026-12-25]\n' + GOOD))
    days = [date(2026, 12, 25), date(2026, 12, 26), date(2026, 12, 27)]
    assert [shop.is_closed(day) for day in days] == [True, False, True]
    faults = faults_of(tmp_path, 'closed_days = ["Sunday"]\n' + GOOD)
    assert len(faults) == 1
    assert faults[0].endswith("did you mean 'sunday'?")


def test_customer_ids_and_no_customer_are_read(tmp_path):
    assert load_shop(write(tmp_path, GOOD)).customer_ids == CustomerIds("as given", None)
    text = 'customer_ids = "case-insensitive"\nno_customer = ["guest"]\n' + GOOD
    assert load_shop(write(tmp_path, text)).customer_ids == CustomerIds("case-insensitive", ("guest",))
    faults = faults_of(tmp_path, 'customer_ids = "number"\nno_customer = "guest"\n' + GOOD)
    assert [fault.split(":")[0] for fault in faults] == ["customer_ids", "no_customer"]


def map_browses(rule: str) -> str:
    """Another log of the files of GOOD, with one condition."""
    return f"""
[sources.browses]
location = "raw"
files = "*.csv"
format = "csv"
{rule}
[sources.browses.columns]
customer_id = "Customer"
event_at = "At"
"""


def test_sources_of_the_same_files_list_each_others_conditions(tmp_path):
    text = GOOD.replace(
        "[sources.purchases.columns]", 'only = [{ column = "e", equals = "buy" }]\n[sources.purchases.columns]'
    )
    shop = load_shop(write(tmp_path, text + map_browses('only = [{ column = "e2", equals = "view" }]')))
    first, second = shop.sources["purchases"], shop.sources["browses"]
    assert (first.leaves_rest, second.leaves_rest) == (False, True)
    assert [c.column for c in first.others] == ["e2"]
    assert {"e", "e2"} <= set(first.raw_columns)


def test_only_purchases_have_returns(tmp_path):
    (fault,) = faults_of(tmp_path, GOOD + map_browses('returns = [{ column = "e", equals = "cart_remove" }]'))
    assert fault.startswith("sources.browses.returns: expected no such key")


def test_rates_are_exact(tmp_path):
    text = '[rates]\nUSD = 0.1\nCHF = [{ from = 2026-01-01, rate = "1.04" }]\n'
    rates = load_shop(write(tmp_path, GOOD + text)).rates
    assert [(r.currency, str(r.rate), r.first_day) for r in rates] == [
        ("USD", "0.1", None),
        ("CHF", "1.04", date(2026, 1, 1)),
    ]


def test_a_probability_on_a_threshold_belongs_to_the_higher_band():
    bands = Bands(high=0.7, medium=0.4)
    assert [bands.band_of(p) for p in (0.7, 0.69, 0.4, 0.39)] == ["high", "medium", "medium", "low"]


def test_a_schedule_is_read_and_its_faults_are_reported(tmp_path):
    schedule = "[schedule]\nfirst_night = 2026-11-01\nwait_hours = 2.5\nauto_promote = true\n"
    shop = load_shop(write(tmp_path, GOOD + schedule))
    assert shop.schedule == Schedule(first_night=date(2026, 11, 1), wait_hours=2.5, auto_promote=True)
    faulty = "end_date = 2026-11-09\n" + GOOD + schedule.replace("2.5", "0").replace("true", '"yes"')
    assert faults_of(tmp_path, faulty) == [
        "schedule.wait_hours: expected a number above 0, found 0",
        "schedule.auto_promote: expected true or false, found 'yes'",
        "schedule.first_night: expected none, since end_date ends the nights, found datetime.date(2026, 11, 1)",
    ]


def test_night_at_also_moves_what_follows_the_night(tmp_path):
    shop = load_shop(write(tmp_path, GOOD + '[schedule]\nnight_at = "07:30"\n'))
    assert shop.schedule == Schedule(night_at=time(7, 30), wait_hours=9.5, due_hours=11.5)
    assert load_shop(write(tmp_path, GOOD + "[schedule]\nwait_hours = 3\n")).schedule.due_hours == 6


@pytest.mark.parametrize(
    ("night_at", "fault"),
    [
        ('"4:30"', "expected a time like \"04:30\", found '4:30'"),
        ("430", 'expected a time like "04:30", found 430'),
        ('"02:30"', "expected a time that every day in Europe/Berlin has exactly once, found '02:30'"),
    ],
)
def test_a_night_begins_at_a_time_that_comes_once_a_day(tmp_path, night_at, fault):
    assert faults_of(tmp_path, GOOD + f"[schedule]\nnight_at = {night_at}\n") == [f"schedule.night_at: {fault}"]


def test_scores_cannot_be_due_before_the_night(tmp_path):
    [fault] = faults_of(tmp_path, f'{GOOD}[schedule]\nnight_at = "05:00"\ndue_hours = 5\n')
    assert fault == "schedule.due_hours: expected more than the 5 hours from the day's end to night_at, found 5"


def test_contact_is_optional_and_all_its_faults_are_reported(tmp_path):
    assert load_shop(write(tmp_path, GOOD)).contact is None
    contact = load_shop(write(tmp_path, GOOD + CONTACT)).contact
    assert (contact.capacity_per_night, contact.success_rate, contact.control_share) == (50, 0.1, 0.1)
    faults = faults_of(tmp_path, GOOD + "\n[contact]\ncapacity_per_night = 0\ncost = -1\nsuccess_rate = 2\nrest = 3\n")
    assert {line.split(":")[0].strip() for line in faults} == {
        "contact.capacity_per_night", "contact.cost", "contact.success_rate", "contact.margin", "contact.rest",
    }  # fmt: skip


def test_the_contact_log_has_its_first_covered_day(tmp_path):
    log = 'location = "sent"\nfiles = "*.csv"\nformat = "csv"\n'
    columns = 'columns = { customer_id = "client", contacted_at = "sent" }\n'
    given = f"{GOOD}{CONTACT}[contact.log]\n{log}{columns}"
    assert load_shop(write(tmp_path, given)).contact.log_since is None
    assert load_shop(write(tmp_path, given + "since = 2026-09-01\n")).contact.log_since == date(2026, 9, 1)
    (fault,) = faults_of(tmp_path, given + "since = 'autumn'\n")
    assert "contact.log.since: expected a day like 2026-11-20, found 'autumn'" in fault
