"""Proposes formats for event_at: deduced from the values and tried on them.

If a column has several formats, all formats that are needed to read it are proposed, in the right order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_jobs.checking.remedies import write_mapping
from spark_jobs.checking.time_shapes import Candidate, deduce_formats
from spark_jobs.cleaning.times import parse_instant
from spark_jobs.cleaning.zones import find_zone
from spark_jobs.contract.shop.source import ColumnMapping
from spark_jobs.contract.shop.time_patterns import ISO, has_offset
from spark_jobs.raw.reader import Intake, read_records

#: The size of the sample: files, and different times of each, including the first and last file.
SAMPLED_FILES, SAMPLED_TIMES = 12, 2000
#: The proposed formats read at least this share of the times; the rest are faults of single records.
NEARLY_ALL = 0.98
MOST_FORMATS = 4


def sample_texts(intake: Intake, paths: Sequence[str], columns: Sequence[str]) -> list[str]:
    """Different raw texts of these columns, joined by blanks, from a sample of files."""
    if not columns:
        return []
    places, step = [*map(intake.source.raw_columns.index, columns)], -(-len(paths) // SAMPLED_FILES)
    found: dict[str, None] = {}
    for path in dict.fromkeys([*paths[::step], paths[-1]]):
        of_file: dict[str, None] = {}
        for record in read_records(intake, path):
            values = [(record.values[place] or "").strip() for place in places] if record.values else []
            if text := " ".join(filter(None, values)):
                of_file[text] = None
            if len(of_file) == SAMPLED_TIMES:
                break
        found |= of_file
    return list(found)


def suggest_zones(mapping: ColumnMapping, texts: Iterable[str]) -> str:
    """A sentence about values of a zone column that are no zones; empty if there are none."""
    unknown = [text for text in texts if find_zone(text, dict(mapping.zones)) is None]
    if not unknown:
        return ""
    zones = (*mapping.zones, *((text, "Europe/…") for text in unknown[:MOST_FORMATS]))
    return f"set which time zone each word of {mapping.zone_column!r} means: " + write_mapping(
        "event_at", replace(mapping, zones=zones)
    )


def suggest_time_format(spark: SparkSession, mapping: ColumnMapping, shop_zone: str, texts: list[str]) -> str:
    """A sentence with the line of shop.toml that reads these times; empty if no format fits."""
    candidates = ([Candidate(ISO)] if mapping.formats and ISO not in mapping.formats else []) + deduce_formats(texts)
    if not texts or not candidates:
        return ""
    read_by = try_formats(spark, mapping, shop_zone, candidates, texts)
    best = max(map(len, read_by.values()))
    best_ones = [one for one in candidates if len(read_by[one]) == best]
    if best >= NEARLY_ALL * len(texts):
        if best_ones[0].format == ISO:
            best_ones = best_ones[:1]
        proposals = " or ".join(_propose(mapping, [one]) for one in best_ones[:2])
        return f"{proposals} would read them" + (
            "; both do: choose the one that is meant" if len(best_ones) > 1 else ""
        )
    if best and (formats := choose_formats(read_by, len(texts))):
        return f"the column has times in several formats; {_propose(mapping, formats)} would read them"
    others = sorted(((len(found) / len(texts), one.format) for one, found in read_by.items() if found), reverse=True)
    if len(others) > 1:
        shares = ", ".join(f"{name} reads {share:.0%}" for share, name in others[:3])
        return f"column {mapping.column!r} has times in several formats ({shares}): deliver only one"
    return ""


def choose_formats(read_by: dict[Candidate, set[int]], count: int) -> list[Candidate]:
    """The fewest formats that together read nearly all texts, the most frequent first; empty if they have day and month
    in both orders, which cannot be told apart."""
    chosen: list[Candidate] = []
    unread = set(range(count))
    while len(unread) > (1 - NEARLY_ALL) * count and len(chosen) < MOST_FORMATS:
        best = max(read_by, key=lambda one: len(read_by[one] & unread))
        if not read_by[best] & unread:
            break
        chosen.append(best)
        unread -= read_by[best]
    letters = [sorted(one.format) for one in chosen]
    is_clear = all(letters.count(one) == 1 for one in letters)
    return chosen if is_clear and len(unread) <= (1 - NEARLY_ALL) * count else []


def _propose(mapping: ColumnMapping, formats: Sequence[Candidate]) -> str:
    first, *further = (one.format for one in formats)
    needs_zone = not all(map(has_offset, (first, *further)))
    language = next((one.language for one in formats if one.language), mapping.language)
    proposed = replace(mapping, format=first, further_formats=tuple(further), language=language,
                       zone=mapping.zone if needs_zone else None)  # fmt: skip
    return write_mapping("event_at", proposed)


def try_formats(
    spark: SparkSession, mapping: ColumnMapping, shop_zone: str, candidates: Sequence[Candidate], texts: Sequence[str]
) -> dict[Candidate, set[int]]:
    """Format -> indices of the texts that it reads, tried with the code of clean."""
    frame = spark.createDataFrame(list(enumerate(texts)), "place int, text string")
    tried = (ColumnMapping(mapping.column, format=one.format, zone=mapping.zone, language=one.language)
             for one in candidates)  # fmt: skip
    is_read = [parse_instant(F.col("text"), one, shop_zone).isNotNull().alias(f"_{n}") for n, one in enumerate(tried)]
    rows = frame.select("place", *is_read).collect()
    return {one: {row["place"] for row in rows if row[f"_{n}"]} for n, one in enumerate(candidates)}
