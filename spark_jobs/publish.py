"""The last step of a pipeline: records which table versions belong together, as one row of _runs.

Downstream jobs read only versions that are recorded there. If the content has not changed, no row is added.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime

from spark_jobs.contract.errors import MissingInputError
from spark_jobs.contract.ledger_tables import RUNS
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.table import Table
from spark_jobs.contract.tables import CUSTOMER_DAY, CUSTOMER_SERIES, EVENTS, TRAINING_SERIES, churn_risk, quarantine
from spark_jobs.lake.keys import make_run_key, product_hash
from spark_jobs.lake.ledger import Run, append_run, list_runs
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import add_result, load_arguments, make_parser, run_command, write_result

PIPELINES = ("etl", "train", "score")


def tables_of(pipeline: str, shop: Shop) -> tuple[Table, ...]:
    """The tables whose versions a run of the pipeline records. The last one is partitioned by the run's day."""
    if pipeline == "score":
        return (CUSTOMER_SERIES, churn_risk(shop.churn.horizons_days))
    series = TRAINING_SERIES if pipeline == "train" else CUSTOMER_SERIES
    return (*(quarantine(log) for log in shop.sources), *(EVENTS[log] for log in shop.sources), CUSTOMER_DAY, series)


def publish_run(lake: Lake, shop: Shop, pipeline: str, as_of: date) -> Run:
    """Appends the run of this day, unless the same is recorded already; returns the recorded run.

    Raises MissingInputError if the pipeline's last table does not have the day.
    """
    tables = tables_of(pipeline, shop)
    found = {table.name: lake.version(table) for table in tables}
    versions = {name: version for name, version in found.items() if version is not None}
    files = lake.partitions(tables[-1]).get(as_of.isoformat())
    if files is None:
        raise MissingInputError(f"{tables[-1].name} has no rows as of {as_of}: run the jobs of {pipeline} first")
    key = make_key(pipeline, as_of, files)
    run = Run(f"{pipeline}-{as_of}-{key[:8]}", key, versions, datetime.now(UTC), as_of, pipeline)
    return append_run(lake, run)


def make_key(pipeline: str, as_of: date, files: Iterable[str]) -> str:
    """The run key. files: of the day, in the pipeline's last table."""
    return make_run_key(RUNS, pipeline, files, as_of=as_of.isoformat())


def find_outdated(lake: Lake, shop: Shop, pipeline: str) -> list[date]:
    """The published days whose rows have been replaced since their newest run, which names another version."""
    files = lake.partitions(tables_of(pipeline, shop)[-1])
    newest = {run.as_of: run.run_key for run in list_runs(lake, pipeline)}
    return [day for day, key in newest.items()
            if (now := files.get(day.isoformat())) and make_key(pipeline, day, now) != key]  # fmt: skip


def main(argv: Sequence[str] | None = None) -> None:
    parser = add_result(make_parser(__doc__, many_days=True))
    parser.add_argument("--pipeline", required=True, choices=PIPELINES)
    arguments, shop = load_arguments(parser, argv)
    lake = Lake(Settings.from_environment().lake(shop.name))
    runs = [publish_run(lake, shop, arguments.pipeline, as_of) for as_of in sorted(set(arguments.as_of))]
    for run in runs:
        print(f"published {run.run_id}: " + ", ".join(f"{name} v{version}" for name, version in run.tables.items()))
    result = {"code": product_hash(), "tables": dict(runs[-1].tables)}
    write_result(arguments.result, {"runs": [run.run_id for run in runs], **result})


if __name__ == "__main__":
    sys.exit(run_command(main))
