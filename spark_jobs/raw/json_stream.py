"""Reads the records of a JSON text that is one array, an object with an array of records, or objects over many lines.

Memory holds one chunk of the text and one record. Helper of formats/jsonl.py.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Sequence
from typing import NamedTuple

from spark_jobs.raw.json_decoder import JSON
from spark_jobs.raw.text import FileRefusedError

#: The rest of a text, to its end or the line's; no more than a piece may have of it. Beside texts: what nests or parts.
REST = re.compile(r'(?:[^"\\\n]|\\.)*+(?P<end>["\n])?', re.DOTALL)
MARK = re.compile(r'["\[\]{},]')
BLANK = re.compile(r"\s*")
KEY = "{}"  # the column of a record's key, where records are the values of an object


class Element(NamedTuple):
    """One value and its text.

    is_whole   whether it is valid JSON; else parse_element finds the fault in the text
    is_beside  whether it is no record but an array beside the records, which may name their columns
    fault      why the record cannot be read although it is valid JSON
    """

    text: str
    value: object = None
    is_whole: bool = False
    is_beside: bool = False
    fault: str | None = None


class Place(NamedTuple):
    """Where the records are.

    keys      the keys of the array in each object; empty: the elements of top-level arrays, and top-level objects
    is_keyed  whether the values of an object are the records, instead of an array's elements
    are_rows  whether each top-level array is a record
    """

    keys: Sequence[str] = ()
    is_keyed: bool = False
    are_rows: bool = False


def read_elements(chunks: Iterator[str], place: Place, longest: int) -> Iterator[Element]:
    """The records of a text, and arrays beside them. longest: the most characters of a record.

    Raises FileRefusedError if the text ends too early or an object has no records at `place`.
    """
    text = _Text(chunks, longest, place.is_keyed)
    while mark := text.peek():
        if mark == "{" and place.keys:
            if not (yield from text.envelope(place.keys)):
                raise FileRefusedError("records_missing", f"no array {'.'.join(place.keys)}[]")
        elif mark == "{" and place.is_keyed:
            yield from text.members()
        elif mark == "[" and not place.are_rows:
            yield from text.array()
        else:
            yield text.take("")


class _Text:
    """The buffered part of a text, and the position in it."""

    def __init__(self, chunks: Iterator[str], longest: int, is_keyed: bool):
        self.chunks, self.longest, self.is_keyed = chunks, longest, is_keyed
        self.text, self.at = "", 0

    def read_on(self) -> bool:
        """Appends the next chunk; False at the end."""
        chunk = next((chunk for chunk in self.chunks if chunk), "")
        self.text, self.at = self.text[self.at :] + chunk, 0
        return bool(chunk)

    def peek(self) -> str:
        """The next non-blank character; "" at the end."""
        while True:
            self.at = BLANK.match(self.text, self.at).end()  # type: ignore[union-attr]
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.read_on():
                return ""

    def array(self) -> Iterator[Element]:
        """The elements of the array that starts here."""
        self.at += 1
        while (mark := self.peek()) != "]":
            if not mark:
                raise FileRefusedError("file_unreadable", "the file ends before its JSON array does")
            yield self.take(",]")
            if self.peek() == ",":
                self.at += 1
        self.at += 1

    def members(self) -> Iterator[Element]:
        """The values of the object that starts here; each has its key as KEY."""
        self.at += 1
        while (mark := self.peek()) != "}":
            if not mark:
                raise FileRefusedError("file_unreadable", "the file ends before its JSON object does")
            key = self.take(":,}").value
            if self.peek() == ":":
                self.at += 1
                self.peek()
            element = self.take(",}")
            yield element._replace(value={KEY: key, **element.value}) if isinstance(element.value, dict) else element
            if self.peek() == ",":
                self.at += 1
        self.at += 1

    def envelope(self, keys: Sequence[str]) -> Generator[Element, None, bool]:
        """The records at these keys of the object that starts here, and other arrays. Returns whether there are any;
        null counts as none."""
        self.at += 1
        is_found = False
        while (mark := self.peek()) != "}":
            if not mark:
                raise FileRefusedError("file_unreadable", "the file ends before its JSON object does")
            key, mark = self.take(":,}").value, self.peek()
            if mark == ":":
                self.at += 1
                mark = self.peek()
            if key == keys[0] and len(keys) > 1 and mark == "{":
                is_found |= yield from self.envelope(keys[1:])
            elif key == keys[0] and len(keys) == 1 and mark == "[":
                yield from self.array()
                is_found = True
            elif key == keys[0] and len(keys) == 1 and mark == "{" and self.is_keyed:
                yield from self.members()
                is_found = True
            elif mark not in (",", "}"):
                other = self.take(",}")
                is_found |= other.text == "null" and key == keys[0]
                if isinstance(other.value, list):
                    yield other._replace(is_beside=True)
            if self.peek() == ",":
                self.at += 1
        self.at += 1
        return is_found

    def take(self, ends: str) -> Element:
        """The next value, up to one of these characters; if `ends` is empty, a value on its own."""
        while True:
            try:
                value, end = JSON.raw_decode(self.text, self.at)
            except (ValueError, RecursionError):
                if len(self.text) - self.at < self.longest and self.read_on():
                    continue  # perhaps only the chunk ends here
                return Element(self._skip(ends))
            text, self.at = self.text[self.at : end], end
            if not ends or self.peek() in (*ends, ""):
                return Element(text, value, True)
            return Element(text + self._skip(ends))

    def _skip(self, ends: str) -> str:
        """Skips to one of these characters outside of texts and brackets, or past the bracket that closes the first.
        Returns the skipped text, cut to the longest record."""
        depth, read, is_text = 0, "", False
        while True:
            begin = place = self.at
            while found := (REST if is_text else MARK).search(self.text, place):
                place, mark = found.end(), found[0]
                if is_text and not found["end"]:
                    break
                if is_text or mark == '"':
                    is_text = not is_text
                elif depth == 0 and mark in ends:
                    return self._keep(read, begin, found.start())
                else:
                    depth = max(0, depth + (mark in "[{") - (mark in "]}"))
                    if not ends and depth == 0 and mark in "]}":
                        return self._keep(read, begin, place)
            else:
                place = len(self.text)
            read = self._keep(read, begin, place)
            rest = len(self.text) - place
            if not self.read_on():
                return self._keep(read, 0, rest)

    def _keep(self, read: str, begin: int, place: int) -> str:
        self.at = place
        return (read + self.text[begin:place])[: self.longest]
