"""Any file content is printed without markup, control characters and cut ids, and with whole lines."""

import io
import random
import re

import pytest
from rich.cells import cell_len
from rich.console import Console

from spark_jobs.runtime.console import PlainConsole
from spark_jobs.runtime.screen import ScreenColumn, choose_columns, show_table

PIECES = [
    *"abz019 /.-_", "[/Aktion]", "[bold]", "[", "]", "\\[", "[link=x]", "\x1b[31m", "\x00", "\x07", "\r", "\n", "\t",
    "\u202e", "\u200f", "\u2066", "שלום", "مرحبا", "商品", "한국", "👩", "e\u0301", "\ud800", ":smile:", "{0}", "%s",
]  # fmt: skip


def render(width, use):
    out = io.StringIO()
    use(PlainConsole(Console(file=out, width=width, highlight=False, force_terminal=False)))
    return out.getvalue()


def draw(generator) -> str:
    return "".join(generator.choices(PIECES, k=generator.randint(0, 30)))


@pytest.mark.parametrize("width", [80, 140])
def test_any_text_is_printed_as_it_is_within_the_screen(width):
    generator = random.Random(5)
    for _ in range(60):
        texts = [draw(generator) for _ in range(6)]
        columns = [
            ScreenColumn(texts[0], texts[1:3]),
            ScreenColumn("b", texts[3:5], 1),
            ScreenColumn("c", ["1", "2"], 2),
        ]

        def show(console, texts=texts, columns=columns):
            show_table(console, texts[5], columns, ["dim", None])
            console.rule(texts[0])

        shown = render(width, show)
        assert max(map(cell_len, shown.splitlines())) <= width
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]", shown)
        letters = [letter for letter in texts[1] if letter.isprintable() and not letter.isspace()]
        assert all(letter in shown for letter in letters)
        assert "[/Aktion]" not in texts[1] or "[/" in shown


def test_a_line_stays_whole_and_unmarked():
    line = 'event_at = { column = "[b]", format = "yyyy" } ' + "x" * 300
    assert render(80, lambda console: console.print(line)) == line + "\n"


def test_columns_go_by_importance_and_ids_are_folded():
    wide = ["a" * 38]
    columns = [ScreenColumn("id", wide), ScreenColumn("second", wide, 2), ScreenColumn("first", wide, 1)]
    assert [one.heading for one in choose_columns(columns, 140)] == ["id", "second", "first"]
    assert [one.heading for one in choose_columns(columns, 100)] == ["id", "first"]
    assert [one.heading for one in choose_columns(columns, 20)] == ["id"]
    long_id = "0123456789" * 12
    shown = render(80, lambda console: show_table(console, "", [ScreenColumn("id", [long_id])]))
    assert "".join(re.findall(r"\d", shown)) == long_id
