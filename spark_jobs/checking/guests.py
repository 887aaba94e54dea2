"""Finds e-mail addresses in records without a customer id: guests may be identified by them."""

from __future__ import annotations

from spark_jobs.checking.findings import TOLERATED_SHARE
from spark_jobs.checking.judged_log import JudgedLog
from spark_jobs.checking.orders import find_unmapped, sample_columns
from spark_jobs.cleaning.accounts import count_reasons
from spark_jobs.contract.shop.toml_text import write_list
from spark_jobs.runtime.console import PlainConsole

#: Common names of the address column, folded by raw/layout.py.
NAMES = {
    "email", "e-mail", "mail", "email address", "e-mail address", "customer email", "billing email", "billing.email",
    "customer.email", "contact email", "buyer email", "e-mail-adresse", "adresse e-mail", "correo", "邮箱", "メール",
}  # fmt: skip
MOST_SHARE = 0.5  # the least share of records without a customer that have an address


def check_guests(console: PlainConsole, judged: JudgedLog) -> None:
    """Prints how to identify guests by their address, if many records have no customer."""
    mapping = judged.source.columns["customer_id"]
    missing = count_reasons(judged.tallies)["customer_id_missing"]
    records = sum(tally.records for tally in judged.tallies)
    if mapping.column is None or mapping.others or missing <= TOLERATED_SHARE * records:
        return
    for name in find_unmapped(judged, NAMES):
        if has_addresses(judged, mapping.column, name):
            columns = write_list([mapping.column, name])
            console.print(f"{missing:,} records have no customer, but most of them have an address in {name!r}: to"
                          " count"
                          f" guests by it, set customer_id = {{ first_of = {columns} }}")  # fmt: skip
            return


def has_addresses(judged: JudgedLog, column: str, name: str) -> bool:
    """Whether most of the first records without a customer have an address in the column `name`."""
    rows = sample_columns(judged, [column, name])
    addresses = [address for customer, address in rows if customer.lower() in ("", "0", "guest")]
    return len(addresses) > 0 and sum("@" in address for address in addresses) > MOST_SHARE * len(addresses)
