"""Invented orders of an invented shop, from which samples.py writes an export in every layout."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Europe/Berlin")
FIRST = datetime(2026, 2, 1, 5, tzinfo=UTC)
DAYS, ORDERS, CUSTOMERS = 270, 120, 24
CENT = Decimal("0.01")
#: Names as shops have them: with quotes, delimiters, brackets, and letters that are not ASCII.
PRODUCTS = (
    ("TEE-07", 'Tee "Früh"', "6.90"), ("KRUG-01", "Krug, blau", "12.50"), ("LOF-09", "Löffel [2er]", "3.00"),
    ("KAN-03", "Kanne; groß", "1234.56"), ("DEC-04", "Decke", "49.95"),
)  # fmt: skip
PAID, PENDING, CANCELLED = "paid", "pending", "cancelled"


@dataclass(frozen=True)
class Item:
    number: int
    sku: str
    name: str
    quantity: int
    price: Decimal

    @property
    def total(self) -> Decimal:
        return self.quantity * self.price


@dataclass(frozen=True)
class Order:
    """at: UTC. discount: off the whole order. refund: what was given back of a paid one, by as many days later."""

    number: int
    at: datetime
    customer: int
    items: tuple[Item, ...]
    status: str = PAID
    discount: Decimal = Decimal(0)
    is_refunded: bool = False

    @property
    def local(self) -> datetime:
        return self.at.astimezone(ZONE)

    @property
    def is_kept(self) -> bool:
        """Whether it was paid and nothing was given back."""
        return self.status == PAID and not self.is_refunded

    def name_status(self, words: Mapping[str, str]) -> str:
        """A shop system's word for the status; words: of those but a refund."""
        return "refunded" if self.is_refunded else words[self.status]

    @property
    def refunded_at(self) -> datetime:
        return self.at + timedelta(days=12)

    @property
    def email(self) -> str:
        return f"kundin{self.customer}@example.org"

    @property
    def gross(self) -> Decimal:
        return sum((item.total for item in self.items), Decimal(0))

    @property
    def net(self) -> Decimal:
        return self.gross - self.discount


def make_orders() -> list[Order]:
    """The same at every call, in the order of time: three in four are paid, some have a discount, some come back."""
    draw = random.Random(11)
    moments = sorted(
        FIRST + timedelta(days=draw.randrange(DAYS), seconds=draw.randrange(60_000)) for _ in range(ORDERS)
    )
    return [_make_order(1001 + place, at, draw) for place, at in enumerate(moments)]


def _make_order(number: int, at: datetime, draw: random.Random) -> Order:
    chosen = draw.sample(PRODUCTS, draw.choice((1, 1, 2, 3)))
    items = tuple(
        Item(10 * number + place, sku, name, draw.choice((1, 1, 2)), Decimal(price))
        for place, (sku, name, price) in enumerate(chosen)
    )
    order = Order(number, at, 4000 + draw.randrange(CUSTOMERS), items, draw.choice([PAID] * 8 + [PENDING, CANCELLED]))
    discount = (order.gross / 10).quantize(CENT) if draw.random() < 0.2 else Decimal(0)
    is_refunded = order.status == PAID and draw.random() < 0.1
    return Order(number, at, order.customer, items, order.status, discount, is_refunded)
