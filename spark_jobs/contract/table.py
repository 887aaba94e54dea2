"""What a table is: its grain, its columns with type, unit and meaning, and how it is partitioned.

Types are written as in Spark SQL; `lake` and `warehouse` translate them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column. A lake may be older than some of its columns; older rows then have this value:

    nullable  null
    default   the default: 0, or () for an empty array; for a column that is never null
    neither   null until their partition is rebuilt, which the new code makes due

    heading: the column's heading on the page of a night; without one the page does not show it
    """

    name: str
    type: str
    meaning: str
    unit: str = ""
    nullable: bool = False
    default: int | tuple | None = None
    heading: str = ""


@dataclass(frozen=True)
class Table:
    """`key` identifies a row within one partition; a publish replaces whole partitions by `partition`.

    code: the packages and modules that its content depends on, as in an import; a change of them gives new run keys.
    """

    name: str
    grain: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    partition: str
    code: tuple[str, ...] = ()

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns)

    @property
    def ddl(self) -> str:
        """The Spark schema string."""
        return ", ".join(f"`{c.name}` {c.type}" + ("" if c.nullable else " not null") for c in self.columns)

    def column(self, name: str) -> Column:
        return next(c for c in self.columns if c.name == name)


#: Columns that many tables share.
CUSTOMER = Column("customer_id", "string", "keyed hash of the shop's customer id; identity.customers resolves it")
DELIVERY = Column("delivery_id", "string", "the delivered file, as in deliveries")
