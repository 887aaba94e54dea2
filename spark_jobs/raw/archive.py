"""Reads the files in a zip archive as if they were in a folder; the archive is one delivery."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.fs

from spark_jobs.contract.shop.source import Source
from spark_jobs.raw.format import RawFormat
from spark_jobs.raw.text import HEAD_BYTES, FileRefusedError, is_archive, name_binary

BROKEN = "is a zip archive that is cut or broken: deliver it again"
ENCRYPTED = 1  # the bit of a member's flags
#: Raised by damaged archives and unknown compression methods.
ARCHIVE_ERRORS = (zipfile.BadZipFile, zlib.error, NotImplementedError)


class Part(NamedTuple):
    """A file of raw records: the file system and its path there."""

    file_system: Any
    place: str
    is_member: bool = False


class _Members:
    """The members of an archive, with the methods of a file system."""

    def __init__(self, archive: zipfile.ZipFile):
        self.archive = archive

    def open_input_file(self, place: str) -> pa.NativeFile:
        return pa.PythonFile(self.archive.open(place), mode="r")

    def open_input_stream(self, place: str, compression: str | None = None) -> pa.NativeFile:
        file = self.open_input_file(place)
        return pa.CompressedInputStream(file, compression) if compression else file


@contextmanager
def open_parts(
    raw_format: RawFormat, file_system: pa.fs.FileSystem, place: str, source: Source
) -> Iterator[Iterator[Part]]:
    """The files of raw records: the file itself, or the members of an archive, by name. Raises FileRefusedError if
    members cannot be read or are larger than the source allows."""
    if not raw_format.takes_archives or not _is_archive(file_system, place):
        yield iter([Part(file_system, place)])
        return
    with file_system.open_input_file(place) as file, _open_archive(file) as archive:
        members = _choose_members(archive, source)
        check_sizes(members, file.size(), source)
        for member in members:
            _check_member(archive, member)
        yield (Part(_Members(archive), member.filename, True) for member in members)


def _is_archive(file_system: pa.fs.FileSystem, place: str) -> bool:
    with file_system.open_input_file(place) as file:
        return is_archive(file.read(HEAD_BYTES))


def _open_archive(file: pa.NativeFile) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError, pa.ArrowException):
        raise FileRefusedError("file_unreadable", BROKEN) from None


def _choose_members(archive: zipfile.ZipFile, source: Source) -> list[zipfile.ZipInfo]:
    """The members with records, without folders and hidden files of file managers."""
    if not all(one.filename for one in archive.infolist()):
        raise FileRefusedError("file_unreadable", BROKEN)
    members = [one for one in archive.infolist() if not (one.is_dir() or _is_litter(one.filename))]
    chosen = [one for one in members if fnmatch(one.filename, source.members)]
    if not chosen:
        names = ", ".join(repr(one.filename) for one in members[:5])
        hint = f"its members are {names}: correct members" if members else "it has no members: deliver it again"
        raise FileRefusedError("file_unreadable", f"is a zip archive without a member {source.members!r}; {hint}")
    return sorted((one for one in chosen if one.file_size), key=lambda one: one.filename)


def _is_litter(name: str) -> bool:
    return name.startswith("__MACOSX/") or name.rpartition("/")[2].startswith(".")


def check_sizes(members: list[zipfile.ZipInfo], delivered_bytes: int, source: Source) -> None:
    """Checks the declared sizes: zipfile never reads more of a member than the archive declares."""
    total, limits = sum(one.file_size for one in members), source.limits
    if total > limits.file_bytes:
        raise FileRefusedError("file_too_large", f"more than {limits.file_bytes} bytes")
    if total > limits.ratio_from_bytes and total > limits.decompression_ratio * delivered_bytes:
        raise FileRefusedError("file_ratio_exceeded", f"{total} bytes from {delivered_bytes}")


def _check_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    if member.flag_bits & ENCRYPTED:
        problem = f"has the encrypted member {member.filename}: pack it without a password"
        raise FileRefusedError("file_unreadable", problem)
    with archive.open(member) as file:
        head = file.read(HEAD_BYTES)
    if named := name_binary(head):
        raise FileRefusedError("file_unreadable", f"has a member that cannot be read: {member.filename} {named}")
