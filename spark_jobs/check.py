"""Does a shop.toml describe the shop's files correctly? Reads raw files as clean would, and says what to correct.

    python -m spark_jobs.check SHOP.toml [--files 400]

For every log: the first raw records beside the events they become, the share that would be rejected and why, the range
of days, the number of customers. For the shop: its churn rate per horizon, and whether the history is long enough to
train on. Writes nothing. Exit code 1 if something has to be corrected.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import date
from functools import partial

from rich.console import Console

from spark_jobs.checking.contacts import check_contacts
from spark_jobs.checking.customers import gather_customers
from spark_jobs.checking.findings import Findings
from spark_jobs.checking.history import check_history
from spark_jobs.checking.identity import check_customers
from spark_jobs.checking.judged_log import judge_log
from spark_jobs.checking.log_report import show_log
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.shop.model import Shop
from spark_jobs.runtime.command import add_result, run_command, write_result
from spark_jobs.runtime.console import PlainConsole
from spark_jobs.runtime.screen import make_rich_console
from spark_jobs.runtime.session import SparkOpener, open_session
from spark_jobs.runtime.waiting import waiting

#: The default of --files.
MOST_FILES = 400


def check_shop(
    open_spark: SparkOpener, shop: Shop, settings: Settings, terminal: Console, most_files: int
) -> date | None:  # fmt: skip
    """Prints the findings; returns the day of the newest event that shows who is active.

    Raises ChurnError with the number of findings if something has to be corrected.
    """
    findings, console = Findings(), PlainConsole(terminal)
    console.print(f"{shop.title}: {shop.path}", style="bold")
    activity, customers = None, []
    for log in shop.sources:
        with waiting(terminal, f"reading {log}", f"check {shop.name} {log}", settings.home):
            judged = judge_log(open_spark, shop, log, settings, most_files, findings)
        if judged is None:
            continue
        show_log(console, shop, judged, findings)
        customers.append(gather_customers(log, judged.records))
        if log == shop.needed_log:
            activity = judged
    if activity:
        check_history(console, shop, activity, findings)
    if shop.contact and shop.contact.log:
        customers += check_contacts(console, shop, shop.contact.log, settings, findings)
    check_customers(console, shop, customers, findings)
    for number, sentence in enumerate(findings.problems, 1):
        console.print(f"  {number}. {sentence}", style="yellow")
    if findings.problems:
        raise ChurnError(
            f"{shop.name}: {len(findings.problems)} problems to fix, see above; then churn check --shop {shop.name}"
        )
    console.print(f"{shop.name} is ready: nothing has to be corrected", style="green")
    return findings.last_days.get(shop.needed_log)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m spark_jobs.check", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("shop", metavar="SHOP.toml", help="the shop's file")
    parser.add_argument(
        "--files", type=int, default=MOST_FILES, help="the most files to read of each log, spread over time"
    )
    arguments = add_result(parser).parse_args(argv)
    shop, settings = load_shop(arguments.shop), Settings.from_environment()
    opener = partial(open_session, "check", settings)
    last_day = check_shop(opener, shop, settings, make_rich_console(), arguments.files)
    write_result(arguments.result, {"last_day": last_day})


if __name__ == "__main__":
    sys.exit(run_command(main))
