"""The mapping of one canonical column: an entry of a table `columns` of shop.toml."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class ColumnMapping:
    """Where a canonical column comes from: a raw column, or a constant for all records.

    values   kind only: (raw value, one of the log's kinds) pairs; empty: raw values are kinds, in upper or lower case
    scale    numbers only: the value of one raw unit, like 0.01 for cents
    numbers  numbers only: one of NUMBERS; None: as the source says
    others   customer_id and numbers only: further raw columns; the first column counts that names a customer, or that
             holds a number other than 0

    The rest is for event_at only:
    format           see contract/shop/time_patterns.py; None: ISO 8601
    further_formats  tried in this order if the first format does not fit
    further_columns  raw columns whose texts are appended to the first one's, separated by blanks
    zone             the zone of times without an offset; None: the shop's
    zone_column      a raw column with the zone of each record; zones: its values' meanings, besides the known ones
    language         the language of month and weekday names, besides English and Chinese
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
        """The raw columns that are joined to the value, in this order."""
        return () if self.column is None else (self.column, *self.further_columns)

    @property
    def choices(self) -> list[tuple[str, ...]]:
        """The raw columns that a value needs: of each tuple one."""
        return [(*self.columns, *self.others)] if self.others else [(column,) for column in self.columns]

    @property
    def raw_columns(self) -> tuple[str, ...]:
        """All raw columns that it reads."""
        return (*self.columns, *self.others, *((self.zone_column,) if self.zone_column else ()))
