"""Lines of shop.toml for remedies. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Iterable

from spark_jobs.contract.shop.source import ColumnMapping
from spark_jobs.contract.shop.toml_text import quote, write_list


def write_mapping(name: str, mapping: ColumnMapping) -> str:
    """The line of a canonical column under `columns`, like `amount = { column = "Preis", scale = "0.01" }`."""
    is_one = mapping.column is not None and not mapping.further_columns and not mapping.others
    parts = {
        "column": quote(mapping.column or "") if is_one else "",
        "columns": write_list(mapping.columns) if mapping.further_columns else "",
        "first_of": write_list([mapping.column or "", *mapping.others]) if mapping.others else "",
        "constant": quote(mapping.constant) if mapping.constant is not None else "",
        "format": quote(mapping.formats[0]) if len(mapping.formats) == 1 else "",
        "formats": write_list(mapping.formats) if len(mapping.formats) > 1 else "",
        "language": quote(mapping.language) if mapping.language else "",
        "zone": quote(mapping.zone) if mapping.zone else "",
        "zone_column": quote(mapping.zone_column) if mapping.zone_column else "",
        "zones": _write_pairs(mapping.zones),
        "values": _write_pairs(mapping.values),
        "scale": quote(str(mapping.scale)) if mapping.scale is not None else "",
        "numbers": quote(mapping.numbers) if mapping.numbers else "",
    }
    return f"{name} = {{ {', '.join(f'{key} = {value}' for key, value in parts.items() if value)} }}"


def write_column(name: str, mapping: ColumnMapping) -> str:
    """The shortest form of the line: `amount = "Preis"` if nothing else is set."""
    if mapping == ColumnMapping(mapping.column):
        return f"{name} = {quote(mapping.column or '')}"
    return write_mapping(name, mapping)


def _write_pairs(pairs: Iterable[tuple[str, str]]) -> str:
    written = ", ".join(f"{quote(key)} = {quote(value)}" for key, value in pairs)
    return f"{{ {written} }}" if written else ""
