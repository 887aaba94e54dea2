"""The only place that builds a SparkSession.

Classic: the job's own process holds Spark. Under spark-submit the master and its resources come from the command line
and spark-defaults.conf; a job started by hand uses CHURN_SPARK_MASTER.
Connect: the job is a client of a Spark, or of a Sail, that jobs share, see engine.py, or of the one at
CHURN_SPARK_REMOTE.
Options that affect the content of tables are set here and nowhere else.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from typing import NoReturn

from pyspark.sql import SparkSession

from spark_jobs.contract.errors import TransientError
from spark_jobs.contract.reach import require_reachable
from spark_jobs.contract.settings import ENGINE_OPTION, SAIL, Settings
from spark_jobs.runtime.engine import join_engine, require_alive
from spark_jobs.runtime.engine_command import EngineOptions
from spark_jobs.runtime.java import require_java
from spark_jobs.runtime.object_store import make_local_options, make_options

#: Opens the session of a job. Jobs call it only if there is something to do, because it takes seconds.
SparkOpener = Callable[[], SparkSession]

SEMANTICS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    # Partition values are typed by the contract, never guessed.
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
    # The Delta log lists the files of a table, so Spark need not run a job to discover them.
    "spark.sql.sources.parallelPartitionDiscovery.threshold": "1000000",
    # Cached frames are read a few times within seconds: compressing them costs more than it saves.
    "spark.sql.inMemoryColumnarStorage.compressed": "false",
    # With this rule, a query over no rows loses its plan while it runs, and with it the metrics of what was read.
    "spark.sql.adaptive.optimizer.excludedRules": "org.apache.spark.sql.execution.adaptive.AQEPropagateEmptyRelation",
}
#: What Spark reads when it starts, not for each session. A long-lived server needs it in its own spark-defaults.conf.
STATIC = {
    # Cached and shuffled blocks may contain raw customer ids: encrypt them on disk.
    "spark.io.encryption.enabled": "true",
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
    require_reachable(settings, settings.lake_place, "CHURN_LAKE")
    if settings.is_spark_shared:
        return SparkSession.getActiveSession() or _open_shared(settings)
    # Workers run this interpreter, not whichever python3 comes first on PATH.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName(app_name)
    options = SEMANTICS | STATIC | make_options(settings)
    if not settings.is_spark_submitted:
        require_java()
        builder = builder.master(settings.spark_master)
        options |= _local_options(settings)
    for key, value in options.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def _local_options(settings: Settings) -> dict[str, str]:
    return LOCAL | make_local_options(settings) if settings.spark_master.startswith("local") else {}


def _open_shared(settings: Settings) -> SparkSession:
    """A session of its own on the shared engine. It ends with this process, and its running queries with it."""
    from spark_jobs.runtime.connect_client import connect, retry_while  # gRPC, which a job's own Spark does without

    spark_options = STATIC | make_options(settings) | _local_options(settings)
    options = EngineOptions(settings.spark_master, spark_options, settings.engine_idle_seconds, settings.engine)
    engine = None if settings.spark_remote else join_engine(settings.home, options)
    remote = engine.url if engine else settings.spark_remote or ""
    try:
        spark = connect(remote)
        if engine:
            advice = "use CHURN_ENGINE=connect" if settings.engine == SAIL else "raise SPARK_DRIVER_MEMORY"
            retry_while(spark, partial(require_alive, settings.home, engine, advice))
        for key, value in {**SEMANTICS, ENGINE_OPTION: settings.engine}.items():
            spark.conf.set(key, value)
    except Exception as error:  # gRPC's, and several of Spark's
        raise TransientError(f"Spark at {remote.partition(';')[0]} does not answer ({_first_line(error)})") from error
    atexit.register(spark.stop)
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _leave)
    return spark


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _leave(signal_number: int, _frame: object) -> NoReturn:
    """Ends this process so that what it has registered runs: Spark drops the queries of a session that is released."""
    sys.exit(128 + signal_number)
