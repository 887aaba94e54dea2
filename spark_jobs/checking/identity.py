"""Checks that ids identify customers, and the same customers in every log.

Finds placeholders for no customer, a customer with an implausible share of the events, spellings that a setting would
unite, and logs whose customers are not in the purchases.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from spark_jobs.checking.customers import EventCounts, LogCustomers
from spark_jobs.checking.findings import Findings
from spark_jobs.checking.placeholders import FEWEST_CUSTOMERS, find_dominant, find_possible_placeholders
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
    by_log = {logged.log: logged.by_customer(ids) for logged in logs}
    everybody = {customer for customers in by_log.values() for customer in customers}
    raw_ids = {raw_id for logged in logs for raw_id in logged.counts}
    unshortened = {ids.canonical(raw_id) for raw_id in raw_ids if not EXPONENT.fullmatch(raw_id)}
    for logged in logs:
        check_rewritten(found, logged, by_log[logged.log], ids)
        check_placeholders(found, logged, by_log[logged.log], ids)
        check_dominant(found, logged, by_log[logged.log], ids)
        check_lost_digits(found, logged, unshortened, ids)
    named = set()
    for log, customers in by_log.items():
        if log != needed_log and by_log.get(needed_log) and customers:
            named.add(check_link(found, log, customers, needed_log, by_log[needed_log]))
    for spelling in (NUMERIC, CASE_INSENSITIVE):
        if spelling not in {*named, ids.spelling}:
            check_spelling(found, everybody, spelling, ids)
    check_marks(found, everybody, ids)
    return found


def check_rewritten(found: Findings, logged: LogCustomers, customers: Collection[str], ids: CustomerIds) -> None:
    real_ids = [raw_id for raw_id in logged.counts if ids.read(raw_id)]
    if len(real_ids) > len(customers):
        (example, *_) = find_same(real_ids, ids.canonical)
        shown = " and ".join(map(repr, example[:EXAMPLES]))
        found.note(
            f"{logged.log}: {len(real_ids):,} spellings of {len(customers):,} customers, like {shown}: all spellings of"
            " a customer count as one"
        )


def check_placeholders(
    found: Findings, logged: LogCustomers, customers: Mapping[str, EventCounts], ids: CustomerIds
) -> None:
    placeholders = {raw_id: counts.events for raw_id, counts in logged.counts.items() if ids.read(raw_id) is None}
    if placeholders:
        found.note(
            f"{logged.log}: {sum(placeholders.values()):,} records without a customer: {_show_counts(placeholders)}"
        )
    if possible := find_possible_placeholders(customers, ids):
        words = ", ".join(f'"{word}"' for word in [*(ids.no_customer or ()), *possible])
        found.add_or_note(
            f"{logged.log}: {_show_counts(possible)}: such ids often stand for nobody. If they do, set no_customer ="
            f" [{words}]"
            " at the top of shop.toml; if all of them are customers, set no_customer = []",
            ids.no_customer is None,
        )


def _show_counts(counts: Mapping[str, int]) -> str:
    largest = sorted(counts.items(), key=lambda item: -item[1])
    shown = ", ".join(f"{word!r} {count:,} times" for word, count in largest[: 2 * EXAMPLES])
    return shown + (f" and {len(counts) - 2 * EXAMPLES:,} more" if len(counts) > 2 * EXAMPLES else "")


def check_dominant(
    found: Findings, logged: LogCustomers, customers: Mapping[str, EventCounts], ids: CustomerIds
) -> None:
    dominant = find_dominant(customers, logged.day_count)
    if dominant and dominant[0] not in find_possible_placeholders(customers, ids):
        customer, share = dominant
        found.add_or_note(
            f"{logged.log}: one customer, {customer!r}, has {share:.0%} of all events, far more than any other:"
            " check that customer_id is the right column. If the id stands for nobody, set no_customer ="
            f' ["{customer}"]'
            " at the top of shop.toml; if it is a customer, set no_customer = []",
            ids.no_customer is None,
        )


def check_lost_digits(found: Findings, logged: LogCustomers, unshortened: Collection[str], ids: CustomerIds) -> None:
    if cut := find_lost_digits(logged.counts.keys(), unshortened, ids):
        found.add(
            f"{logged.log}: {len(cut):,} customer ids are written like {cut[0]!r} and may have lost their last digits,"
            " so several customers become one: export the ids as text"
        )


def check_link(
    found: Findings, log: str, ours: Mapping[str, EventCounts], other: str, known: Mapping[str, EventCounts]
) -> str | None:
    """Reports how many of a log's customers another log has; returns the setting that it suggests."""
    share, link = len(ours.keys() & known.keys()) / len(ours), measure_link(ours, known)
    summary = f"{log}: {share:.1%} of its {len(ours):,} customers also occur in the {other}"
    if link >= LINKED or min(len(ours), len(known)) < FEWEST_CUSTOMERS:
        found.note(summary)
        return None
    examples = f"the ids are like {min(ours)!r} here and {min(known)!r} there"
    if linking := find_linking_form(ours, known):
        form, other_link = linking
        is_setting = form in (NUMERIC, CASE_INSENSITIVE)
        remedy = f'customer_ids = "{form}" at the top of shop.toml' if is_setting else f"their {form} alone"
        hint = "" if is_setting else ": export both in one form"
        found.add(f"{summary}; {examples}; with {remedy}, {other_link:.0%} would be the same{hint}")
        return form if is_setting else None
    place = "contact.log" if log == "contacts" else f"sources.{log}"
    remedy = f"map customer_id in {place} to the ids that the {other} have, or remove {place}"
    found.add_or_note(f"{summary}; {examples}: {remedy}" if link < SURELY_UNLINKED else summary, link < SURELY_UNLINKED)
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
    remedy = (
        f'to unite them, set customer_ids = "{spelling}" at the top of shop.toml'
        if is_free
        else "export them in one form"
    )
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
    is_declared = ids.is_chosen and ids.spelling == AS_GIVEN
    found.add_or_note(
        f"{count:,} of {len(everybody):,} customers differ from another one by marks around or between their digits"
        f" only, so one person may be several customers ({examples}): export the ids in one form, as plain text; if"
        f' they are different customers, set customer_ids = "{AS_GIVEN}" at the top of shop.toml',
        count / len(everybody) >= SPELT_TWICE and not is_declared,
    )


def check_customers(console: PlainConsole, shop: Shop, customers: list[LogCustomers], findings: Findings) -> None:
    """Checks the customers of all logs and prints a summary."""
    console.rule("customers")
    found = judge_customers(customers, shop.needed_log, shop.customer_ids)
    for note in found.notes:
        console.print(f"  {note}")
    for finding in found.problems:
        findings.add(finding)
