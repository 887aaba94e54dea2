"""What all command lines share: arguments, exit codes, and errors in one line."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.run_days import parse_day
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.shop.model import Shop
from spark_jobs.runtime.logs import describe_run, json_lines


def day(text: str) -> date:
    """An argparse type: a day like 2011-09-06."""
    try:
        return parse_day(text)
    except ChurnError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def make_parser(doc: str | None, with_as_of: bool = True, many_days: bool = False) -> argparse.ArgumentParser:
    """A parser with --shop and, if wanted, --as-of; its --help shows the module's docstring.

    many_days: --as-of may be repeated, and is parsed as a list.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shop", required=True, metavar="SHOP.toml", help="the shop's file")
    if many_days:
        parser.add_argument("--as-of", required=True, type=day, metavar="DAY", action="append",
                            help="inclusive, like 2011-09-06; may be repeated")  # fmt: skip
    elif with_as_of:
        parser.add_argument("--as-of", required=True, type=day, metavar="DAY", help="inclusive, like 2011-09-06")
    return parser


def add_dry_run(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and write nothing")
    return parser


def add_result(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument(
        "--result", type=Path, metavar="FILE", help="write the result as JSON to this file, or with - to the output"
    )
    return parser


def write_result(path: Path | None, values: dict) -> None:
    """Writes the result as JSON for the calling program, dates in ISO format; nothing without a path."""
    text = json.dumps(values, default=lambda value: value.isoformat()) if path else ""
    if path == Path("-"):
        print(f"result: {text}", flush=True)
    elif path:
        path.write_text(text)


def check_as_of(shop: Shop, as_of: date) -> None:
    """Raises ChurnError for a day after the shop's end date."""
    if shop.end_date and as_of > shop.end_date:
        raise ChurnError(f"as_of {as_of} is after the shop's end_date {shop.end_date}: give an earlier day")


def load_arguments(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> tuple[argparse.Namespace, Shop]:
    arguments = parser.parse_args(argv)
    shop = load_shop(arguments.shop)
    for as_of in [getattr(arguments, "as_of", None) or []]:
        for one in as_of if isinstance(as_of, list) else [as_of]:
            check_as_of(shop, one)
    describe_run(shop=shop.name, as_of=getattr(arguments, "as_of", None))
    return arguments, shop


def run_command(main: Callable[[Sequence[str] | None], None], argv: Sequence[str] | None = None) -> int:
    """Runs `main` and returns the exit code: 0 done, 1 a ChurnError, which is printed, 130 after Ctrl-C. Argparse exits
    with 2."""
    try:
        with json_lines():
            return _run(main, argv)
    except ChurnError as error:  # of CHURN_LOG itself
        print(f"error: {error}", file=sys.stderr)
        return 1


def _run(main: Callable[[Sequence[str] | None], None], argv: Sequence[str] | None) -> int:
    try:
        main(argv)
    except ChurnError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
