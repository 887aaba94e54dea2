"""Matches the columns of a file with the raw columns of the mapping. Pure, no I/O.

A different spelling (case, blanks, underscores, a byte-order mark, Unicode composition) is accepted if it is
unambiguous. A source may list alternative layouts; the first whose columns a file all has applies. JSON objects are
matched one by one and may lack columns.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from spark_jobs.contract.shop.paths import NUMBER, OPTIONAL, is_numbered, is_optional, plain_name
from spark_jobs.contract.shop.source import Layout, Source
from spark_jobs.contract.shop.toml_text import quote, write_list

MOST_NAMES = 12  # in a message
#: A number, a time or an address is a value, not the name of a column.
LIKE_A_VALUE = re.compile(r"^[-+]?[\d.,:/ -]*\d[\d.,:/ TZ+-]*$|@")


def fold(name: str) -> str:
    """The form in which column names are compared."""
    composed = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).replace("\ufeff", "").casefold())
    return re.sub(r"[\s_]+", " ", composed).strip()


@dataclass(frozen=True)
class Match:
    """The columns of a file under one layout. names: raw column -> its name in the layout (without absent ones);
    places: raw column -> its indices in the file. Of numbered columns it has the group of one number."""

    present: Sequence[str]
    names: Mapping[str, str]
    places: Mapping[str, list[int]]
    layout: Layout

    @cached_property
    def found(self) -> dict[str, int]:
        """The index of every raw column that is found once and is not claimed by another name."""
        places = {raw: places[0] for raw, places in self.places.items() if len(places) == 1}
        claims = defaultdict(set)
        for raw, place in places.items():
            claims[place].add(self.names[raw])
        return {raw: place for raw, place in places.items() if len(claims[place]) == 1}

    @property
    def is_whole(self) -> bool:
        return len(self.found) == len(self.names)

    @property
    def fault(self) -> str | None:
        """The reason code that refuses a file with these columns; None if it has all."""
        if self.is_whole:
            return None
        return "file_columns_missing" if self.missing else "file_columns_repeated"

    @property
    def missing(self) -> list[str]:
        """The names of columns that the file lacks."""
        return [name for raw, name in self.names.items() if not self.places[raw]]

    @property
    def unclear(self) -> list[str]:
        """The names that match several columns of the file, or a column that another name matches too."""
        return [name for raw, name in self.names.items() if self.places[raw] and raw not in self.found]

    @property
    def free(self) -> list[str]:
        """The file's columns that match no name."""
        taken = {*self.names.values(), *(self.present[place] for place in self.found.values())}
        return [name for name in self.present if name not in taken]

    @property
    def renamed(self) -> dict[str, str]:
        """Name -> name in the file, where the spellings differ."""
        pairs = ((self.names[raw], self.present[place]) for raw, place in self.found.items())
        return {name: by_folded_name for name, by_folded_name in pairs if name != by_folded_name}


def match_layouts(present: Sequence[str], source: Source) -> list[Match]:
    """The file's columns under every possible layout, the source's own first."""
    matches = (_match_layout(present, source, layout) for layout in (Layout(), *source.layouts))
    return [match for match in matches if not any(match.places.get(raw) for raw in match.layout.absent)]


def _match_layout(present: Sequence[str], source: Source, layout: Layout, number: str | None = None) -> Match:
    """number: that of the group of numbered columns; None: the first group."""
    folded = defaultdict(list)
    for place, name in enumerate(present):
        folded[fold(name)].append(place)
    renamed = dict(layout.names)
    names = {raw: renamed.get(raw) or _name_of(raw, present) for raw in source.raw_columns}
    if numbers := find_numbers(present, names.values()):
        names = {raw: name.replace(NUMBER, number or numbers[0]) for raw, name in names.items()}
    wanted = set(names.values())
    places = {raw: _find(name, present, wanted, folded) for raw, name in names.items()}
    lacking = {raw for raw in names if not places[raw] and (raw in layout.absent or is_optional(raw))}
    kept = [raw for raw in names if raw not in lacking]
    return Match(present, {raw: names[raw] for raw in kept}, {raw: places[raw] for raw in kept}, layout)


def find_numbers(present: Iterable[str], names: Iterable[str]) -> list[str]:
    """The numbers of numbered columns with these names in a file, ascending."""
    numbered = [re.escape(fold(name)).replace(re.escape(NUMBER), r"(\d{1,4})") for name in names if is_numbered(name)]
    found = {match[1] for name in present for one in numbered if (match := re.fullmatch(one, fold(name)))}
    return sorted(found, key=lambda number: (int(number), number))


def match_groups(match: Match, source: Source) -> list[Match]:
    """One match per number of the file's numbered columns; a group may lack some columns."""
    names = dict(match.layout.names)
    numbers = find_numbers(match.present, (names.get(raw) or plain_name(raw) for raw in source.raw_columns))
    return [_match_layout(match.present, source, match.layout, number) for number in numbers] or [match]


def _name_of(raw: str, present: Sequence[str]) -> str:
    """The name of a raw column in a file; a final question mark that the file has too is part of the name."""
    return raw if raw in present else plain_name(raw)


def _find(name: str, present: Sequence[str], wanted: set[str], folded: Mapping[str, list[int]]) -> list[int]:
    """The indices of columns with this name: exact matches, else other spellings that no other name matches exactly."""
    places = folded.get(fold(name), ())
    exact = [place for place in places if present[place] == name]
    return exact or [place for place in places if present[place] not in wanted]


def choose_layout(present: Sequence[str], source: Source) -> Match:
    """The first layout that fits, exact spellings first; else the one with the fewest missing columns."""
    matches = match_layouts(present, source)
    whole = [match for match in matches if match.is_whole]
    exact = [match for match in whole if not match.renamed]
    return next(iter([*exact, *whole]), None) or max(matches, key=lambda match: len(match.found))


def is_binary(match: Match) -> bool:
    """Whether the names are binary data, which must not be printed."""
    names = "".join(match.present)
    unprintable = sum(not letter.isprintable() and letter not in "\t\r\n\ufeff" for letter in names)
    return not match.found and unprintable > len(names) / 20


def has_no_header(match: Match) -> bool:
    return not is_binary(match) and not match.found and any(map(LIKE_A_VALUE.search, match.present))


def describe_refusal(match: Match) -> str:
    """What is wrong with the columns of a file, what it has instead, and likely matches."""
    if is_binary(match):
        return "begins with bytes that are no text in this encoding"
    if has_no_header(match):
        return f"has no header that names {_list(match.missing)}: its first line looks like a record"
    if match.missing:
        names = {name: nearest_name(name, match.free) or nearest_name(name, match.present) for name in match.missing}
        close = {name: near for name, near in names.items() if near}
        hint = "; did you mean " + ", ".join(f"{near!r} for {name!r}" for name, near in close.items()) if close else ""
        hint = f"; did you mean {next(iter(close.values()))!r}?" if len(match.missing) == len(close) == 1 else hint
        return f"has no column {_list(match.missing)}, it has {_list(match.present)}{hint}"
    return f"has more than one column that may be {_list(match.unclear)}: it has {_list(match.present)}"


def suggest_layout(match: Match, source: Source) -> str:
    """The table of shop.toml that accepts files like this one."""
    missing = {raw: nearest_name(name, match.free) for raw, name in match.names.items() if not match.places[raw]}
    absent = [raw for raw, near in missing.items() if near is None and raw not in _list_never_absent(match, source)]
    names = {raw: name for raw, name in match.names.items() if raw not in missing and name != raw}
    names |= {raw: near or "…" for raw, near in missing.items() if raw not in absent}
    pairs = ", ".join(f"{quote(raw)} = {quote(name)}" for raw, name in names.items())
    if absent and not pairs:
        return f"write {', '.join(quote(raw + OPTIONAL) for raw in absent)}: such a column may be absent"
    parts = [f"names = {{ {pairs} }}"] if pairs else []
    parts += [f"absent = {write_list(absent)}"] if absent else []
    return f"add: layouts = [{{ {', '.join(parts)} }}] under [sources.{source.log}]"


def _list_never_absent(match: Match, source: Source) -> set[str | None]:
    """Raw columns that are probably not absent: those that every record needs and, if the file has unmatched columns,
    those of rules, since records would be misread without the rule."""
    rules = (*source.returns, *source.only, *source.others, *(rule.condition for rule in source.rejections))
    judged = {source.columns[name].column for name in ("quantity", "kind") if name in source.columns}
    return source.needed_columns | judged | {rule.column for rule in rules if match.free}


def nearest_name(name: str, names: Sequence[str]) -> str | None:
    """The most similar name; None if none is similar."""
    by_folded_name = {fold(other): other for other in names}
    close = difflib.get_close_matches(fold(name), by_folded_name, n=1, cutoff=0.6)
    return by_folded_name[close[0]] if close else None


def _list(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(repr(name[:60]) for name in names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
