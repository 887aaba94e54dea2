"""The only place that builds a SparkSession.

Under spark-submit the master and its resources come from the command line and spark-defaults.conf; a job started by
hand takes CHURN_SPARK_MASTER. What the content of a table depends on is set here and nowhere else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from pyspark.sql import SparkSession

from spark_jobs.contract.settings import Settings

#: How a job gets its session once it knows that there is something to do: opening one takes seconds.
SparkOpener = Callable[[], SparkSession]

SEMANTICS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    # Partition values are typed by the contract, never guessed.
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
    # The log lists the files of a table: there is nothing to discover, which would be a job of its own.
    "spark.sql.sources.parallelPartitionDiscovery.threshold": "1000000",
    # Raw customer ids pass through cached and shuffled blocks: those are encrypted where they touch a disk.
    "spark.io.encryption.enabled": "true",
    # What is cached is read a few times within seconds: packing it costs more than it saves.
    "spark.sql.inMemoryColumnarStorage.compressed": "false",
    # Where nothing was read, the plan would be dropped as it runs, and with it the count of what was read.
    "spark.sql.adaptive.optimizer.excludedRules": "org.apache.spark.sql.execution.adaptive.AQEPropagateEmptyRelation",
    # To tell the JVM which line of Python built each expression takes as many calls as all the rest.
    "spark.python.sql.dataFrameDebugging.enabled": "false",
}
#: For one machine: loopback only, and no more shuffle partitions than its cores can use.
LOCAL = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": str(sys.stderr.isatty()).lower(),
    "spark.sql.shuffle.partitions": "8",
    "spark.log.level": "ERROR",
    # As in infra/spark/local: a job of seconds is over before the thorough compiler pays.
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:ReservedCodeCacheSize=240m"
    " -XX:MetaspaceSize=256m",
}


def open_session(app_name: str, settings: Settings) -> SparkSession:
    """The session of a job; one process has one."""
    # Workers run this interpreter, not whichever python3 comes first on PATH.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName(app_name)
    options = dict(SEMANTICS)
    if not settings.is_spark_submitted:
        builder = builder.master(settings.spark_master)
        if settings.spark_master.startswith("local"):
            options |= LOCAL
    for key, value in options.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()
