"""Finds columns with the time of day or the zone if shop.toml maps only the day."""

from __future__ import annotations

import re
from dataclasses import replace

from spark_jobs.checking.judged_log import JudgedLog
from spark_jobs.checking.remedies import write_mapping
from spark_jobs.checking.time_shapes import deduce_formats
from spark_jobs.checking.times import sample_texts
from spark_jobs.contract.shop.source import ColumnMapping
from spark_jobs.contract.shop.time_patterns import NAMED, strip_quoted
from spark_jobs.raw.layout import fold

#: Common names of such columns, folded by raw/layout.py.
TIME_NAMES = {
    "time", "order time", "time of day", "uhrzeit", "zeit", "heure", "hora", "ora", "tijd", "tid", "klockslag",
    "godzina", "čas", "saat", "время", "时间", "時刻", "시간",
}  # fmt: skip
ZONE_NAMES = {"time zone", "timezone", "zeitzone", "fuseau horaire", "zona horaria", "fuso orario", "tijdzone", "时区"}


def has_days_only(mapping: ColumnMapping) -> bool:
    """Whether shop.toml maps event_at to one column with days without times."""
    letters = [strip_quoted(one) for one in mapping.formats if one not in NAMED]
    is_pattern = len(letters) == len(mapping.formats) > 0
    return len(mapping.columns) == 1 and is_pattern and not any(re.search("[HhKk]", one) for one in letters)


def find_time_column(judged: JudgedLog) -> str | None:
    """A sentence with the line of shop.toml that also reads the time of day; None if there is none."""
    source, mapping = judged.source, judged.source.columns["event_at"]
    present = dict.fromkeys(name for file in judged.columns if file.match for name in file.match.present)
    unmapped = [name for name in present if name not in source.raw_columns]
    time = next((name for name in unmapped if fold(name) in TIME_NAMES), None)
    if time is None or not has_days_only(mapping):
        return None
    zone = mapping.zone_column or next((name for name in unmapped if fold(name) in ZONE_NAMES), None)
    joined = replace(mapping, further_columns=(time,), zone_column=zone)
    sampled = replace(source, columns={**source.columns, "event_at": joined})
    texts = sample_texts(replace(judged.intake, source=sampled), sorted(judged.paths.values()), joined.columns)
    formats = [one.format for one in deduce_formats(texts)]
    likely = next((one for one in formats if one.startswith(mapping.formats[0])), None)
    if likely is None:
        return None
    line = write_mapping("event_at", replace(joined, format=likely, further_formats=()))
    return f"event_at is a day without a time, but the files have {time!r}: to read the time of day, set {line}"
