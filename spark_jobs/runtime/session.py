"""The only place that builds a SparkSession.

Under spark-submit the master and its resources come from the command line and spark-defaults.conf; a job started by
hand uses CHURN_SPARK_MASTER. Options that affect the content of tables are set here and nowhere else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from pyspark.sql import SparkSession

from spark_jobs.contract.settings import Settings

#: Opens the session of a job. Jobs call it only if there is something to do, because it takes seconds.
SparkOpener = Callable[[], SparkSession]

SEMANTICS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    # Partition values are typed by the contract, never guessed.
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
    # The Delta log lists the files of a table, so Spark need not run a job to discover them.
    "spark.sql.sources.parallelPartitionDiscovery.threshold": "1000000",
    # Cached and shuffled blocks may contain raw customer ids: encrypt them on disk.
    "spark.io.encryption.enabled": "true",
    # Cached frames are read a few times within seconds: compressing them costs more than it saves.
    "spark.sql.inMemoryColumnarStorage.compressed": "false",
    # With this rule, a query over no rows loses its plan while it runs, and with it the metrics of what was read.
    "spark.sql.adaptive.optimizer.excludedRules": "org.apache.spark.sql.execution.adaptive.AQEPropagateEmptyRelation",
    # Sending the Python line of every expression to the JVM doubles the number of calls.
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
    # As in infra/spark/local: a job of seconds ends before the C2 compiler pays off.
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:ReservedCodeCacheSize=240m"
    " -XX:MetaspaceSize=256m",
}


def open_session(app_name: str, settings: Settings) -> SparkSession:
    """The session of this process; it is created on the first call."""
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
