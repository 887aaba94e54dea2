"""The environment variables that Airflow and the jobs need on one machine.

`spark_jobs.contract.settings` reads the product's environment; this module writes it for local commands. In production
the images and the cluster's configuration set it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from spark_jobs.contract.errors import ChurnError, MissingInputError
from spark_jobs.contract.reach import is_url
from spark_jobs.contract.settings import CLASSIC, CONNECT, EMBEDDED, SAIL, Settings
from spark_jobs.runtime.own_network import is_allowed
from spark_jobs.runtime.sail_server import is_installed

ROOT = Path(__file__).resolve().parents[2]
JOBS_ENVIRONMENT = ROOT / ".venv"
AIRFLOW_ENVIRONMENT = ROOT / ".venv-airflow"
JOBS_PYTHON = JOBS_ENVIRONMENT / "bin" / "python"
AIRFLOW_PYTHON = AIRFLOW_ENVIRONMENT / "bin" / "python"
LOCAL_SPARK = ROOT / "infra" / "spark" / "local"
#: Airflow's own databases: for runs without a scheduler, a file below CHURN_HOME/airflow; for `make airflow`, whose
#: processes write concurrently, a database in the embedded PostgreSQL.
DATABASE, LIVE_DATABASE = "airflow.db", "airflow"
#: Who sets one of these says how spark-submit is to start Spark.
SUBMIT_VARIABLES = frozenset({"AIRFLOW_CONN_SPARK_DEFAULT", "SPARK_CONF_DIR"})


def read_settings() -> Settings:
    """The settings of the local commands, with the embedded warehouse as the default."""
    return Settings.from_environment(name_warehouse(os.environ))


def name_warehouse(base: Mapping[str, str]) -> dict[str, str]:
    return {**base, "CHURN_WAREHOUSE_URL": base.get("CHURN_WAREHOUSE_URL") or EMBEDDED}


def make_environment(shops: Iterable[Path] = (), base: Mapping[str, str] | None = None) -> dict[str, str]:
    """`base` (by default this process's environment) plus everything that Airflow and the jobs need."""
    base = dict(os.environ if base is None else base)
    settings, shops = Settings.from_environment(base), list(shops)
    home = settings.home
    shop_files = os.pathsep.join(str(Path(shop).resolve()) for shop in shops)
    return {
        **name_warehouse(base),
        "CHURN_HOME": str(home),
        **({"CHURN_LAKE": settings.lake_place} if settings.lake_place else {}),
        "CHURN_SHOPS": shop_files or base.get("CHURN_SHOPS", ""),
        "CHURN_JOBS_PYTHON": str(JOBS_PYTHON),
        "CHURN_ENGINE": base.get("CHURN_ENGINE") or choose_engine(base, shops),
        **_spark(base),
        **_airflow(base, home),
    }


def choose_engine(base: Mapping[str, str], shops: Iterable[Path] = (), otherwise: str = CONNECT) -> str:
    """Sail for all jobs; if it is not installed or does not fit, Spark, in the way that `otherwise` says. Each job has
    a Spark of its own if the environment says how spark-submit is to start it."""
    if any(map(base.get, SUBMIT_VARIABLES)):
        return CLASSIC
    fits = is_installed() and fits_sail(base) and all(map(is_in_folders, shops))
    return SAIL if fits else otherwise


def fits_sail(base: Mapping[str, str]) -> bool:
    """Whether Sail may be chosen, and nobody else would reach it."""
    return is_open_for_sail(base) and is_allowed()


def is_open_for_sail(base: Mapping[str, str]) -> bool:
    """Whether the environment sets up no Spark, and the lake is in folders."""
    is_open = not any(map(base.get, (*SUBMIT_VARIABLES, "CHURN_SPARK_MASTER", "CHURN_SPARK_REMOTE")))
    return is_open and not is_url(base.get("CHURN_LAKE"))


def is_in_folders(shop_file: Path) -> bool:
    """Whether a shop's raw files are all in folders of this machine. What reads a wrong shop.toml next says what is
    wrong."""
    from spark_jobs.contract.shop.file import load_shop  # needs packages, which setup does without

    try:
        return not any(is_url(source.location) for source in load_shop(shop_file).sources.values())
    except (ChurnError, OSError):
        return True


def _spark(base: Mapping[str, str]) -> dict[str, str]:
    spark_home = find_spark_home()
    return {
        "SPARK_HOME": str(spark_home),
        **({} if base.get("SPARK_CONF_DIR") else {"SPARK_SUBMIT_OPTS": make_java_options()}),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_DRIVER_MEMORY": base.get("SPARK_DRIVER_MEMORY", "2g"),
        "PYSPARK_PYTHON": str(JOBS_PYTHON),
        "PYSPARK_DRIVER_PYTHON": str(JOBS_PYTHON),  # otherwise spark-submit uses the first python3 on PATH
        "PATH": os.pathsep.join([str(spark_home / "bin"), base.get("PATH", os.defpath)]),
    }


def _airflow(base: Mapping[str, str], home: Path) -> dict[str, str]:
    folder = home / "airflow"
    connection = json.dumps({"conn_type": "spark", "host": Settings.from_environment(base).spark_master})
    return {
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW_CONN_SPARK_DEFAULT": base.get("AIRFLOW_CONN_SPARK_DEFAULT") or connection,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "infra" / "airflow" / "plugins"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / DATABASE}",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs" / "airflow"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }


def make_server_environment(shops: Iterable[Path], port: int, database: str) -> dict[str, str]:
    """The environment of a live Airflow: also its address, its database (a postgresql:// URL), and settings for a
    single machine with short intervals."""
    environment = make_environment(shops)
    ours = {
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://localhost:{port}",  # otherwise tasks connect to the default port
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",  # when a task that was killed counts as dead
        "PATH": os.pathsep.join([str(AIRFLOW_PYTHON.parent), environment["PATH"]]),
    }
    given = {name: os.environ[name] for name in ours.keys() & os.environ.keys() - {"PATH"}}
    # Not the database of the runs without a scheduler, which this scheduler would take for its own.
    driven = database.replace("postgresql:", "postgresql+psycopg:", 1)
    drivers = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": driven, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": driven}
    return {**environment, **ours, **given, **drivers}


def make_java_options() -> str:
    """The settings of infra/spark/local as JVM options, and the class archive if setup made one.

    SPARK_CONF_DIR is not used, because it adds a folder to the class path, with which the JVM ignores the archive.
    """
    options = [f"-Dlog4j2.configurationFile=file:{LOCAL_SPARK / 'log4j2.properties'}"]
    for key, value in read_spark_defaults(LOCAL_SPARK / "spark-defaults.conf").items():
        options.append(value if key == "spark.driver.extraJavaOptions" else f"-D{key}={value}")
    for archive in find_class_archives():
        options.append(f"-XX:SharedArchiveFile={archive} -Xlog:cds=off -Xlog:cds+dynamic=off")
    return " ".join(options)


def read_spark_defaults(file: Path) -> dict[str, str]:
    lines = [line.strip() for line in file.read_text().splitlines()]
    return dict(line.split(maxsplit=1) for line in lines if line and not line.startswith("#"))


def find_class_archives() -> list[Path]:
    """The class archive that setup made for this machine's Java, if any."""
    return [file for file in JOBS_ENVIRONMENT.glob("spark-java-*.jsa") if file.stat().st_size]


def find_spark_home() -> Path:
    """The folder of the pyspark package in the jobs' environment."""
    for folder in JOBS_ENVIRONMENT.glob("lib/python3*/site-packages/pyspark"):
        return folder
    raise MissingInputError("the jobs' environment has no Spark: run make setup")
