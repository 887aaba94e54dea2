"""Writes a customer's life as lines of three logs, clean and dirty, each with its delivery day."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from infra.demo.simulated.life import (
    CATEGORIES,
    DAY_S,
    PRODUCTS_PER_CATEGORY,
    Calendar,
    Life,
    order_days,
    session_counts,
)
from infra.demo.simulated.parameters import Parameters
from infra.demo.simulated.phrases import moods_of

ZONE = ZoneInfo("Europe/Berlin")
HEADERS = {"purchases": "line,customer,at,product,category,quantity,price,currency,type"}
OPEN_S, SHUT_S = 8 * 3600, 22 * 3600  # nothing happens near midnight, where a clock change would matter


@dataclass(frozen=True)
class Line:
    """A line of a log. planted: the defect added on purpose (again, late, bot, test, or a rejection reason)."""

    log: str
    delivered: int  # day
    key: str  # sorts lines within a file
    text: str
    planted: str = ""


class Writer:
    """The lines of one customer."""

    def __init__(self, life: Life, calendar: Calendar, parameters: Parameters, first_day: date):
        self.life, self.calendar, self.parameters, self.first_day = life, calendar, parameters, first_day
        self.draw, self.count = life.generator, 0

    def lines(self) -> Iterator[Line]:
        """All lines that are delivered within the simulated days."""
        written = self._bot_views() if self.life.kind == "bot" else self._shopping()
        for line in written:
            if line.delivered < self.calendar.days:
                yield line

    def customer_on(self, day: int) -> str:
        """The customer id in the log on this day; a merged customer had another one before."""
        name = f"c{self.life.number}"
        if self.life.kind == "test":
            return f"test-{name}"
        return f"{name}-guest" if self.life.kind == "merged" and day < self.life.merged_on else name

    def _next_id(self) -> str:
        self.count += 1
        return f"{self.life.number}-{self.count}"

    def _product(self) -> tuple[str, str, float]:
        """Product, category and price: mostly of the favourite category, mostly the popular ones."""
        is_favourite = self.draw.random() < 0.6
        category = self.life.favourite if is_favourite else int(self.draw.integers(CATEGORIES))
        rank = int(PRODUCTS_PER_CATEGORY * self.draw.random() ** 2)
        price = round(3 + (category * 37 + rank * 53) % 97 * 0.85, 2)
        return f"p{category}-{rank}", f"category {category}", price

    def _shopping(self) -> Iterator[Line]:
        days = order_days(self.life, self.calendar, self.parameters)
        for day in days:
            yield from self._order(int(day))
        for day in np.flatnonzero(sessions := session_counts(self.life, self.calendar, self.parameters)):
            for _ in range(sessions[day]):
                yield from self._session(int(day), ())

    def _order(self, day: int) -> Iterator[Line]:
        second = int(self.draw.integers(OPEN_S + 3600, SHUT_S))
        bought = [self._product() for _ in range(1 + self.draw.poisson(1.3))]
        yield from self._session(day, bought, ends=second)
        currency = (
            "EUR" if self.draw.random() >= self.parameters.foreign_share else str(self.draw.choice(["USD", "CHF"]))
        )
        for product in bought:
            quantity = int(self.draw.geometric(0.6))
            yield from self._purchase(day, second, product, quantity, currency, "sale")
            if self.draw.random() < self.parameters.return_share:
                back = day + int(self.draw.integers(3, 21))
                yield from self._purchase(back, second, product, quantity, currency, "return")
            if self.draw.random() < self.parameters.review_share:
                yield from self._review(day + int(self.draw.integers(2, 15)), product[0])

    def _purchase(
        self, day: int, second: int, product: tuple, quantity: int, currency: str, kind: str
    ) -> Iterator[Line]:
        name, category, price = product
        at = f"{self.first_day + timedelta(days=day)} {_clock(second)}"
        fields = {
            "line": self._next_id(), "customer": self.customer_on(day), "at": at, "product": name,
            "category": category, "quantity": quantity, "price": price, "currency": currency, "type": kind,
        }  # fmt: skip
        future = f"{self.first_day + timedelta(days=day + 400)} {_clock(second)}"
        spoilers = {
            "customer_id_missing": {"customer": ""}, "event_at_invalid": {"at": "2024-13-45 10:00"},
            "price_invalid": {"price": "free"}, "price_negative": {"price": -1}, "quantity_zero": {"quantity": 0},
            "currency_unknown": {"currency": "XXX"}, "kind_unknown": {"type": "gift"},
            "event_after_delivery": {"at": future}, "fields_missing": None,
        }  # fmt: skip
        yield from self._deliver("purchases", day, fields, spoilers, _as_csv)

    def _session(self, day: int, bought, ends: int = 0) -> Iterator[Line]:
        """A session; if it ends in an order, the bought products are added to the cart."""
        second = max(OPEN_S, ends - 1800) if ends else int(self.draw.integers(OPEN_S, SHUT_S - 3600))
        steps: list[tuple[str, tuple[str, str, float] | None]]
        steps = [("pageview", self._product()) for _ in range(1 + self.draw.poisson(3))]
        steps += [("search", None)] * int(self.draw.random() < 0.3)
        steps += [("addtocart", product) for product in bought]
        if self.draw.random() < 0.25:
            wanted = self._product()
            steps.append(("addtocart", wanted))
            if self.draw.random() >= self.parameters.abandoned[self.life.state[day]]:
                steps.append(("removefromcart", wanted))
        session = f"s{self._next_id()}"
        for kind, product in steps:
            second += int(self.draw.integers(5, 90))
            yield from self._browse(day, second, kind, product, session)

    def _browse(self, day: int, second: int, kind: str, product: tuple | None, session: str) -> Iterator[Line]:
        fields = {
            "id": f"b{self._next_id()}", "visitor": self.customer_on(day), "ts": self._epoch_ms(day, second),
            "type": kind, "item": product[0] if product else None, "category": product[1] if product else None,
            "session": session, "dwell": round(float(self.draw.gamma(2, 15)), 1),
        }  # fmt: skip
        spoilers = {
            "customer_id_missing": {"visitor": None}, "event_at_invalid": {"ts": "soon"},
            "kind_unknown": {"type": "hover"}, "dwell_negative": {"dwell": -5}, "dwell_invalid": {"dwell": "long"},
            "json_malformed": None,
        }  # fmt: skip
        yield from self._deliver("browses", day, fields, spoilers, _as_json)

    def _review(self, day: int, product: str) -> Iterator[Line]:
        if day >= self.calendar.days:
            return
        mood = float(np.clip(self.draw.normal(self.parameters.mood[self.life.state[day]], 0.8), 1, 5))
        phrases = moods_of(self.life.language)[0 if mood < 2.5 else 1 if mood < 3.7 else 2]
        says_stars = self.draw.random() >= self.parameters.without_stars
        says_text = self.draw.random() >= self.parameters.without_text or not says_stars
        at = f"{self.first_day + timedelta(days=day)} {_clock(int(self.draw.integers(OPEN_S, SHUT_S)))}"
        fields = {
            "id": f"r{self._next_id()}", "customer": self.customer_on(day), "at": at, "product": product,
            "stars": round(mood) if says_stars else None, "text": str(self.draw.choice(phrases)) if says_text else None,
        }  # fmt: skip
        spoilers = {
            "customer_id_missing": {"customer": ""}, "event_at_invalid": {"at": "yesterday"},
            "rating_out_of_range": {"stars": 9}, "review_empty": {"stars": None, "text": ""}, "json_malformed": None,
        }  # fmt: skip
        yield from self._deliver("reviews", day, fields, spoilers, _as_json)

    def _deliver(self, log: str, day: int, fields: dict, spoilers: dict, as_text) -> Iterator[Line]:
        """The line, sometimes late or repeated, sometimes with a broken copy in addition."""
        key = str(next(iter(fields.values())))
        if self.life.kind == "test":
            yield Line(log, day, key, as_text(fields), "test")
            return
        late, again, broken = self.draw.random(3)
        is_late = late < self.parameters.late_share
        delivered = day + int(self.draw.integers(1, self.parameters.most_late_days + 1)) if is_late else day
        yield Line(log, delivered, key, as_text(fields), "late" if is_late else "")
        if again < self.parameters.again_share:
            yield Line(log, delivered + int(self.draw.integers(1, 4)), f"{key} again", as_text(fields), "again")
        if broken < self.parameters.broken_share:
            code = list(spoilers)[int(self.draw.integers(len(spoilers)))]
            own_id = {next(iter(fields)): f"{key}-broken"}
            text = as_text(fields | own_id | (spoilers[code] or {}))
            yield Line(log, day, f"{key} broken", text if spoilers[code] else text[: len(text) // 2], code)

    def _bot_views(self) -> Iterator[Line]:
        """The page views of a bot, which reads the whole shop within an hour on some days."""
        for day in range(int(self.draw.integers(7)), self.calendar.days, 29):
            for number in range(self.parameters.bot_views):
                name = f"b{self._next_id()}"
                fields = {"id": name, "visitor": f"c{self.life.number}", "type": "pageview",
                          "ts": self._epoch_ms(day, OPEN_S + number * 3000 // self.parameters.bot_views)}  # fmt: skip
                yield Line("browses", day, name, _as_json(fields), "bot")

    def _epoch_ms(self, day: int, second: int) -> int:
        noon = datetime.combine(self.first_day + timedelta(days=day), time(12), tzinfo=ZONE)
        return 1000 * (int(noon.timestamp()) + second - DAY_S // 2)


def _clock(second: int) -> str:
    return f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"


def _as_csv(fields: dict) -> str:
    return ",".join(map(str, fields.values()))


def _as_json(fields: dict) -> str:
    return json.dumps(fields, ensure_ascii=False)
