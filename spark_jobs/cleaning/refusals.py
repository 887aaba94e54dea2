"""Files of which no record is used: what is wrong with each, and whether so many are gone that the run has to stop.

Every record of such a file is quarantined, so it counts in max_quarantined_share. Beside the files of a year one file
of a day is nothing; of its own day it may be all. So a delivery day of which more than max_refused_share is in refused
files stops the run, too, and so does a file that may hold any number of records.
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
#: Reasons that, on the first record of a file, stand for all that it may hold.
UNCOUNTED = {"file_unreadable", "records_missing", "file_too_large", "file_ratio_exceeded"}


def report_files(plan: CleaningPlan, intake: Intake, tallies: list[Tally], accounts: list[dict]) -> list[str]:
    """Prints which files are refused, which hold no records and which spell columns otherwise; gives a sentence for
    each that is refused."""
    log, paths = plan.log, {delivery["delivery_id"]: delivery["path"] for delivery in plan.deliveries}
    looks = {look.path: look for look in inspect_files(intake, paths.values())}
    described = describe_refused(tallies, paths, looks)
    for sentence in described[:PRINTED]:
        print(f"{log}: REFUSED {sentence}")
    if len(described) > PRINTED:
        print(f"{log}: REFUSED {len(described) - PRINTED:,} more files")
    empty = [row["path"] for row in accounts if row["delivery_id"] in paths and not row["lines_in"]]
    if empty:
        print(f"{log}: warning: without records: {name_some(empty)}")
    if renamed := say_renamed(looks.values()):
        print(f"{log}: {renamed}")
    if other_keys := find_other_keys(looks.values()):
        print(f"{log}: warning: {name_some(other_keys)}")
    return described


def say_renamed(looks: Iterable[FileColumns]) -> str | None:
    """Which columns are taken though they are spelt otherwise; None where none are."""
    renamed = [f"{look.path}: {', '.join(map(repr, look.renamed.values()))}" for look in looks if look.renamed]
    return f"taken though spelt otherwise, in {name_some(renamed)}" if renamed else None


def count_refused(tallies: Iterable[Tally]) -> Counter[str]:
    """The refused records of every delivery that has some."""
    counts: Counter[str] = Counter()
    for tally in tallies:
        if _is_refused(tally):
            counts[tally.delivery_id] += tally.records
    return counts


def _is_refused(tally: Tally) -> bool:
    return not {*FILE_FAULTS, BROKEN_FILE}.isdisjoint(tally.reasons)


def describe_refused(tallies: list[Tally], paths: Mapping[str, str], looks: Mapping[str, FileColumns]) -> list[str]:
    """A sentence for each refused file: its records, what is wrong with it and what to do.

    paths: by delivery. looks: by path, what is to be seen of the columns.
    """
    counts, codes = count_refused(tallies), {}
    for tally in tallies:
        for code in FILE_FAULTS:
            if code in tally.reasons:
                codes[tally.delivery_id] = code
    return [
        f"{path} ({counts[delivery_id]:,} records) "
        + (looks[path].problem or _explain(codes.get(delivery_id, BROKEN_FILE)))
        for path, delivery_id in sorted((paths[delivery_id], delivery_id) for delivery_id in counts)
    ]


def _explain(code: str) -> str:
    return f"is refused: {REASONS[code].meaning}; {REASONS[code].remedy}"


def name_some(sentences: list[str], most: int = SHOWN) -> str:
    """The first of these sentences, and how many more there are."""
    more = len(sentences) - most
    return "; ".join(sentences[:most]) + (f"; and {more:,} more" if more > 0 else "")


def find_stops(tallies: list[Tally], source: Source, described: list[str]) -> list[str]:
    """Why refused files stop the run, a sentence each; none where they do not.

    described: as describe_refused gives it.
    """
    days = find_lost_days(tallies, source.max_refused_share)
    remedy = f"{name_some(described)}; mend this, or raise max_refused_share {source.max_refused_share:.0%}"
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
    """Day -> refused records, records; of the delivery days of which more than this share is refused."""
    lost, records = Counter[date](), Counter[date]()
    for tally in tallies:
        if tally.verdict != "elsewhere":
            records[tally.delivery_day] += tally.records
            lost[tally.delivery_day] += tally.records if _is_refused(tally) else 0
    return {day: (lost[day], records[day]) for day in sorted(lost) if lost[day] > most_share * records[day]}


def find_uncounted(tallies: Iterable[Tally]) -> Collection[str]:
    """The deliveries that are refused at their first record, for a reason that leaves the others unknown."""
    return {t.delivery_id for t in tallies if not UNCOUNTED.isdisjoint(t.reasons) and t.last == 1}
