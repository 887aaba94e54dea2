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


class Element(NamedTuple):
    """One value and its text. is_whole: whether it is valid JSON; else parse_element finds the fault in the text."""

    text: str
    value: object = None
    is_whole: bool = False


def read_elements(chunks: Iterator[str], keys: Sequence[str], longest: int) -> Iterator[Element]:
    """The records of a text: the elements of top-level arrays, and top-level objects. With `keys`: the elements of the
    array at these keys in each object. longest: the most characters of a record.

    Raises FileRefusedError if the text ends too early or an object has no such array.
    """
    text = _Text(chunks, longest)
    while mark := text.peek():
        if mark == "{" and keys:
            if not (yield from text.envelope(keys)):
                raise FileRefusedError("records_missing", f"no array {'.'.join(keys)}[]")
        elif mark == "[":
            yield from text.array()
        else:
            yield text.take("")


class _Text:
    """The buffered part of a text, and the position in it."""

    def __init__(self, chunks: Iterator[str], longest: int):
        self.chunks, self.longest = chunks, longest
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

    def envelope(self, keys: Sequence[str]) -> Generator[Element, None, bool]:
        """The elements of the array at these keys of the object that starts here. Returns whether there is one; null
        counts as empty."""
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
            elif mark not in (",", "}"):
                is_null = self.take(",}").text == "null"
                is_found |= is_null and key == keys[0]
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
