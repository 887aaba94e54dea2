"""Time zones as shop systems write them: IANA names, cities, names of Rails and Windows, abbreviations.

An abbreviation means the zone with its clock changes, as in Spark's patterns: many systems write EST in summer too.
Pure, no I/O.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from functools import cache

from pyspark.sql import Column
from pyspark.sql import functions as F

from spark_jobs.cleaning.dialect import runs_on_sail
from spark_jobs.contract.shop.toml_section import time_zones

#: Zone -> abbreviations, in winter and summer. An ambiguous abbreviation is listed for its most common zone.
ABBREVIATIONS = {
    "UTC": "ut, utc, gmt, z", "Europe/Lisbon": "wet, west", "Europe/London": "bst", "Europe/Helsinki": "eet, eest",
    "Europe/Berlin": "cet, cest, mez, mesz", "Europe/Moscow": "msk", "Europe/Istanbul": "trt", "Asia/Karachi": "pkt",
    "Asia/Kolkata": "ist", "Asia/Jakarta": "wib", "Asia/Hong_Kong": "hkt", "Asia/Singapore": "sgt",
    "Asia/Tokyo": "jst", "Asia/Seoul": "kst", "Australia/Perth": "awst", "Australia/Adelaide": "acst, acdt",
    "Australia/Sydney": "aest, aedt", "Pacific/Auckland": "nzst, nzdt", "America/Sao_Paulo": "brt",
    "America/Argentina/Buenos_Aires": "art", "America/St_Johns": "nst, ndt", "America/Halifax": "ast, adt",
    "America/New_York": "est, edt", "America/Chicago": "cst, cdt", "America/Denver": "mst, mdt",
    "America/Los_Angeles": "pst, pdt", "America/Anchorage": "akst, akdt", "Pacific/Honolulu": "hst",
    "Africa/Johannesburg": "sast", "Africa/Maputo": "cat", "Africa/Nairobi": "eat", "Africa/Lagos": "wat",
}  # fmt: skip
#: Zone -> names of places and of Windows zones that are no IANA city, folded by fold_zone.
PLACES = {
    "Europe/London": "edinburgh, gmt standard time, greenwich mean time, british time, uk",
    "Europe/Zurich": "bern", "Europe/Kiev": "kyiv, fle standard time", "Europe/Moscow": "st. petersburg, moscow time",
    "Europe/Berlin": "w. europe standard time, central european time, cologne, munich, hamburg, frankfurt",
    "Europe/Paris": "romance standard time", "Europe/Budapest": "central europe standard time",
    "Europe/Warsaw": "central european standard time", "Europe/Bucharest": "gtb standard time",
    "Europe/Athens": "eastern european time", "Europe/Rome": "milan, mailand", "Europe/Vienna": "wien",
    "America/New_York": "eastern time, eastern standard time, us eastern, boston, miami, atlanta, washington",
    "America/Chicago": "central time, central standard time, us central, dallas, houston",
    "America/Denver": "mountain time, mountain standard time, us mountain",
    "America/Los_Angeles": "pacific time, pacific standard time, us pacific, san francisco, seattle",
    "America/Anchorage": "alaska, alaska time, alaskan standard time",
    "Pacific/Honolulu": "hawaii, hawaiian standard time",
    "America/Phoenix": "arizona, us mountain standard time", "America/Indiana/Indianapolis": "indiana",
    "America/Halifax": "atlantic time, atlantic standard time", "America/St_Johns": "newfoundland",
    "America/Regina": "saskatchewan, canada central standard time", "America/Guatemala": "central america",
    "America/Mexico_City": "guadalajara", "America/Guayaquil": "quito", "America/Sao_Paulo": "brasilia, brasília",
    "America/Godthab": "greenland", "Atlantic/South_Georgia": "mid-atlantic", "Atlantic/Cape_Verde": "cape verde is.",
    "Africa/Johannesburg": "pretoria, south africa standard time", "Africa/Algiers": "west central africa",
    "Asia/Kolkata": "chennai, mumbai, new delhi, delhi, bangalore, india standard time, india",
    "Asia/Muscat": "abu dhabi",
    "Asia/Karachi": "islamabad", "Asia/Shanghai": "beijing, china standard time, china, shenzhen",
    "Asia/Tokyo": "osaka, sapporo, tokyo standard time, japan standard time", "Asia/Seoul": "korea standard time",
    "Asia/Bangkok": "hanoi", "Asia/Almaty": "astana", "Asia/Dhaka": "astana, dhaka", "Asia/Singapore": "malaysia",
    "Asia/Taipei": "taipei standard time", "Asia/Chongqing": "chongqing", "Asia/Rangoon": "yangon",
    "Australia/Sydney": "canberra, aus eastern standard time, eastern australia",
    "Australia/Perth": "w. australia standard time", "Pacific/Auckland": "wellington, new zealand standard time",
    "Pacific/Majuro": "marshall is.", "Pacific/Guadalcanal": "solomon is.", "Pacific/Noumea": "new caledonia",
    "Pacific/Tongatapu": "nuku'alofa", "Pacific/Midway": "international date line west",
    "UTC": "coordinated universal time, monrovia",
}  # fmt: skip

#: An offset like +02, -3:30, GMT+2 or (UTC+02:00), with an optional remark in brackets.
OFFSET = r"(?i)^ *\(?(?:utc|gmt)?[ \t-\r]*([+\u2212-])([0-9]{1,2}):?([0-9]{2})?\)?(?:[ \t-\r]*\(.*\))? *$"


def fold_zone(text: str) -> str:
    """The form in which zones are compared: "(GMT-08:00) Pacific Time (US & Canada)" is "pacific time"."""
    bare = re.sub(r"^\((?:utc|gmt)[^)]*\)", "", text.strip().lower())
    return re.sub(r"[(,].*", "", bare).strip().replace("_", " ")


@cache
def known_zones() -> dict[str, str]:
    """Folded name -> IANA name."""
    words: dict[str, str] = {}
    cities = defaultdict(set)
    for zone in time_zones():
        if "/" in zone and not zone.startswith(("Etc/", "posix", "right", "SystemV")):
            cities[fold_zone(zone.rpartition("/")[2])].add(zone)
    for city, zones in cities.items():  # a zone may have several names, like Europe/Kyiv and Europe/Kiev
        words[city] = min(zones, key=lambda zone: (zone.count("/"), zone))
    for zone, names in (*PLACES.items(), *ABBREVIATIONS.items()):
        words |= dict.fromkeys(map(fold_zone, names.split(", ")), zone)
    return words


def find_zone(text: str, zones: Mapping[str, str] = {}) -> str | None:
    """The zone or offset that a text names; None if unknown. zones: the shop's own names."""
    own = {fold_zone(word): zone for word, zone in zones.items()}
    if known := own.get(fold_zone(text)) or known_zones().get(fold_zone(text)):
        return known
    if offset := re.match(OFFSET, text.strip()):
        sign = "+" if offset[1] == "+" else "-"
        return f"{sign}{offset[2]:0>2}:{offset[3] or '00'}"
    by_case = {zone.lower(): zone for zone in time_zones()}
    return by_case.get(text.strip().lower())


def read_zone(text: Column, zones: Mapping[str, str], is_word: bool = False) -> Column:
    """The zone or offset that a text names; an unknown text unchanged. zones: the shop's own names. is_word: whether a
    name has letters only."""
    by_case = {fold_zone(zone): zone for zone in time_zones()} if runs_on_sail() else {}  # Spark reads any case
    words = by_case | known_zones() | {fold_zone(word): zone for word, zone in zones.items()}
    if is_word:
        words = {word: zone for word, zone in words.items() if word.isalpha()}
    bare = F.regexp_replace(F.lower(F.trim(text)), r"^\((?:utc|gmt)[^)]*\)", "")
    folded = F.regexp_replace(F.trim(F.regexp_replace(bare, r"[(,].*", "")), "_", " ")
    # Looked up in a text like ";berlin=Europe/Berlin;": Sail would read a map anew for every record.
    table = "".join(f";{word}={zone}" for word, zone in words.items())
    behind = F.split_part(F.lit(table), F.concat(F.lit(";"), folded, F.lit("=")), F.lit(2))
    known = F.split_part(behind, F.lit(";"), F.lit(1))
    return F.when(known != "", known).otherwise(_spell_offset(text))


def _spell_offset(text: Column) -> Column:
    """An offset as +02:00; another text unchanged. It takes the text once, so that expressions stay small."""
    parts = F.regexp_replace(text, OFFSET, "\x01$1$2:$3")
    hours = F.regexp_replace(parts, "^\x01(.)([0-9]):", "\x01$1\x020$2:")  # $10 would be the tenth group
    minutes = F.regexp_replace(hours, "^(\x01.*:)$", "$1\x0200")
    return F.translate(minutes, "\u2212\x01\x02", "-")


def at_zone(local: Column, zone: Column) -> Column:
    """The UTC instant of a local time in the zone or offset of its record; null if the zone is invalid.

    A time that a clock change skips is moved forward by the gap; of a repeated time the first is taken.
    """
    pattern = "yyyy-MM-dd HH:mm:ss.SSSSSS"
    text = F.concat_ws(" ", F.date_format(local, pattern), zone)
    named, offset = (F.try_to_timestamp(text, F.lit(f"{pattern} {letters}")) for letters in ("VV", "XXX"))
    return F.coalesce(named, offset) if runs_on_sail() else named  # VV reads an offset too, but only on Spark
