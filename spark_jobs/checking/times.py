"""In which format does a shop write its times? Deduced from the values, tried on them, and proposed for event_at.

A column with two spellings is reported: no single format would read it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_jobs.cleaning.times import parse_instant
from spark_jobs.contract.shop.source import ColumnMapping
from spark_jobs.contract.shop.time_patterns import EPOCH_UNITS_US, find_pattern_fault
from spark_jobs.raw.reader import Intake, read_records
from spark_jobs.runtime.frames import first_row

#: So many different times of each of so many files, the first and the last among them, show how a shop writes them.
SAMPLED_FILES, SAMPLED_TIMES = 12, 2000
MOST_CANDIDATES = 12
#: A format that reads at least this share of the times is the shop's; the others are single records' faults.
NEARLY_ALL = 0.98
EPOCH_DIGITS = {10: "epoch_s", 13: "epoch_ms", 16: "epoch_us", 19: "epoch_ns"}
COMPACT = {8: "yyyyMMdd", 12: "yyyyMMddHHmm", 14: "yyyyMMddHHmmss"}
_DATE = r"(?P<a>\d{1,4}|[A-Za-z]{3,9})(?P<sep>[-/. ])(?P<b>\d{1,2}|[A-Za-z]{3,9})(?P<sep2>, ?|[-/. ])(?P<c>\d{2,4})"
_CLOCK = r"(?P<h>\d{1,2})(?P<colon>[:.])(?P<m>\d{2})(?:[:.](?P<s>\d{2})(?:(?P<point>[.,])(?P<fraction>\d{1,9}))?)?"
_TIME = re.compile(
    rf"(?:{_DATE}|(?P<compact>\d{{8}}))(?:(?P<gap>T|,? )(?:{_CLOCK}|(?P<clock>\d{{6}}))(?P<half>\s?[AaPp][Mm])?"
    r"(?P<zone> ?(?:Z|[+-]\d\d:?\d\d|[A-Z]{2,5}|[A-Z][a-z]+/[A-Za-z_]+))?)?"
)


def sample_times(intake: Intake, paths: list[str]) -> list[str]:
    """Different raw values of event_at, spread over the files."""
    columns = intake.source.columns["event_at"].columns
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


def suggest_time_format(spark: SparkSession, mapping: ColumnMapping, shop_zone: str, texts: list[str]) -> str:
    """What to write into shop.toml for these times, as a sentence; nothing where no format is in sight."""
    candidates = deduce_formats(texts)
    if not candidates:
        return ""
    reads = _count_reads(spark, mapping, shop_zone, candidates, texts)
    best = max(reads.values())
    best_ones = [name for name, count in reads.items() if count == best]
    if best >= NEARLY_ALL * len(texts):
        proposals = " or ".join(_propose(mapping, name) for name in best_ones[:2])
        return f"{proposals} would read them" + ("; both do, so look which is meant" if len(best_ones) > 1 else "")
    others = [f"{name} reads {count / len(texts):.0%}" for name, count in sorted(reads.items(), key=lambda x: -x[1])]
    if best and len([count for count in reads.values() if count]) > 1:
        return f"column {mapping.column!r} holds several spellings ({', '.join(others[:3])}): deliver one"
    return ""


def _propose(mapping: ColumnMapping, name: str) -> str:
    zone = f', zone = "{mapping.zone}"' if mapping.zone and name not in EPOCH_UNITS_US else ""
    return f'event_at = {{ column = "{mapping.column}", format = "{name}"{zone} }}'


def _count_reads(
    spark: SparkSession, mapping: ColumnMapping, shop_zone: str, candidates: list[str], texts: list[str]
) -> dict[str, int]:
    """How many of the texts each format reads, by the code that clean reads them with."""
    frame = spark.createDataFrame([(text,) for text in texts], "text string")
    instants = [
        parse_instant(F.col("text"), ColumnMapping(mapping.column, format=name, zone=mapping.zone), shop_zone)
        for name in candidates
    ]
    counts = first_row(frame.agg(*(F.count(instant) for instant in instants)))
    return dict(zip(candidates, counts, strict=True))


def deduce_formats(texts: Iterable[str]) -> list[str]:
    """The formats that the look of these times allows, the most frequent look first."""
    texts = list(texts)
    looks = [list(_read_look(text)) for text in texts]
    #: A day or an hour that is ever written with one digit needs a pattern of one letter, which reads two as well.
    narrow = {(look, name) for found in looks for look, widths in found for name, width in widths if width == 1}
    counted = Counter(look for found in looks for look, _ in found)
    formats = (_write_format(look, narrow) for look, _ in counted.most_common())
    return [one for one in dict.fromkeys(formats) if find_pattern_fault(one) is None][:MOST_CANDIDATES]


def _write_format(look: str, narrow: Container[tuple[str, str]]) -> str:
    """The pattern of a look. narrow: looks, each with a letter that needs to stand there once."""
    return re.sub(r"<(\w)>", lambda match: match[1] * (1 if (look, match[1]) in narrow else 2), look)


def _read_look(text: str) -> Iterator[tuple[str, tuple[tuple[str, int], ...]]]:
    """Each pattern that the text may be of, with <d> for a day of one letter or two, and the digits it has here."""
    digits = re.fullmatch(r"(\d+)(\.\d+)?", text)
    if digits and (epoch := EPOCH_DIGITS.get(len(digits[1]))):
        yield epoch, ()
    if digits and not digits[2] and (compact := COMPACT.get(len(text))):
        yield compact, ()
    match = _TIME.fullmatch(text)
    if digits or match is None:
        return
    clock, widths = _read_clock(match)
    if match["compact"]:
        yield "yyyyMMdd" + clock, widths
        return
    parts = match["a"], match["b"], match["c"]
    for order in _read_orders(*parts):
        names = [_name_part(part, letter) for part, letter in zip(parts, order, strict=True)]
        own = tuple((letter, len(part)) for part, letter in zip(parts, order, strict=True) if letter != "y")
        yield f"{names[0]}{match['sep']}{names[1]}{match['sep2']}{names[2]}{clock}", (*own, *widths)


def _read_orders(a: str, b: str, c: str) -> tuple[str, ...]:
    if len(a) == 4 and a.isdecimal():
        return ("yMd", "ydM")
    if a.isalpha():
        return ("Mdy",)
    return ("dMy",) if b.isalpha() else ("dMy", "Mdy")


def _name_part(part: str, letter: str) -> str:
    if letter == "y":
        return "yyyy" if len(part) == 4 else "yy"
    if part.isalpha():
        return "MMM" if len(part) == 3 else "MMMM"
    return f"<{letter}>"


def _read_clock(match: re.Match[str]) -> tuple[str, tuple[tuple[str, int], ...]]:
    """The pattern of what follows the day, and the digits of its hour."""
    if match["gap"] is None:
        return "", ()
    gap = match["gap"].replace("T", "'T'")
    zone = (match["zone"] or "").strip()
    blank = " " * (match["zone"] or "").startswith(" ")
    offset = "XXX" if zone == "Z" or ":" in zone else "xx" if zone[:1] in ("+", "-") else "VV" if "/" in zone else "z"
    end = blank + offset if zone else ""
    if match["clock"]:
        return f"{gap}HHmmss{end}", ()
    hour = "h" if match["half"] else "H"
    seconds = f"{match['colon']}ss" if match["s"] else ""
    fraction = match["point"] + "S" * len(match["fraction"]) if match["fraction"] else ""
    half = " " * match["half"][0].isspace() + "a" if match["half"] else ""
    return f"{gap}<{hour}>{match['colon']}mm{seconds}{fraction}{half}{end}", ((hour, len(match["h"])),)
