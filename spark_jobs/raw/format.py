"""The interface of a raw format: a class that reads its files. Each file of `formats/` has one.

The contract takes the names from the files (contract/formats.py), so a new format is one new file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import ClassVar

import pyarrow.fs

from spark_jobs.contract.shop.source import Source
from spark_jobs.raw.block import Block
from spark_jobs.raw.layout import Match, describe_refusal, has_no_header, is_binary, suggest_layout


@dataclass(frozen=True)
class FileColumns:
    """The columns of one file. match: None if it has none; problem: why the file is refused and what to do, None if its
    columns are valid; nested: paths to nested values, each with an example; unread: further sheets with the columns.
    """

    path: str
    match: Match | None = None
    problem: str | None = None
    nested: Mapping[str, str] = field(default_factory=dict)
    unread: tuple[str, ...] = ()

    @property
    def renamed(self) -> dict[str, str]:
        """Columns that are accepted in another spelling: name -> name in the file."""
        return self.match.renamed if self.match and not self.problem else {}


class RawFormat(ABC):
    """Reads files of one format. `place` is the file's path in its file system, `path` its path for messages.

    A file that cannot be used raises FileRefusedError, an error of the file system or of Arrow, or one of `errors`;
    raw/reader.py turns it into a faulty record.
    """

    errors: ClassVar[tuple[type[Exception], ...]] = ()
    takes_archives: ClassVar[bool] = False  # whether its files may be members of a zip archive
    is_table: ClassVar[bool] = False  # whether its files may repeat columns by number
    has_quotes: ClassVar[bool] = False  # whether its fields may stand in quotation marks

    @abstractmethod
    def read_blocks(self, file_system: pyarrow.fs.FileSystem, place: str, source: Source) -> Iterator[Block]:
        """Every record of the file in order, valid or not, in constant memory."""

    @abstractmethod
    def find_columns(self, file_system: pyarrow.fs.FileSystem, place: str, source: Source, path: str) -> FileColumns:
        """The columns at the beginning of the file, by the rules of read_blocks."""


@cache
def format_of(name: str) -> RawFormat:
    """The format of this name, one of contract.formats.FORMATS."""
    return import_module(f"spark_jobs.raw.formats.{name}").FORMAT


def judge_columns(path: str, match: Match, source: Source) -> FileColumns:
    """The columns of a file, with a problem if they do not match the mapping."""
    if match.fault is None:
        return FileColumns(path, match)
    remedy = f"; correct columns, or {suggest_layout(match, source)}" if match.missing else "; rename one of them"
    if is_binary(match):
        remedy = "; correct format or encoding, or export the data as CSV"
    if has_no_header(match):
        remedy = "; deliver it with a first line that names the columns"
    return FileColumns(path, match, describe_refusal(match) + remedy)
