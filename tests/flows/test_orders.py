"""Values on the first line of an order only: the check finds them, the reader carries them down across blocks."""

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_jobs.checking.orders import find_order_columns
from spark_jobs.contract.shop.source import ColumnMapping, Source
from spark_jobs.raw.block import RawRecord, make_block
from spark_jobs.raw.carry import carry_down

COLUMNS = {"customer_id": ColumnMapping("who"), "event_at": ColumnMapping("at"), "kind": ColumnMapping("status"),
           "unit_price": ColumnMapping("price")}  # fmt: skip
SHOP = Source("purchases", "", "*", "csv", COLUMNS, event_key=("order",), carry_down=("status",))
ORDER, STATUS = SHOP.raw_columns.index("order"), SHOP.raw_columns.index("status")


def line(order: str | None, status: str | None) -> list[str | None]:
    values: list[str | None] = ["x"] * len(SHOP.raw_columns)
    values[ORDER], values[STATUS] = order, status
    return values


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("12"), st.sampled_from(["paid", "void", None, "faulty"])), max_size=30),
    st.integers(1, 7),
)
def test_values_are_carried_down_an_order_across_blocks(lines, block_records):
    records = [RawRecord(None, "csv_malformed") if s == "faulty" else RawRecord(line(o, s)) for o, s in lines]
    blocks = (make_block(records[n : n + block_records], len(SHOP.raw_columns))
              for n in range(0, len(records), block_records))  # fmt: skip
    found = [record for block in carry_down(blocks, SHOP) for record in block.records()]
    assert [record.fault for record in found] == [record.fault for record in records]
    for number, ((order, status), record) in enumerate(zip(lines, found, strict=True)):
        if record.values is None:
            continue
        expected = status
        for earlier_order, earlier in reversed(lines[:number]):
            if expected or earlier == "faulty" or earlier_order != order:
                break
            expected = earlier
        assert record.values == line(order, expected)


def test_a_source_without_carry_down_is_unchanged():
    block = make_block([RawRecord(line("1", None))], len(SHOP.raw_columns))
    plain = Source("purchases", "", "*", "csv", COLUMNS, event_key=("order",))
    assert next(carry_down(iter([block]), plain)) is block
    assert block.columns[STATUS].type == pa.string()


def test_order_level_columns_are_distinguished_from_line_level_columns():
    of_order = [line(str(n), "paid" if k == 0 else None) for n in range(6) for k in range(3)]
    assert find_order_columns(of_order, SHOP) == {"status": 12}
    assert find_order_columns(of_order[:12], SHOP) == {}  # four orders may be chance
    mixed = [line(str(n), "paid" if k == 0 or n % 2 else None) for n in range(20) for k in range(3)]
    assert find_order_columns(mixed, SHOP) == {}
    without_key = Source("purchases", "", "*", "csv", COLUMNS)
    assert find_order_columns([["x"] * 4] * 30, without_key) == {}
