"""A tiny shop for the live tests: one log of a few hundred purchases up to yesterday."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

NIGHT_HOUR = 2  # when the nightly run is due, in the shop's time zone, UTC
HISTORY_DAYS, CUSTOMERS = 60, 60
SHOP_TOML = """
name = "bazaar"
title = "Bazaar"
time_zone = "UTC"
currency = "EUR"

[churn]
horizons_days = [7, 14]

[schedule]
{schedule}

[model]
epochs = 1
folds = 2
lstm_units = 4

[sources.purchases]
location = "{{home}}/landing/bazaar"
files = "*.csv"
format = "csv"
delivery_day = '(\\d{{4}}-\\d{{2}}-\\d{{2}})'

[sources.purchases.columns]
customer_id = "customer"
event_at = "at"
unit_price = "price"
quantity = "quantity"
"""


def last_due_night() -> date:
    """The day of the newest nightly run that is due by now."""
    return (datetime.now(UTC) - timedelta(hours=NIGHT_HOUR)).date() - timedelta(days=1)


def write_shop(folder: Path, **schedule: object) -> Path:
    """Its shop.toml; the lines of [schedule] are given as TOML writes them."""
    file = folder / "bazaar" / "shop.toml"
    file.parent.mkdir(parents=True)
    lines = "\n".join(f"{key} = {value}" for key, value in schedule.items())
    file.write_text(SHOP_TOML.format(schedule=lines))
    return file


def land(home: Path, until: date) -> None:
    """Writes every day's file, from HISTORY_DAYS before `until` on. Each customer has an individual purchase rate."""
    draw = random.Random(7)
    gaps = [draw.uniform(2, 20) for _ in range(CUSTOMERS)]
    for ago in range(HISTORY_DAYS, -1, -1):
        day = until - timedelta(days=ago)
        buyers = [number for number, gap in enumerate(gaps) if draw.random() < 1 / gap]
        lines = [f"c{n},{day} {draw.randint(8, 21):02}:15:00,{draw.randint(2, 90)}.50,1" for n in buyers]
        write_day(home, day, lines)


def write_day(home: Path, day: date, lines: list[str]) -> None:
    file = home / "landing" / "bazaar" / f"{day}.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(["customer,at,price,quantity", *lines]) + "\n")
