"""Refused files, of which no record is used: what is wrong with each, and whether the run has to stop.

All records of a refused file are quarantined and count in max_quarantined_share. One file is a small share of a year's
records but may be all of its day. So the run also stops if more than max_refused_share of a delivery day is in refused
files, or if a refused file has an unknown number of records.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import date

from spark_jobs.cleaning.accounts import Tally
from spark_jobs.cleaning.plan import CleaningPlan
from spark_jobs.cleaning.records import BROKEN_FILE
from spark_jobs.contract.rejections import REASONS
from spark_jobs.contract.shop.source import Source
from spark_jobs.raw.columns import FileColumns, find_other_keys, inspect_files
from spark_jobs.raw.reader import FILE_FAULTS, Intake

SHOWN = 3  # files that an error names
PRINTED = 10  # files that a report names
#: Reasons that leave the number of records unknown if the first record has them.
UNCOUNTED = {"file_unreadable", "records_missing", "file_too_large", "file_ratio_exceeded"}


def report_files(plan: CleaningPlan, intake: Intake, tallies: list[Tally], accounts: list[dict]) -> list[str]:
    """Prints which files are refused, are empty or spell columns differently; returns a sentence per refused file."""
    log, paths = plan.log, {delivery["delivery_id"]: delivery["path"] for delivery in plan.deliveries}
    columns = {file.path: file for file in inspect_files(intake, paths.values())}
    described = describe_refused(tallies, paths, columns)
    for sentence in described[:PRINTED]:
        print(f"{log}: REFUSED {sentence}")
    if len(described) > PRINTED:
        print(f"{log}: REFUSED {len(described) - PRINTED:,} more files")
    empty = [row["path"] for row in accounts if row["delivery_id"] in paths and not row["lines_in"]]
    if empty:
        print(f"{log}: warning: without records: {name_some(empty)}")
    if renamed := describe_renamed(columns.values()):
        print(f"{log}: {renamed}")
    if other_keys := find_other_keys(columns.values()):
        print(f"{log}: warning: {name_some(other_keys)}")
    return described


def describe_renamed(columns: Iterable[FileColumns]) -> str | None:
    """The columns that are accepted in another spelling; None if there are none."""
    renamed = [f"{file.path}: {', '.join(map(repr, file.renamed.values()))}" for file in columns if file.renamed]
    return f"accepted in another spelling: {name_some(renamed)}" if renamed else None


def count_refused(tallies: Iterable[Tally]) -> Counter[str]:
    """delivery_id -> number of refused records, if any."""
    counts: Counter[str] = Counter()
    for tally in tallies:
        if _is_refused(tally):
            counts[tally.delivery_id] += tally.records
    return counts


def _is_refused(tally: Tally) -> bool:
    return not {*FILE_FAULTS, BROKEN_FILE}.isdisjoint(tally.reasons)


def describe_refused(tallies: list[Tally], paths: Mapping[str, str], columns: Mapping[str, FileColumns]) -> list[str]:
    """A sentence for each refused file: its records, what is wrong with it and what to do.

    paths: by delivery_id. columns: by path.
    """
    counts, codes = count_refused(tallies), {}
    for tally in tallies:
        for code in FILE_FAULTS:
            if code in tally.reasons:
                codes[tally.delivery_id] = code
    return [
        f"{path} ({counts[delivery_id]:,} records) "
        + (columns[path].problem or _explain(codes.get(delivery_id, BROKEN_FILE)))
        for path, delivery_id in sorted((paths[delivery_id], delivery_id) for delivery_id in counts)
    ]


def _explain(code: str) -> str:
    return f"is refused: {REASONS[code].meaning}; {REASONS[code].remedy}"


def name_some(sentences: list[str], most: int = SHOWN) -> str:
    """The first of these sentences, and the number of further ones."""
    more = len(sentences) - most
    return "; ".join(sentences[:most]) + (f"; and {more:,} more" if more > 0 else "")


def find_stops(tallies: list[Tally], source: Source, described: list[str]) -> list[str]:
    """Why refused files stop the run, one sentence each; empty if they do not. described: from describe_refused."""
    days = find_lost_days(tallies, source.max_refused_share)
    remedy = f"{name_some(described)}; correct this, or raise max_refused_share {source.max_refused_share:.0%}"
    if days:
        day, (lost, records) = next(iter(days.items()))
        more = f", and as much of {len(days) - 1:,} more days," if len(days) > 1 else ""
        return [
            f"{lost:,} of the {records:,} records of delivery day {day}{more} are in files that are refused: {remedy}"
        ]
    if source.max_refused_share < 1 and (count := len(find_uncounted(tallies))):
        return [f"{count:,} files that are refused may hold any number of records: {remedy}"]
    return []


def find_lost_days(tallies: Iterable[Tally], most_share: float) -> dict[date, tuple[int, int]]:
    """Delivery day -> (refused records, all records), if more than this share is refused."""
    lost, records = Counter[date](), Counter[date]()
    for tally in tallies:
        if tally.verdict != "elsewhere":
            records[tally.delivery_day] += tally.records
            lost[tally.delivery_day] += tally.records if _is_refused(tally) else 0
    return {day: (lost[day], records[day]) for day in sorted(lost) if lost[day] > most_share * records[day]}


def find_uncounted(tallies: Iterable[Tally]) -> Collection[str]:
    """The deliveries that are refused at their first record, so that the number of records is unknown."""
    return {t.delivery_id for t in tallies if not UNCOUNTED.isdisjoint(t.reasons) and t.last == 1}
