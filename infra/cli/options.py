"""The options that verbs of `churn` share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import click

from infra.cli.running import Output
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.run_days import parse_day
from spark_jobs.contract.shop.toml_section import nearest


class Day(click.ParamType):
    """A day like 2011-09-06; an empty text means none, so that make can pass an unset variable."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date | None:
        if isinstance(value, date) or value == "":
            return value or None
        try:
            return parse_day(value)
        except ChurnError:
            self.fail(f"{value!r} is no day: write it like 2011-09-06", param, ctx)


class Days(Day):
    """Several days, separated by commas; an empty text means none."""

    name = "days"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, tuple):
            return value
        return tuple(filter(None, (super(Days, self).convert(part.strip(), param, ctx) for part in value.split(","))))


class Choice(click.Choice):
    """One of several words; a misspelt one is answered with the nearest."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value not in self.choices:
            self.fail(f"{value!r} is none of {', '.join(self.choices)}{nearest(str(value), self.choices)}", param, ctx)
        return super().convert(value, param, ctx)


DAY = Day()
DAYS = Days()
FILE = click.Path(path_type=Path)
shop_option = click.option(
    "-s", "--shop", metavar="SHOP", help="A shop's name, its shop.toml or its folder. [default: the last used]"
)
as_of_option = click.option(
    "--as-of", type=DAY, metavar="DAY", help="The last day of data, like 2011-09-06. [default: yesterday]"
)


def output_options(command: Callable) -> Callable:
    """--json, -q and -v, which a verb takes as `output`."""

    def with_output(*, as_json: bool, quiet: bool, verbose: bool, **arguments: Any) -> None:
        command(output=Output(quiet, verbose, as_json), **arguments)

    with_output.__doc__, with_output.__name__ = command.__doc__, command.__name__
    with_output.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    for option in (
        click.option("-v", "--verbose", is_flag=True, help="Show what Airflow, Spark and the training print."),
        click.option("-q", "--quiet", is_flag=True, help="Show no progress."),
        click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object."),
    ):
        option(with_output)
    return with_output
