"""The verbs of `churn` and their arguments, those of upkeep apart. Each imports what it runs only when it runs."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import click

from infra.cli.options import DAY, DAYS, FILE, Choice, as_of_option, output_options, shop_option
from infra.cli.running import Output
from infra.cli.upkeep import UPKEEP


class InOrder(click.Group):
    """Lists the verbs in the order in which people need them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=InOrder, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="churn", message="churn %(version)s")
def churn() -> None:
    """Nightly churn risk for every customer of a shop.

    A shop is named once by its shop.toml; from then on its name is enough, and the last used shop is the default.
    State is in CHURN_HOME (./.churn). Exit codes: 0 done, 1 an error, 2 wrong usage, 130 stopped by Ctrl-C.
    """


@churn.command()
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE…")
@click.option(
    "--like", metavar="RECIPE", help="The shop system of the files, like shopify. [default: columns are guessed]"
)
@click.option("--name", help="The shop's name, of a-z, 0-9 and _. [default: the folder's]")
@click.option("--currency", help="Like EUR. [default: the most frequent in the files]")
@click.option("--time-zone", help="Like Europe/Berlin. [default: this machine's]")
@click.option("--to", type=FILE, metavar="SHOP.toml", help="The file to write. [default: shop.toml beside the files]")
@output_options
def init(files: tuple[Path, ...], like: str | None, output: Output, **options: Any) -> None:
    """Write a shop.toml for raw files, and check it."""
    from infra.cli.inits import describe_files

    describe_files(files, like, options, output)


@churn.command()
@shop_option
@output_options
def check(shop: str | None, output: Output) -> None:
    """Check shop.toml against the raw files; write nothing."""
    from infra.cli.inits import check_shop

    check_shop(shop, output)


@churn.command()
@shop_option
@output_options
def demo(shop: str | None, output: Output) -> None:
    """Run everything on a real retailer's data."""
    from infra.cli.verbs import run_demo

    run_demo(shop, output)


@churn.command()
@shop_option
@as_of_option
@click.option(
    "--restate", type=DAY, metavar="DAY", help="Rebuild a past night with data delivered up to this later day."
)
@output_options
def night(shop: str | None, as_of: date | None, restate: date | None, output: Output) -> None:
    """Run one night: raw files to scores and report."""
    from infra.cli.nights import run_night

    run_night(shop, as_of, restate, output)


@churn.command()
@shop_option
@as_of_option
@click.option("--approve", is_flag=True, help="Approve the model: it scores from that day on.")
@output_options
def train(shop: str | None, as_of: date | None, approve: bool, output: Output) -> None:
    """Train all kinds of models; register the best one."""
    from infra.cli.nights import run_training

    run_training(shop, as_of, approve, output)


@churn.command()
@shop_option
@output_options
def models(shop: str | None, output: Output) -> None:
    """List the models: the one that scores, the one that waits."""
    from infra.cli.models import show_models

    show_models(shop, output)


@churn.command()
@click.argument("version", required=False)
@click.option("--from", "effective_from", type=DAY, metavar="DAY",
              help="The first day it scores. [default: the newest scored day]")  # fmt: skip
@shop_option
@output_options
def approve(version: str | None, effective_from: date | None, shop: str | None, output: Output) -> None:
    """Approve a model: the one that waits, or VERSION."""
    from infra.cli.models import approve_model

    approve_model(shop, version, effective_from, output)


@churn.command()
@click.argument("version", required=False)
@shop_option
@output_options
def reject(version: str | None, shop: str | None, output: Output) -> None:
    """Reject a model: the one that waits, or VERSION."""
    from infra.cli.models import reject_model

    reject_model(shop, version, output)


@churn.command()
@shop_option
@click.option("--json", "as_json", is_flag=True, help="Print the lines as JSON.")
def status(shop: str | None, as_json: bool) -> None:
    """Show the newest night, what is late and what is wrong.

    Exit code 1 if something is wrong. Starts nothing, changes nothing, needs no Java."""
    from infra.cli.verbs import show_status

    show_status(shop, as_json)


@churn.command(name="open")
@click.argument("what", type=Choice(["night", "report", "mlflow"]), default="night")
@shop_option
def open_page(what: str, shop: str | None) -> None:
    """Open the night's page, a report, or MLflow.

    night: the newest night's page; report: the newest training's; mlflow: all trainings, until Ctrl-C."""
    from infra.cli.pages import open_pages

    open_pages(what, shop)


@churn.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-c QUERY…]")
@shop_option
def sql(arguments: tuple[str, ...], shop: str | None) -> None:
    """Open psql on the warehouse.

    Further arguments are psql's, like -c 'TABLE current_churn_risk LIMIT 20'."""
    from infra.cli.verbs import open_sql

    open_sql(arguments, shop)


@churn.command()
@click.argument("customer_id")
@shop_option
@output_options
def customer(customer_id: str, shop: str | None, output: Output) -> None:
    """Show a customer's recent scores and reasons.

    CUSTOMER_ID is the shop's own id, or the key that the scores show."""
    from infra.cli.customers import show_customer

    show_customer(customer_id, shop, output)


@churn.command()
@click.argument("what", type=Choice(["scores", "contacts"]), default="scores")
@click.option("--to", required=True, type=FILE, metavar="FILE", help="A .csv or .parquet file; it is replaced.")
@click.option("--with-ids", is_flag=True, help="Add the shop's own customer ids (needs the role churn_identity).")
@shop_option
@output_options
def export(what: str, to: Path, with_ids: bool, shop: str | None, output: Output) -> None:
    """Write scores or contacts to CSV or Parquet."""
    from infra.cli.customers import export_rows

    export_rows(what, to, with_ids, shop, output)


@churn.command()
@shop_option
@click.option(
    "--cutoffs",
    type=DAYS,
    default="",
    metavar="DAY,DAY",
    help="The past days to train at. [default: three, spread over 60 days]",
)
@output_options
def backtest(shop: str | None, cutoffs: tuple[date, ...], output: Output) -> None:
    """Train as of past days; compare with what happened."""
    from infra.cli.backtests import run_backtest

    run_backtest(shop, cutoffs, output)


for verb in UPKEEP:
    churn.add_command(verb)
