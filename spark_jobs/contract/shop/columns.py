"""Reads the table `columns` of a source: the raw column or constant of each canonical column."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from spark_jobs.contract.log import KIND, NUMBER, TIME
from spark_jobs.contract.logs import LOGS
from spark_jobs.contract.shop.source import NUMBERS, ColumnMapping
from spark_jobs.contract.shop.time_columns import read_time_mapping
from spark_jobs.contract.shop.toml_section import Section, are_different_texts, is_text


def read_columns(section: Section, log: str) -> dict[str, ColumnMapping]:
    known, choice = LOGS[log].canonical, LOGS[log].alternatives
    columns = {name: _read_mapping(section, name, log) for name in known if name in section.raw}
    for name, one in known.items():
        if one.is_required and name not in section.raw:
            section.fault(name, "a raw column name")
    if choice and not 1 <= len(set(choice.inputs) & set(columns)) <= choice.most:
        section.fault(choice.inputs[0], choice.expected)
    section.done(known)
    return columns


def _read_mapping(section: Section, name: str, log: str) -> ColumnMapping:
    section.taken.add(name)
    value, declared = section.raw[name], LOGS[log].canonical[name]
    if is_text(value):
        return ColumnMapping(column=value)
    if not isinstance(value, dict):
        section.fault(name, "a raw column name or a table")
        return ColumnMapping(constant="")
    inner = Section(value, section.name_of(name), section.faults)
    if name == "customer_id" and "first_of" in value:
        return _read_alternatives(inner)
    column, constant = inner.text("column", None), inner.text("constant", None)
    first_of = _read_first_of(inner) if declared.type == NUMBER and "first_of" in value else ()
    is_given = column is not None or bool(first_of) or (declared.type == TIME and "columns" in value)
    if is_given == (constant is not None):
        section.fault(name, "either column or constant")
    mapping = ColumnMapping(column, constant)
    if declared.type == TIME:
        mapping = read_time_mapping(inner, column, constant)
    if declared.type == NUMBER:
        scale = _read_scale(inner) if declared.is_scaled else None
        column, *others = first_of or (column,)
        mapping = ColumnMapping(column, constant, scale=scale, numbers=read_numbers(inner), others=tuple(others))
    if declared.type == KIND:
        mapping = ColumnMapping(column, constant, values=_read_values(inner.section("values"), LOGS[log].kinds))
    inner.done()
    return mapping


def _read_alternatives(section: Section) -> ColumnMapping:
    """A customer_id with `first_of`: the first of several raw columns that names a customer."""
    names = _read_first_of(section)
    section.done()
    return ColumnMapping(column=names[0], others=names[1:])


def _read_first_of(section: Section) -> tuple[str, ...]:
    names = section.take("first_of", "a list of raw column names, each once", are_different_texts)
    return tuple(names or [""])


def read_numbers(section: Section) -> str | None:
    """The number format, one of NUMBERS; typographic apostrophes and blanks count as plain ones."""
    expected = "one of " + ", ".join(map(repr, NUMBERS))
    numbers = section.take("numbers", expected, lambda value: is_text(value) and _plain(value) in NUMBERS, None)
    return None if numbers is None else _plain(numbers)


def _plain(numbers: str) -> str:
    return numbers.translate(str.maketrans("’\u00a0\u202f", "'  "))


def _read_scale(section: Section) -> Decimal | None:
    scale = section.take("scale", 'a positive number, e.g. "0.01"', _is_scale, None)
    return None if scale is None else Decimal(str(scale))


def _is_scale(value: object) -> bool:
    try:
        return isinstance(value, str | int | float) and Decimal("1e-8") <= Decimal(str(value)) < 10**9
    except InvalidOperation:
        return False


def _read_values(section: Section, kinds: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    for raw_value in section.raw:
        section.choice(raw_value, kinds)
    return tuple(section.raw.items())
