"""Checks that ids identify customers, and the same customers in every log.

Finds placeholders for no customer, a customer with an implausible share of the events, spellings that a setting would
unite, and logs whose customers are not in the purchases.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from spark_jobs.checking.customers import LogCustomers, Met
from spark_jobs.checking.findings import Findings
from spark_jobs.checking.nobody import FEWEST_CUSTOMERS, find_dominant, find_maybe_nobody
from spark_jobs.checking.spellings import (
    EXPONENT,
    FORMS,
    LINKED,
    find_linking_form,
    find_lost_digits,
    find_same,
    measure_link,
    merge_settings,
    strip_marks,
)
from spark_jobs.contract.customer_ids import AS_GIVEN, CASE_INSENSITIVE, NUMERIC, CustomerIds
from spark_jobs.contract.shop.model import Shop
from spark_jobs.runtime.console import PlainConsole

EXAMPLES = 3

SURELY_UNLINKED = 0.01
SPELT_TWICE = 0.01


def judge_customers(logs: list[LogCustomers], needed_log: str, ids: CustomerIds) -> Findings:
    """All findings about a shop's customers. needed_log: the log of the qualifying activity."""
    found = Findings()
    by_log = {one.log: one.by_customer(ids) for one in logs}
    everybody = {customer for customers in by_log.values() for customer in customers}
    raw_ids = {raw_id for one in logs for raw_id in one.met}
    in_full = {ids.canonical(raw_id) for raw_id in raw_ids if not EXPONENT.fullmatch(raw_id)}
    for one in logs:
        check_rewritten(found, one, by_log[one.log], ids)
        check_nobody(found, one, by_log[one.log], ids)
        check_dominant(found, one, by_log[one.log], ids)
        check_lost_digits(found, one, in_full, ids)
    named = set()
    for log, customers in by_log.items():
        if log != needed_log and by_log.get(needed_log) and customers:
            named.add(check_link(found, log, customers, needed_log, by_log[needed_log]))
    for spelling in (NUMERIC, CASE_INSENSITIVE):
        if spelling not in {*named, ids.spelling}:
            check_spelling(found, everybody, spelling, ids)
    check_marks(found, everybody, ids)
    return found


def check_rewritten(found: Findings, one: LogCustomers, customers: Collection[str], ids: CustomerIds) -> None:
    somebody = [raw_id for raw_id in one.met if ids.read(raw_id)]
    if len(somebody) > len(customers):
        (example, *_) = find_same(somebody, ids.canonical)
        found.note(
f"{one.log}: {len(somebody):,} spellings of {len(customers):,} customers, like"
                 f" {' and '.join(map(repr, example[:EXAMPLES]))}: each counts as one customer")  # fmt: skip


def check_nobody(found: Findings, one: LogCustomers, customers: Mapping[str, Met], ids: CustomerIds) -> None:
    nobody = {raw_id: met.events for raw_id, met in one.met.items() if ids.read(raw_id) is None}
    if nobody:
        found.note(f"{one.log}: {sum(nobody.values()):,} records of no customer: {_show_counts(nobody)}")
    if maybe := find_maybe_nobody(customers, ids):
        words = ", ".join(f'"{word}"' for word in [*(ids.nobody or ()), *maybe])
        found.add_or_note(
            f"{one.log}: {_show_counts(maybe)}: such ids often stand for nobody; at the top of shop.toml"
            f" no_customer = [{words}] says that they do, and no_customer = [] that all of them are customers",
            ids.nobody is None,
        )


def _show_counts(counts: Mapping[str, int]) -> str:
    largest = sorted(counts.items(), key=lambda item: -item[1])
    shown = ", ".join(f"{word!r} {count:,} times" for word, count in largest[: 2 * EXAMPLES])
    return shown + (f" and {len(counts) - 2 * EXAMPLES:,} more" if len(counts) > 2 * EXAMPLES else "")


def check_dominant(found: Findings, one: LogCustomers, customers: Mapping[str, Met], ids: CustomerIds) -> None:
    dominant = find_dominant(customers, one.day_count)
    if dominant and dominant[0] not in find_maybe_nobody(customers, ids):
        customer, share = dominant
        found.add_or_note(
            f"{one.log}: one customer, {customer!r}, has {share:.0%} of all events, far more than any other: check that"
            f' customer_id is the right column; no_customer = ["{customer}"] at the top of shop.toml says that the id'
            " stands for nobody, and no_customer = [] that it is a customer",
            ids.nobody is None,
        )


def check_lost_digits(found: Findings, one: LogCustomers, in_full: Collection[str], ids: CustomerIds) -> None:
    if cut := find_lost_digits(one.met.keys(), in_full, ids):
        found.add(
            f"{one.log}: {len(cut):,} customer ids are written like {cut[0]!r}, which may have lost its last digits, so"
            " that several customers become one: have them exported as text"
        )


def check_link(found: Findings, log: str, ours: Mapping[str, Met], other: str, known: Mapping[str, Met]) -> str | None:
    """Reports how many of a log's customers another log has; returns the setting that it suggests."""
    share, link = len(ours.keys() & known.keys()) / len(ours), measure_link(ours, known)
    says = f"{log}: {share:.1%} of its {len(ours):,} customers are known to the {other}"
    if link >= LINKED or min(len(ours), len(known)) < FEWEST_CUSTOMERS:
        found.note(says)
        return None
    examples = f"the ids are like {min(ours)!r} here and {min(known)!r} there"
    if linking := find_linking_form(ours, known):
        form, other_link = linking
        is_setting = form in (NUMERIC, CASE_INSENSITIVE)
        remedy = f'customer_ids = "{form}" at the top of shop.toml' if is_setting else f"their {form} alone"
        hint = "" if is_setting else ": have both written alike"
        found.add(f"{says}; {examples}; by {remedy} {other_link:.0%} would be the same{hint}")
        return form if is_setting else None
    place = "contact.log" if log == "contacts" else f"sources.{log}"
    remedy = f"map customer_id in {place} to the ids that the {other} have, or leave {place} out"
    found.add_or_note(f"{says}; {examples}: {remedy}" if link < SURELY_UNLINKED else says, link < SURELY_UNLINKED)
    return None


def check_spelling(found: Findings, everybody: Collection[str], spelling: str, ids: CustomerIds) -> None:
    groups = find_same(everybody, FORMS[spelling])
    if not groups:
        return
    share = sum(map(len, groups)) / len(everybody)
    is_address = spelling == CASE_INSENSITIVE and any("@" in group[0] for group in groups)
    is_free = ids.spelling == AS_GIVEN
    difference = "leading zeros" if spelling == NUMERIC else "upper and lower case"
    examples = "; ".join(" and ".join(map(repr, group[:EXAMPLES])) for group in groups[:EXAMPLES])
    remedy = f'customer_ids = "{spelling}" at the top of shop.toml makes them one' if is_free else "write them alike"
    found.add_or_note(
        f"{sum(map(len, groups)):,} of {len(everybody):,} customers differ from another one by {difference} only, so"
        f" one person may be several customers ({examples}): {remedy}",
        (is_address or share >= SPELT_TWICE) and not ids.is_chosen,
    )


def check_marks(found: Findings, everybody: Collection[str], ids: CustomerIds) -> None:
    """Reports ids that differ only in punctuation that no setting removes."""
    groups = find_same({merge_settings(customer) for customer in everybody}, strip_marks)
    if not groups:
        return
    count, examples = (
        sum(map(len, groups)),
        "; ".join(" and ".join(map(repr, group[:2])) for group in groups[:EXAMPLES]),
    )
    says_so = ids.is_chosen and ids.spelling == AS_GIVEN
    found.add_or_note(
        f"{count:,} of {len(everybody):,} customers differ from another one by marks round or between their digits"
        f" only, so one person may be several customers ({examples}): have the ids exported alike, as plain text; if"
        f' they are different customers, customer_ids = "{AS_GIVEN}" at the top of shop.toml says so',
        count / len(everybody) >= SPELT_TWICE and not says_so,
    )


def check_customers(console: PlainConsole, shop: Shop, customers: list[LogCustomers], findings: Findings) -> None:
    """Checks the customers of all logs and prints a summary."""
    console.rule("customers")
    found = judge_customers(customers, shop.needed_log, shop.customer_ids)
    for note in found.notes:
        console.print(f"  {note}")
    for finding in found.to_mend:
        findings.add(finding)
