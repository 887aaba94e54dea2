"""Finds different spellings of the same customer id, within a log and between two logs."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection

from spark_jobs.contract.customer_ids import CASE_INSENSITIVE, NUMERIC, CustomerIds, canonical_id

EXPONENT = re.compile(r"-?[0-9]+(\.[0-9]+)?[eE]\+?[0-9]+")
_MARKS_AROUND = re.compile(r"^(?:mailto:|tel:|[\W_])+|[\W_]+$", re.IGNORECASE)
_WITH_THOUSANDS = re.compile(r"[0-9]{1,3}(?:[.,'’ ][0-9]{3})+")
LINKED = 0.05


def find_same(customers: Collection[str], form: Callable[[str], str]) -> list[list[str]]:
    """The groups of ids with the same form, if they have more than one id."""
    groups = defaultdict(list)
    for customer in sorted(customers):
        if key := form(customer):
            groups[key].append(customer)
    return [group for group in groups.values() if len(group) > 1]


def merge_settings(customer: str) -> str:
    """A form that is equal for all ids that some setting would unite."""
    return canonical_id(canonical_id(customer, CASE_INSENSITIVE), NUMERIC)


def strip_marks(customer: str) -> str:
    """The id without surrounding punctuation and without separators of thousands, as spreadsheets add them: '00123,
    10,011, ="10011", #10011, {3F2A…}."""
    bare = re.sub(r"(?<=[0-9]),00?$", "", _MARKS_AROUND.sub("", customer))
    return merge_settings(re.sub("[^0-9]", "", bare) if _WITH_THOUSANDS.fullmatch(bare) else bare)


MARKS = "form without marks"
#: Other forms of an id; the settings first.
FORMS: dict[str, Callable[[str], str]] = {
    NUMERIC: lambda customer: canonical_id(customer, NUMERIC),
    CASE_INSENSITIVE: lambda customer: canonical_id(customer, CASE_INSENSITIVE),
    MARKS: strip_marks,
    "digits": lambda customer: re.sub("[^0-9]", "", customer).lstrip("0"),
    "letters and digits": lambda customer: re.sub(r"[\W_]", "", canonical_id(customer, CASE_INSENSITIVE)),
}


def measure_link(ours: Collection[str], known: Collection[str]) -> float:
    """The larger of two shares: of our customers in `known`, and of `known` in ours. One of them may be small although
    the ids are right, since many visitors never buy."""
    both = len(set(ours) & set(known))
    return both / min(len(ours), len(known)) if ours and known else 0.0


def find_linking_form(ours: Collection[str], known: Collection[str]) -> tuple[str, float] | None:
    """The form of FORMS that links the customers of two logs, and the share that it links."""
    for name, form in FORMS.items():
        left, right = ({form(customer) for customer in customers} - {""} for customers in (ours, known))
        stays_distinct = all(len(few) > 0.9 * len(many) for few, many in ((left, ours), (right, known)))
        if stays_distinct and (link := measure_link(left, right)) > 5 * LINKED:
            return name, link
    return None


def find_lost_digits(raw_ids: Collection[str], unshortened: Collection[str], ids: CustomerIds) -> list[str]:
    """The ids that a spreadsheet has shortened to exponent notation. in_full: canonical ids that are written in full
    elsewhere."""
    found = {raw_id: ids.canonical(raw_id) for raw_id in raw_ids if EXPONENT.fullmatch(raw_id)}
    return sorted(raw_id for raw_id, one in found.items() if one.endswith("00") and one not in unshortened)
