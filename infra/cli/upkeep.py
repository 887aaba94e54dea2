"""The verbs of `churn` that keep its state in order, and their arguments."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from infra.cli.options import DAY, FILE, output_options, shop_option
from infra.cli.running import Output


@click.command()
@click.argument("customer_id")
@click.option("--yes", is_flag=True, help="Erase; without it only say what is held.")
@shop_option
@output_options
def erase(customer_id: str, yes: bool, shop: str | None, output: Output) -> None:
    """Erase a customer; without --yes only count.

    CUSTOMER_ID is the shop's own id, or the key that the scores show."""
    from infra.cli.erasing import erase_customer

    erase_customer(customer_id, yes, shop, output)


@click.command()
@shop_option
@click.option("--table", metavar="TABLE", help="Only this table. [default: all]")
@click.option("--from", "first", type=DAY, metavar="DAY", help="The first day to rebuild.")
@click.option("--to", "last", type=DAY, metavar="DAY", help="The last day to rebuild.")
@output_options
def rebuild(shop: str | None, table: str | None, first: date | None, last: date | None, output: Output) -> None:
    """Rebuild days of the lake from the tables before."""
    from infra.cli.verbs import rebuild_lake

    rebuild_lake(shop, table, first, last, output)


@click.command()
@click.argument("file", type=FILE, metavar="FILE.tar")
@output_options
def backup(file: Path, output: Output) -> None:
    """Write all state to one file."""
    from infra.cli.backups import back_up

    back_up(file, output)


@click.command()
@click.argument("file", type=FILE, metavar="FILE.tar")
@output_options
def restore(file: Path, output: Output) -> None:
    """Restore a backup into an empty CHURN_HOME."""
    from infra.cli.backups import restore_backup

    restore_backup(file, output)


@click.command()
@click.option("--shops", default="", metavar="PATH", help="shop.toml files or folders of them, separated as in PATH.")
def airflow(shops: str) -> None:
    """Start Airflow on localhost:8080; Ctrl-C ends it."""
    from infra.cli.verbs import start_airflow

    start_airflow(shops)


@click.command()
def stop() -> None:
    """Stop Airflow, Spark, a cluster and the warehouse."""
    from infra.cli.verbs import stop_all

    stop_all()


#: In the order in which `churn --help` lists them.
UPKEEP = (erase, rebuild, backup, restore, airflow, stop)
