"""Reads the first records of a file of unknown layout, for `churn init`, and the settings of shop.toml that read it.

What a file is follows from its first bytes and lines alone. Its records come from the readers of a night, so the
settings are tried as soon as they are found.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.fs
from python_calamine import CalamineError, CalamineWorkbook

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.shop.source import Condition, Rejection, Source
from spark_jobs.contract.shop.toml_text import quote
from spark_jobs.raw.archive import open_parts
from spark_jobs.raw.columns import inspect_file
from spark_jobs.raw.format import format_of
from spark_jobs.raw.formats.csv import DELIMITERS, SEPARATOR_LINE
from spark_jobs.raw.formats.jsonl import first_elements
from spark_jobs.raw.json_rows import name_fields
from spark_jobs.raw.layout import LIKE_A_VALUE
from spark_jobs.raw.nesting import find_nested, list_array_keys, list_object_keys
from spark_jobs.raw.objects import as_text
from spark_jobs.raw.reader import Intake, read_records
from spark_jobs.raw.table import HEADER_LINES, split_line
from spark_jobs.raw.text import HEAD_BYTES, MARKS, FileRefusedError, name_binary, open_bytes

FIRST_RECORDS = 5000
HEAD_TEXT_BYTES = 1 << 18
UTF8 = "utf-8"
#: Encodings of files that are no UTF-8; the first whose column names are known words is taken, else the first.
LEGACY = ("cp1252", "cp1250", "cp1254", "cp1251", "gb18030", "cp932")

#: How many of these column names are known words.
Judge = Callable[[Sequence[str]], int]


@dataclass(frozen=True)
class Sample:
    """The first records of a file as texts. settings: lines of shop.toml without which it could not be read."""

    format: str
    settings: tuple[str, ...]
    frame: pd.DataFrame


def read_sample(file: Path, judge: Judge) -> Sample:
    """Raises ChurnError if the file is of no known kind."""
    try:
        with file.open("rb") as opened:
            head = opened.read(HEAD_BYTES)
        if named := re.search(r'format = "(\w+)"', name_binary(head) or ""):
            return _read_parquet(file) if named[1] == "parquet" else _read_workbook(file, judge)
        text, encoding = _decode(_read_head(file), judge)
        if text.lstrip()[:1] in ("{", "["):
            return _read_json(file, text, encoding, judge)
        return _read_table(file, text, encoding)
    except (FileRefusedError, ValueError, OSError, UnicodeError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0] if str(error) else "it is empty"
        raise ChurnError(f"{file.name} cannot be read ({reason}): is it a CSV, JSON, Parquet or Excel file? If your "
                         "shop system is known, name it with --like") from None  # fmt: skip


def _ask(file_format: str, names: Iterable[str] = (), **settings: object) -> Source:
    """A source that reads the columns of these names, whatever they are."""
    rules = tuple(Rejection("", Condition(name, "is_empty", True)) for name in names)
    return Source("browses", "", "*", file_format, {}, rejections=rules, **settings)  # type: ignore[arg-type]


def _read_frame(file: Path, names: Sequence[str], source: Source) -> pd.DataFrame:
    records = islice(read_records(Intake(source, str(file.parent), ""), file.name), FIRST_RECORDS)
    rows = [[value or "" for value in record.values] for record in records if record.values]
    if not rows:
        raise ValueError("it has no records")
    return pd.DataFrame(rows, columns=source.raw_columns)[list(names)]


def _read_parquet(file: Path) -> Sample:
    found = inspect_file(Intake(_ask("parquet"), str(file.parent), ""), file.name)
    names = list(found.match.present if found.match else ())
    names = _choose_array([name for name in names if not has_inner(name, names)], len)
    return Sample("parquet", (), _read_frame(file, names, _ask("parquet", names)))


def _read_workbook(file: Path, judge: Judge) -> Sample:
    """The sheet, and the row in it, whose names are best known."""
    rows = list(_list_rows(file))
    if not rows:
        raise ValueError("it has no records")
    sheet, place, header = max(rows, key=lambda row: (judge(row[2]), len(row[2]), -row[1]))
    names = [name for name, count in Counter(header).items() if count == 1 and name.strip()]
    is_first = place == min(number for name, number, _ in rows if name == sheet)
    lines = [] if sheet == rows[0][0] else [f"sheet = {quote(sheet)}"]
    lines += [] if is_first else ['skip_lines = "auto"']
    source = _ask("xlsx", names, sheet=sheet, finds_header=not is_first)
    return Sample("xlsx", tuple(lines), _read_frame(file, names, source))


def _list_rows(file: Path) -> Iterator[tuple[str, int, list[str]]]:
    """(sheet, number of the row, cells) of the first rows of each sheet that are not blank."""
    try:
        workbook = CalamineWorkbook.from_path(str(file))
        for name in workbook.sheet_names:
            for number, row in enumerate(islice(workbook.get_sheet_by_name(name).iter_rows(), HEADER_LINES)):
                if cells := [str(cell).strip() for cell in row if str(cell).strip()]:
                    yield name, number, cells
    except CalamineError as error:
        raise ValueError(str(error)) from None


def has_inner(name: str, names: Iterable[str]) -> bool:
    """Whether some of the names lead to values within this one."""
    return any(one.startswith((f"{name}[", f"{name}.")) for one in names)


def _read_head(file: Path) -> bytes:
    """The first bytes of the text, unpacked."""
    with open_parts(format_of("csv"), pa.fs.LocalFileSystem(), str(file), _ask("csv")) as parts:
        part = next(parts, None)
        if part is None:
            return b""
        stream, _ = open_bytes(part.file_system, part.place, _ask("csv"))
        return stream.read(HEAD_TEXT_BYTES)


def _decode(head: bytes, judge: Judge) -> tuple[str, str]:
    """The text, and the encoding that shop.toml has to say: UTF-8 also where a mark says another one."""
    if not head.strip():
        raise ValueError("it is empty")
    if marked := next((encoding for mark, encoding in MARKS.items() if head.startswith(mark)), None):
        return head.decode(marked, "ignore"), UTF8
    if head[1:200:2].count(0) > 80 or head[:200:2].count(0) > 80:
        encoding = "utf-16-be" if head.startswith(b"\0") else "utf-16-le"
        return head.decode(encoding, "ignore"), encoding
    try:
        return head[: head.rfind(b"\n") + 1 or None].decode(), UTF8
    except UnicodeDecodeError:
        pass
    texts = {encoding: head.decode(encoding, "replace") for encoding in LEGACY}
    known = {encoding: judge(_find_table(text)[1]) for encoding, text in texts.items()}
    encoding = max(known, key=known.__getitem__)
    return texts[encoding], encoding


def _find_table(text: str) -> tuple[str, list[str], int]:
    """The delimiter, the header, and how many lines stand before it."""
    lines = text.splitlines()[:HEADER_LINES]
    filled = [line for line in lines if line.strip(' ,;|\t"') and not SEPARATOR_LINE.fullmatch(line)]
    cut = {mark: [split_line(line, mark) for line in filled] for mark in DELIMITERS}
    widths = {mark: Counter(map(len, rows)) for mark, rows in cut.items()}
    most = {
        mark: max(counts, key=lambda width: (counts[width] * (width - 1), width)) for mark, counts in widths.items()
    }
    delimiter = max(DELIMITERS, key=lambda mark: (most[mark] - 1) * widths[mark][most[mark]])
    place = next(place for place, row in enumerate(cut[delimiter]) if len(row) == most[delimiter])
    return delimiter, cut[delimiter][place], place


def _read_table(file: Path, text: str, encoding: str) -> Sample:
    """A CSV of any usual delimiter, with or without lines before its header."""
    delimiter, header, before = _find_table(text)
    names = [name for name, count in Counter(header).items() if count == 1 and name.strip()]
    if len(names) < 2:
        raise ValueError("no delimiter parts its lines")
    if any(LIKE_A_VALUE.search(name) for name in names):
        raise ValueError(
            f"its first line {', '.join(header)[:60]!r} looks like a record: add a line that names the columns"
        )
    source = _ask("csv", names, delimiter=delimiter, finds_header=before > 0, encoding=encoding)
    lines = [f"delimiter = {quote(delimiter)}"] if delimiter != "," else []
    lines += [f'encoding = "{encoding}"'] if encoding != UTF8 else []
    lines += ['skip_lines = "auto"'] if before else []
    return Sample("csv", tuple(lines), _read_frame(file, names, source))


def _read_json(file: Path, text: str, encoding: str, judge: Judge) -> Sample:
    """Objects or rows in any layout, from the place in the file whose names are best known."""
    places = [None, *(f"{'.'.join(keys)}[]" for keys in list_array_keys(text)), "{}",
              *(f"{key}{{}}" for key in list_object_keys(text))]  # fmt: skip
    found: dict[str | None, list[str]] = {}
    for place in dict.fromkeys(places):
        found[place] = _list_names(file, _ask("jsonl", records=place, encoding=encoding), judge)
    best = max(found, key=lambda place: (judge(found[place]), -len(found[place]), -len("".join(found[place]))))
    names, source = found[best], _ask("jsonl", found[best], records=best, encoding=encoding)
    lines = [f"records = {quote(best)}"] if best else []
    lines += [f'encoding = "{encoding}"'] if encoding != UTF8 else []
    return Sample("jsonl", tuple(lines), _read_frame(file, names, source))


def _list_names(file: Path, source: Source, judge: Judge) -> list[str]:
    """The names of single values, nested ones by their path, in the first records; those of one array only."""
    try:
        with open_parts(format_of("jsonl"), pa.fs.LocalFileSystem(), str(file), source) as parts:
            part = next(parts)
            elements = list(first_elements(part.file_system, part.place, source))
    except FileRefusedError:
        return []
    values = [one.value for one in name_fields(elements, source) if isinstance(one.value, dict)]
    return _choose_array(dict.fromkeys(name for value in values for name in _name_values(value)), judge)


def _name_values(value: dict) -> Iterator[str]:
    for key, inner in value.items():
        if not isinstance(inner, list) and as_text(inner) and not any(True for _ in find_nested({key: inner})):
            yield key
    yield from (name for name, _ in find_nested(value))


def _choose_array(names: Iterable[str], judge: Judge) -> list[str]:
    """The names without those of all arrays but one, that of the best known names."""
    names = list(names)
    arrays = dict.fromkeys(name.partition("[]")[0] for name in names if "[]" in name)
    inner = {array: [name for name in names if name.startswith(f"{array}[]")] for array in arrays}
    chosen = max(inner, key=lambda array: judge(inner[array])) if inner else ""
    return [name for name in names if "[]" not in name or name.partition("[]")[0] == chosen]
