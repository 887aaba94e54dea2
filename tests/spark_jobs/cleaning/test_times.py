"""Times of shops, read in one Spark query each: formats, names in many languages, zones, spreadsheets."""

from zoneinfo import ZoneInfo

import pytest
from pyspark.sql import functions as F

from spark_jobs.cleaning.times import parse_instant
from spark_jobs.cleaning.words import load_words
from spark_jobs.cleaning.zones import find_zone, known_zones
from spark_jobs.contract.shop.source import ColumnMapping
from spark_jobs.contract.shop.time_columns import LANGUAGES
from spark_jobs.contract.shop.time_patterns import find_pattern_fault

NIGHT, NOON = "2026-06-01 00:00:00", "2026-06-01 13:02:58"
#: Language, format, text and the right time; None: it cannot be read.
READ = [
    ("", "dd-MMM-yy", "01-Jun-26", NIGHT), ("", "dd-MMM-yy", "01-JUNE-26", NIGHT),
    ("", "d MMM yyyy", "1 Sept 2026", "2026-09-01 00:00:00"), ("", "EEE, d MMM yyyy", "Mon, 1 Jun 2026", NIGHT),
    ("", "EEEE d MMMM yyyy", "Monday 1 June 2026", NIGHT), ("", "EEE, d MMM yyyy", "Foo, 1 Jun 2026", None),
    ("", "d MMM yyyy", "1 Foo 2026", None), ("", "MMM d, yyyy h:mm:ss a", "Jun 1, 2026 1:02:58 p.m.", NOON),
    ("", "MMM d, yyyy h:mm:ss a", "Jun 1, 2026 1:02:58\u202fPM", NOON),
    ("", "MMM d yyyy hh:mm:ssa", "Jun  1 2026 01:02:58PM", NOON),
    ("", "MMM d, yyyy h:mm:ss a", "Jun 1, 2026 1:02:58 P. M.", NOON), ("de", "d. MMMM yyyy", "1. Juni 2026", NIGHT),
    ("de", "dd.MMM.yyyy", "01.Mrz.2026", "2026-03-01 00:00:00"),
    ("de", "EEE, dd. MMM yyyy HH:mm:ss", "Mo., 01. März 2026 13:02:58", "2026-03-01 13:02:58"),
    ("de", "EEEE, d. MMMM yyyy", "Montag, 1. JÄNNER 2026", "2026-01-01 00:00:00"),
    ("de", "d. MMM yyyy", "1. Dezember 2026", "2026-12-01 00:00:00"),
    ("de", "d. MMM yyyy", "1. Dec 2026", "2026-12-01 00:00:00"),
    ("de", "d. MMMM yyyy 'um' HH:mm:ss", "1. Juni 2026 um 13:02:58", NOON),
    ("fr", "d MMM yyyy HH:mm:ss", "1 févr. 2026 13:02:58", "2026-02-01 13:02:58"),
    ("fr", "d MMM yyyy", "1 aout 2026", "2026-08-01 00:00:00"),
    ("fr", "d MMM yyyy 'à' HH:mm:ss", "1 juin 2026 à 13:02:58", NOON),
    ("fr", "EEEE d MMMM yyyy", "lundi 1 juin 2026", NIGHT),
    ("es", "d 'de' MMMM 'de' yyyy", "1 de junio de 2026", NIGHT),
    ("es", "d MMM yyyy h:mm:ss a", "1 jun 2026 1:02:58 p. m.", NOON),
    ("it", "d MMM yyyy HH:mm:ss", "1 giu 2026 13:02:58", NOON),
    ("pt", "d 'de' MMM. 'de' yyyy", "1 de jun. de 2026", NIGHT),
    ("pt", "d 'de' MMMM 'de' yyyy 'às' HH:mm:ss", "1 de junho de 2026 às 13:02:58", NOON),
    ("nl", "d MMM yyyy", "1 mrt 2026", "2026-03-01 00:00:00"), ("pl", "d MMMM yyyy", "1 czerwca 2026", NIGHT),
    ("pl", "d MMM yyyy", "1 paź 2026", "2026-10-01 00:00:00"), ("sv", "EEE d MMM yyyy", "mån 1 juni 2026", NIGHT),
    ("tr", "d MMMM yyyy", "1 HAZİRAN 2026", NIGHT),
    ("ru", "d MMMM yyyy 'г.' HH:mm:ss", "1 июня 2026 г. 13:02:58", NOON),
    ("el", "d MMMM yyyy h:mm:ss a", "1 Ιουνίου 2026 1:02:58 μ.μ.", NOON),
    ("hu", "yyyy. MMM d.", "2026. jún. 1.", NIGHT),
    ("ja", "yyyy年M月d日(E) H:mm:ss", "2026年6月1日(月) 13:02:58", NOON),
    ("ja", "yyyy/MM/dd ah:mm:ss", "2026/06/01 午後1:02:58", NOON),
    ("ko", "yyyy. M. d. a h:mm:ss", "2026. 6. 1. 오후 1:02:58", NOON),
    ("", "yyyy年M月d日 ah:mm:ss", "2026年6月1日 下午1:02:58", NOON), ("", "yyyy'年'M'月'd'日'", "2026年6月1日", NIGHT),
    ("ar", "d MMMM yyyy", "1 يونيو 2026", NIGHT),
    ("", "iso8601", "2026-W23-1", NIGHT), ("", "iso8601", "2026W231T13:02:58", NOON),
    ("", "iso8601", "2026-W23-1T13:02:58+02:00", "2026-06-01 11:02:58"),
    ("", "iso8601", "2020-W53-5", "2021-01-01 00:00:00"), ("", "iso8601", "2025-W53-1", None),
    ("", "iso8601", "2026-W00-1", None), ("", "iso8601", "2026-W23", None),
    ("", "rfc2822", "Mon, 01 Jun 2026 13:02:58 +0200", "2026-06-01 11:02:58"),
    ("", "rfc2822", "1 Jun 2026 13:02 GMT", "2026-06-01 13:02:00"),
    ("", "rfc2822", "Mon, 1 Jun 2026 13:02:58 -0700 (PDT)", "2026-06-01 20:02:58"),
    ("", "rfc2822", "Mon, 01 Jun 2026", None),
    ("", "EEE MMM dd yyyy HH:mm:ss 'GMT'Z",
     "Mon Jun 01 2026 13:02:58 GMT+0200 (Central European Summer Time)", "2026-06-01 11:02:58"),
    ("", "yyyy/MM/dd H:mm:ssz", "2026/06/01 13:02:58JST", "2026-06-01 04:02:58"),
    ("", "dd.MM.yyyy HH:mm:ss z", "01.06.2026 13:02:58 MESZ", "2026-06-01 11:02:58"),
    ("", "d MMM yyyy HH:mm:ss z", "1 Jun 2026 13:02:58 GMT-7", "2026-06-01 20:02:58"),
    ("", "d MMM yyyy HH:mm:ss z", "1 Jun 2026 13:02:58 UTC+02:00", "2026-06-01 11:02:58"),
    ("", "d MMM yyyy HH:mm:ss z", "1 Jun 2026 13:02:58 soon", None),
    ("", "dd/MM/yyyy\u00a0HH:mm:ss", "\u200e01/06/2026 13:02:58", NOON), ("", "excel", "46174", NIGHT),
    ("", "excel", "46174.543726851851", NOON), ("", "excel", "46174,543726851851", NOON),
    ("", "excel", "46174 0.543726851851", NOON), ("", "excel1904", "44712", NIGHT), ("", "excel", "2026", None),
    ("", "excel", "461740", None), ("", "excel", "46174 soon", None), ("", "unix", "1780318978", NOON),
    ("", "unix", "1780318978000", NOON), ("", "unix", "1780318978000000", NOON),
    ("", "unix", "1780318978000000000", NOON), ("", "unix", "1780318978.000", NOON), ("", "unix", "17803189", None),
    ("", "MMMM d, yyyy", "June 1st, 2026", NIGHT), ("", "d 'of' MMMM yyyy", "22nd of June 2026", "2026-06-22 00:00:00"),
    ("fr", "d MMMM yyyy", "1er juin 2026", NIGHT), ("fr", "d MMMM yyyy 'à' HH 'h' mm 'min' ss",
     "1er juin 2026 à 13 h 02 min 58", NOON), ("pt", "d 'de' MMMM 'de' yyyy", "1º de junho de 2026", NIGHT),
    ("ru", "d MMMM yyyy", "1-го июня 2026", NIGHT), ("", "MMMM d, yyyy", "June 1stly, 2026", None),
    ("", "iso8601", "2026-06-01T13:02:58 GMT+2", "2026-06-01 11:02:58"),
    ("", "iso8601", "2026-06-01 13:02:58+02", "2026-06-01 11:02:58"),
    ("", "iso8601", "2026-06-01T13:02:58Z", NOON), ("", "iso8601", "13:02:58", None),
]  # fmt: skip


def read(spark, rows) -> list[str | None]:
    """The instants of texts by their mappings, for a shop in UTC, in one query."""
    frame = spark.range(1)
    columns = [
        parse_instant(F.lit(text), mapping, "UTC", zone_text).cast("string").alias(f"c{n}")
        for n, (mapping, text, zone_text) in enumerate(rows)
    ]
    return list(frame.select(*columns).first())


def test_times_are_read_as_they_are_written(spark):
    rows = [(ColumnMapping("at", format=one, language=language or None), text, None) for language, one, text, _ in READ]
    assert {one for _, one, _, _ in READ if find_pattern_fault(one)} == set()
    found = read(spark, rows)
    wrong = {(one, text): (at, right) for (_, one, text, right), at in zip(READ, found, strict=True) if at != right}
    assert wrong == {}


def test_the_first_format_that_reads_a_time_is_used(spark):
    several = ColumnMapping("at", format="dd/MM/yyyy", further_formats=("yyyy-MM-dd HH:mm:ss", "unix", "MM/dd/yyyy"))
    texts = {"01/06/2026": NIGHT, "06/13/2026": "2026-06-13 00:00:00", NOON: NOON, "1780318978000": NOON, "soon": None}
    assert read(spark, [(several, text, None) for text in texts]) == list(texts.values())


ZONES = {
    "Berlin": "2026-06-01 11:02:58", "Eastern Time (US & Canada)": "2026-06-01 17:02:58", "PDT": "2026-06-01 20:02:58",
    "CEST": "2026-06-01 11:02:58", "Europe/London": "2026-06-01 12:02:58", "america/new_york": "2026-06-01 17:02:58",
    "(UTC+01:00) Amsterdam, Berlin, Bern": "2026-06-01 11:02:58", "W. Europe Standard Time": "2026-06-01 11:02:58",
    "+02:00": "2026-06-01 11:02:58", "+02": "2026-06-01 11:02:58", "-3:30": "2026-06-01 16:32:58",
    "GMT+2": "2026-06-01 11:02:58", "utc+0200": "2026-06-01 11:02:58", "(UTC\u221203:00)": "2026-06-01 16:02:58",
    "GMT+0200 (Central European Summer Time)": "2026-06-01 11:02:58", "+2 h": None,
    "Laden 3": "2026-06-01 07:02:58", "nowhere": None, None: NOON,
}  # fmt: skip


@pytest.mark.parametrize(("pattern", "text"), [("MM/dd/yy HH:mm:ss", "06/01/26 13:02:58"), (None, NOON),
                                               ("excel", "46174.543726851851")])  # fmt: skip
def test_the_zone_may_have_its_own_column(spark, pattern, text):
    mapping = ColumnMapping("at", format=pattern, zone_column="zone", zones=(("Laden 3", "Asia/Dhaka"),))
    records = spark.createDataFrame([(zone,) for zone in ZONES], "zone string")
    instant = parse_instant(F.lit(text), mapping, "UTC", F.col("zone")).cast("string")
    assert dict(records.select("zone", instant).collect()) == ZONES


def test_the_zone_of_a_record_observes_daylight_saving(spark):
    times = ["2026-03-29 02:30:00", "2026-10-25 02:30:00", "2026-01-01 00:00:00.123"]
    usual, own = ColumnMapping("at", zone="Europe/Berlin"), ColumnMapping("at", zone_column="zone")
    found = [
        read(spark, [(one, text, zone) for text in times]) for one, zone in ((usual, None), (own, F.lit("Berlin")))
    ]
    assert found[0] == found[1]


def test_a_time_with_an_offset_needs_no_zone(spark):
    mapping = ColumnMapping("at", zone_column="zone")
    assert read(spark, [(mapping, "2026-06-01T13:02:58+02:00", F.lit("PDT"))]) == ["2026-06-01 11:02:58"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_names_twelve_months_and_seven_days(language):
    words = load_words(language)
    assert len(set(words.months.values())) == 12
    assert len(words.weekdays) >= 14  # English ones and its own
    assert all(name for name in (*words.months, *words.weekdays, *words.halves))


def test_every_zone_that_is_known_by_a_word_exists():
    zones = {find_zone(word) for word in ("berlin", "kyiv", "New York", "beijing", "PDT", "mesz", "Hawaii", "indiana")}
    assert None not in zones
    assert {ZoneInfo(zone).key for zone in {*zones, *known_zones().values()}} >= zones
    assert find_zone("nowhere") is None
    assert find_zone("+2 h") is None
    assert find_zone("GMT+2") == find_zone("+0200") == "+02:00"
