"""Splitting lines by their shape gives the same records as the strict decoder, for any line."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spark_jobs.contract.shop.source import ColumnMapping, Limits, Source
from spark_jobs.raw import json_lines
from spark_jobs.raw.columns import inspect_file
from spark_jobs.raw.formats import jsonl
from spark_jobs.raw.reader import Intake

SOURCE = Source(
    "purchases", "", "*", "jsonl",
    {"customer_id": ColumnMapping("id"), "event_at": ColumnMapping("at, when"), "unit_price": ColumnMapping("Preis €")},
    limits=Limits(record_characters=200, nesting=2),
)  # fmt: skip
KEYS = ["id", "Preis €", "at.x", "at, when", ":", ", ", "a b", 'q"', "", "null"]
#: Difficult pieces of JSON.
SCRAPS = [
    '"', "\\", "\\u00e9", "\\ud800", "{", "}", "[", "]", ",", ":", " ", "\t", "\r", "\x00", "\x1f", "\x7f", "\u2028",
    "0", "-", "007", "1.50", "1e2", "+1", ".5", "NaN", "true", "null", '""', '"id": 1', ', "id": ', "x" * 200, "\udcff",
    "é", "\U0001f600",
]  # fmt: skip
texts = st.lists(st.sampled_from([*SCRAPS, "a"]), max_size=4).map("".join)
plain = st.text(st.sampled_from(" ,:{}[]'aé0\x7f\u2028\""), max_size=6)
scalars = st.one_of(plain, st.integers(), st.floats(allow_nan=False), st.booleans(), st.none(), st.just({"a": [1]}))


@st.composite
def lines(draw):
    """An object in one of a few shapes and notations, sometimes damaged."""
    keys = draw(st.sampled_from([KEYS[:4], KEYS[:3], ["id", "Preis €"], KEYS, [":", ", ", "id"]]))
    separators = draw(st.sampled_from([(", ", ": "), (",", ":"), (" , ", " : ")]))
    line = json.dumps({key: draw(scalars) for key in keys}, ensure_ascii=draw(st.booleans()), separators=separators)
    if draw(st.integers(0, 3)) == 0:
        begin = draw(st.integers(0, len(line)))
        line = line[:begin] + draw(texts) + line[begin + draw(st.integers(0, 3)) :]
    return line.replace("\n", " ") + draw(st.sampled_from(["", "", "\r", " "]))


@settings(deadline=None)
@given(st.lists(lines(), min_size=1, max_size=30))
@example([f'{{"id": {number}}}' for number in ("1", "007", "+1", "1.", ".5", "1e", "-0", "1E+2", "True", "nul", "- 1")])
def test_fast_and_general_parsers_give_the_same_records(block):
    found = json_lines.read_block("\n".join(block), SOURCE, [])
    assert list(found.records()) == [record for line in block for record in json_lines.parse_line(line, SOURCE)]


@pytest.mark.parametrize("separators", [(", ", ": "), (",", ":")])
def test_lines_of_the_same_shape_are_split_by_it(monkeypatch, separators):
    views = [{"id": f"c{n}", "Preis €": n / 8, "more": None} for n in range(100)]
    searches = [{"id": f"c{n}", "query": "blue, not red: {a}"} for n in range(100)]
    block = "\n".join(json.dumps(value, separators=separators, ensure_ascii=False) for value in views + searches)
    strictly_read = []
    monkeypatch.setattr(json_lines, "parse_line", lambda line, source: strictly_read.append(line))
    records = json_lines.read_block(block, SOURCE, shapes := []).records()
    expected = [[str(n / 8), None, f"c{n}"] for n in range(100)] + [[None, None, f"c{n}"] for n in range(100)]
    assert [record.values for record in records] == expected
    assert (strictly_read, len(shapes)) == ([], 2)


@settings(deadline=None)
@given(st.lists(lines(), min_size=1, max_size=30))
def test_the_columns_of_a_file_do_not_depend_on_which_lines_are_decoded(block):
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        many = block * (json_lines.FIRST_LINES // len(block) + 1)
        Path(folder, "f").write_bytes("\n".join(many).encode("utf-8", "surrogateescape"))
        intake = Intake(SOURCE, folder, "")
        found = inspect_file(intake, "f")
        patch.setattr(jsonl, "find_alike", lambda lines, _: [False] * len(lines))
        assert found == inspect_file(intake, "f")


def test_lines_with_the_same_plain_keys_are_decoded_once_for_their_names(tmp_path, monkeypatch):
    views = [json.dumps({"id": f"c{n}", "Preis €": n / 8}, ensure_ascii=False) for n in range(100)]
    others = ['{"id": "c", "nested": {"at": 1}}', '{"id": "c", "rare": 1}']
    (tmp_path / "f").write_text("\n".join([*views[:50], *others, *views[50:]]))
    decoded, decode = [], jsonl._decode
    monkeypatch.setattr(jsonl, "_decode", lambda line: decoded.append(line) or decode(line))
    found = inspect_file(Intake(SOURCE, str(tmp_path), ""), "f")
    assert found.match.present == ["id", "Preis €", "nested", "rare", "nested.at"]
    assert {*decoded} == {views[0], *others}
