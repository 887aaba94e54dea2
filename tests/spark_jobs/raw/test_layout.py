"""Files with other column names: accepted if the meaning is clear, else refused with all records."""

import csv
import gzip
import io
import json
from collections import Counter
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spark_jobs.cleaning import refusals
from spark_jobs.cleaning.accounts import Tally
from spark_jobs.cleaning.deliveries import find_intake, list_files
from spark_jobs.contract.errors import ShopFileError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.shop.source import ColumnMapping, Condition, Layout, Source
from spark_jobs.raw import reader as raw
from spark_jobs.raw.columns import find_other_keys, inspect_file, inspect_files
from spark_jobs.raw.hashing import Hasher
from spark_jobs.raw.layout import choose_layout
from spark_jobs.raw.objects import ObjectColumns
from tests.conftest import SHARED_CASES
from tests.spark_jobs.shops import DATED, SHOP

COLUMNS = {name: ColumnMapping(raw_name) for name, raw_name in
           {"customer_id": "customer_no", "event_at": "Größe", "unit_price": "price"}.items()}  # fmt: skip
LAYOUTS = (Layout((("customer_no", "Client"), ("price", "Net"))), Layout(absent=("state",)))
RAW = ("Größe", "customer_no", "price", "state")


def make_source(file_format: str, layouts=LAYOUTS, **options) -> Source:
    returns = (Condition("state", "equals", "back"),)
    return Source("purchases", "", "*", file_format, COLUMNS, returns=returns, layouts=layouts, **options)


#: A file's names of the columns of RAW (None: absent), and whether the file is accepted.
HEADERS = {
    "its own": (RAW, True),
    "another case": (("GRÖSSE", "Customer_No", "PRICE", "State"), True),
    "blanks for underscores, decomposed": (("Gro\u0308ße", " customer no", "price\ufeff", "state "), True),
    "a listed layout": (("Größe", "Client", "Net", "state"), True),
    "a listed layout in another case": (("größe", "CLIENT", "net", "State"), True),
    "a layout without a column": (("Größe", "customer_no", "price", None), True),
    "renamed": (("Größe", "kunde", "price", "state"), False),
    "a column missing": (("Größe", "customer_no", None, "state"), False),
    "a listed layout that lacks a column": (("Größe", "Client", None, "state"), False),
}


def write(names, rows, file_format: str, is_gzip: bool, more=()) -> bytes:
    """A file with these column names; rows: values in the order of RAW; more: names of further, empty columns."""
    kept = [place for place, name in enumerate(names) if name is not None]
    named = [names[place] for place in kept] + list(more)
    table = [[row[place] for place in kept] + [""] * len(more) for row in rows]
    if file_format == "csv":
        text = io.StringIO(newline="")
        csv.writer(text).writerows([named, *table])
        content = text.getvalue().encode()
    elif file_format == "jsonl":
        content = "".join(json.dumps(dict(zip(named, row, strict=True))) + "\n" for row in table).encode()
    else:
        sink = io.BytesIO()
        columns = list(zip(*table, strict=True)) or [()] * len(named)
        pq.write_table(pa.table([pa.array(column, pa.string()) for column in columns], named), sink)
        content = sink.getvalue()
    return gzip.compress(content) if is_gzip and file_format != "parquet" else content


def read(folder, name: str, content: bytes, source: Source):
    (folder / name).write_bytes(content)
    batches = raw.read_delivery(source, str(folder), name, name, Hasher(b"k" * 32, "shop"))
    return [row for batch in batches for row in batch.to_pylist()]


value = st.text(st.sampled_from('ab1 ,;"\n'), min_size=1, max_size=4).filter(str.strip)
files = st.tuples(
    st.sampled_from(sorted(HEADERS)), st.lists(st.tuples(value, value, value, value), max_size=5), st.booleans()
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(file_format=st.sampled_from(["csv", "jsonl", "parquet"]), mixture=st.lists(files, min_size=1, max_size=5))
def test_every_record_of_any_mixture_of_files_is_counted_and_no_valid_one_lost(tmp_path, file_format, mixture):
    source, held, found, good = make_source(file_format), 0, Counter(), Counter()
    for number, (header, rows, is_gzip) in enumerate(mixture):
        names, is_taken = HEADERS[header]
        records = read(tmp_path, f"{number}", write(names, rows, file_format, is_gzip), source)
        held += len(rows)
        assert [record["record_number"] for record in records] == list(range(1, len(rows) + 1))
        found.update(tuple(record[f"raw_{n}"] for n in range(4)) for record in records if record["fault"] is None)
        if is_taken:
            kept = [
                tuple(v.strip(" ") if n is not None else None for v, n in zip(row, names, strict=True)) for row in rows
            ]
            good.update(kept)
        elif file_format != "jsonl" or header == "a column missing":
            assert {record["fault"] for record in records} <= {"file_columns_missing"}
    # JSON objects may leave out empty values, so records without a customer are rejected one by one.
    is_lost = good - found
    assert not is_lost


def test_an_absent_column_of_a_layout_is_never_a_similar_one():
    """Otherwise a currency would be dropped silently."""
    match = choose_layout(("Größe", "customer_no", "price", "STATE"), make_source("csv"))
    assert match.renamed == {"state": "STATE"}
    assert match.found["state"] == 3


@pytest.mark.parametrize(
    ("present", "fault"),
    [
        (["Größe", "customer_no", "Price", "PRICE", "state"], "file_columns_repeated"),
        (["Größe", "customer_no", "price", "PRICE", "state"], None),
        (["Größe", "customer_no", "price", "price", "state"], "file_columns_repeated"),
        (["Größe", "customer no", "customer_NO", "price", "state"], "file_columns_repeated"),
    ],
)
def test_ambiguous_columns_are_refused_and_an_exact_name_wins(present, fault):
    match = choose_layout(present, make_source("csv"))
    assert match.fault == fault
    if fault is None:
        assert match.found["price"] == 2


def test_two_mapped_columns_that_differ_in_case_are_never_one():
    columns = {**COLUMNS, "quantity": ColumnMapping("PRICE")}
    source = Source("purchases", "", "*", "csv", columns)
    assert choose_layout(["Größe", "customer_no", "price"], source).fault == "file_columns_missing"
    assert choose_layout(["Größe", "customer_no", "Price"], source).fault == "file_columns_repeated"
    assert choose_layout(["Größe", "customer_no", "price", "PRICE"], source).fault is None


def test_objects_of_one_file_may_be_of_several_layouts_and_lack_keys():
    columns = ObjectColumns(make_source("jsonl"))
    assert columns.plan(["Größe", "Client", "Net"]).flat == [(0, "Größe"), (1, "Client"), (2, "Net")]
    assert columns.plan(["price", "größe"]).flat == [(0, "größe"), (2, "price")]
    assert columns.plan([]).read({}) == [[None] * 4]


@pytest.mark.parametrize(
    ("name", "content", "file_format", "problem"),
    [
        ("a.csv", b"Groesse,customer_no,price,state\n", "csv",
         "has no column 'Größe', it has 'Groesse', 'customer_no', 'price', 'state'; did you mean 'Groesse'?"),
        ("a.csv", b"Groesse,customer_no,price,state\n", "csv",
         '; correct columns, or add: layouts = [{ names = { "Größe" = "Groesse" } }] under [sources.purchases]'),
        ("a.csv", "Größe,Client\n".encode(), "csv",
         'names = { "customer_no" = "Client", "price" = "…" }, absent = ["state"] }] under [sources.purchases]'),
        ("a.csv", "Größe,Client,Net,zustand\n".encode(), "csv", '"price" = "Net", "state" = "…" } }] under'),
        ("a.csv", b"1,4007622,2026-06-01,x\n", "csv",
         "has no header, its first line is '1', '4007622', '2026-06-01', 'x': name its 4 columns by header = [\"…\", "),
        ("a.csv", "Größe;customer_no;price;state\n".encode(), "csv", 'set delimiter = ";"'),
        ("a.csv", "Größe,customer_no,price,state\n".encode("utf-16-le"), "csv", 'set encoding = "utf-16-le"'),
        ("a.csv", "Größe,customer_no,price,state\n".encode("utf-16-be"), "csv", 'set encoding = "utf-16-be"'),
        ("a.csv", "Report\n\nGröße;customer_no;price;state\n".encode(), "csv",
         'has its header on line 3: set skip_lines = "auto" and delimiter = ";"'),
        ("a.csv", b"\x00\x01\x02", "csv", "is no text"),
        ("a.zip", b"PK\x03\x04\n[/red]", "csv", "is a zip archive that is cut or broken: deliver it again"),
        ("a.xlsx", b"PK\x03\x04....[Content_Types].xml", "csv", 'is an Excel workbook: set format = "xlsx"'),
        ("a.parquet", b"PK\x03\x04\n", "parquet", "is a zip archive: unpack it, or gzip it"),
        ("a.parquet", b"id,at\n", "parquet", "cannot be read"),
        ("a.csv.gz", gzip.compress(b"x" * 999)[:12], "csv", "cannot be read"),
        ("a.json", b'[\n{"id": 1}\n]', "jsonl", "has no column"),
        ("a.json", '{"page": {"n": 1}, "data": {"all": [{"Größe": 1, "customer_no": 2, "price": 3}]}}'.encode(),
         "jsonl", 'add records = "data.all[]"'),
        ("a.jsonl", b'{"when": 1}\n{"price": 2}\n', "jsonl", "it has 'when', 'price'"),
        ("gone", None, "csv", "cannot be read"),
    ],
)  # fmt: skip
def test_a_refused_file_has_a_problem_and_a_remedy(tmp_path, name, content, file_format, problem):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    columns = inspect_file(raw.Intake(make_source(file_format), str(tmp_path), ""), name)
    assert problem in columns.problem
    assert "\x00" not in columns.problem


def tally(day: int, records: int, *reasons: str, last=9) -> Tally:
    return Tally(f"d{day}", date(2026, 6, day), "quarantined" if reasons else "clean", reasons, records, last)


@pytest.mark.parametrize(
    ("tallies", "problem"),
    [
        ([tally(1, 1000), tally(2, 9, "file_columns_missing")], "9 of the 9 records of delivery day 2026-06-02"),
        ([tally(1, 10), tally(1, 3, "file_broken")], "3 of the 13 records of delivery day 2026-06-01"),
        ([tally(1, 10), tally(1, 2, "file_broken"), tally(1, 9, "price_invalid")], None),
        ([tally(1, 1000), tally(1, 1, "file_unreadable", last=1)], "may hold any number of records"),
        ([tally(1, 1000), tally(1, 1, "file_unreadable", last=7)], None),
    ],
)
def test_refused_files_stop_a_run_if_they_are_many_or_uncountable(tallies, problem):
    stops = refusals.find_stops(tallies, make_source("csv"), ["a.csv has no column"])
    assert [problem in stop and "a.csv has no column" in stop for stop in stops] == ([True] if problem else [])
    assert refusals.find_stops(tallies, make_source("csv", max_refused_share=1.0), []) == []


def test_layouts_are_read_and_their_faults_reported(tmp_path):
    text = SHOP.format(name="small", exact_duplicates="keep", delivery_day=DATED)
    good = '[[sources.purchases.layouts]]\nnames = { customer = "Client" }\nabsent = ["category"]\n'
    (tmp_path / "shop.toml").write_text(text + good)
    source = load_shop(tmp_path / "shop.toml").sources["purchases"]
    assert source.layouts == (Layout((("customer", "Client"),), ("category",)),)
    assert source.max_refused_share == source.max_quarantined_share == 0.5
    bad = '[[sources.purchases.layouts]]\nnames = { custommer = "Client" }\nabsent = ["at", "nothing"]\n'
    (tmp_path / "shop.toml").write_text(text + bad)
    with pytest.raises(ShopFileError) as error:
        load_shop(tmp_path / "shop.toml")
    assert "found 'custommer'; did you mean 'customer'?" in str(error.value)
    assert "columns without which a record still counts, found 'at'" in str(error.value)
    assert "found 'nothing'" in str(error.value)


#: Case -> lines added to its shop.toml, number of records, number of refused records, and the problem.
CASES = {
    "e07_header_case": ("", 4439, 0, None),
    "a24_trailing_delimiter": ("", 4439, 0, None),
    "e02_sparse_json_keys": ("", 4439, 0, None),
    "a25_column_added_later": ("", 4439, 3739, 'or write "currency?": such a column may be absent'),
    "a25_column_added_later by a layout": ('[[sources.purchases.layouts]]\nabsent = ["currency"]\n', 4439, 0, None),
    "a15_zip": ("", 4439, 0, None),
    "a16_json_array": ("", 2550, 0, None),
    "a11_daily_files": ("", 4585, 0, None),
}


@pytest.mark.parametrize("case", CASES)
def test_each_case_of_a_deviating_file_has_its_right_counts(tmp_path, case):
    more, records, refused, expected = CASES[case]
    folder = SHARED_CASES / case.split()[0]
    if not folder.is_dir():
        pytest.skip("needs ../shared/cases")
    text = (folder / "shop.toml").read_text().replace('"data"', f'"{folder / "data"}"')
    (tmp_path / "shop.toml").write_text(text + more)
    intake = find_intake(load_shop(tmp_path / "shop.toml"), "purchases", Settings(tmp_path))
    paths = [file["path"] for file in list_files(intake)]
    found = [record.fault for path in paths for record in raw.read_records(intake, path)]
    assert (len(found), len(found) - found.count(None)) == (records, refused)
    problems = [columns.problem for columns in inspect_files(intake, paths) if columns.problem]
    assert [expected in problem for problem in problems] == [True] * len(problems)
    assert bool(problems) == bool(refused)


def test_a_missing_key_with_a_likely_replacement_is_reported(tmp_path):
    """A key without a value may be left out, so the file is accepted and a person has to check."""
    files = {
        "1.jsonl": {"Größe": 1, "customer_no": 2, "price": 3, "note": 4},
        "2.jsonl": {"Größe": 1, "price": 3},
        "3.jsonl": {"Größe": 1, "price": 3, "kunde": 2},
        "4.jsonl": {"Größe": 1, "customer_no": 2, "price": 3, "state_of": 4},
    }
    for name, value in files.items():
        (tmp_path / name).write_text(json.dumps(value) + "\n")
    files = inspect_files(raw.Intake(make_source("jsonl", layouts=()), str(tmp_path), ""), files)
    assert find_other_keys(files) == [
        "no object of 4.jsonl has the key 'state', did you mean 'state_of'?",
        "no object has the key 'state': correct it under columns, or leave it out",
        "no object of 3.jsonl has the key 'customer_no', did you mean 'kunde'?",
    ]


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        ({"Größe": 1, "customer_no": 2, "price": 3, "zustand": 4}, ["no object of 3.jsonl and 2 more files has the key "
                                                                    "'state', did you mean 'zustand'?"]),
        ({"Größe": 1, "customer_no": 2, "price": 3, "state_tax": 4}, []),
        ({"Größe": 1, "customer_no": 2, "price": 3}, []),
    ],
    ids=["another name from some file on", "a name like it that stands beside it in other files", "left out"],
)  # fmt: skip
def test_a_key_missing_in_many_files_is_reported_with_its_replacement(tmp_path, later, expected):
    early = {"Größe": 1, "customer_no": 2, "price": 3, "state": "x", "state_tax": 4}
    files = {"1.jsonl": early, "2.jsonl": early, "3.jsonl": later, "4.jsonl": later, "5.jsonl": later}
    for name, value in files.items():
        (tmp_path / name).write_text(json.dumps(value) + "\n")
    files = inspect_files(raw.Intake(make_source("jsonl", layouts=()), str(tmp_path), ""), files)
    assert find_other_keys(files) == expected
