"""What columns a raw file says it has, beside those that shop.toml maps: in words, for people.

Reads the beginning of a file only. The reader (raw.py) decides by the same rules what becomes of the file.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from spark_jobs.contract.rejections import REASONS
from spark_jobs.contract.shop.model import Source
from spark_jobs.raw.csv_records import likely_delimiter, read_header
from spark_jobs.raw.json_lines import is_json_array, lacks_needed_keys, list_keys
from spark_jobs.raw.layout import Match, choose_layout, describe_refusal, has_no_header, nearest_name, suggest_layout
from spark_jobs.raw.reader import Intake, open_folder
from spark_jobs.raw.text import HEAD_BYTES, FileRefusedError, name_binary, open_text, read_lines

LOOKS_AT_ONCE = 8
UTF16_MARKS = ("\udcff\udcfe", "\udcfe\udcff")


@dataclass(frozen=True)
class FileColumns:
    """One file. match: its columns, None where nothing was to be seen of them; problem: why it is refused, and what to
    do, None where its columns are no reason to."""

    path: str
    match: Match | None = None
    problem: str | None = None

    @property
    def renamed(self) -> dict[str, str]:
        """Columns that are taken though they are spelt otherwise: name -> name in the file."""
        return self.match.renamed if self.match and not self.problem else {}


def look_at_files(intake: Intake, paths: Iterable[str]) -> list[FileColumns]:
    """The columns of these files, in their order."""
    with ThreadPoolExecutor(LOOKS_AT_ONCE) as pool:
        return list(pool.map(lambda path: look_at_file(intake, path), paths))


def look_at_file(intake: Intake, path: str) -> FileColumns:
    source, folder, name = intake.locate(path)
    file_system, root = open_folder(folder)
    look = {"csv": _look_at_csv, "jsonl": _look_at_json, "parquet": _look_at_parquet}[source.format]
    try:
        return look(file_system, f"{root}/{name}", source, path)
    except FileRefusedError as refused:
        return FileColumns(path, problem=str(refused))
    except (OSError, EOFError, ValueError, pa.ArrowException, csv.Error) as error:
        first = str(error).partition("\n")[0].partition(". Detail:")[0]
        return FileColumns(path, problem=f"cannot be read ({first:.120}): {REASONS['file_unreadable'].remedy}")


def _look_at_csv(file_system: pa.fs.FileSystem, place: str, source: Source, path: str) -> FileColumns:
    with open_text(file_system, place, source, newline="") as text:
        header = read_header(text.readline(source.limits.record_characters), source)
    if not header:
        return FileColumns(path)
    match = choose_layout(header, source)
    if match.fault and header[0].startswith(UTF16_MARKS):
        return FileColumns(path, match, 'is UTF-16: set encoding = "utf-16"')
    if match.fault and "\x00" in "".join(header):
        return FileColumns(path, match, "is no text: deliver CSV, or mend format and encoding")
    if match.fault and (delimiter := likely_delimiter(header, source)) != source.delimiter:
        shown = {"\t": "\\t"}.get(delimiter, delimiter)
        return FileColumns(path, match, f'has one column {header[0][:200]!r}: set delimiter = "{shown}"')
    return _judge(path, match, source)


def _look_at_json(file_system: pa.fs.FileSystem, place: str, source: Source, path: str) -> FileColumns:
    first = next(read_lines(file_system, place, source), "")
    if is_json_array(first):
        is_empty = first.strip().strip("[]").isspace() or not first.strip().strip("[]")
        problem = f"is one JSON array: {REASONS['file_json_array'].remedy}"
        return FileColumns(path, problem=None if is_empty else problem)
    keys = dict.fromkeys(key for keys in list_keys(first) for key in keys)
    if not keys:
        return FileColumns(path)
    match = choose_layout(list(keys), source)
    return _judge(path, match, source) if lacks_needed_keys(first, source) else FileColumns(path, match)


def _look_at_parquet(file_system: pa.fs.FileSystem, place: str, source: Source, path: str) -> FileColumns:
    with file_system.open_input_file(place) as stream:
        if not stream.size():
            return FileColumns(path)
        head = stream.read(HEAD_BYTES)
        if not head.startswith(b"PAR1") and (named := name_binary(head)):
            return FileColumns(path, problem=named)
        match = choose_layout(pq.ParquetFile(stream).schema_arrow.names, source)
    return _judge(path, match, source)


def _judge(path: str, match: Match, source: Source) -> FileColumns:
    if match.fault is None:
        return FileColumns(path, match)
    remedy = f"; mend columns, or add: {suggest_layout(match, source)}" if match.missing else "; rename one of them"
    if has_no_header(match):
        remedy = "; deliver it with a first line that names the columns"
    return FileColumns(path, match, describe_refusal(match) + remedy)


def find_other_keys(looks: Iterable[FileColumns]) -> list[str]:
    """A sentence for each key that the objects of files that are taken seem to have under another name: they may lack
    keys, but hardly one that the other files have while half of them have one that no other file has."""
    matches = {look.path: look.match for look in looks if look.match and not look.problem}
    lacking: dict[str, list[str]] = {}
    for path, match in matches.items():
        for name in match.missing:
            lacking.setdefault(name, []).append(path)
    return [sentence for name, paths in lacking.items() for sentence in _say_other_keys(name, paths, matches)]


def _say_other_keys(name: str, paths: list[str], matches: Mapping[str, Match]) -> Iterator[str]:
    """paths: the files that lack the name."""
    having = [match for path, match in matches.items() if path not in paths]
    known = {key for match in having for key in match.present}
    own = {path: [key for key in matches[path].free if key not in known] for path in paths}
    counts, fewest = Counter(key for keys in own.values() for key in keys), len(paths) / 2 if having else len(paths) + 1
    meant: dict[str, list[str]] = {}
    for path, keys in own.items():
        if key := nearest_name(name, keys) or next((key for key in keys if counts[key] >= fewest), None):
            meant.setdefault(key, []).append(path)
    for key, where in meant.items():
        more = f" and {len(where) - 1:,} more files" if len(where) > 1 else ""
        yield f"no object of {where[0]}{more} has the key {name!r}, did you mean {key!r}?"
    if not having and sum(map(len, meant.values())) < len(paths):
        yield f"no object has the key {name!r}: mend it under columns, or leave it out"
