"""Opens the decompressed text of a raw file, within the source's limits."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.fs

from spark_jobs.contract.shop.source import Limits, Source

GZIP_MAGIC, ZIP_MAGIC, OLD_EXCEL = b"\x1f\x8b", b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
HEAD_BYTES = 512
#: Byte-order mark -> an encoding that removes it.
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
#: First bytes of files that are no text -> what they are and what to do.
BINARIES = {
    ZIP_MAGIC: "is a zip archive: unpack it, or gzip it",
    b"PK\x05\x06": "is a zip archive of nothing: deliver it again",
    b"PAR1": 'is a Parquet file: set format = "parquet"',
    OLD_EXCEL: 'is an old Excel workbook: set format = "xlsx"',
    b"\x28\xb5\x2f\xfd": "is packed with zstd: unpack it, or gzip it",
    b"\xfd7zXZ": "is packed with xz: unpack it, or gzip it",
    b"BZh": "is packed with bzip2: unpack it, or gzip it",
    b"7z\xbc\xaf": "is a 7-Zip archive: unpack it, or gzip it",
    b"Rar!": "is a RAR archive: unpack it, or gzip it",
    b"SQLite format 3": "is an SQLite database: export a table as CSV",
    b"%PDF-": "is a PDF document: export the data as CSV",
}
#: Beginnings (in lower case) of texts that are no tables -> what they are and what to do.
MARKUP = {
    begin: f"is {name}, whatever its name says: open it in a spreadsheet and save it as CSV or xlsx"
    for begin, name in ((b"<!doctype html", "an HTML page"), (b"<html", "an HTML page"), (b"<table", "an HTML page"),
                        (b"<?xml", "an XML document"))
}  # fmt: skip
TAR_PLACE = 257  # of the mark of a tar archive
READ_BYTES = 1 << 22
_SURROGATE = re.compile("[\ud800-\udfff]")


class FileRefusedError(Exception):
    """The whole file cannot be used; `fault` says why."""

    def __init__(self, fault: str, found: str):
        super().__init__(found)
        self.fault = fault


class _CappedStream(io.RawIOBase):
    """Counts the bytes and raises FileRefusedError beyond the source's limits. head: bytes that were already read."""

    def __init__(self, stream: pa.NativeFile, head: bytes, delivered_bytes: int, limits: Limits):
        self.stream, self.delivered_bytes, self.limits, self.read_bytes = stream, delivered_bytes, limits, 0
        self.head = head

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        count = self._read_head(buffer)
        count += self.stream.readinto(memoryview(buffer)[count:])
        self.read_bytes += count
        if self.read_bytes > self.limits.file_bytes:
            raise FileRefusedError("file_too_large", f"more than {self.limits.file_bytes} bytes")
        is_judged = self.read_bytes > self.limits.ratio_from_bytes
        if is_judged and self.read_bytes > self.limits.decompression_ratio * self.delivered_bytes:
            raise FileRefusedError("file_ratio_exceeded", f"{self.read_bytes} bytes from {self.delivered_bytes}")
        return count

    def _read_head(self, buffer) -> int:
        count = min(len(buffer), len(self.head))
        buffer[:count], self.head = self.head[:count], self.head[count:]
        return count

    def close(self) -> None:
        self.stream.close()
        super().close()


def open_bytes(file_system: pa.fs.FileSystem, path: str, source: Source) -> tuple[Any, str]:
    """The decompressed bytes (gzip is detected by content) and their encoding."""
    with file_system.open_input_file(path) as file:
        delivered_bytes, is_gzip = file.size(), file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    stream = file_system.open_input_stream(path, compression="gzip" if is_gzip else None)
    head = stream.read(HEAD_BYTES)  # not more, so that records before an early end can still be read
    if named := name_binary(head):
        stream.close()
        raise FileRefusedError("file_unreadable", named)
    buffered = io.BufferedReader(_CappedStream(stream, head, delivered_bytes, source.limits), READ_BYTES)
    return buffered, encoding_of(head, source)


def name_binary(head: bytes) -> str | None:
    """What a file is that starts with these bytes and is no text, and what to do; None if it may be text."""
    named = _name_workbook(head) or next((what for magic, what in BINARIES.items() if head.startswith(magic)), None)
    if head[TAR_PLACE:].startswith(b"ustar"):
        return "is a tar archive: pack the files as zip, or deliver each by itself"
    text = head.removeprefix(codecs.BOM_UTF8).lstrip().lower()
    return named or next((what for begin, what in MARKUP.items() if text.startswith(begin)), None)


def is_archive(head: bytes) -> bool:
    """Whether a file that starts with these bytes is a zip archive, but not a workbook, which is an archive too."""
    return head.startswith(ZIP_MAGIC) and _name_workbook(head) is None


def _name_workbook(head: bytes) -> str | None:
    if head.startswith(b"PK") and (b"[Content_Types].xml" in head or b"xl/" in head):
        return 'is an Excel workbook: set format = "xlsx"'
    if head.startswith(b"PK") and b"opendocument.spreadsheet" in head:
        return 'is an OpenDocument sheet: set format = "xlsx"'
    return None


def encoding_of(head: bytes, source: Source) -> str:
    """The encoding of a file that starts with these bytes: by its byte-order mark, else the source's."""
    for mark, encoding in MARKS.items():
        if head.startswith(mark):
            return encoding
    if re.sub("[^a-z0-9]", "", source.encoding.lower()) == "utf16":
        return "utf-16-be" if head.startswith(b"\x00") else "utf-16-le"
    return source.encoding


def open_text(file_system: pa.fs.FileSystem, path: str, source: Source, newline: str) -> io.TextIOBase:
    """The decompressed text; bytes that are invalid in the encoding become surrogates, to be rejected per record."""
    buffered, encoding = open_bytes(file_system, path, source)
    return io.TextIOWrapper(buffered, encoding=encoding, errors="surrogateescape", newline=newline)


def read_lines(file_system: pa.fs.FileSystem, path: str, source: Source) -> Iterator[str]:
    """The text in blocks of whole lines, without the last line feed. Only a line feed ends a line.

    Lines longer than `record_characters` are cut to slightly more than that, so that memory stays constant.
    """
    rest, longest, is_skipping = "", source.limits.record_characters, False
    for chunk in decode_chunks(file_system, path, source):
        if is_skipping:
            _, ends, chunk = chunk.partition("\n")
            is_skipping = not ends
            if is_skipping:
                continue
        block = rest + chunk
        end = block.rfind("\n")
        if end >= 0:
            yield block[:end]
        rest = block[end + 1 :]
        if is_skipping := len(rest) >= longest:
            yield rest
            rest = ""
    if rest:
        yield rest


def decode_chunks(file_system: pa.fs.FileSystem, path: str, source: Source) -> Iterator[str]:
    """The text in chunks, regardless of lines."""
    stream, encoding = open_bytes(file_system, path, source)
    decoder = codecs.getincrementaldecoder(encoding)("surrogateescape")
    with stream:
        while chunk := stream.read1(READ_BYTES):
            yield decoder.decode(chunk)
        yield decoder.decode(b"", final=True)


def is_decoded(text: str) -> bool:
    """Whether all bytes were valid in the encoding."""
    return text.isascii() or not _SURROGATE.search(text)


def skip_line(text: io.TextIOBase) -> None:
    """Skips the rest of the line."""
    while (rest := text.readline(READ_BYTES)) and not rest.endswith("\n"):
        pass
