"""Reports on files: the paths of nested values, and the days in file names."""

from spark_jobs.checking.files import describe_nested, suggest_delivery_day
from spark_jobs.contract.shop.source import ColumnMapping, Source
from spark_jobs.raw.format import FileColumns


def make_source(*columns: str) -> Source:
    mapped = {name: ColumnMapping(column) for name, column in zip(("customer_id", "event_at"), columns, strict=True)}
    return Source("purchases", "", "*", "jsonl", mapped)


NESTED = {
    "billing.email": "a@b.org",
    "billing.city": "x" * 99,
    "lines[].sku": "A",
    "lines[].price": "1",
    "tax[].n": "2",
}
FILES = [FileColumns("1", nested={"lines[].sku": "B"}), FileColumns("2", nested=NESTED), FileColumns("3")]


def test_unmapped_paths_are_listed_with_examples_and_the_main_array():
    sentence = describe_nested(make_source("billing.email", "at"), FILES)
    assert sentence == (
        f"the files have nested values, which are mapped by their path: billing.city ({'x' * 20}); lines[].sku (B);"
        " lines[].price (1); tax[].n (2). If each element of lines[] is one event, map its fields in this way"
    )
    assert "Looks like" not in describe_nested(make_source("lines[].sku", "at"), FILES)
    assert describe_nested(make_source("id", "at"), FILES[2:]) == ""


def test_the_days_in_the_names_of_files_are_proposed():
    source = make_source("id", "at")
    sentence = suggest_delivery_day(source, ["o_01.02.2026.csv", "o_03.02.2026.csv"])
    assert sentence == (
        "delivery_day = { pattern = '(\\d{2}\\.\\d{2}\\.\\d{4})', format = \"dd.MM.yyyy\" } or "
        "delivery_day = { pattern = '(\\d{2}\\.\\d{2}\\.\\d{4})', format = \"MM.dd.yyyy\" } under [sources.purchases]"
        " reads them: choose the one that is meant"
    )
    assert suggest_delivery_day(source, ["orders.csv"]) == ""
