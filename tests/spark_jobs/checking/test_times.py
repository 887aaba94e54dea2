"""The format of times is deduced from their shape, tried, and proposed as a line to paste."""

import random
from datetime import UTC, datetime, timedelta

from pyspark.sql import functions as F

from spark_jobs.checking.time_shapes import deduce_formats
from spark_jobs.checking.times import suggest_time_format, suggest_zones
from spark_jobs.cleaning.times import parse_instant
from spark_jobs.contract.shop.source import ColumnMapping
from spark_jobs.contract.shop.time_patterns import find_pattern_fault

AT = datetime(2026, 6, 1, 15, 2, 58, 123456, tzinfo=UTC)


#: Formats of shops in strftime's notation, and the format of shop.toml that reads them.
SPELLINGS = {
    "%d/%m/%Y": "dd/MM/yyyy",
    "%m/%d/%Y %H:%M": "MM/dd/yyyy HH:mm",
    "%-m/%-d/%Y %-I:%M %p": "M/d/yyyy h:mm a",
    "%d.%m.%Y": "dd.MM.yyyy",
    "%d.%m.%y %H:%M:%S": "dd.MM.yy HH:mm:ss",
    "%d-%b-%y": "dd-MMM-yy",
    "%b %-d, %Y %-I:%M:%S %p UTC": "MMM d, yyyy h:mm:ss a z",
    "%d-%m-%Y": "dd-MM-yyyy",
    "%Y/%m/%d %H:%M:%S": "yyyy/MM/dd HH:mm:ss",
    "%Y-%m-%dT%H:%M:%S.%f+0200": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSxx",
    "%Y%m%d": "yyyyMMdd",
    "%Y%m%d %H:%M": "yyyyMMdd HH:mm",
    "%s": "epoch_s",
}


#: Times with names, zones and other marks; their format and the language of the names.
NAMED = {
    "Mon, 01 Jun 2026 07:02:58 +0200": ("EEE, dd MMM yyyy HH:mm:ss xx", None),
    "3. Dezember 2026 07:02": ("d. MMM yyyy HH:mm", "de"),
    "lundi 1 juin 2026 à 13:02:58": ("EEE d MMM yyyy 'à' HH:mm:ss", "fr"),
    "4 de agosto de 2026": ("d 'de' MMM 'de' yyyy", "es"),
    "1 giu 2026 0:15:29 UTC": ("d MMM yyyy H:mm:ss z", "it"),
    "1 июня 2026 г. 13:02": ("d MMM yyyy 'г'. HH:mm", "ru"),
    "2026年6月1日 下午1:02:58": ("yyyy'年'M'月'd'日' ah:mm:ss", None),
    "2026/06/01(月) 13:02": ("yyyy/MM/dd(EEE) HH:mm", "ja"),
    "2026. 6. 1. 오후 1:02": ("yyyy. M. d. a h:mm", "ko"),
    "6/13/2026 7:02 a.m.": ("M/d/yyyy h:mm a", None),
    "Mon Jun 01 2026 13:02:58 GMT+0200 (CEST)": ("EEE MMM dd yyyy HH:mm:ss z", None),
    "01.06.2026 07:02:58 UTC+00:00": ("dd.MM.yyyy HH:mm:ss z", None),
    "2026-06-01 10:00:00 Europe/Berlin": ("yyyy-MM-dd HH:mm:ss VV", None),
    "2026-W23-1T10:00": ("iso8601", None),
    "20260601T100000Z": ("yyyyMMdd'T'HHmmssXXX", None),
    "June 21st, 2026 7:02 PM": ("MMM dd, yyyy h:mm a", None), "1er juin 2026 à 07 h 02": (
        "d MMM yyyy 'à' HH 'h' mm", "fr"), "01/06/2026 7h02": ("dd/MM/yyyy H'h'mm", None),
    "01/06/2026 07:02:58+02": ("dd/MM/yyyy HH:mm:ssx", None), "01-06-26 07:02 -03": ("dd-MM-yy HH:mm x", None),
    "01.06.26 07.02": ("dd.MM.yy HH.mm", None), "01Jun2026": ("ddMMMyyyy", None), "13062026": ("ddMMyyyy", None),
    "46174,543726": ("excel", None), "46174 0.543726": ("excel", None), "1780318978000000000": ("epoch_ns", None),
}  # fmt: skip


def test_formats_are_deduced_from_the_shape_of_times():
    for spelling, right in SPELLINGS.items():
        texts = [(AT + timedelta(hours=31 * n)).strftime(spelling) for n in range(120)]
        assert right in [one.format for one in deduce_formats(texts)]
    found = {text: [(one.format, one.language) for one in deduce_formats([text])] for text in NAMED}
    assert {text: found[text] for text, right in NAMED.items() if right not in found[text]} == {}


def test_clean_reads_times_by_the_formats_that_are_deduced(spark):
    mappings = [ColumnMapping("at", format=one, language=language) for one, language in NAMED.values()]
    instants = [
        parse_instant(F.lit(text), mapping, "UTC").isNotNull().alias(f"_{n}")
        for n, (text, mapping) in enumerate(zip(NAMED, mappings, strict=True))
    ]
    assert set(spark.range(1).select(*instants).first()) == {True}


def test_a_proposal_keeps_other_settings_and_may_have_several_formats(spark):
    def suggest(texts, mapping=None):
        return suggest_time_format(spark, mapping or ColumnMapping("at", zone="UTC"), "UTC", texts)

    texts = [f"2026-06-{n:02} 10:00:00" for n in range(1, 20)] + [f"{n}/06/2026" for n in range(13, 28)]
    assert suggest(texts, ColumnMapping("a", further_columns=("b",), zone_column="z")) == (
        'the column has times in several formats; event_at = { columns = ["a", "b"], formats = ["yyyy-MM-dd HH:mm:ss", '
        '"dd/MM/yyyy"], zone_column = "z" } would read them'
    )
    mixed = [f"{n}/06/2026" for n in range(13, 28)] + [f"06/{n}/2026" for n in range(13, 28)]
    assert suggest(mixed).endswith("reads 50%): deliver only one")
    either = suggest(["01/02/2026", "03/04/2026"])
    assert 'format = "dd/MM/yyyy", zone = "UTC" } or' in either
    assert either.endswith("both do: choose the one that is meant")
    units = suggest(["1780318978", "1780318978000"])
    assert units == 'event_at = { column = "at", format = "unix" } would read them'
    wrong = ColumnMapping("at", format="unix")
    assert suggest(["2026-06-01 10:00:00"], wrong) == 'event_at = { column = "at", format = "iso8601" } would read them'
    assert suggest(["soon", "later"]) == suggest([]) == ""


def test_unknown_words_of_zones_are_named():
    mapping = ColumnMapping("at", zone_column="zone", zones=(("Store 1", "UTC"),))
    assert suggest_zones(mapping, ["Berlin", "Store 1", "PDT"]) == ""
    assert 'zones = { "Store 1" = "UTC", "Store 2" = "Europe/…" }' in suggest_zones(mapping, ["Berlin", "Store 2"])


def test_no_text_makes_the_deduction_fail():
    generator = random.Random(3)
    texts = ["".join(generator.choices("0123456789/-.:, TJanZ+PM", k=generator.randint(0, 24))) for _ in range(5000)]
    assert all(find_pattern_fault(one.format) is None for one in deduce_formats(texts))
    assert all(find_pattern_fault(one.format) is None for text in texts[:500] for one in deduce_formats([text]))
