"""Reads the shop's log of contacts: which customer was contacted on which day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from zoneinfo import ZoneInfo

from spark_jobs.cleaning.accounts import NO_RECORD
from spark_jobs.cleaning.deliveries import list_files
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.rejections import explain
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.shop.source import Source
from spark_jobs.raw.reader import Intake, read_records


def read_contacts(source: Source, folder: str, shop: Shop) -> Iterator[tuple[str, date]]:
    """(raw customer id, day) of every record that names a customer.

    Raises ChurnError for the first record without a customer id or a valid time.
    """
    intake = Intake(source, folder, fixes="")
    places = [source.raw_columns.index(source.columns[name].column) for name in ("customer_id", "contacted_at")]
    for path in sorted(file["path"] for file in list_files(intake)):
        for number, record in enumerate(read_records(intake, path), start=1):
            if record.fault in NO_RECORD:
                continue
            if record.fault:
                reason = explain(record.fault)
                raise ChurnError(f"contacts: {path}, record {number}: {reason.meaning}, {record.text!r:.80};"
                                 f" {reason.remedy}")  # fmt: skip
            values = record.values or [None] * len(source.raw_columns)
            customer, at = ((values[place] or "").strip() for place in places)
            day = find_day(at, shop.zone)
            if not customer or day is None:
                raise ChurnError(f"contacts: {path}, record {number}: expected a customer id and a time like 2026-11-20"
                                 f" or 2026-11-20T09:30:00Z, found {customer!r} and {at!r}; correct it")  # fmt: skip
            if shop.customer_ids.read(customer):
                yield customer, day


def find_day(text: str, zone: ZoneInfo) -> date | None:
    """The day of an ISO 8601 time, in `zone` if it has no offset; None if it is no time."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (at.astimezone(zone) if at.tzinfo else at).date()
