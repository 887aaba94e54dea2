"""churn_risk: how likely is each customer who can still be kept to churn, how much money is at stake, and why?

Grain: (customer, as_of). Inputs: customer_series of the day, in the version that the published ETL run names, and the
model that is promoted for the day. Output: churn_risk, audited, then loaded into the warehouse by
`python -m spark_jobs.warehouse load`.

The driver reads the model and sends it with the job, so workers need not reach the place where models are kept. Each
loads it once and scores Arrow batches. The tensors are made by the same code as in training.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from pyspark.sql import DataFrame

from spark_jobs.contract.errors import MissingInputError
from spark_jobs.contract.reason_words import reason_fingerprint
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.tables import CUSTOMER_SERIES, churn_risk, probability_column
from spark_jobs.lake.fingerprints import hash_keys
from spark_jobs.lake.keys import make_run_key
from spark_jobs.lake.ledger import list_runs
from spark_jobs.lake.reading import stream
from spark_jobs.lake.restatement import find_known_as_of
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import add_dry_run, load_arguments, make_parser, run_command
from spark_jobs.runtime.session import SparkOpener, open_session
from spark_jobs.warehouse.connection import connect
from spark_jobs.warehouse.protocol import Warehouse
from spark_jobs.warehouse.records import ModelRecord

if TYPE_CHECKING:
    from training.serving.scorer import VerifiedFiles

#: Loading the model takes a worker seconds, so a small shop is scored by a single task.
CUSTOMERS_PER_TASK = 20_000


def batch_scorer(
    shop: Shop, as_of: date, model: ModelRecord, files: VerifiedFiles, is_hindsight: bool
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """The function for mapInArrow: batches of customer_series in, batches of churn_risk out. files: of the bundle."""

    version = model.version

    def score(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from training.serving.scorer import load_scorer

        scorer = load_scorer(files)
        for batch in batches:
            yield scorer.score(batch, as_of, shop, model_version=version, is_hindsight=is_hindsight)

    return score


def score_series(series: DataFrame, customers: int, shop: Shop, scorer: Callable) -> DataFrame:
    """The risk of every customer of the series."""
    tasks = 1 + customers // CUSTOMERS_PER_TASK
    return series.repartition(tasks).mapInArrow(scorer, churn_risk(shop.churn.horizons_days).ddl)


def read_model(model: ModelRecord) -> VerifiedFiles:
    """The files of the model's bundle. Raises ChurnError if it is not the one that was registered."""
    from training.serving.scorer import read_bundle

    return read_bundle(model.location, model.bundle_hash)


def find_learned_horizons(shop: Shop, model: ModelRecord, files: VerifiedFiles) -> tuple[int, ...]:
    """The shop's horizons that the model was trained for.

    Prints a warning for the others, and if customers are eligible whose kind the model was not trained on.
    """
    from training.serving.scorer import read_definition

    learned = read_definition(files, shop)
    if new := [str(h) for h in shop.churn.horizons_days if h not in learned.horizons_days]:
        print(f"churn_risk: warning: model {model.version} has not learned {', '.join(new)} days, whose column stays "
              f"empty: churn train --shop {shop.name}, then churn approve")  # fmt: skip
    if shop.churn.eligible_within_days > learned.eligible_within_days:
        print(f"churn_risk: warning: model {model.version} learned from customers active within "
              f"{learned.eligible_within_days} days, and {shop.churn.eligible_within_days} days are eligible now: "
              f"churn train --shop {shop.name}, then churn approve")  # fmt: skip
    return tuple(h for h in shop.churn.horizons_days if h in learned.horizons_days)


def audit_scores(scores: ds.Dataset, series: ds.Dataset, horizons_days: tuple[int, ...]) -> list[str]:
    """The findings about these scores. Expected: each customer of the series exactly once; probabilities that are
    finite, within 0..1, and do not rise with the horizon."""
    columns = [probability_column(h) for h in horizons_days]
    eligible, scored = (hash_keys(stream(rows, ["customer_id"])) for rows in (series, scores))
    findings = []
    if len(scored) != len(eligible) or len(np.unique(scored)) != len(eligible):
        findings.append(f"expected each of {len(eligible)} eligible customers once, found {len(scored)} rows"
                        f" of {len(np.unique(scored))} customers")  # fmt: skip
    if not np.isin(scored, eligible).all():
        findings.append("expected eligible customers only, found others")
    found = (finding for batch in stream(scores, columns) for finding in check_probabilities(batch))
    return [*findings, *dict.fromkeys(found)]


def check_probabilities(scores: pa.RecordBatch) -> Iterator[str]:
    """scores: of the probability columns, by ascending horizon."""
    columns = scores.schema.names
    for column in columns:
        is_probability = pc.and_(pc.greater_equal(scores[column], 0.0), pc.less_equal(scores[column], 1.0))
        if not pc.all(pc.fill_null(is_probability, False)).as_py():
            yield f"{column}: expected numbers from 0 to 1, found others"
    for shorter, longer in pairwise(columns):
        if not pc.all(pc.greater_equal(scores[shorter], scores[longer])).as_py():
            yield f"{longer}: expected at most {shorter}, found more"


def find_series(lake: Lake, as_of: date) -> int:
    """The version of customer_series that the day's published run names.

    Raises MissingInputError if there is none, or if retention has dropped the day, since its files may be gone.
    """
    versions = [run.tables[CUSTOMER_SERIES.name] for run in list_runs(lake, "etl") if run.as_of == as_of]
    if not versions:
        raise MissingInputError(f"no published customer_series as of {as_of}: run the ETL of that day first")
    if as_of.isoformat() not in lake.partitions(CUSTOMER_SERIES):
        raise MissingInputError(f"the history of {as_of} was removed: run churn_etl for that day first")
    return versions[-1]


def find_model(warehouse: Warehouse, shop: Shop, as_of: date, version: str | None) -> tuple[ModelRecord, bool]:
    """The model that scores the day, or the given version, and whether it was trained on later days."""
    if version:
        model = warehouse.model(shop, version)
        return model, model.trained_through > as_of
    found = warehouse.model_for(shop, as_of)
    if found is None:
        raise MissingInputError(
            f"no promoted model for {shop.name}: churn train --shop {shop.name}, then churn approve"
        )
    return found


def run(
    open_spark: SparkOpener,
    lake: Lake,
    warehouse: Warehouse,
    shop: Shop,
    as_of: date,
    version: str | None = None,
    is_dry_run: bool = False,
    is_forced: bool = False,
) -> None:
    """Scores and publishes one day, unless the same scores are published already; a dry run only prints what it would
    do. The scores of a restated night are flagged as hindsight.

    version: of the model; None for the promoted one.
    is_forced: score even if the same scores are published.
    """
    series_version = find_series(lake, as_of)
    model, is_too_late = find_model(warehouse, shop, as_of, version)
    is_hindsight = is_too_late or find_known_as_of(lake, as_of, series_version) is not None
    table, day = churn_risk(shop.churn.horizons_days), as_of.isoformat()
    inputs = lake.partitions(CUSTOMER_SERIES, series_version).get(day, ())
    key = make_run_key(table, day, inputs, model=model.version, bundle=model.bundle_hash, hindsight=is_hindsight,
                       bands=repr(shop.bands), churn=repr(shop.churn),
                       words=reason_fingerprint(shop.language))  # fmt: skip
    if not is_forced and lake.is_published(table, day, key):
        print(f"churn_risk: model {model.version} has scored {as_of} already")
        return
    files = read_model(model)
    horizons = find_learned_horizons(shop, model, files)
    eligible = lake.dataset(CUSTOMER_SERIES, [day], series_version)
    customers = eligible.count_rows()
    if is_dry_run:
        print(f"churn_risk: model {model.version} would score {customers:,} customers as of {as_of}")
        return
    series = lake.read(open_spark(), CUSTOMER_SERIES, [day], series_version)
    scores = score_series(series, customers, shop, batch_scorer(shop, as_of, model, files, is_hindsight))
    lake.publish(scores, table, {day: key}, audit=lambda written: audit_scores(written, eligible, horizons),
                 is_forced=is_forced)  # fmt: skip
    print(f"churn_risk: model {model.version} scored {customers:,} customers as of {as_of}")


def main(argv: Sequence[str] | None = None) -> None:
    parser = add_dry_run(make_parser(__doc__, many_days=True))
    parser.add_argument("--model-version", metavar="VERSION", help="as in model_registry; by default the promoted one")
    arguments, shop = load_arguments(parser, argv)
    settings = Settings.from_environment()
    lake, warehouse = Lake(settings.lake(shop.name)), connect(settings)
    if not arguments.dry_run:
        warehouse.prepare(shop)  # the night's first use of the schema, which a new release may have to update
    open_spark = partial(open_session, "churn_risk", settings)
    for as_of in sorted(set(arguments.as_of)):
        run(open_spark, lake, warehouse, shop, as_of, arguments.model_version, arguments.dry_run)


if __name__ == "__main__":
    sys.exit(run_command(main))
