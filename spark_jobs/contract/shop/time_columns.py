"""Reads the table of `event_at` under `columns`: the raw columns of a time, its formats, zones and language."""

from __future__ import annotations

from spark_jobs.contract.shop.source import ColumnMapping
from spark_jobs.contract.shop.time_patterns import EXPECTED, find_format, find_pattern_fault, has_offset
from spark_jobs.contract.shop.toml_section import Section, are_different_texts, is_text, is_texts, nearest, time_zones

#: Languages with known month and weekday names (CLDR); English and Chinese names are always read.
LANGUAGES = (
    "af", "am", "ar", "az", "be", "bg", "bn", "bs", "ca", "cs", "cy", "da", "de", "el", "en", "es", "et", "eu", "fa",
    "fi", "fil", "fo", "fr", "ga", "gl", "gsw", "gu", "he", "hi", "hr", "hu", "hy", "id", "is", "it", "ja", "ka", "kk",
    "km", "kn", "ko", "ky", "lb", "lo", "lt", "lv", "mk", "ml", "mn", "mr", "ms", "mt", "my", "nb", "ne", "nl", "nn",
    "no", "pa", "pl", "ps", "pt", "rm", "ro", "ru", "sk", "sl", "sq", "sr", "sv", "sw", "ta", "te", "th", "tk", "tr",
    "uk", "ur", "uz", "vi", "zh", "zu",
)  # fmt: skip


def read_zone(section: Section) -> str | None:
    zone = section.text("zone", None)
    if zone is not None and zone not in time_zones():
        section.fault("zone", "a time zone like UTC", nearest(zone, time_zones()))
    return zone


def read_time_mapping(section: Section, column: str | None, constant: str | None) -> ColumnMapping:
    """column: the raw column; None if `columns` lists several."""
    columns = tuple(section.take("columns", "a list of raw column names", are_different_texts, []))
    if columns and column is not None:
        section.fault("columns", "either column or columns")
    formats = _read_formats(section)
    mapping = ColumnMapping(
        columns[0] if columns else column,
        constant,
        further_columns=columns[1:],
        format=formats[0] if formats else None,
        further_formats=formats[1:],
        zone=read_zone(section),
        zone_column=section.text("zone_column", None),
        zones=_read_zones(section),
        language=_read_language(section),
    )
    if mapping.zone_column and formats and all(map(has_offset, formats)):
        section.fault("zone_column", "none, since the format already has an offset or a zone")
    if mapping.zones and not mapping.zone_column:
        section.fault("zones", "zone_column to be set too: zones explains its words")
    return mapping


def _read_formats(section: Section) -> tuple[str, ...]:
    """The formats in the order in which they are tried. Adds a fault for each that Spark cannot parse with, or would
    read as another time."""
    one = section.text("format", None)
    several = section.take("formats", "a list of formats", is_texts, [])
    if one is not None and several:
        section.fault("formats", "either format or formats")
    key, formats = ("format", [one]) if one is not None else ("formats", several)
    found = tuple(map(find_format, formats))
    for pattern in found:
        if fault := find_pattern_fault(pattern):
            section.faults.add(section.name_of(key), EXPECTED, pattern, f"; {fault}")
    return found


def _read_zones(section: Section) -> tuple[tuple[str, str], ...]:
    """(value of zone_column, the zone that it means) pairs."""
    inner = section.section("zones")
    for word, zone in inner.raw.items():
        inner.taken.add(word)
        if zone not in time_zones():
            inner.fault(word, "a time zone like UTC", nearest(zone, time_zones()) if is_text(zone) else "")
    return tuple((word, zone) for word, zone in inner.raw.items() if is_text(zone))


def _read_language(section: Section) -> str | None:
    """The language code of a text like "de" or "de-AT"."""
    language = section.take("language", "a language like de", is_text, None)
    if language is None:
        return None
    code = language.replace("_", "-").partition("-")[0].lower()
    if code not in LANGUAGES:
        section.fault("language", "a language like de, fr or pt-BR", nearest(code, LANGUAGES))
    return code
