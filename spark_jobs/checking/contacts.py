"""Checks the files of [contact.log]."""

from __future__ import annotations

from collections import Counter

from spark_jobs.checking.customers import EventCounts, LogCustomers
from spark_jobs.checking.findings import Findings
from spark_jobs.cleaning.contact_log import read_contacts
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.shop.source import Source
from spark_jobs.runtime.console import PlainConsole


def check_contacts(
    console: PlainConsole, shop: Shop, log: Source, settings: Settings, findings: Findings
) -> list[LogCustomers]:
    """Checks that the files of contact.log can be read, and prints a summary; returns the customers in them."""
    console.rule("contacts")
    try:
        contacts = list(read_contacts(log, log.folder(settings.home), shop))
    except ChurnError as error:
        findings.add(str(error))
        return []
    if not contacts:
        findings.add("contacts: the files hold no records")
        return []
    customers, days = zip(*contacts, strict=True)
    console.print(f"{len(days):,} contacts of {min(days)} to {max(days)}, {len(set(customers)):,} customers")
    counts = {customer: EventCounts(count, 1) for customer, count in Counter(customers).items()}
    return [LogCustomers("contacts", counts, (max(days) - min(days)).days + 1)]
