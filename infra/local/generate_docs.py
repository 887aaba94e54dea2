"""Writes the reference pages that come from the code, and shop.toml's JSON Schema; --check only compares.

python -m infra.local.generate_docs [--check]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

import spark_jobs.contract.settings as settings
from infra.cli.commands import churn
from infra.local.environment import ROOT
from infra.local.shop_schema import make_schema
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.table import Table
from spark_jobs.runtime.command import run_command
from spark_jobs.warehouse.schema.columns import describe, list_tables, name_type
from spark_jobs.warehouse.schema.views import list_views

REFERENCE = ROOT / "infra" / "docs" / "reference"
NOTE = "<!-- Written by `python -m infra.local.generate_docs`: change the code, not this page. -->\n"


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="fail if a page differs from the code")
    arguments = parser.parse_args(argv)
    pages = make_pages()
    stale = [path for path, text in pages.items() if not path.exists() or path.read_text() != text]
    if stale and arguments.check:
        names = ", ".join(path.name for path in stale)
        raise ChurnError(f"{names} differ from the code: run `python -m infra.local.generate_docs`")
    for path in stale:
        path.write_text(pages[path])
    print(f"{len(pages)} reference pages, {len(stale)} written" if stale else f"{len(pages)} reference pages are fresh")


def make_pages() -> dict[Path, str]:
    return {
        REFERENCE / "commands.md": NOTE + "\n".join(describe_commands()) + "\n",
        REFERENCE / "settings.md": NOTE + describe_settings(),
        REFERENCE / "tables.md": NOTE + "\n".join(describe_tables()) + "\n",
        REFERENCE / "shop.schema.json": json.dumps(make_schema(), indent=1, ensure_ascii=False) + "\n",
    }


def describe_settings() -> str:
    """The table in the docstring of the settings."""
    lines = [line for line in (settings.__doc__ or "").splitlines() if line.startswith("|")]
    marked = [line if "CHURN_" not in line else line.replace("| CHURN", "| `CHURN", 1).replace(" |", "` |", 1)
              for line in lines]  # fmt: skip
    return "\n".join(["# Settings", "", "Environment variables. A misspelt one stops `churn` with the nearest name.",
                      "", *marked, "", "`.env.example` has them as a file to start from.", ""])  # fmt: skip


def describe_commands() -> Iterator[str]:
    """Every verb with its arguments and options."""
    top = click.Context(churn, info_name="churn", **churn.context_settings)
    yield from (
        "# Commands",
        "",
        "`source .venv/bin/activate` puts `churn` on your path. `make help` lists the make commands,",
    )
    yield from ("which are aliases, and those for developers.", "")
    yield from (
        "Exit codes: 0 done, 1 an error in one line that says what to do, 2 wrong usage, 130 stopped by Ctrl-C.",
        "",
    )
    yield from ("| verb | what it does |", "|---|---|")
    yield from (
        f"| [`churn {name}`](#churn-{name}) | {verb.get_short_help_str(200)} |" for name, verb in churn.commands.items()
    )
    for name, verb in churn.commands.items():
        context = click.Context(verb, info_name=name, parent=top)
        formatter = click.HelpFormatter(width=100)
        verb.format_usage(context, formatter)
        verb.format_help_text(context, formatter)
        verb.format_options(context, formatter)
        yield from ("", f"## churn {name}", "", "```text", formatter.getvalue().rstrip(), "```")


def describe_tables() -> Iterator[str]:
    """Every table and view of the warehouse, as prepared for a shop with the default horizons."""
    shop = load_shop(ROOT / "infra" / "demo" / "simulated" / "shop.toml")
    yield from (
        "# Data dictionary",
        "",
        "The warehouse of a shop with the default horizons. The same texts are comments in the",
    )
    yield from ("database. `python -m spark_jobs.warehouse columns --shop SHOP.toml` prints yours.", "")
    for table in (*list_tables(shop), *(view.table for view in list_views(shop))):
        yield from describe_table(table)


def describe_table(table: Table) -> Iterator[str]:
    yield from (
        f"## {table.name}",
        "",
        f"{table.grain[:1].upper()}{table.grain[1:]}.",
        "",
        "| column | type | meaning |",
        "|---|---|---|",
    )
    yield from (f"| `{column.name}` | {name_type(column)} | {escape(describe(column))} |" for column in table.columns)
    yield ""


def escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("[", "\\[")


if __name__ == "__main__":
    sys.exit(run_command(main))
