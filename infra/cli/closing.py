"""The last lines of a command: what changed, the key numbers, the page, the next step. At most five."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import click

from infra.cli.running import Output
from spark_jobs.contract.shop.model import Shop
from spark_jobs.runtime.logs import is_json, make_record

MOST_LINES = 5


@dataclass
class Closing:
    """Lines of a label and a text; `data` is the same for programs, with --json."""

    lines: list[tuple[str, str]] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)

    def add(self, label: str, text: object, **data: Any) -> None:
        if text:
            self.lines.append((label, str(text)))
        self.data |= data

    def show(self, output: Output) -> None:
        if output.is_json:
            click.echo(json.dumps(self.data, default=str))
            return
        if is_json():
            message = "; ".join(f"{label} {text}" for label, text in self.lines[:MOST_LINES])
            # In a log, run_id is that of the command.
            fields = {"published_run" if name == "run_id" else name: value for name, value in self.data.items()}
            click.echo(make_record(message, **fields))
            return
        width = max(len(label) for label, _ in self.lines) + 2
        click.echo("")
        for label, text in self.lines[:MOST_LINES]:
            click.echo(f"{label:{width}}{text}")


def name_first_model(shop: Shop) -> str:
    """The commands after which a model scores."""
    return f"churn train {name_shop(shop)}, then churn approve {name_shop(shop)}"


def name_shop(shop: Shop) -> str:
    """The option that names the shop in a command to paste."""
    return f"--shop {shop.name}"


def describe_training(shop: Shop, last_day: date | None) -> str:
    """The command that trains a first model. It names the last day of files that do not reach until yesterday, because
    days without files would count as days on which nobody bought anything."""
    yesterday = datetime.now(shop.zone).date() - timedelta(days=1)
    end = min(filter(None, (shop.end_date, last_day)), default=yesterday)
    as_of = f" --as-of {end}" if end < yesterday else ""
    return f"churn train {name_shop(shop)}{as_of}"


def describe_duration(begin: float) -> str:
    """How long since `begin`, an instant of time.monotonic()."""
    seconds = time.monotonic() - begin
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} minutes"
