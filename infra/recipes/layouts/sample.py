"""What an export is made of, and what is right for it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from infra.recipes.orders import Order


@dataclass
class Sample:
    """An export and what is right for it: records that count, returns among them, and their money."""

    files: dict[str, bytes] = field(default_factory=dict)
    records: int = 0
    clean: int = 0
    returns: int = 0
    sales: Decimal = Decimal(0)
    refunds: Decimal = Decimal(0)
    customers: set[object] = field(default_factory=set)

    def count(self, order: Order, money: Iterable[Decimal], counts: bool = True, is_return: bool = False) -> None:
        """Records of one order with this money each."""
        for amount in money:
            self.records += 1
            self.clean += counts
            self.returns += counts and is_return
            if counts:
                self.customers.add(order.customer)
                self.refunds, self.sales = (self.refunds + is_return * amount, self.sales + (not is_return) * amount)


Row = Sequence[object]


def write_csv(rows: Iterable[Row], delimiter: str = ",", encoding: str = "utf-8", newline: str = "\n") -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=newline).writerows(rows)
    return text.getvalue().encode(encoding)


def write_lines(objects: Iterable[dict]) -> bytes:
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects).encode()


def discounted(order: Order) -> list[Decimal]:
    """The lines' money after the order's discount, which is spread in proportion: cents by the largest remainder."""
    shares = [order.discount * item.total / order.gross for item in order.items]
    cents = [int(share * 100) for share in shares]
    left = int(order.discount * 100) - sum(cents)
    for place in sorted(range(len(shares)), key=lambda n: (cents[n] - shares[n] * 100, n))[:left]:
        cents[place] += 1
    return [item.total - Decimal(off) / 100 for item, off in zip(order.items, cents, strict=True)]


def spell_german(amount: Decimal) -> str:
    return f"{amount:,.2f}".translate(str.maketrans(",.", ".,"))
