"""Finds quotation marks that are part of texts: read as quoted fields, the lines between two of them are lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

from spark_jobs.checking.findings import Findings
from spark_jobs.checking.judged_log import JudgedLog
from spark_jobs.contract.shop.toml_text import quote
from spark_jobs.raw.format import format_of
from spark_jobs.raw.reader import Intake, read_records

SAMPLED_FILES, SAMPLED_RECORDS = 4, 200_000
BACKSLASH = "\\"
MISFIT_FAULTS = {"csv_malformed", "fields_missing", "fields_surplus"}


@dataclass(frozen=True)
class Reading:
    """A file read with or without quoted fields: its records, those that do not fit the header, and those with a value
    in quotation marks."""

    records: int
    misfits: int
    quoted: int


def check_quotes(judged: JudgedLog, findings: Findings) -> None:
    """Adds a finding if a file is read better without quoted fields, or with escaped quotation marks."""
    source, paths = judged.source, sorted(judged.paths.values())
    if not format_of(source.format).has_quotes or not source.quotes:
        return
    for path in paths[:: -(-len(paths) // SAMPLED_FILES)]:
        quoted = read_file(judged.intake, path)
        unquoted, escaped = (
            read_file(replace(judged.intake, source=changed), path)
            for changed in (replace(source, quotes=False), replace(source, escape=BACKSLASH))
        )
        if is_escaped(quoted, unquoted, escaped):
            findings.add(f"{source.log}: lines of {path} are rejected or joined to others, because a backslash stands"
                         " before the quotation marks in their texts: set under"
                         f" [sources.{source.log}] escape = {quote(BACKSLASH)}")  # fmt: skip
            return
        if lost := count_lost(quoted, unquoted):
            findings.add(f"{source.log}: {lost:,} lines of {path} are rejected or joined to others, because"
                         " quotation marks in their texts are read as the ends of fields: set under"
                         f" [sources.{source.log}] quotes = false")  # fmt: skip
            return


def is_escaped(quoted: Reading, unquoted: Reading, escaped: Reading) -> bool:
    """Whether the file is read better if a backslash makes a quotation mark part of a text."""
    has_fewer = escaped.misfits < quoted.misfits
    is_better = has_fewer or (escaped.misfits == quoted.misfits and escaped.records > quoted.records)
    return is_better and escaped.misfits <= unquoted.misfits


def count_lost(quoted: Reading, unquoted: Reading) -> int:
    """The number of lines that quoted fields lose; 0 if the file really has quoted fields.

    quoted, bare: the file read with and without quoted fields.
    """
    is_better = unquoted.misfits < quoted.misfits or (not unquoted.misfits and unquoted.records > quoted.records)
    if not is_better or unquoted.quoted > unquoted.records / 2:
        return 0
    return max(unquoted.records - quoted.records, 0) + quoted.misfits - unquoted.misfits


def read_file(intake: Intake, path: str) -> Reading:
    records = misfits = quoted = 0
    for record in islice(read_records(intake, path), SAMPLED_RECORDS):
        records += 1
        misfits += record.fault in MISFIT_FAULTS
        quoted += is_quoted(record.values or ())
    return Reading(records, misfits, quoted)


def is_quoted(values: Sequence[str | None]) -> bool:
    """Whether one of the values is in quotation marks."""
    return any(value is not None and len(value) > 1 and value[0] == value[-1] == '"' for value in values)
