"""The Java that Spark needs. Standard library only."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Container
from pathlib import Path

from spark_jobs.contract.errors import ChurnError

VERSIONS = (17, 21)  # what Spark 4 runs on


def check_java(way_out: str = "", versions: Container[int] = VERSIONS) -> str:
    """The version of the Java that Spark would use. Raises ChurnError unless it is one of these. way_out: what else the
    error says that helps."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home, "bin", "java")) if home else "java"
    remedy = "install one (Debian, Ubuntu: apt-get install openjdk-17-jre-headless) or set JAVA_HOME" + way_out
    needed = " or ".join(map(str, VERSIONS))
    try:
        output = subprocess.run([java, "-version"], capture_output=True, text=True, check=True).stderr
    except (OSError, subprocess.CalledProcessError):
        raise ChurnError(f"Java {needed} is needed and {java} does not run: {remedy}") from None
    version = re.search(r'version "((\d+)[\w.+-]*)', output)
    if not version or int(version[2]) not in versions:
        found = version[2] if version else output.strip()
        raise ChurnError(f"Java {needed} is needed and {java} is {found}: {remedy}")
    return version[1]


def require_java() -> None:
    """Raises ChurnError if Spark would not start for lack of Java. A spark-env.sh may choose one, which is then Spark's
    own affair."""
    folders = [os.environ.get("SPARK_CONF_DIR"), os.path.join(os.environ.get("SPARK_HOME", ""), "conf")]
    if not any(folder and Path(folder, "spark-env.sh").exists() for folder in folders):
        newer_too = range(VERSIONS[0], 100)  # which are not tested
        check_java("; see infra/docs/explanation/engines.md for what runs without", newer_too)
