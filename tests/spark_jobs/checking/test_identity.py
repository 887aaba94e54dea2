"""Are ids that are wrong, nobody's or spelt otherwise named before a night, and are good ones left in peace?"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from hashlib import md5

import pytest

from spark_jobs.checking.customers import LogCustomers, Met
from spark_jobs.checking.identity import judge_customers
from spark_jobs.contract.customer_ids import CustomerIds
from tests.conftest import SHARED_CASES

PEOPLE = [f"400{n:04}" for n in range(200)]


def log(name: str, *ids: str, days: int = 3, day_count: int = 100) -> LogCustomers:
    """A log in which each id has as many events as it is named, on at most so many days."""
    return LogCustomers(name, {i: Met(n, min(n, days)) for i, n in Counter(ids).items()}, day_count)


def judge(*logs: LogCustomers, spelling="as given", nobody=None, is_chosen=False):
    return judge_customers(list(logs), "purchases", CustomerIds(spelling, nobody, is_chosen))


def read_case(name: str, folder: str, column: str) -> LogCustomers:
    """The ids of the CSV files in a folder of shared/cases, as they are written."""
    if not SHARED_CASES.is_dir():
        pytest.skip("needs ../shared/cases")
    events, days = Counter(), defaultdict(set)
    for path in sorted((SHARED_CASES / name / folder).iterdir()):
        with path.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                events[row[column]] += 1
                days[row[column]].add(row.get("at", path.stem)[:10])
    met = {raw_id: Met(count, len(days[raw_id])) for raw_id, count in events.items()}
    return LogCustomers("purchases", met, len(set().union(*days.values())))


def test_a_good_shop_has_nothing_to_mend():
    told = judge(log("purchases", *PEOPLE * 5), log("browses", *PEOPLE[:150] * 9, *(f"500{n}" for n in range(3000))))
    assert told.to_mend == []
    assert told.notes == ["browses: 4.8% of its 3,150 customers are known to the purchases"]


@pytest.mark.parametrize(
    ("case", "setting"), [("a06_ids_spelt_three_ways", "numeric"), ("a09_email_case", "case-insensitive")]
)
def test_the_setting_that_makes_spellings_one_is_named_and_gives_the_right_number(case, setting):
    customers = read_case(case, "data", "customer")
    (finding,) = judge(customers).to_mend
    assert f'customer_ids = "{setting}"' in finding
    assert len(customers.by_customer(CustomerIds(setting))) == 220
    assert judge(customers, spelling=setting, is_chosen=True).to_mend == []


def test_floats_in_another_log_are_the_same_customers():
    purchases = read_case("t5_float_ids_in_another_log", "p", "client")
    browses = LogCustomers("browses", {f"{raw_id}.0": met for raw_id, met in purchases.met.items()})
    told = judge(purchases, browses)
    assert told.to_mend == []
    assert any(note.startswith("browses: 100.0% of its") for note in told.notes), told.notes


@pytest.mark.parametrize(
    ("case", "folder", "column", "nobody"),
    [("e06_null_words", "data", "customer", ["-"]), ("t4_null_words", "p", "client", [])],
)
def test_words_for_nobody_are_named_and_programs_words_are_no_customers(case, folder, column, nobody):
    customers = read_case(case, folder, column)
    told = judge(customers)
    assert "NULL" not in customers.by_customer(CustomerIds())
    assert any("records of no customer: 'NULL'" in note or "'NULL'" in note for note in told.notes)
    assert len(told.to_mend) == len(nobody)
    assert all(f'no_customer = ["{word}"]' in told.to_mend[0] for word in nobody)
    assert judge(customers, nobody=tuple(nobody)).to_mend == []


@pytest.mark.parametrize(
    "word",
    [
        "guest",
        "0",
        "000",
        "-1",
        "9999999",
        "-",
        "???",
        "Anonymous",
        "guest@shop.example",
        "00000000-0000-0000-0000-000000000000",
        "Inconnu",
        "(leer)",
        "匿名",
        "noemail@noemail.com",
        "Wochenmarkt",
    ],
)
def test_a_single_record_of_a_word_for_nobody_is_a_finding_until_the_shop_has_said_what_it_means(word):
    (finding,) = judge(log("purchases", *PEOPLE, word)).to_mend
    assert f'no_customer = ["{word}"]' in finding
    assert judge(log("purchases", *PEOPLE, word), nobody=(word,)).to_mend == []
    assert judge(log("purchases", *PEOPLE, word), nobody=()).to_mend == []


def test_a_number_among_its_neighbours_is_a_customer_unless_it_has_more_events_than_they():
    assert judge(log("purchases", *map(str, range(200)))).to_mend == []
    assert len(judge(log("purchases", *map(str, range(200)), "0", "0")).to_mend) == 1


@pytest.mark.parametrize(
    ("events", "days", "is_found"),
    [(150, 3, True), (60, 3, False), (60, 95, True), (34, 95, False), (15, 95, False)],
    ids=["a multiple of all others", "a wholesaler", "there every day", "a loyal one", "a small one"],
)
def test_one_customer_with_an_implausible_share_is_named(events, days, is_found):
    others = log("purchases", *PEOPLE * 2, *PEOPLE[:20] * 5)  # those of the 99th percentile have 7 events
    met = {**others.met, "77": Met(events, days)}
    findings = judge(LogCustomers("purchases", met, 100)).to_mend
    assert [("'77'" in finding, 'no_customer = ["77"]' in finding) for finding in findings] == [(True, True)] * is_found
    assert judge(LogCustomers("purchases", met, 100), nobody=()).to_mend == []


LINKS = {
    "zeros": ([f"000{n}" for n in PEOPLE], 'customer_ids = "numeric" at the top of shop.toml 100% would be the same'),
    "a prefix": ([f"C-{n}" for n in PEOPLE], "by their digits alone 100% would be the same: have both written alike"),
    "other ids": ([f"cookie{n:x}" for n in range(999, 1200)], "map customer_id in sources.browses"),
}  # fmt: skip


@pytest.mark.parametrize("kind", LINKS)
def test_a_log_whose_customers_nobody_knows_is_a_finding_with_the_likely_fault(kind):
    ids, remedy = LINKS[kind]
    (finding,) = judge(log("purchases", *PEOPLE), log("browses", *ids)).to_mend
    assert finding.startswith("browses: 0.0% of its")
    assert remedy in finding


def test_many_visitors_who_never_buy_and_a_handful_of_customers_are_no_fault():
    anonymous = [f"cookie{n}" for n in range(50_000)]
    assert judge(log("purchases", *PEOPLE), log("browses", *PEOPLE[:60], *anonymous)).to_mend == []
    assert judge(log("purchases", *PEOPLE[:9]), log("browses", *PEOPLE[9:18])).to_mend == []


def test_ids_that_a_spreadsheet_has_cut_are_named():
    (finding,) = judge(log("purchases", *PEOPLE, "7.41E+12")).to_mend
    assert "written like '7.41E+12', which may have lost its last digits" in finding
    assert judge(log("purchases", *PEOPLE, "7.410995E+12"), log("browses", *PEOPLE, "7410995000000")).to_mend == []


def test_a_setting_that_the_shop_has_chosen_is_no_finding():
    ids = [f"Ab{n}" for n in range(100)] + [f"aB{n}" for n in range(100)]
    (finding,) = judge(log("purchases", *ids)).to_mend
    assert 'customer_ids = "case-insensitive"' in finding
    assert judge(log("purchases", *ids), is_chosen=True).to_mend == []


def test_a_word_is_nobody_only_where_nearly_all_other_ids_are_of_another_kind():
    names = [
        f"{first} {last}" for first in ("Anna", "Bo", "Cem", "Dorte") for last in ("Mas", "Noll", "Ode", "Paz", "Ruf")
    ]
    assert judge(log("purchases", *names, "Wochenmarkt")).to_mend == []
    assert judge(log("purchases", *PEOPLE, *names)).to_mend == []
    keys = [md5(one.encode()).hexdigest()[:8] for one in PEOPLE]
    assert judge(log("purchases", *keys, "deadbeef")).to_mend == []
    assert judge(
        log("purchases", *(f"{a}.{b}@c.example" for a in "abcdefgh" for b in "abcdefgh"), "Wochenmarkt")
    ).to_mend


@pytest.mark.parametrize("spelt", ["'{}", '="{}"', "#{}", '"{}"', "{:,}", "{:.2f}"], ids=str)
def test_ids_that_differ_by_marks_only_are_named_unless_the_shop_says_that_they_are_different_customers(spelt):
    marked = [spelt.format(int(one)).replace(".00", ",00") for one in PEOPLE[:150]]
    (finding,) = judge(log("purchases", *PEOPLE, *marked)).to_mend
    assert "300 of 350 customers differ from another one by marks" in finding
    assert judge(log("purchases", *PEOPLE, *marked), is_chosen=True).to_mend == []
    assert judge(log("purchases", *PEOPLE, marked[0])).to_mend == []
