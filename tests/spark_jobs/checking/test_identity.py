"""Are wrong, placeholder and differently spelt ids reported before the first night, and valid ones accepted?"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from hashlib import md5

import pytest

from spark_jobs.checking.customers import EventCounts, LogCustomers
from spark_jobs.checking.identity import judge_customers
from spark_jobs.contract.customer_ids import CustomerIds
from tests.conftest import SHARED_CASES

PEOPLE = [f"400{n:04}" for n in range(200)]


def log(name: str, *ids: str, days: int = 3, day_count: int = 100) -> LogCustomers:
    """A log in which each id has one event per mention, on at most `days` days."""
    return LogCustomers(name, {i: EventCounts(n, min(n, days)) for i, n in Counter(ids).items()}, day_count)


def judge(*logs: LogCustomers, spelling="as given", placeholders=None, is_chosen=False):
    return judge_customers(list(logs), "purchases", CustomerIds(spelling, placeholders, is_chosen))


def read_case(name: str, folder: str, column: str) -> LogCustomers:
    """The raw ids of the CSV files in a folder of shared/cases."""
    if not SHARED_CASES.is_dir():
        pytest.skip("needs ../shared/cases")
    events, days = Counter(), defaultdict(set)
    for path in sorted((SHARED_CASES / name / folder).iterdir()):
        with path.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                events[row[column]] += 1
                days[row[column]].add(row.get("at", path.stem)[:10])
    counts = {raw_id: EventCounts(count, len(days[raw_id])) for raw_id, count in events.items()}
    return LogCustomers("purchases", counts, len(set().union(*days.values())))


def test_a_correct_shop_has_no_findings():
    findings = judge(
        log("purchases", *PEOPLE * 5), log("browses", *PEOPLE[:150] * 9, *(f"500{n}" for n in range(3000)))
    )
    assert findings.problems == []
    assert findings.notes == ["browses: 4.8% of its 3,150 customers also occur in the purchases"]


@pytest.mark.parametrize(
    ("case", "setting"), [("a06_ids_spelt_three_ways", "numeric"), ("a09_email_case", "case-insensitive")]
)
def test_the_setting_that_unites_spellings_is_proposed_and_works(case, setting):
    customers = read_case(case, "data", "customer")
    (finding,) = judge(customers).problems
    assert f'customer_ids = "{setting}"' in finding
    assert len(customers.by_customer(CustomerIds(setting))) == 220
    assert judge(customers, spelling=setting, is_chosen=True).problems == []


def test_floats_in_another_log_are_the_same_customers():
    purchases = read_case("t5_float_ids_in_another_log", "p", "client")
    browses = LogCustomers("browses", {f"{raw_id}.0": counts for raw_id, counts in purchases.counts.items()})
    findings = judge(purchases, browses)
    assert findings.problems == []
    assert any(note.startswith("browses: 100.0% of its") for note in findings.notes), findings.notes


@pytest.mark.parametrize(
    ("case", "folder", "column", "placeholders"),
    [("e06_null_words", "data", "customer", ["-"]), ("t4_null_words", "p", "client", [])],
)
def test_placeholder_words_are_reported_and_null_words_are_no_customers(case, folder, column, placeholders):
    customers = read_case(case, folder, column)
    findings = judge(customers)
    assert "NULL" not in customers.by_customer(CustomerIds())
    assert any("records without a customer: 'NULL'" in note or "'NULL'" in note for note in findings.notes)
    assert len(findings.problems) == len(placeholders)
    assert all(f'no_customer = ["{word}"]' in findings.problems[0] for word in placeholders)
    assert judge(customers, placeholders=tuple(placeholders)).problems == []


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
def test_a_single_placeholder_is_a_finding_until_no_customer_is_set(word):
    (finding,) = judge(log("purchases", *PEOPLE, word)).problems
    assert f'no_customer = ["{word}"]' in finding
    assert judge(log("purchases", *PEOPLE, word), placeholders=(word,)).problems == []
    assert judge(log("purchases", *PEOPLE, word), placeholders=()).problems == []


def test_a_number_with_neighbours_is_a_customer_unless_it_has_far_more_events():
    assert judge(log("purchases", *map(str, range(200)))).problems == []
    assert len(judge(log("purchases", *map(str, range(200)), "0", "0")).problems) == 1


@pytest.mark.parametrize(
    ("events", "days", "is_found"),
    [(150, 3, True), (60, 3, False), (60, 95, True), (34, 95, False), (15, 95, False)],
    ids=["a multiple of all others", "a wholesaler", "there every day", "a loyal one", "a small one"],
)
def test_a_customer_with_an_implausible_share_is_reported(events, days, is_found):
    others = log("purchases", *PEOPLE * 2, *PEOPLE[:20] * 5)  # those of the 99th percentile have 7 events
    counts = {**others.counts, "77": EventCounts(events, days)}
    findings = judge(LogCustomers("purchases", counts, 100)).problems
    assert [("'77'" in finding, 'no_customer = ["77"]' in finding) for finding in findings] == [(True, True)] * is_found
    assert judge(LogCustomers("purchases", counts, 100), placeholders=()).problems == []


LINKS = {
    "zeros": ([f"000{n}" for n in PEOPLE], 'customer_ids = "numeric" at the top of shop.toml, 100% would be the same'),
    "a prefix": ([f"C-{n}" for n in PEOPLE], "with their digits alone, 100% would be the same: export both in one"
                                             " form"),
    "other ids": ([f"cookie{n:x}" for n in range(999, 1200)], "map customer_id in sources.browses"),
}  # fmt: skip


@pytest.mark.parametrize("kind", LINKS)
def test_a_log_of_unknown_customers_is_a_finding_with_the_likely_cause(kind):
    ids, remedy = LINKS[kind]
    (finding,) = judge(log("purchases", *PEOPLE), log("browses", *ids)).problems
    assert finding.startswith("browses: 0.0% of its")
    assert remedy in finding


def test_many_visitors_who_never_buy_and_few_customers_are_no_finding():
    anonymous = [f"cookie{n}" for n in range(50_000)]
    assert judge(log("purchases", *PEOPLE), log("browses", *PEOPLE[:60], *anonymous)).problems == []
    assert judge(log("purchases", *PEOPLE[:9]), log("browses", *PEOPLE[9:18])).problems == []


def test_ids_shortened_by_a_spreadsheet_are_reported():
    (finding,) = judge(log("purchases", *PEOPLE, "7.41E+12")).problems
    assert "written like '7.41E+12' and may have lost their last digits" in finding
    assert judge(log("purchases", *PEOPLE, "7.410995E+12"), log("browses", *PEOPLE, "7410995000000")).problems == []


def test_a_chosen_setting_is_no_finding():
    ids = [f"Ab{n}" for n in range(100)] + [f"aB{n}" for n in range(100)]
    (finding,) = judge(log("purchases", *ids)).problems
    assert 'customer_ids = "case-insensitive"' in finding
    assert judge(log("purchases", *ids), is_chosen=True).problems == []


def test_a_word_is_a_placeholder_only_among_ids_of_another_kind():
    names = [
        f"{first} {last}" for first in ("Anna", "Bo", "Cem", "Dorte") for last in ("Mas", "Noll", "Ode", "Paz", "Ruf")
    ]
    assert judge(log("purchases", *names, "Wochenmarkt")).problems == []
    assert judge(log("purchases", *PEOPLE, *names)).problems == []
    keys = [md5(one.encode()).hexdigest()[:8] for one in PEOPLE]
    assert judge(log("purchases", *keys, "deadbeef")).problems == []
    assert judge(
        log("purchases", *(f"{a}.{b}@c.example" for a in "abcdefgh" for b in "abcdefgh"), "Wochenmarkt")
    ).problems


@pytest.mark.parametrize("spelt", ["'{}", '="{}"', "#{}", '"{}"', "{:,}", "{:.2f}"], ids=str)
def test_ids_that_differ_only_by_marks_are_reported_unless_declared_different(spelt):
    marked = [spelt.format(int(one)).replace(".00", ",00") for one in PEOPLE[:150]]
    (finding,) = judge(log("purchases", *PEOPLE, *marked)).problems
    assert "300 of 350 customers differ from another one by marks" in finding
    assert judge(log("purchases", *PEOPLE, *marked), is_chosen=True).problems == []
    assert judge(log("purchases", *PEOPLE, marked[0])).problems == []
