"""JSON without one object per line: arrays, envelopes and indented objects; each element is a record."""

import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_jobs.raw import json_stream
from spark_jobs.raw.json_stream import Place, read_elements
from tests.spark_jobs.raw.test_formats import GOOD_JSON, OK, SMALL, read

ONE = GOOD_JSON.strip()
ORDERS, DEEP = {"records": "orders[]"}, {"records": "data.orders[]"}
LOST = "file_unreadable"
#: name -> (content, options, verdicts of its records)
KINDS = {
    "faulty elements": (
        b"[" + b", ".join([ONE, b'{"id" 1}', b"5", b'{"id": NaN}', b'{"id": "\xff"}', b'{"id": [[[[[[[[[]]]]]]]]]}',
                           b'{"id": "' + b"x" * 5000 + b'"}', ONE + b" x", b"", ONE]) + b",]", {},
        [OK, "json_malformed", "json_not_an_object", "json_malformed", "encoding_invalid", "json_too_deep",
         "record_too_long", "json_malformed", "line_empty", OK]),
    "cut within an element": (b"[" + ONE + b', {"id"', {}, [OK, "json_malformed", LOST]),
    "cut between elements": (b"[" + ONE + b",", {}, [OK, LOST]),
    "a text that no line closes": (b"[" + ONE + b',\n{"id": "x},\n' + ONE + b"]", {}, [OK, "json_malformed", LOST]),
    "two arrays": (b"[" + ONE + b"]\n[" + ONE + b"," + ONE + b"]", {}, [OK] * 3),
    "other keys": (b'[{"id": 1, "when": 2}, 5]', {}, ["file_columns_missing"] * 2),
    "indented objects": (json.dumps(json.loads(ONE), indent=2).encode() + b'\n{\n "id" }\n' + GOOD_JSON, {},
                         [OK, "json_malformed", OK]),
    "an envelope": (b'{"page": [{"x": "]"}], "data": {"n": 5, "orders": [' + ONE + b"]}, }", DEEP, [OK]),
    "an envelope a page": ((b'{"orders": [' + ONE + b'], "n": 1}\n') * 3, ORDERS, [OK] * 3),
    "an envelope of nothing": (b'{"orders": [], "n": 1}{"orders": null}', ORDERS, []),
    "an envelope without the array": (b'{"errors": "try later"}', ORDERS, ["records_missing"]),
    "an envelope with something else there": (b'{"orders": {"1": 2}}', ORDERS, ["records_missing"]),
    "an envelope that is cut": (b'{"orders": [' + ONE + b'], "n"', ORDERS, [OK, LOST]),
    "an array where an envelope was": (b"[" + ONE + b"]", ORDERS, [OK]),
    "no byte, where an envelope was": (b"", ORDERS, []),
}  # fmt: skip


@pytest.mark.parametrize("piece", [1 << 22, 1, 7], ids=["in one piece", "letter by letter", "in small pieces"])
@pytest.mark.parametrize("name", KINDS)
def test_elements_are_the_same_for_any_chunk_size(tmp_path, monkeypatch, name, piece):
    content, options, verdicts = KINDS[name]
    monkeypatch.setattr("spark_jobs.raw.text.READ_BYTES", piece)
    found = read(tmp_path, "a.json", content, "jsonl", limits=SMALL, **options)
    assert found == [(verdict, None) if isinstance(verdict, str) else verdict for verdict in verdicts]


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(st.sampled_from('a"\\[]{},: \n\u2028é'), max_size=5)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab,]"), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None)
@given(st.lists(values, max_size=5), st.sampled_from([None, 1]), st.integers(1, 9), st.booleans())
def test_the_elements_of_an_array_survive_a_round_trip(elements, indent, piece, is_wrapped):
    text = json.dumps({"a": 1, "orders": elements} if is_wrapped else elements, indent=indent)
    chunks = (text[begin : begin + piece] for begin in range(0, len(text), piece))
    found = list(read_elements(chunks, Place(("orders",) if is_wrapped else ()), 1000))
    assert [json.loads(element.text) for element in found] == elements
    assert all(element.is_whole for element, value in zip(found, elements, strict=True) if isinstance(value, dict))


def test_an_array_of_any_length_is_read_in_constant_memory(monkeypatch):
    element = json.dumps({"id": 1, "more": ["x" * 50] * 20}) + ","
    pieces = 100
    tracemalloc.start()
    try:
        chunks = iter(["[", *[element * 100] * pieces, "{}]"])
        assert sum(1 for _ in json_stream.read_elements(chunks, Place(), 10_000)) == 100 * pieces + 1
        assert tracemalloc.get_traced_memory()[1] < 10 * len(element) * 100
    finally:
        tracemalloc.stop()
