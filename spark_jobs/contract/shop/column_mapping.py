"""Where a canonical column comes from, as a line of a table `columns` of shop.toml says it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class ColumnMapping:
    """Where a canonical column comes from: a raw column or, for every record alike, a constant.

    values   for kind only: (raw value, one of the log's kinds) pairs; empty: the raw values are those, in any case
    scale    for numbers only: what one of the given units is worth, like 0.01 for cents
    numbers  for numbers only: one of NUMBERS; None is the source's
    others   for customer_id and numbers: further raw columns, of which the first counts that names a customer, or that
             holds a number other than 0

    The others are for event_at only:
    format           see contract/shop/time_patterns.py; None parses ISO 8601
    further_formats  tried in this order where it does not read a time
    further_columns  what they say stands behind the first one, after a blank each
    zone             of times without an offset; None is the shop's
    zone_column      a raw column that says the zone, where it says one; zones: its words, beside those that are known
    language         of the names of months and weekdays, beside English and Chinese
    """

    column: str | None = None
    constant: str | None = None
    format: str | None = None
    zone: str | None = None
    values: tuple[tuple[str, str], ...] = ()
    scale: Decimal | None = None
    numbers: str | None = None
    others: tuple[str, ...] = ()
    further_formats: tuple[str, ...] = ()
    further_columns: tuple[str, ...] = ()
    zone_column: str | None = None
    zones: tuple[tuple[str, str], ...] = ()
    language: str | None = None

    @property
    def formats(self) -> tuple[str, ...]:
        return (self.format, *self.further_formats) if self.format else ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The raw columns that say the value, in the order in which they are read."""
        return () if self.column is None else (self.column, *self.further_columns)

    @property
    def raw_columns(self) -> tuple[str, ...]:
        """All raw columns that it looks at."""
        return (*self.columns, *self.others, *((self.zone_column,) if self.zone_column else ()))
