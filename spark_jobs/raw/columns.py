"""Describes the columns of raw files for users, compared with those that shop.toml maps.

Reads only the beginning of a file, and applies the same rules as the reader.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pyarrow as pa

from spark_jobs.contract.rejections import REASONS
from spark_jobs.contract.shop.source import Source
from spark_jobs.raw.archive import ARCHIVE_ERRORS, Part, open_parts
from spark_jobs.raw.format import FileColumns, RawFormat, format_of
from spark_jobs.raw.layout import Match, nearest_name
from spark_jobs.raw.reader import Intake, open_folder
from spark_jobs.raw.text import FileRefusedError

FILES_AT_ONCE = 8


def inspect_files(intake: Intake, paths: Iterable[str]) -> list[FileColumns]:
    """The columns of these files, in the same order."""
    with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        return list(pool.map(lambda path: inspect_file(intake, path), paths))


def inspect_file(intake: Intake, path: str) -> FileColumns:
    source, folder, name = intake.locate(path)
    file_system, root = open_folder(folder)
    raw_format = format_of(source.format)
    try:
        with open_parts(raw_format, file_system, f"{root}/{name}", source) as parts:
            return _find_columns(raw_format, parts, source, path)
    except FileRefusedError as refused:
        return FileColumns(path, problem=str(refused))
    except (OSError, EOFError, ValueError, pa.ArrowException, *ARCHIVE_ERRORS, *raw_format.errors) as error:
        first = str(error).partition("\n")[0].partition(". Detail:")[0]
        return FileColumns(path, problem=f"cannot be read ({first:.120}): {REASONS['file_unreadable'].remedy}")


def _find_columns(raw_format: RawFormat, parts: Iterable[Part], source: Source, path: str) -> FileColumns:
    """The columns of the first part that is refused, else of the first with columns."""
    found = FileColumns(path)
    for part in parts:
        columns = raw_format.find_columns(part.file_system, part.place, source, path)
        if columns.problem:
            member = f"member {part.place} " if part.is_member else ""
            return replace(columns, problem=f"{member}{columns.problem}")
        found = found if found.match else columns
    return found


def find_other_keys(files: Iterable[FileColumns]) -> list[str]:
    """A sentence for each mapped key that some accepted files seem to have under another name. Objects may lack keys,
    but not if half of these files share a key that no other file has."""
    matches = {file.path: file.match for file in files if file.match and not file.problem}
    paths_without: dict[str, list[str]] = {}
    for path, match in matches.items():
        for name in match.missing:
            paths_without.setdefault(name, []).append(path)
    return [
        sentence for name, paths in paths_without.items() for sentence in _describe_other_keys(name, paths, matches)
    ]


def _describe_other_keys(name: str, paths: list[str], matches: Mapping[str, Match]) -> Iterator[str]:
    """paths: the files that lack the name."""
    having = [match for path, match in matches.items() if path not in paths]
    known = {key for match in having for key in match.present}
    own = {path: [key for key in matches[path].free if key not in known] for path in paths}
    counts, fewest = Counter(key for keys in own.values() for key in keys), len(paths) / 2 if having else len(paths) + 1
    paths_by_key: dict[str, list[str]] = {}
    for path, keys in own.items():
        if key := nearest_name(name, keys) or next((key for key in keys if counts[key] >= fewest), None):
            paths_by_key.setdefault(key, []).append(path)
    for key, where in paths_by_key.items():
        more = f" and {len(where) - 1:,} more files" if len(where) > 1 else ""
        yield f"no object of {where[0]}{more} has the key {name!r}, did you mean {key!r}?"
    if not having and sum(map(len, paths_by_key.values())) < len(paths):
        yield f"no object has the key {name!r}: correct it under columns, or leave it out"
