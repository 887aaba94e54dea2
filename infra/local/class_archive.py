"""Makes Spark start nearly twice as fast on this machine, by an archive of the classes that it loads.

    python -m infra.local.class_archive FILE

Runs a small job with the same features as the real jobs. When it ends, the JVM writes the loaded classes to FILE
(dynamic class-data sharing, https://openjdk.org/jeps/350). A JVM of another version ignores the archive.
`python -m infra.bench.spark_start` measures the benefit.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from pyspark import SparkContext
from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as F

from infra.local.environment import make_environment
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings
from spark_jobs.runtime.session import open_session


def main(path: str) -> None:
    archive = Path(path).absolute()
    draft = archive.with_suffix(".draft")
    os.environ.update(make_environment())
    os.environ["SPARK_SUBMIT_OPTS"] += f" -XX:ArchiveClassesAtExit={draft} -Xlog:cds=off -Xlog:cds+dynamic=off"
    with tempfile.TemporaryDirectory() as folder:
        spark = open_session("class archive", Settings(Path(folder)))
        run_sample_job(spark, Path(folder))
        end_jvm(spark)
    if not draft.exists():
        raise ChurnError("this Java writes no class archive: everything works, but Spark starts more slowly")
    draft.rename(archive)


def run_sample_job(spark: SparkSession, folder: Path) -> None:
    """Loads the classes that jobs use: Python rows, Arrow batches, windows, joins, arrays, a cached frame, Parquet."""

    def pass_on(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from batches

    days = [("a", "2011-09-06 10:00:00", "1.5"), ("b", "2011-09-05 11:00:00", "x"), ("a", None, "2")]
    events = (
        spark.createDataFrame(days, "who string, at string, price string")
        .mapInArrow(pass_on, "who string, at string, price string")
        .withColumn("at", F.col("at").try_cast("timestamp"))
        .withColumn("price", F.col("price").try_cast("decimal(18,2)"))
        .withColumn("place", F.row_number().over(Window.partitionBy("who").orderBy("at")))
        .withColumn("reasons", F.array_compact(F.array(F.when(F.col("price").isNull(), F.lit("price_invalid")))))
        .persist()
    )
    totals = events.groupBy("who").agg(
        F.sum("price").alias("spend"), F.sort_array(F.collect_list(F.struct("at", "place"))).alias("days")
    )
    joined = events.join(F.broadcast(totals), "who", how="left").select(
        "who", "place", "spend", F.transform("days", lambda day: day["place"]).alias("places"), F.xxhash64("who")
    )
    joined.hint("rebalance", "who").sortWithinPartitions("who").mapInArrow(pass_on, joined.schema).toArrow()
    totals.select("who", "spend").write.parquet(str(folder / "totals"))
    spark.read.parquet(str(folder / "totals")).where(F.col("spend") > 0).collect()


def end_jvm(spark: SparkSession) -> None:
    """Ends the JVM and waits until it has written the archive."""
    gateway = SparkContext._gateway
    spark.stop()
    if gateway is not None:
        gateway.shutdown()
        gateway.proc.stdin.close()
        gateway.proc.wait(600)


if __name__ == "__main__":
    main(sys.argv[1])
