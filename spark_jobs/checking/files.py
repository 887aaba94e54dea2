"""Reports on a log's files: which are refused or spell columns differently, and which setting reads their days."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from spark_jobs.cleaning.accounts import Tally
from spark_jobs.cleaning.records import BROKEN_FILE
from spark_jobs.cleaning.refusals import count_refused, describe_refused, describe_renamed, name_some
from spark_jobs.contract.shop.path_days import propose, write_setting
from spark_jobs.contract.shop.source import Source
from spark_jobs.raw.columns import FileColumns, find_other_keys
from spark_jobs.raw.reader import FILE_FAULTS
from spark_jobs.runtime.console import PlainConsole

SHOWN_PATHS = 20
FILE_REASONS = {*FILE_FAULTS, BROKEN_FILE}  # show_files reports them per file


def list_problems(log: str, columns: Sequence[FileColumns]) -> str:
    """The different problems of refused files."""
    files: dict[str, list[str]] = {}
    for file in columns:
        if file.problem:
            files.setdefault(file.problem, []).append(file.path)
    more = {problem: f" and {len(paths) - 1:,} more files:" for problem, paths in files.items() if len(paths) > 1}
    return name_table(
        log, name_some([f"{paths[0]}{more.get(problem, '')} {problem}" for problem, paths in files.items()])
    )


def name_table(log: str, sentence: str) -> str:
    """The sentence; if it proposes a setting, with the table of shop.toml for it."""
    names_table = "under [" in sentence or not re.search(r"\b[a-z_]+ = ", sentence)
    return sentence if names_table else f"{sentence}, under [sources.{log}]"


def describe_nested(source: Source, columns: Sequence[FileColumns]) -> str:
    """The paths to nested values in the files that shop.toml does not map; empty if there are none."""
    examples: dict[str, str] = {}
    for file in columns:
        examples = {**file.nested, **examples}
    unmapped = {name: example for name, example in examples.items() if name not in source.raw_columns}
    shown = [f"{name} ({example[:20]})" if example else name for name, example in unmapped.items()]
    if not shown:
        return ""
    sentence = f"the files have nested values, which are mapped by their path: {name_some(shown, SHOWN_PATHS)}"
    arrays = Counter(name.partition("[]")[0] for name in examples if "[]" in name)
    is_open = any("[]" in raw for raw in source.raw_columns)
    return sentence if is_open or not arrays else (
        f"{sentence}. If each element of {arrays.most_common(1)[0][0]}[] is one event, map its fields in this way"
    )  # fmt: skip


def suggest_delivery_day(source: Source, paths: Sequence[str]) -> str:
    """The line for shop.toml if the names of all files have days; else empty."""
    found = propose(paths)
    settings = " or ".join(write_setting(pattern, day_format) for pattern, day_format in found[:2])
    more = ": choose the one that is meant" if len(found) > 1 else ""
    return f"{settings} under [sources.{source.log}] reads them{more}" if found else ""


def show_files(
    console: PlainConsole, source: Source, files: list[dict], tallies: list[Tally], columns: list[FileColumns]
) -> Iterator[str]:
    """Prints the columns that are accepted in another spelling; gives a sentence for each problem: refused files, and
    JSON keys that seem to have another name, and sheets that are not read."""
    refused = count_refused(tallies)
    paths = {file["delivery_id"]: file["path"] for file in files}
    described = describe_refused(tallies, paths, {file.path: file for file in columns})
    if described:
        records = sum(refused.values())
        refused_files = f"{len(described):,} of {len(files):,} files, with {records:,} records, are refused"
        yield name_table(source.log, f"{source.log}: {refused_files}: {name_some(described)}")
    if renamed := describe_renamed(columns):
        console.print(renamed)
    if source.delivery_day is None and len(paths) > 1 and (proposal := suggest_delivery_day(source, [*paths.values()])):
        console.print(f"the file names contain days. So that a file counts from its day on: {proposal}")
    if nested := describe_nested(source, columns):
        console.print(nested)
    yield from (f"{source.log}: {sentence}" for sentence in find_other_keys(columns))
    if unread := find_unread_sheets(source, columns):
        yield unread


def find_unread_sheets(source: Source, columns: Sequence[FileColumns]) -> str | None:
    """A sentence about sheets of workbooks that have the mapped columns but are not read; None if there are none."""
    file = next((file for file in columns if file.unread), None)
    if file is None:
        return None
    names = name_some([*map(repr, file.unread)])
    return (
        f"{source.log}: {file.path} has the same columns in {len(file.unread):,} further sheets, which are not read:"
        f' {names}. To read all sheets, say under [sources.{source.log}] sheet = "*"; for one alone, sheet = its name'
    )
