"""customer_day: what did each customer do on each day, as far as each delivery day told?

Grain: (customer, event_day, delivery_day). Input: purchases. Everything in it adds up over delivery days, so the
history up to any day is a sum over what was known by then.

A run builds every delivery day up to its as_of whose purchases are not the ones it was built from.
"""

from __future__ import annotations

import sys
from datetime import date
from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.command import load_arguments, make_parser, run_command
from spark_jobs.contract import features
from spark_jobs.contract.features import CATEGORY_SET, MEASURES
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.tables import CUSTOMER_DAY, PURCHASES
from spark_jobs.lake import Lake, make_run_key, source_hash
from spark_jobs.session import SparkOpener, open_session


def sum_days(purchases: DataFrame) -> DataFrame:
    """One row for each customer, event day and delivery day of these purchases."""
    measures = [F.expr(m.sql).cast(m.type).alias(m.name) for m in MEASURES]
    categories = F.sort_array(F.expr(CATEGORY_SET.sql)).alias(CATEGORY_SET.name)
    return (
        purchases.groupBy("customer_id", "event_day", "delivery_day")
        .agg(*measures, categories)
        .select(*CUSTOMER_DAY.column_names)
    )


def stale_days(lake: Lake, as_of: date) -> dict[str, str]:
    """The delivery days to build, each with its run key."""
    code = source_hash(features, sys.modules[__name__])
    keys = {
        day: make_run_key(CUSTOMER_DAY, day, files, code=code)
        for day, files in lake.partitions(PURCHASES).items()
        if day <= as_of.isoformat()
    }
    return lake.unpublished(CUSTOMER_DAY, keys)


def run(open_spark: SparkOpener, lake: Lake, as_of: date) -> None:
    """Builds and publishes what is due."""
    keys = stale_days(lake, as_of)
    if not keys:
        print(f"customer_day: nothing new up to {as_of}")
        return
    published = lake.publish(sum_days(lake.read(open_spark(), PURCHASES, list(keys))), CUSTOMER_DAY, keys)
    print(f"customer_day: {sum(published.row_counts.values()):,} rows of {len(keys)} delivery days up to {as_of}")


def main(argv: list[str] | None = None) -> None:
    arguments, shop = load_arguments(make_parser(__doc__), argv)
    settings = Settings.from_environment()
    run(partial(open_session, "customer_day", settings), Lake(settings.lake(shop.name)), arguments.as_of)


if __name__ == "__main__":
    sys.exit(run_command(main))
